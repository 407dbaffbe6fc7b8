// SPDX-License-Identifier: GPL-2.0-or-later
#include "address/removal.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "net/sysctl.hpp"

namespace buoy::agent {

namespace {

Result<void> remove_if_there(net::Netlink& netlink, const net::Address& address) {
    auto gone = net::remove_address(netlink, address);
    // ENODEV: the link went, and took the address along.
    if (!gone && (gone.error().code == EADDRNOTAVAIL || gone.error().code == ENODEV)) return {};
    return gone;
}

/// The other addresses of the link in the same network, which the kernel would take along.
Result<std::vector<net::Address>> company_of(net::Netlink& netlink, const net::Address& address) {
    auto there = net::addresses(netlink, AF_INET, address.link);
    if (!there) return there;
    std::erase_if(*there, [&](const net::Address& other) {
        return other.ip == address.ip || other.prefix_length != address.prefix_length ||
               !Prefix{address.ip, address.prefix_length}.contains(other.ip);
    });
    return there;
}

/// Where the setting cannot be changed (/proc/sys read-only, as in many containers) those that went along
/// come back at once.
Result<void> remove_and_put_back(net::Netlink& netlink, const net::Address& address,
                                 const std::vector<net::Address>& company) {
    auto gone = remove_if_there(netlink, address);
    for (const auto& other : company) {
        auto back = net::add_address(netlink, other);
        if (!back && back.error().code != EEXIST && gone) gone = tl::unexpected<Error>(back.error());
    }
    return gone;
}

}  // namespace

Result<void> remove_only(const net::NetnsLock& /*lock*/, net::Netlink& netlink, const net::Link& link,
                         const net::Address& address) {
    if (address.ip.is_v6()) return remove_if_there(netlink, address);
    const auto company = company_of(netlink, address);
    if (!company) return tl::unexpected<Error>(company.error());
    const auto setting = net::Sysctl::ipv4(link.name, "promote_secondaries");
    const auto before = company->empty() ? Result<int>(1) : setting.get();
    if (before && *before != 0) return remove_if_there(netlink, address);
    if (!before || !setting.set(1)) return remove_and_put_back(netlink, address, *company);
    auto gone = remove_if_there(netlink, address);
    (void)setting.set(*before);
    return gone;
}

}  // namespace buoy::agent
