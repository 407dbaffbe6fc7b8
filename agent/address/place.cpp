// SPDX-License-Identifier: GPL-2.0-or-later
#include "address/place.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "net/route.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::agent {

namespace {

int family_of(const AddressParameters& parameters) {
    return parameters.ip.is_v4() ? AF_INET : AF_INET6;
}

Outcome<net::Link> find_nic(net::Netlink& netlink, const std::string& name) {
    auto nic = net::find_link(netlink, name);
    if (!nic && nic.error().code == ENODEV)
        return failure(
            Exit::installed,
            fmt::format("nic={}: there is no such interface on this node; `ip link` lists those there are",
                        name));
    if (!nic) return failure(Exit::generic, nic.error());
    return *nic;
}

std::optional<Ipv4> computed_broadcast(const Ipv4& ip, int prefix_length, BroadcastRule rule) {
    // A network of two addresses or one has none to spare (RFC 3021).
    if (rule == BroadcastRule::none || (rule == BroadcastRule::automatic && prefix_length > 30))
        return std::nullopt;
    const std::uint32_t hosts = prefix_length >= 32 ? 0 : 0xffffffffU >> prefix_length;
    return Ipv4::from_value(rule == BroadcastRule::zeros ? ip.value() & ~hosts : ip.value() | hosts);
}

/// The broadcast address that the NIC's own address in the same network has, so that both agree.
Result<std::optional<Ipv4>> neighbouring_broadcast(net::Netlink& netlink, const net::Address& wanted) {
    const auto there = net::addresses(netlink, AF_INET, wanted.link);
    if (!there) return tl::unexpected<Error>(there.error());
    for (const auto& other : *there)
        if (other.ip != wanted.ip && other.prefix_length == wanted.prefix_length &&
            Prefix{other.ip, other.prefix_length}.contains(wanted.ip))
            return other.broadcast;
    return computed_broadcast(wanted.ip.v4(), wanted.prefix_length, BroadcastRule::automatic);
}

Outcome<void> fill_broadcast(net::Netlink& netlink, const AddressParameters& parameters,
                             net::Address& address) {
    if (parameters.ip.is_v6()) return {};
    if (const auto* given = std::get_if<Ipv4>(&parameters.broadcast)) {
        address.broadcast = *given;
    } else if (const auto rule = std::get<BroadcastRule>(parameters.broadcast);
               rule != BroadcastRule::automatic) {
        address.broadcast = computed_broadcast(address.ip.v4(), address.prefix_length, rule);
    } else {
        auto found = neighbouring_broadcast(netlink, address);
        if (!found) return failure(Exit::generic, found.error());
        address.broadcast = *found;
    }
    return {};
}

Outcome<void> fill_label(const AddressParameters& parameters, const net::Link& nic, net::Address& address) {
    if (!parameters.label) return {};
    address.label = nic.name + ":" + *parameters.label;
    if (address.label.size() > net::longest_label)
        return failure(
            Exit::configured,
            fmt::format(
                "iflabel='{}' is too long: with the interface's name it makes '{}', and the kernel takes "
                "{} characters",
                *parameters.label, address.label, net::longest_label));
    return {};
}

}  // namespace

Outcome<Place> find_place(net::Netlink& netlink, const AddressParameters& parameters) {
    Place place;
    if (parameters.nic) {
        auto nic = find_nic(netlink, *parameters.nic);
        if (!nic) return tl::unexpected<Failure>(nic.error());
        place.nic = *nic;
    }
    const auto known = net::routes(netlink, family_of(parameters));
    if (!known) return failure(Exit::generic, known.error());
    // Routes by devices of our own only repeat what their NIC's say, and the device comes and goes.
    const auto* route = net::on_link_route(*known, parameters.ip, place.nic.index);
    if (!parameters.nic) {
        if (route == nullptr)
            return failure(Exit::generic,
                           fmt::format("ip={}: no interface of this node has a network that contains it; "
                                       "set nic, and cidr_netmask",
                                       parameters.ip.to_string()));
        auto nic = net::find_link(netlink, route->link);
        if (nic && vmac::is_device(*nic)) nic = net::find_link(netlink, *nic->parent);
        if (!nic) return failure(Exit::generic, nic.error());
        place.nic = *nic;
    }
    place.connected = route != nullptr && route->link == place.nic.index;
    auto& address = place.address;
    address.ip = parameters.ip;
    address.link = place.nic.index;
    if (parameters.prefix_length)
        address.prefix_length = *parameters.prefix_length;
    else if (route != nullptr)
        address.prefix_length = route->destination.length;
    else if (place.nic.loopback)
        address.prefix_length = parameters.ip.bits();
    else
        return failure(Exit::generic,
                       fmt::format("cidr_netmask is not set, and {} has no network that contains {}: set it",
                                   place.nic.name, parameters.ip.to_string()));
    address.no_prefix_route = parameters.no_prefix_route;
    address.preferred_lifetime_s = parameters.preferred_lifetime_s;
    if (auto filled = fill_broadcast(netlink, parameters, address); !filled)
        return tl::unexpected<Failure>(filled.error());
    if (auto filled = fill_label(parameters, place.nic, address); !filled)
        return tl::unexpected<Failure>(filled.error());
    return place;
}

Outcome<std::vector<Presence>> find_presence(net::Netlink& netlink, const AddressParameters& parameters) {
    std::optional<net::Link> nic;
    if (parameters.nic) {
        auto found = net::find_link(netlink, *parameters.nic);
        if (!found && found.error().code == ENODEV) return std::vector<Presence>{};
        if (!found) return failure(Exit::generic, found.error());
        nic = *found;
    }
    // With a virtual MAC the address may be on the NIC or on any device of ours, so every link is looked at.
    const bool one_link = nic && !parameters.has_virtual_mac();
    auto there = net::addresses(netlink, family_of(parameters), one_link ? nic->index : 0);
    if (!there) return failure(Exit::generic, there.error());
    std::erase_if(*there, [&](const net::Address& address) { return address.ip != parameters.ip; });
    std::vector<Presence> found;
    for (const auto& address : *there) {
        auto link = nic && address.link == nic->index ? Result<net::Link>(*nic)
                                                      : net::find_link(netlink, address.link);
        if (!link && link.error().code == ENODEV) continue;  // it has just gone, and the address with it
        if (!link) return failure(Exit::generic, link.error());
        const bool belongs =
            nic ? link->index == nic->index || (vmac::is_device(*link) && link->parent == nic->index)
                : !link->loopback;
        if (belongs) found.push_back({*link, address});
    }
    return found;
}

}  // namespace buoy::agent
