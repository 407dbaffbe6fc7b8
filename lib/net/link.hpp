// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// A network interface as the kernel describes it (RTM_NEWLINK, rtnetlink(7)).
struct Link {
    int index = 0;
    std::string name;
    std::vector<std::string> altnames;
    Mac mac;                    ///< all zero where the link has no Ethernet address
    bool ethernet = false;      ///< ARPHRD_ETHER
    bool loopback = false;      ///< IFF_LOOPBACK
    bool up = false;            ///< IFF_UP: an administrator wants it up
    bool carrier = false;       ///< IFF_LOWER_UP: there is a link partner
    std::optional<int> parent;  ///< IFLA_LINK: index of the link it sits on, as for a macvlan
    std::string kind;           ///< "macvlan", "bridge", …; empty for hardware
    std::string alias;          ///< IFLA_IFALIAS: free text
    bool operator==(const Link&) const = default;
};

/// Reads an RTM_NEWLINK or RTM_DELLINK message; nothing if it is of another type or too short.
std::optional<Link> decode_link(const nlmsghdr& message);

/// The link with this name or altname. Error code ENODEV when there is none.
Result<Link> find_link(Netlink& netlink, const std::string& name);
/// The link with this index. Error code ENODEV when there is none.
Result<Link> find_link(Netlink& netlink, int index);
/// Every link of the namespace.
Result<std::vector<Link>> links(Netlink& netlink);

/// Messages about one link, for change_many() or with NLM_F_ACK as `flags` for a conversation about one.
Request request_to_set_up(int link, int flags = 0);
Request request_to_set_alias(int link, const std::string& alias, int flags = 0);
Request request_to_set_group(int link, std::uint32_t group, int flags = 0);
/// Deletes all links of a group (`ip link delete group N`), which for many takes the kernel hardly longer
/// than for one.
Request request_to_delete_group(std::uint32_t group, int flags = 0);

/// Brings the link up (`ip link set NAME up`).
Result<void> set_up(Netlink& netlink, const Link& link);
Result<void> delete_link(Netlink& netlink, const Link& link);

}  // namespace buoy::net
