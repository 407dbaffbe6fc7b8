// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// Gives an IPv6 address a label of its own in the policy table of source address selection (RFC 6724
/// section 2.1, ip-addrlabel(8)), so that it is no longer chosen as a source. Adding what is there is no
/// error.
Result<void> add_address_label(Netlink& netlink, const Ipv6& ip, std::uint32_t label);
/// Takes the label away; that there is none is no error.
Result<void> remove_address_label(Netlink& netlink, const Ipv6& ip, std::uint32_t label);

}  // namespace buoy::net
