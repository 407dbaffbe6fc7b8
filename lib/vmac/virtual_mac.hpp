// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <span>
#include <string>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"
#include "net/netns.hpp"

// An address with a MAC of its own lives on a macvlan device that exists only where the address is, so that
// no switch ever hears the MAC from two ports (RFC 5798 section 7.3; docs/architecture.md). Pools do without
// devices (service/kernel/virtual_macs.hpp).
namespace buoy::vmac {

/// The device's name: "bv" and the MAC's twelve digits. Addresses with the same MAC share it.
std::string device_name(const Mac& mac);

/// True when the link is such a device of ours.
bool is_device(const net::Link& link);

/// Makes sure that the device for `mac` exists on `nic`, is up, and that neither the NIC nor the device
/// answers or speaks for the other's addresses (arp_ignore, arp_announce, arp_filter, rp_filter). What the
/// NIC had before is kept in the device's alias. On failure everything is as it was. `lock` is that of the
/// namespace; it has to be held until the address is on the device, for another address's stop removes a
/// device that has none.
Result<net::Link> acquire(const net::NetnsLock& lock, net::Netlink& netlink, const net::Link& nic,
                          const Mac& mac, bool v6);

/// Removes the device if no address is left on it, and with the last one of a NIC puts the NIC's settings
/// back as they were. That they cannot be changed is no error, but the text that is returned, for the log.
Result<std::string> release(const net::NetnsLock& lock, net::Netlink& netlink, const net::Link& device);

/// Removes devices of one NIC with whatever is on them, in a few batches of messages. The lock as with
/// release().
Result<std::string> remove_many(net::Netlink& netlink, std::span<const net::Link> devices);

/// Routes what the address sends by its own device: a policy rule for the address, and a table that mirrors
/// the NIC's routes. Called again, it makes good what has changed since. Without it frames from the address
/// would leave with the NIC's MAC, and switches would forget where the virtual MAC is; so it comes first, and
/// then the address.
Result<void> route(net::Netlink& netlink, const net::Link& nic, const net::Link& device, const IpAddress& ip);

/// Removes the policy rules for the addresses, if there are any. The routes go with the devices.
Result<void> unroute(net::Netlink& netlink, std::span<const IpAddress> ips);

}  // namespace buoy::vmac
