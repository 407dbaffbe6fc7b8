// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/neighbor.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <cerrno>

#include "net/attributes.hpp"
#include "net/errors.hpp"

namespace buoy::net {

Result<std::optional<Mac>> neighbor(Netlink& netlink, const IpAddress& ip, int link) {
    ndmsg header{};
    header.ndm_family = ip.is_v4() ? AF_INET : AF_INET6;
    header.ndm_ifindex = link;
    Request request(RTM_GETNEIGH, 0, header);
    request.put_address(NDA_DST, ip);
    std::optional<Mac> found;
    auto asked =
        netlink.query(request, fmt::format("neighbour {}", ip.to_string()), [&](const nlmsghdr& message) {
            auto* mac = nlmsg_find_attr(const_cast<nlmsghdr*>(&message), sizeof(ndmsg), NDA_LLADDR);
            if (message.nlmsg_type != RTM_NEWNEIGH || mac == nullptr) return;
            found = mac_in(mac);
        });
    if (!asked && asked.error().code != ENOENT) return tl::unexpected<Error>(asked.error());
    return found;
}

}  // namespace buoy::net
