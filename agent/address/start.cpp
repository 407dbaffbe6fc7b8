// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "address/actions.hpp"
#include "address/duplicate.hpp"
#include "address/place.hpp"
#include "address/removal.hpp"
#include "address/repeats.hpp"
#include "net/address_label.hpp"
#include "net/conflict.hpp"
#include "net/netns.hpp"
#include "vmac/virtual_mac.hpp"

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

/// Everything a start has done so far, undone when it goes out of scope uncommitted. The namespace's lock
/// must not be held then.
class Attempt {
  public:
    Attempt(net::Netlink& netlink, IpAddress ip) : netlink_(netlink), ip_(ip) {}
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    ~Attempt() {
        if (!committed_) undo();
    }
    void added(const net::Link& link, const net::Address& address) { address_ = {link, address}; }
    void acquired(const net::Link& device) { device_ = device; }
    void routed() { routed_ = true; }
    void labelled(std::uint32_t label) { label_ = label; }
    void taken_from_loopback(const net::Address& address) { on_loopback_ = address; }
    void commit() { committed_ = true; }

  private:
    void undo() {
        const auto lock = net::NetnsLock::take();
        if (!lock) return log("a failed start is not undone: " + lock.error().message);
        if (address_) (void)remove_only(*lock, netlink_, address_->link, address_->address);
        if (routed_) (void)vmac::unroute(netlink_, {&ip_, 1});
        if (device_)
            if (const auto released = vmac::release(*lock, netlink_, *device_);
                released && !released->empty())
                log(*released);
        if (label_) (void)net::remove_address_label(netlink_, ip_.v6(), *label_);
        if (on_loopback_) (void)net::add_address(netlink_, *on_loopback_);
    }

    net::Netlink& netlink_;
    IpAddress ip_;
    std::optional<Presence> address_;
    std::optional<net::Link> device_;
    std::optional<std::uint32_t> label_;
    std::optional<net::Address> on_loopback_;
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
Outcome<bool> settle_present(const net::NetnsLock& lock, net::Netlink& netlink,
                             const std::vector<Presence>& there, const net::Address& wanted,
                             const std::string& label) {
    bool present = false;
    for (const auto& [link, address] : there) {
        const bool same = address.link == wanted.link && address.prefix_length == wanted.prefix_length &&
                          !address.duplicate && (wanted.ip.is_v6() || address.label == label);
        if (same) {
            present = true;
            continue;
        }
        end_repeats(link, address.ip);
        if (auto gone = remove_only(lock, netlink, link, address); !gone)
            return failure(Exit::generic, gone.error());
        if (!vmac::is_device(link) || link.index == wanted.link) continue;
        const auto released = vmac::release(lock, netlink, link);
        if (!released) return failure(Exit::generic, released.error());
        if (!released->empty()) log(*released);
    }
    return present;
}

/// On a load balancer's real server the address waits on loopback (lvs_support); here it leaves it.
Outcome<> take_from_loopback(const net::NetnsLock& lock, net::Netlink& netlink, const IpAddress& ip,
                             Attempt& attempt) {
    const auto loopback = net::find_link(netlink, "lo");
    const auto there = loopback ? net::addresses(netlink, AF_INET, loopback->index)
                                : Result<std::vector<net::Address>>(tl::unexpected<Error>(loopback.error()));
    if (!there) return failure(Exit::generic, there.error());
    for (const auto& address : *there) {
        if (address.ip != ip) continue;
        if (auto gone = remove_only(lock, netlink, *loopback, address); !gone)
            return failure(Exit::generic, gone.error());
        attempt.taken_from_loopback(address);
    }
    return {};
}

Outcome<> put_on(const net::NetnsLock& lock, net::Netlink& netlink, const AddressParameters& parameters,
                 const net::Link& link, const net::Address& address, Attempt& attempt) {
    if (parameters.lvs_support)
        if (auto taken = take_from_loopback(lock, netlink, parameters.ip, attempt); !taken) return taken;
    if (parameters.address_label) {
        if (auto set = net::add_address_label(netlink, parameters.ip.v6(), *parameters.address_label); !set)
            return failure(Exit::generic, set.error());
        attempt.labelled(*parameters.address_label);
    }
    auto added = add_watched(lock, netlink, link, address, parameters.conflict_check);
    if (!added && added.error().code != EEXIST) return failure(Exit::generic, added.error());
    attempt.added(link, address);
    return {};
}

Outcome<> announce(net::Netlink& netlink, const AddressParameters& parameters, const net::Link& link) {
    if (link.loopback || !link.ethernet) return {};
    if (parameters.forms == net::AnnounceForms{0, 0} && parameters.announce_to.empty()) return {};
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

Outcome<net::Link> take_device(const net::NetnsLock& lock, net::Netlink& netlink,
                               const AddressParameters& parameters, const Place& place, Attempt& attempt) {
    const auto mac = virtual_mac(parameters);
    if (!mac) return place.nic;
    auto device = vmac::acquire(lock, netlink, place.nic, *mac, parameters.ip.is_v6());
    if (!device) return failure(Exit::generic, device.error());
    attempt.acquired(*device);
    return *device;
}

/// Where the address is now, and whether it had been there before.
struct Settled {
    net::Link link;
    bool before = false;
};

/// Configures everything, in one go as far as other agents can see.
Outcome<Settled> settle(net::Netlink& netlink, const AddressParameters& parameters, Place place,
                        Attempt& attempt) {
    const auto lock = net::NetnsLock::take();
    if (!lock) return failure(Exit::generic, lock.error());
    const auto link = take_device(*lock, netlink, parameters, place, attempt);
    if (!link) return tl::unexpected<Failure>(link.error());
    auto& address = place.address;
    const bool own_device = link->index != place.nic.index;
    if (own_device) {
        address.link = link->index;
        address.label.clear();
        // The NIC's own network has a route already; a second one by this device would take its traffic
        // along.
        address.no_prefix_route |= place.connected;
    }
    const auto there = find_presence(netlink, parameters);
    if (!there) return tl::unexpected<Failure>(there.error());
    const auto present =
        settle_present(*lock, netlink, *there, address, address.label.empty() ? link->name : address.label);
    if (!present) return tl::unexpected<Failure>(present.error());
    // Whatever fails from here on, an address that was here before stays.
    if (*present) attempt.commit();
    if (own_device) {
        attempt.routed();
        if (auto routed = vmac::route(netlink, place.nic, *link, parameters.ip); !routed)
            return failure(Exit::generic, routed.error());
    }
    if (!*present)
        if (auto put = put_on(*lock, netlink, parameters, *link, address, attempt); !put)
            return tl::unexpected<Failure>(put.error());
    return Settled{*link, *present};
}

/// What is known of an IPv6 address only while it is in use.
Outcome<> check_unique(net::Netlink& netlink, const AddressParameters& parameters, const net::Link& nic,
                       const net::Link& link) {
    if (link.index != nic.index)
        if (auto silent = ask_from_nic(netlink, nic, parameters.ip, parameters.conflict_check); !silent)
            return silent;
    return await_verdict(netlink, link, parameters.ip, parameters.conflict_check);
}

Outcome<> start_at(net::Netlink& netlink, const AddressParameters& parameters, const Place& place) {
    const auto there = find_presence(netlink, parameters);
    if (!there) return tl::unexpected<Failure>(there.error());
    // Asked from the NIC: with the virtual MAC as sender the question would turn the switches' tables to this
    // node, and another node that has both could not be told from ourselves.
    if (there->empty())
        if (auto free = look_for_conflict(parameters, place.nic); !free) return free;
    Attempt attempt(netlink, parameters.ip);
    const auto settled = settle(netlink, parameters, place, attempt);
    if (!settled) return tl::unexpected<Failure>(settled.error());
    if (auto announced = announce(netlink, parameters, settled->link); !announced) return announced;
    if (!settled->before)
        if (auto unique = check_unique(netlink, parameters, place.nic, settled->link); !unique) {
            end_repeats(settled->link, parameters.ip);
            return unique;
        }
    attempt.commit();
    return {};
}

/// What the parameters ask of the interface, beyond its being there.
Outcome<> check_kind(const AddressParameters& parameters, const net::Link& nic) {
    if (!parameters.has_virtual_mac() || nic.ethernet) return {};
    return failure(
        Exit::configured,
        fmt::format("mac is set, but {} is not an Ethernet interface: remove mac, or choose another nic",
                    nic.name));
}

}  // namespace

Outcome<> start(const AddressParameters& parameters) {
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    const auto place = find_place(*netlink, parameters);
    if (!place) return tl::unexpected<Failure>(place.error());
    if (auto fits = check_kind(parameters, place->nic); !fits) return fits;
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
    return check_kind(parameters, place->nic);
}

}  // namespace buoy::agent
