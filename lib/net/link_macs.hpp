// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <linux/netlink.h>

#include <optional>
#include <vector>

#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// A MAC that a link receives besides its own, or does not any more (rtnetlink(7), AF_BRIDGE).
struct LinkMac {
    int link = 0;
    Mac mac;
};
/// Reads an RTM_NEWNEIGH or RTM_DELNEIGH message; nothing for other types and families.
std::optional<LinkMac> decode_link_mac(const nlmsghdr& message);

/// The MACs that a link was told to receive besides its own, unicast and of groups (`bridge fdb show dev NAME
/// self`). A bridge and a few others have another table there, which does not say.
Result<std::vector<Mac>> link_macs(Netlink& netlink, int link);

}  // namespace buoy::net
