// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "net/address.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"
#include "net/netns.hpp"

namespace buoy::agent {

/// Removes one address and no other. Left to itself the kernel removes with a primary IPv4 address all others
/// of its network on the link (promote_secondaries, ip-sysctl); here they stay. That the address is gone
/// already is success.
/// `lock` is that of the namespace.
Result<void> remove_only(const net::NetnsLock& lock, net::Netlink& netlink, const net::Link& link,
                         const net::Address& address);

}  // namespace buoy::agent
