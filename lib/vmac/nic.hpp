// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"

namespace buoy::vmac {

/// The NIC that addresses belong on: the one of that name or altname, or without a name the one whose network
/// contains the first of them. Never a device with a virtual MAC, but the NIC below it. Errors name the
/// parameter that would help; code ENODEV: there is no such NIC on this node.
Result<net::Link> find_nic(net::Netlink& netlink, const std::string& name, const IpAddress& first);

}  // namespace buoy::vmac
