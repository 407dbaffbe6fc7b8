// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// Creates and gives a macvlan device (bridge mode) on `parent`, down, with its own MAC and with no IPv6
/// address of its own making, so that nothing is heard from the MAC before it is brought up and given an
/// address. Error code EEXIST when there is a device of that name, EADDRINUSE at set_up() when another
/// macvlan of the parent has the MAC.
Result<Link> create_macvlan(Netlink& netlink, const std::string& name, const Link& parent, const Mac& mac);

}  // namespace buoy::net
