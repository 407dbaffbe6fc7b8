// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/link_macs.hpp"

#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include "net/attributes.hpp"

namespace buoy::net {

std::optional<LinkMac> decode_link_mac(const nlmsghdr& message) {
    auto* header = const_cast<nlmsghdr*>(&message);
    if ((message.nlmsg_type != RTM_NEWNEIGH && message.nlmsg_type != RTM_DELNEIGH) ||
        !nlmsg_valid_hdr(header, sizeof(ndmsg)))
        return std::nullopt;
    const auto& entry = *static_cast<const ndmsg*>(nlmsg_data(&message));
    const auto* attribute = nlmsg_find_attr(header, sizeof(ndmsg), NDA_LLADDR);
    const auto mac = attribute == nullptr ? std::nullopt : mac_in(attribute);
    if (entry.ndm_family != AF_BRIDGE || !mac) return std::nullopt;
    return LinkMac{entry.ndm_ifindex, *mac};
}

Result<std::vector<Mac>> link_macs(Netlink& netlink, int link) {
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = link;
    std::vector<Mac> macs;
    auto asked = netlink.query(
        Request(RTM_GETNEIGH, NLM_F_DUMP, header),
        fmt::format("cannot list the MACs that link {} receives", link), [&](const nlmsghdr& message) {
            if (const auto entry = decode_link_mac(message); entry && entry->link == link)
                macs.push_back(entry->mac);
        });
    if (!asked) return tl::unexpected<Error>(asked.error());
    return macs;
}

}  // namespace buoy::net
