// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "address/parameters.hpp"
#include "net/address.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"
#include "net/netns.hpp"
#include "ocf/outcome.hpp"

// IPv6 duplicate address detection (RFC 4862 section 5.4) in its optimistic form (RFC 4429): the kernel looks
// for duplicates while the address is already in use.
namespace buoy::agent {

/// Adds the address. An IPv6 one whose conflicts are checked is added optimistically; one whose are not,
/// without detection. Leaves the link's own setting (optimistic_dad) as it was; where that cannot be changed,
/// the address is of use only when detection is over. `lock` is that of the namespace.
Result<void> add_watched(const net::NetnsLock& lock, net::Netlink& netlink, const net::Link& link,
                         net::Address address, ConflictCheck check);

/// Asks the segment for an IPv6 address with a virtual MAC from an address of the NIC, for 300 ms or with
/// `rfc5227` for 900: the kernel does not hear another holder of both, whose frames come from the MAC of our
/// own device. An answer is a failure. A NIC without an IPv6 address cannot ask.
Outcome<> ask_from_nic(net::Netlink& netlink, const net::Link& nic, const IpAddress& ip, ConflictCheck check);

/// Waits for the kernel's verdict on an IPv6 address: with `fast` for 300 ms at most, in which a host that is
/// awake has answered; with `rfc5227` until detection is over. A duplicate is a failure that says so. IPv4,
/// and `off`, have nothing to wait for.
Outcome<> await_verdict(net::Netlink& netlink, const net::Link& link, const IpAddress& ip,
                        ConflictCheck check);

}  // namespace buoy::agent
