// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"

namespace buoy {

/// The virtual MAC that `mac=auto` gives an address: locally administered, and the same on every node. Those
/// of IPv4 addresses are all different; those of IPv6 addresses may be the same by chance, one pair in four
/// thousand million.
Mac virtual_mac_of(const IpAddress& ip);

}  // namespace buoy
