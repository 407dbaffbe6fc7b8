// SPDX-License-Identifier: GPL-2.0-or-later
#include "address/removal.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "net/netns.hpp"
#include "net/sysctl.hpp"

namespace buoy::agent {

namespace {

Result<void> remove_if_there(net::Netlink& netlink, const net::Address& address) {
    auto gone = net::remove_address(netlink, address);
    // ENODEV: the link went, and took the address along.
    if (!gone && (gone.error().code == EADDRNOTAVAIL || gone.error().code == ENODEV)) return {};
    return gone;
}

Result<bool> shares_network(net::Netlink& netlink, const net::Address& address) {
    const auto there = net::addresses(netlink, AF_INET, address.link);
    if (!there) return tl::unexpected<Error>(there.error());
    return std::any_of(there->begin(), there->end(), [&](const net::Address& other) {
        return other.ip != address.ip && other.prefix_length == address.prefix_length &&
               Prefix{address.ip, address.prefix_length}.contains(other.ip);
    });
}

}  // namespace

Result<void> remove_only(net::Netlink& netlink, const net::Link& link, const net::Address& address) {
    if (address.ip.is_v6()) return remove_if_there(netlink, address);
    const auto lock = net::NetnsLock::take();
    if (!lock) return tl::unexpected<Error>(lock.error());
    const auto shared = shares_network(netlink, address);
    if (!shared) return tl::unexpected<Error>(shared.error());
    const auto setting = net::Sysctl::ipv4(link.name, "promote_secondaries");
    const auto before = *shared ? setting.get() : Result<int>(1);
    const bool change = before && *before == 0;
    if (change)
        if (auto set = setting.set(1); !set) return set;
    auto gone = remove_if_there(netlink, address);
    if (change) (void)setting.set(0);
    return gone;
}

}  // namespace buoy::agent
