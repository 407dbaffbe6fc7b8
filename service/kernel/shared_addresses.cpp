// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/shared_addresses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/batch.hpp"
#include "net/link_macs.hpp"

namespace buoy::kernel {

namespace {

bool gone(int code) {
    return code == EADDRNOTAVAIL || code == ENODEV;
}

bool same_place(const net::Address& a, const net::Address& b) {
    return a.ip == b.ip && a.link == b.link && a.prefix_length == b.prefix_length;
}

}  // namespace

Result<void> SharedAddresses::divide(const PoolPlan& plan) {
    const Group group = group_of(plan);
    std::vector<gate::Service> services;
    for (const IpAddress& ip : plan.addresses) services.push_back({ip, group.mac(ip)});
    return gate_->divide(services, plan.buckets->division);
}

Result<void> SharedAddresses::stand(const Plan& plan, const Place& place) {
    std::vector<net::Address> addresses;
    for (const IpAddress& ip : plan->addresses) {
        addresses.push_back(place.address(ip));
        // Deprecated (RFC 4862 section 5.5.4): what this node begins by itself is not to come from it. Of
        // IPv4 addresses the kernel takes the NIC's first.
        if (ip.is_v6()) addresses.back().preferred_lifetime_s = 0;
    }
    if (const auto found = standing_.find(plan->name); found != standing_.end()) {
        found->second.plan = plan;
        if (std::ranges::equal(found->second.addresses, addresses, same_place)) {
            if (place.nic.up && place.nic.carrier) mend_group(plan->name);
            return {};
        }
        leave(plan->name);
    }
    auto membership = Membership::join(*plan, place.nic.index);
    if (!membership) return tl::unexpected<Error>(membership.error());
    const auto& made =
        standing_.emplace(plan->name, Standing{plan, std::move(addresses), std::move(*membership), {}});
    auto added = add(made.first->second.addresses);
    if (!added)
        leave(plan->name);
    else if (place.nic.up && place.nic.carrier)
        mend_group(plan->name);
    return added;
}

Result<void> SharedAddresses::add(const std::vector<net::Address>& addresses) {
    std::vector<net::Request> batch;
    for (const net::Address& address : addresses) batch.push_back(net::request_to_add(address));
    const auto refused = net::change_many(netlink_, batch);
    if (!refused) return tl::unexpected<Error>(refused.error());
    for (const auto& [index, code] : *refused)
        if (code != EEXIST)
            return fail(
                fmt::format("cannot add {}: {}", addresses[index].ip.to_string(), std::strerror(code)), code);
    return {};
}

void SharedAddresses::leave(const std::string& pool) {
    const auto found = standing_.find(pool);
    if (found == standing_.end()) return;
    std::vector<net::Request> batch;
    for (const net::Address& address : found->second.addresses)
        batch.push_back(net::request_to_remove(address));
    const auto refused = net::change_many(netlink_, batch);
    if (!refused) tell_(Noticed{refused.error().message});
    if (refused)
        for (const auto& [index, code] : *refused)
            if (!gone(code))
                tell_(
                    Noticed{fmt::format("cannot remove {}: {}", found->second.addresses[index].ip.to_string(),
                                        std::strerror(code))});
    standing_.erase(found);
}

void SharedAddresses::leave_others(const std::vector<Plan>& pools) {
    std::vector<std::string> others;
    for (const auto& [name, standing] : standing_)
        if (std::ranges::none_of(pools, [&](const Plan& plan) { return plan->name == name; }))
            others.push_back(name);
    for (const std::string& name : others) leave(name);
}

void SharedAddresses::open(const SlotId& slot, const PoolPlan& plan) {
    open_.insert_or_assign(slot, standing_.at(plan.name).plan);
    gate_->open(plan.addresses.front(), slot.index);
}

bool SharedAddresses::shut(const SlotId& slot) {
    const auto found = open_.find(slot);
    if (found == open_.end()) return false;
    gate_->shut(found->second->addresses.front(), slot.index);
    open_.erase(found);
    return true;
}

std::vector<SlotId> SharedAddresses::all_open() const {
    std::vector<SlotId> slots;
    for (const auto& [slot, plan] : open_) slots.push_back(slot);
    return slots;
}

Plan SharedAddresses::announces(const SlotId& slot) const {
    const auto found = open_.find(slot);
    return found == open_.end() || slot.index != 0 ? nullptr : found->second;
}

std::set<int> SharedAddresses::links() const {
    std::set<int> links;
    for (const auto& [name, standing] : standing_)
        for (const net::Address& address : standing.addresses) links.insert(address.link);
    return links;
}

bool SharedAddresses::has(const IpAddress& ip) const {
    return std::ranges::any_of(standing_, [&](const auto& pool) {
        return std::ranges::binary_search(pool.second.plan->addresses, ip);
    });
}

bool SharedAddresses::vanished(const net::Address& address) {
    for (const auto& [name, standing] : standing_) {
        const auto found = std::ranges::find_if(standing.addresses, [&](const net::Address& a) {
            return a.ip == address.ip && a.link == address.link;
        });
        if (found == standing.addresses.end()) continue;
        const auto added = net::add_address(netlink_, *found);
        // Our own removal, heard of late, after which it was added again.
        if (!added && added.error().code == EEXIST) return true;
        const std::string what = address.ip.to_string() + " was removed behind our back";
        tell_(Noticed{added ? what + " and has been put back" : what + ", and " + added.error().message});
        return true;
    }
    return false;
}

void SharedAddresses::put_back() {
    for (const auto& [name, standing] : standing_)
        if (auto added = add(standing.addresses); !added) tell_(Noticed{added.error().message});
}

void SharedAddresses::mend_group(const std::string& pool) {
    const auto found = standing_.find(pool);
    if (found == standing_.end()) return;
    Standing& standing = found->second;
    const int link = standing.addresses.front().link;
    const auto received = net::link_macs(netlink_, link);
    if (!received) return tell_(Noticed{received.error().message});
    for (const Mac& mac : macs_of(*standing.plan)) {
        const bool seen = std::ranges::count(standing.received, mac) != 0;
        const bool there = std::ranges::count(*received, mac) != 0;
        // A MAC that was never seen is one that this device does not show.
        if (there && !seen) standing.received.push_back(mac);
        if (there || !seen) continue;
        const auto joined = standing.membership.join_again(*standing.plan, link, mac);
        const std::string what = fmt::format(
            "{} of pool {}, by which its members are reached, was taken off the NIC behind our back",
            mac.to_string(), pool);
        tell_(
            Noticed{joined ? what + " and has been put back" : what + ", and we " + joined.error().message});
    }
}

std::string SharedAddresses::missing(const std::string& pool, const std::vector<net::Address>& there) const {
    const auto found = standing_.find(pool);
    if (found == standing_.end()) return {};
    for (const net::Address& address : found->second.addresses)
        if (std::ranges::none_of(there, [&](const auto& a) { return same_place(a, address); }))
            return address.ip.to_string() + " is shared by this node, and not on its NIC";
    return {};
}

}  // namespace buoy::kernel
