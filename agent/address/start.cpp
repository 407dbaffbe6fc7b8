// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "address/actions.hpp"
#include "address/duplicate.hpp"
#include "address/place.hpp"
#include "address/repeats.hpp"
#include "address/virtual_mac.hpp"
#include "net/address_label.hpp"
#include "net/conflict.hpp"
#include "net/netns.hpp"
#include "net/sysctl.hpp"

namespace buoy::agent {

namespace {

Outcome<> check_link(const AddressParameters& parameters, net::Netlink& netlink, const net::Link& nic) {
    if (parameters.check_link && !nic.up)
        return failure(Exit::installed,
                       fmt::format("{} is down: `ip link set {} up`, or set check_link_status=false",
                                   nic.name, nic.name));
    if (parameters.check_link && !nic.carrier)
        return failure(Exit::installed, fmt::format("{} has no carrier: check cable and switch, or set "
                                                    "check_link_status=false",
                                                    nic.name));
    if (!nic.up)
        if (auto up = net::set_up(netlink, nic); !up) return failure(Exit::generic, up.error());
    return {};
}

/// Everything a start has done so far, undone when it goes out of scope uncommitted.
class Attempt {
  public:
    Attempt(net::Netlink& netlink, IpAddress ip) : netlink_(netlink), ip_(ip) {}
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    ~Attempt() {
        if (committed_) return;
        if (address_) (void)net::remove_address(netlink_, *address_);
        if (routed_) (void)unroute_virtual_mac(netlink_, ip_);
        if (device_) (void)release_virtual_mac(netlink_, *device_);
        if (label_) (void)net::remove_address_label(netlink_, ip_.v6(), *label_);
    }
    void added(const net::Address& address) { address_ = address; }
    void acquired(const net::Link& device) { device_ = device; }
    void routed() { routed_ = true; }
    void labelled(std::uint32_t label) { label_ = label; }
    void commit() { committed_ = true; }

  private:
    net::Netlink& netlink_;
    IpAddress ip_;
    std::optional<net::Address> address_;
    std::optional<net::Link> device_;
    std::optional<std::uint32_t> label_;
    bool routed_ = false;
    bool committed_ = false;
};

Outcome<> look_for_conflict(const AddressParameters& parameters, const net::Link& link) {
    if (parameters.ip.is_v6() || parameters.conflict_check == ConflictCheck::off || !link.ethernet) return {};
    std::random_device device;
    const auto timing =
        parameters.conflict_check == ConflictCheck::fast
            ? net::fast_timing()
            : net::rfc5227_timing([&] { return std::uniform_real_distribution<>(0, 1)(device); });
    const auto found = net::probe_for_conflict(link, parameters.ip.v4(), timing);
    if (!found) return failure(Exit::generic, found.error());
    if (*found)
        return failure(Exit::generic,
                       fmt::format("{} is in use already, by the host with MAC {} on {}: free it there, or "
                                   "choose another ip",
                                   parameters.ip.to_string(), (*found)->to_string(), link.name));
    return {};
}

/// An address that is on the link already stays there only if it is as it should be.
Outcome<bool> settle_present(net::Netlink& netlink, const std::vector<Presence>& there,
                             const net::Address& wanted, const std::string& label) {
    bool present = false;
    for (const auto& [link, address] : there) {
        const bool same = address.link == wanted.link && address.prefix_length == wanted.prefix_length &&
                          !address.duplicate && (wanted.ip.is_v6() || address.label == label);
        if (same) {
            present = true;
        } else if (auto gone = net::remove_address(netlink, address);
                   !gone && gone.error().code != EADDRNOTAVAIL) {
            return failure(Exit::generic, gone.error());
        }
    }
    return present;
}

/// On a load balancer's real server the address waits on loopback (lvs_support); here it leaves it.
Outcome<> take_from_loopback(net::Netlink& netlink, const IpAddress& ip) {
    const auto loopback = net::find_link(netlink, "lo");
    const auto there = loopback ? net::addresses(netlink, AF_INET, loopback->index)
                                : Result<std::vector<net::Address>>(tl::unexpected<Error>(loopback.error()));
    if (!there) return failure(Exit::generic, there.error());
    for (const auto& address : *there)
        if (address.ip == ip)
            if (auto gone = net::remove_address(netlink, address); !gone)
                return failure(Exit::generic, gone.error());
    return {};
}

Outcome<> put_on(net::Netlink& netlink, const AddressParameters& parameters, const net::Link& link,
                 net::Address address, Attempt& attempt) {
    if (parameters.address_label) {
        if (auto set = net::add_address_label(netlink, parameters.ip.v6(), *parameters.address_label); !set)
            return failure(Exit::generic, set.error());
        attempt.labelled(*parameters.address_label);
    }
    auto added = add_watched(netlink, link, address, parameters.conflict_check);
    if (!added && added.error().code != EEXIST) return failure(Exit::generic, added.error());
    attempt.added(address);
    return {};
}

Outcome<> announce(net::Netlink& netlink, const AddressParameters& parameters, const net::Link& link) {
    if (link.loopback || !link.ethernet) return {};
    auto announcer =
        net::Announcer::open(netlink, link, parameters.ip, parameters.forms, parameters.announce_to);
    if (!announcer) return failure(Exit::generic, announcer.error());
    if (auto sent = announcer->burst(); !sent)
        return failure(Exit::generic, fmt::format("{} is up, but could not be announced: {}",
                                                  parameters.ip.to_string(), sent.error().message));
    return parameters.background
               ? repeat_in_background(std::move(*announcer), parameters.schedule, link, parameters.ip)
               : repeat_here(*announcer, parameters.schedule);
}

Outcome<net::Link> take_device(net::Netlink& netlink, const AddressParameters& parameters, const Place& place,
                               Attempt& attempt) {
    const auto mac = virtual_mac(parameters);
    if (!mac) return place.nic;
    if (!place.nic.ethernet)
        return failure(Exit::configured,
                       fmt::format("mac is set, but {} is not an Ethernet interface: remove mac, or "
                                   "choose another nic",
                                   place.nic.name));
    auto device = acquire_virtual_mac(netlink, place.nic, *mac, parameters.ip.is_v6());
    if (!device) return failure(Exit::generic, device.error());
    attempt.acquired(*device);
    return *device;
}

Outcome<> start_at(net::Netlink& netlink, const AddressParameters& parameters, Place place) {
    Attempt attempt(netlink, parameters.ip);
    const auto device = take_device(netlink, parameters, place, attempt);
    if (!device) return tl::unexpected<Failure>(device.error());
    auto& address = place.address;
    const bool own_device = device->index != place.nic.index;
    if (own_device) {
        address.link = device->index;
        address.label.clear();
        // The NIC's own network has a route already; a second one by this device would take its traffic
        // along.
        address.no_prefix_route |= place.connected;
    }
    const auto there = find_presence(netlink, parameters);
    if (!there) return tl::unexpected<Failure>(there.error());
    const auto present =
        settle_present(netlink, *there, address, address.label.empty() ? device->name : address.label);
    if (!present) return tl::unexpected<Failure>(present.error());
    if (!*present) {
        if (auto free = look_for_conflict(parameters, *device); !free) return free;
        if (parameters.lvs_support)
            if (auto taken = take_from_loopback(netlink, parameters.ip); !taken) return taken;
        if (auto put = put_on(netlink, parameters, *device, address, attempt); !put) return put;
    }
    if (own_device) {
        if (auto cleared = unroute_virtual_mac(netlink, parameters.ip); !cleared)
            return failure(Exit::generic, cleared.error());
        attempt.routed();
        if (auto routed = route_by_virtual_mac(netlink, place.nic, *device, parameters.ip); !routed)
            return failure(Exit::generic, routed.error());
    }
    if (auto announced = announce(netlink, parameters, *device); !announced) return announced;
    if (!*present)
        if (auto unique = await_verdict(netlink, *device, parameters.ip, parameters.conflict_check);
            !unique) {
            end_repeats(*device, parameters.ip);
            return unique;
        }
    attempt.commit();
    return {};
}

}  // namespace

Outcome<> start(const AddressParameters& parameters) {
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    const auto place = find_place(*netlink, parameters);
    if (!place) return tl::unexpected<Failure>(place.error());
    if (auto works = check_link(parameters, *netlink, place->nic); !works) return works;
    return start_at(*netlink, parameters, *place);
}

Outcome<> reload(const AddressParameters& parameters) {
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    const auto there = find_presence(*netlink, parameters);
    if (!there) return tl::unexpected<Failure>(there.error());
    if (there->empty())
        return failure(Exit::not_running,
                       fmt::format("{} is not here: start it first", parameters.ip.to_string()));
    return announce(*netlink, parameters, there->front().link);
}

Outcome<> validate(const AddressParameters& parameters) {
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    const auto place = find_place(*netlink, parameters);
    if (!place) return tl::unexpected<Failure>(place.error());
    if (parameters.has_virtual_mac() && !place->nic.ethernet)
        return failure(Exit::configured,
                       fmt::format("mac is set, but {} is not an Ethernet interface", place->nic.name));
    return {};
}

}  // namespace buoy::agent
