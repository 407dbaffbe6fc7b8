// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <sys/socket.h>

#include "address/actions.hpp"
#include "address/place.hpp"
#include "address/repeats.hpp"
#include "net/conflict.hpp"
#include "net/route.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::agent {

namespace {

constexpr int gateway_depth = 10;

Outcome<> check_as_wanted(const AddressParameters& parameters, const Presence& presence) {
    const auto& [link, address] = presence;
    if (address.duplicate)
        return failure(Exit::generic,
                       fmt::format("{} is a duplicate: another host on {} has it (IPv6 duplicate address "
                                   "detection); free it there",
                                   address.ip.to_string(), link.name));
    const auto mac = virtual_mac(parameters);
    if (mac && link.mac != *mac)
        return failure(
            Exit::generic,
            fmt::format("{} is on {} with MAC {}, not with the MAC {} that mac= asks for",
                        address.ip.to_string(), link.name, link.mac.to_string(), mac->to_string()));
    if (!mac && vmac::is_device(link))
        return failure(Exit::generic,
                       fmt::format("{} is on {}, with a MAC of its own that mac= does not ask for",
                                   address.ip.to_string(), link.name));
    if (!mac && parameters.label && address.label != link.name + ":" + *parameters.label)
        return failure(Exit::generic,
                       fmt::format("{} on {} has the label '{}', not '{}:{}'", address.ip.to_string(),
                                   link.name, address.label, link.name, *parameters.label));
    return {};
}

Outcome<> check_link(const AddressParameters& parameters, const Presence& presence, bool probe) {
    if (!parameters.check_link || (presence.link.up && presence.link.carrier)) return {};
    const std::string reason =
        fmt::format("{} {}", presence.link.name, presence.link.up ? "has no carrier" : "is down");
    // To a probe the address is not gone: once the link is back this node would answer for it, so it has to
    // be stopped before another may start it.
    return failure(probe ? Exit::generic : Exit::not_running, reason);
}

Outcome<> refresh(net::Netlink& netlink, const AddressParameters& parameters, const net::Link& link) {
    if (parameters.refresh_count == 0 || !link.ethernet) return {};
    auto announcer =
        net::Announcer::open(netlink, link, parameters.ip, parameters.forms, parameters.announce_to);
    if (!announcer) return failure(Exit::generic, announcer.error());
    if (auto sent = announcer->burst(); !sent) return failure(Exit::generic, sent.error());
    net::AnnounceSchedule rest;
    for (int i = 1; i < parameters.refresh_count; ++i) rest.emplace_back(i * 200);
    return repeat_here(*announcer, rest);
}

Outcome<> check_gateway(net::Netlink& netlink, const AddressParameters& parameters, const net::Link& link) {
    if (!parameters.gateway_check || !link.ethernet) return {};
    const int nic = vmac::is_device(link) ? *link.parent : link.index;
    auto gateway = parameters.gateway;
    if (!gateway) {
        const auto known = net::routes(netlink, parameters.ip.is_v4() ? AF_INET : AF_INET6);
        if (!known) return failure(Exit::generic, known.error());
        gateway = net::default_gateway(*known, nic);
    }
    // No default route by this NIC: there is no gateway that could fail.
    if (!gateway) return {};
    const auto there = net::answers(link, parameters.ip, *gateway);
    if (!there) return failure(Exit::generic, there.error());
    if (!*there)
        return failure(Exit::generic,
                       fmt::format("the gateway {} does not answer {} on {}: check switch and gateway, or "
                                   "set gateway_check=off",
                                   gateway->to_string(), parameters.ip.to_string(), link.name));
    return {};
}

Outcome<> mend_routes(net::Netlink& netlink, const IpAddress& ip, const net::Link& device) {
    if (!vmac::is_device(device)) return {};
    const auto nic = net::find_link(netlink, *device.parent);
    if (!nic) return failure(Exit::generic, nic.error());
    if (auto routed = vmac::route(netlink, *nic, device, ip); !routed)
        log(fmt::format("the routes of {} could not be brought up to date: {}", device.name,
                        routed.error().message));
    return {};
}

}  // namespace

Outcome<> monitor(const AddressParameters& parameters, MonitorRequest request) {
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    const auto there = find_presence(*netlink, parameters);
    if (!there) return tl::unexpected<Failure>(there.error());
    if (there->empty()) return failure(Exit::not_running, "");
    const Presence& presence = there->front();
    if (auto works = check_link(parameters, presence, request.probe); !works) return works;
    if (auto wanted = check_as_wanted(parameters, presence); !wanted) return wanted;
    if (request.probe) return {};
    if (auto mended = mend_routes(*netlink, parameters.ip, presence.link); !mended) return mended;
    if (auto refreshed = refresh(*netlink, parameters, presence.link); !refreshed) return refreshed;
    if (request.depth >= gateway_depth) return check_gateway(*netlink, parameters, presence.link);
    return {};
}

}  // namespace buoy::agent
