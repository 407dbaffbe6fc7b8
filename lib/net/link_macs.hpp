// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// The MACs that a link was told to receive besides its own, unicast and of groups (`bridge fdb show dev NAME
/// self`). A bridge and a few others have another table there, which does not say.
Result<std::vector<Mac>> link_macs(Netlink& netlink, int link);

}  // namespace buoy::net
