// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "address/actions.hpp"
#include "address/place.hpp"
#include "address/removal.hpp"
#include "address/repeats.hpp"
#include "net/address_label.hpp"
#include "net/connections.hpp"
#include "net/netns.hpp"
#include "net/sysctl.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::agent {

namespace {

constexpr std::string_view loopback_label = "lo:";

void end_connections(const IpAddress& ip) {
    const auto ended = net::kill_connections(ip);
    // A courtesy to the peers: without it they notice by themselves, later.
    if (!ended)
        log(fmt::format("connections of {} were left to time out: {}", ip.to_string(),
                        ended.error().message));
    else if (*ended > 0)
        log(fmt::format("ended {} connections of {}", *ended, ip.to_string()));
}

/// True when the kernel would answer ARP on other links for an address on loopback.
bool loopback_would_answer() {
    const auto all = net::Sysctl::ipv4("all", "arp_ignore").get();
    return !all || *all < 1;
}

/// On a load balancer's real server the address goes back to loopback, where it is used but not heard of.
Outcome<> put_on_loopback(net::Netlink& netlink, const AddressParameters& parameters) {
    if (loopback_would_answer()) {
        log(
            fmt::format("{} is not put on lo: this node would go on answering ARP for it; set "
                        "net.ipv4.conf.all.arp_ignore=1 on real servers",
                        parameters.ip.to_string()));
        return {};
    }
    const auto loopback = net::find_link(netlink, "lo");
    if (!loopback) return failure(Exit::generic, loopback.error());
    net::Address address;
    address.ip = parameters.ip;
    address.prefix_length = parameters.ip.bits();
    address.link = loopback->index;
    // A label that is too long was never in force.
    if (parameters.label && parameters.label->size() + loopback_label.size() <= net::longest_label)
        address.label = std::string(loopback_label) + *parameters.label;
    auto added = net::add_address(netlink, address);
    if (!added && added.error().code != EEXIST) return failure(Exit::generic, added.error());
    return {};
}

void flush_cached_routes(const IpAddress& ip) {
    const net::Sysctl flush(ip.is_v4() ? "ipv4/route/flush" : "ipv6/route/flush");
    if (auto flushed = flush.set(1); !flushed) log(flushed.error().message);
}

/// What a virtual MAC leaves when the address is gone, also where an earlier stop was cut short.
Outcome<> clear_virtual_mac(const net::NetnsLock& lock, net::Netlink& netlink,
                            const AddressParameters& parameters, const std::vector<Presence>& was) {
    std::vector<net::Link> devices;
    for (const auto& presence : was)
        if (vmac::is_device(presence.link)) devices.push_back(presence.link);
    if (const auto mac = virtual_mac(parameters))
        if (const auto device = net::find_link(netlink, vmac::device_name(*mac));
            device && vmac::is_device(*device))
            devices.push_back(*device);
    if (devices.empty() && !parameters.has_virtual_mac()) return {};
    if (auto cleared = vmac::unroute(netlink, {&parameters.ip, 1}); !cleared)
        return failure(Exit::generic, cleared.error());
    for (const auto& device : devices) {
        // Where the address had gone before, its announcements may still go on.
        end_repeats(device, parameters.ip);
        const auto released = vmac::release(lock, netlink, device);
        if (!released) return failure(Exit::generic, released.error());
        if (!released->empty()) log(*released);
    }
    return {};
}

Outcome<> take_away(net::Netlink& netlink, const AddressParameters& parameters,
                    const std::vector<Presence>& there) {
    if (there.empty() && !parameters.has_virtual_mac()) return {};
    const auto lock = net::NetnsLock::take();
    if (!lock) return failure(Exit::generic, lock.error());
    for (const auto& [link, address] : there)
        if (auto gone = remove_only(*lock, netlink, link, address); !gone)
            return failure(Exit::generic, gone.error());
    return clear_virtual_mac(*lock, netlink, parameters, there);
}

}  // namespace

Outcome<> stop(const AddressParameters& parameters) {
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    const auto there = find_presence(*netlink, parameters);
    if (!there) return tl::unexpected<Failure>(there.error());
    for (const auto& presence : *there) end_repeats(presence.link, parameters.ip);
    // While the address is still here, so that the peers hear of it.
    if (!there->empty() && parameters.kill_connections && !parameters.lvs_support)
        end_connections(parameters.ip);
    if (auto gone = take_away(*netlink, parameters, *there); !gone) return gone;
    if (parameters.address_label && !there->empty())
        if (auto gone = net::remove_address_label(*netlink, parameters.ip.v6(), *parameters.address_label);
            !gone)
            log(gone.error().message);
    if (parameters.lvs_support && !there->empty())
        if (auto put = put_on_loopback(*netlink, parameters); !put) return put;
    if (parameters.flush_routes) flush_cached_routes(parameters.ip);
    return {};
}

}  // namespace buoy::agent
