// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/place.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "net/route.hpp"
#include "vmac/nic.hpp"

namespace buoy::kernel {

namespace {

const IpAddress* first_of(const PoolPlan& plan, bool v4) {
    const auto found = std::ranges::find_if(plan.addresses, [&](const auto& ip) { return ip.is_v4() == v4; });
    return found == plan.addresses.end() ? nullptr : &*found;
}

Result<std::optional<net::Route>> route_to(net::Netlink& netlink, const IpAddress& ip, int link) {
    const auto known = net::routes(netlink, ip.is_v4() ? AF_INET : AF_INET6);
    if (!known) return tl::unexpected<Error>(known.error());
    const auto* route = net::on_link_route(*known, ip, link);
    return route == nullptr ? std::nullopt : std::optional(*route);
}

Result<int> prefix_length(net::Netlink& netlink, const PoolPlan& plan, const net::Link& nic, bool v4) {
    const auto& given = v4 ? plan.prefix4 : plan.prefix6;
    if (given) return *given;
    const IpAddress* first = first_of(plan, v4);
    if (first == nullptr || nic.loopback) return v4 ? 32 : 128;
    auto route = route_to(netlink, *first, nic.index);
    if (!route) return tl::unexpected<Error>(route.error());
    // An address outside every network of the NIC is one that is routed to the node: it stands alone.
    return *route ? (*route)->destination.length : first->bits();
}

}  // namespace

net::Address Place::address(const IpAddress& ip) const {
    net::Address address;
    address.ip = ip;
    address.link = nic.index;
    address.prefix_length = ip.is_v4() ? prefix4 : prefix6;
    address.no_dad = address.no_prefix_route = ip.is_v6();
    return address;
}

Result<Place> find_place(net::Netlink& netlink, const PoolPlan& plan) {
    auto nic = vmac::find_nic(netlink, plan.nic, plan.addresses.front());
    if (!nic) return tl::unexpected<Error>(nic.error());
    const auto prefix4 = prefix_length(netlink, plan, *nic, true);
    if (!prefix4) return tl::unexpected<Error>(prefix4.error());
    const auto prefix6 = prefix_length(netlink, plan, *nic, false);
    if (!prefix6) return tl::unexpected<Error>(prefix6.error());
    Place place{std::move(*nic), *prefix4, *prefix6};
    if (plan.virtual_macs && !place.nic.ethernet)
        return fail(
            fmt::format("mac=auto, but {} is not an Ethernet interface: choose another nic", place.nic.name));
    return place;
}

}  // namespace buoy::kernel
