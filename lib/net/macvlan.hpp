// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <span>
#include <string>
#include <utility>

#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

// Messages about macvlan devices, for change_many() or with NLM_F_ACK as `flags` for a conversation about
// one.

/// Creates a macvlan device (bridge mode) on `parent`, down, with its own MAC. Refused with EEXIST when there
/// is a device of that name; bringing it up is, with EADDRINUSE, when another macvlan of the parent has the
/// MAC.
Request request_to_create_macvlan(const std::string& name, const Link& parent, const Mac& mac, int flags = 0);
/// Keeps a link that is down from making an IPv6 address of its own once it is up, which it would tell
/// everybody. Refused with EAFNOSUPPORT by a host without IPv6, which makes none.
Request request_to_make_no_addresses(int link, int flags = 0);
/// Sets IPv4 settings of a link (net.ipv4.conf, by IPV4_DEVCONF_* of <linux/ip.h>) with one message for all.
Request request_to_set_ipv4(int link, std::span<const std::pair<int, std::uint32_t>> settings, int flags = 0);

}  // namespace buoy::net
