// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/link_macs.hpp"

#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include "net/attributes.hpp"

namespace buoy::net {

Result<std::vector<Mac>> link_macs(Netlink& netlink, int link) {
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = link;
    std::vector<Mac> macs;
    auto asked = netlink.query(
        Request(RTM_GETNEIGH, NLM_F_DUMP, header),
        fmt::format("cannot list the MACs that link {} receives", link), [&](const nlmsghdr& message) {
            if (message.nlmsg_type != RTM_NEWNEIGH ||
                !nlmsg_valid_hdr(const_cast<nlmsghdr*>(&message), sizeof(ndmsg)))
                return;
            const auto& entry = *static_cast<const ndmsg*>(nlmsg_data(&message));
            auto* mac = nlmsg_find_attr(const_cast<nlmsghdr*>(&message), sizeof(ndmsg), NDA_LLADDR);
            if (entry.ndm_ifindex != link || mac == nullptr) return;
            if (const auto found = mac_in(mac)) macs.push_back(*found);
        });
    if (!asked) return tl::unexpected<Error>(asked.error());
    return macs;
}

}  // namespace buoy::net
