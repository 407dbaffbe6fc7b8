// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/virtual_macs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "buoy/virtual_mac.hpp"
#include "net/netns.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::kernel {

namespace {

// Only who comes first to a NIC, or leaves it last, changes its settings, and has agents to fear that do so
// too. They hold the lock for a few milliseconds; anybody may hold it, and is not to keep an address from
// moving.
constexpr std::chrono::milliseconds patience{100};

std::optional<net::NetnsLock> lock_if(bool needed) {
    if (!needed) return std::nullopt;
    auto lock = net::NetnsLock::take(patience);
    return lock ? std::optional(std::move(*lock)) : std::nullopt;
}

}  // namespace

bool VirtualMacs::any_on(int nic) const {
    return std::ranges::any_of(standing_, [&](const auto& s) { return s.second.parent == nic; });
}

std::vector<Result<int>> VirtualMacs::stand(const net::Link& nic, const std::vector<IpAddress>& ips) {
    const auto lock = lock_if(!any_on(nic.index));
    std::vector<vmac::Wanted> wanted;
    for (const IpAddress& ip : ips) wanted.push_back({virtual_mac_of(ip), ip.is_v6()});
    auto made = vmac::acquire_many(netlink_, nic, wanted);
    std::vector<vmac::Routed> routed;
    for (std::size_t i = 0; i < ips.size(); ++i)
        if (made[i]) routed.push_back({ips[i], made[i]->index});
    const auto done = vmac::route_many(netlink_, nic, routed);
    std::vector<Result<int>> indexes;
    std::vector<net::Link> failed;
    for (std::size_t i = 0; i < ips.size(); ++i) {
        if (!made[i]) {
            indexes.emplace_back(tl::unexpected<Error>(made[i].error()));
            continue;
        }
        if (const auto before = standing_.find(ips[i]); before != standing_.end()) {
            by_index_.erase(before->second.index);
            standing_.erase(before);
        }
        if (!done) {
            failed.push_back(*made[i]);
            indexes.emplace_back(tl::unexpected<Error>(done.error()));
            continue;
        }
        indexes.emplace_back(made[i]->index);
        by_index_.insert_or_assign(made[i]->index, ips[i]);
        standing_.insert_or_assign(ips[i], std::move(*made[i]));
    }
    if (auto gone = remove_devices(failed); !gone) tell_(Noticed{gone.error().message});
    return indexes;
}

Result<void> VirtualMacs::leave(const std::vector<IpAddress>& ips) {
    std::vector<net::Link> devices;
    std::vector<vmac::Routed> routed;
    for (const IpAddress& ip : ips) {
        const auto found = standing_.find(ip);
        if (found == standing_.end()) continue;
        routed.push_back({ip, found->second.index});
        devices.push_back(std::move(found->second));
        by_index_.erase(devices.back().index);
        standing_.erase(found);
    }
    auto gone = remove_devices(devices);
    // After the devices: until they have gone what is sent from the addresses leaves by them, or not at all.
    auto unrouted = vmac::unroute_many(netlink_, routed);
    return gone ? unrouted : gone;
}

Result<void> VirtualMacs::remove_devices(const std::vector<net::Link>& devices) {
    std::map<int, std::vector<net::Link>> by_nic;
    for (const net::Link& device : devices) by_nic[device.parent.value_or(0)].push_back(device);
    Result<void> done;
    for (const auto& [nic, on_it] : by_nic) {
        const auto lock = lock_if(!any_on(nic));
        const auto removed = vmac::remove_many(netlink_, on_it);
        if (!removed) done = tl::unexpected<Error>(removed.error());
        if (removed && !removed->empty()) tell_(Noticed{*removed});
    }
    return done;
}

Result<void> VirtualMacs::follow_routes(const net::Link& nic, const std::vector<IpAddress>& ips) {
    std::vector<vmac::Routed> routed;
    for (const IpAddress& ip : ips)
        if (const auto found = standing_.find(ip); found != standing_.end())
            routed.push_back({ip, found->second.index});
    return vmac::route_many(netlink_, nic, routed);
}

const IpAddress* VirtualMacs::whose(int device) const {
    const auto found = by_index_.find(device);
    return found == by_index_.end() ? nullptr : &found->second;
}

std::string VirtualMacs::wrong(const IpAddress& ip, const std::vector<net::Link>& links) const {
    const auto found = standing_.find(ip);
    const Mac mac = virtual_mac_of(ip);
    const auto said = [&](const std::string& what) {
        return fmt::format("{} is held by this node, and the device of its MAC {} {}", ip.to_string(),
                           mac.to_string(), what);
    };
    if (found == standing_.end()) return said("is missing");
    const auto now = std::ranges::find(links, found->second.index, &net::Link::index);
    if (now == links.end()) return said("is missing");
    if (now->mac != mac) return said("has " + now->mac.to_string());
    if (!vmac::is_device(*now)) return said("is called " + now->name);
    return now->up ? std::string() : said("is down");
}

Result<void> VirtualMacs::remove(const std::vector<Stray>& strays) {
    std::vector<net::Link> devices;
    std::vector<IpAddress> ips;
    for (const auto& [ip, device] : strays) {
        ips.push_back(ip);
        devices.push_back(device);
    }
    auto gone = remove_devices(devices);
    auto unrouted = vmac::unroute(netlink_, ips);
    return gone ? unrouted : gone;
}

}  // namespace buoy::kernel
