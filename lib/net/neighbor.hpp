// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// The MAC the kernel knows for `ip` on a link (`ip neighbour get`), or nothing if it knows none.
Result<std::optional<Mac>> neighbor(Netlink& netlink, const IpAddress& ip, int link);

}  // namespace buoy::net
