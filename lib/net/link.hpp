// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

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

/// Reads an RTM_NEWLINK message; nothing if it is of another type or too short.
std::optional<Link> decode_link(const nlmsghdr& message);

/// The link with this name or altname. Error code ENODEV when there is none.
Result<Link> find_link(Netlink& netlink, const std::string& name);
/// The link with this index. Error code ENODEV when there is none.
Result<Link> find_link(Netlink& netlink, int index);
/// Every link of the namespace.
Result<std::vector<Link>> links(Netlink& netlink);

/// Brings the link up (`ip link set NAME up`).
Result<void> set_up(Netlink& netlink, const Link& link);
Result<void> delete_link(Netlink& netlink, const Link& link);

}  // namespace buoy::net
