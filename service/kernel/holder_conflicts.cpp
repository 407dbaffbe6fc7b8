// SPDX-License-Identifier: GPL-2.0-or-later
// What hosts outside the pools claim of what is held here: answered, and given in to where the pool says so.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "service/kernel/holder.hpp"
#include "wire/arp.hpp"
#include "wire/ndp.hpp"

namespace buoy::kernel {

std::optional<SlotId> Holder::announcing(const IpAddress& ip) const {
    if (const auto slot = by_ip_.find(ip); slot != by_ip_.end()) return slot->second;
    for (const SlotId slot : shared_.all_open())
        if (const Plan plan = shared_.announces(slot);
            plan != nullptr && std::ranges::binary_search(plan->addresses, ip))
            return slot;
    return std::nullopt;
}

void Holder::hear_claims() {
    std::map<SlotId, Claim> released;
    for (const Claim& claim : claims_.take()) {
        // Past the lease whoever claims it may be the one who has taken over.
        if (now_ >= deadline_) continue;
        const auto slot = announcing(claim.ip);
        const auto here = slot ? described(*slot) : std::nullopt;
        if (!here || here->link->index != claim.link) continue;
        if (withheld_.has(*slot) || released.contains(*slot)) {
            // The virtual MAC is as little ours as the address.
            if (claim.mac == here->link->mac) continue;
            conflicts_.heard_of_released(here->pool->name, claim.ip, claim.mac);
            withheld_.put_off(*slot, now_);
            continue;
        }
        // Our own word, turned back by a switch or said by a member that shares the address with us.
        if (claim.mac == here->own.value_or(here->link->mac) ||
            (here->group && claim.mac == here->group->mac(claim.ip)))
            continue;
        const auto answer =
            conflicts_.heard(here->pool->name, here->pool->on_conflict, claim.ip, claim.mac, now_);
        if (answer == Conflicts::Answer::release) released.emplace(*slot, claim);
        if (answer != Conflicts::Answer::announce) continue;
        if (auto told = announcements_.burst({*slot}); !told) tell_(Noticed{told.error().message});
    }
    if (!released.empty()) withhold(released);
}

void Holder::withhold(const std::map<SlotId, Claim>& claims) {
    std::vector<SlotId> slots;
    for (const auto& [slot, claim] : claims) {
        slots.push_back(slot);
        if (gate_ != nullptr) gate_->shut(claim.ip);
        // Before the kernel's word of the removal, after which it would be put back.
        withheld_.add(slot, watched(open_.at(slot).pool->name)->plan, now_);
    }
    if (passing_)
        for (const auto& [slot, code] : hide(slots))
            tell_(Noticed{fmt::format("{} could not be removed, though another host has it: {}",
                                      open_.at(slot).ip.to_string(), std::strerror(code))});
    for (const auto& [slot, claim] : claims)
        tell_(
            Claimed{.pool = open_.at(slot).pool->name,
                    .ip = claim.ip,
                    .mac = claim.mac,
                    .withheld = true,
                    .text = fmt::format(
                        "pool {}: {} is claimed again by a host outside the pool, MAC {}: this node does not "
                        "answer for it until nobody else does (on_conflict=release)",
                        open_.at(slot).pool->name, claim.ip.to_string(), claim.mac.to_string())});
}

void Holder::ask_about_withheld() {
    if (withheld_.empty()) return;
    const Withheld::Due due = withheld_.run(now_);
    std::map<int, std::pair<net::Link, std::vector<std::vector<std::uint8_t>>>> frames;
    std::vector<SlotId> silent = due.silent;
    for (const SlotId slot : due.asked) {
        const auto here = described(slot);
        // Past the lease whoever answers may be the one who has taken over.
        if (!here || now_ >= deadline_) {
            withheld_.put_off(slot, now_);
            continue;
        }
        auto& [link, probes] = frames[here->link->index];
        link = *here->link;
        const IpAddress& ip = here->ips.front();
        probes.push_back(ip.is_v4() ? wire::probe(link.mac, ip.v4()) : wire::dad_probe(link.mac, ip.v6()));
    }
    for (const auto& [index, to] : frames) {
        const auto sent = announcements_.send(to.first, to.second);
        if (sent) continue;
        // What was not asked was not answered.
        tell_(Noticed{sent.error().message});
        for (const SlotId slot : withheld_.all()) withheld_.put_off(slot, now_);
        silent.clear();
    }
    if (now_ < deadline_ && !silent.empty()) take_back(silent, "nobody else answers for it any more");
}

void Holder::take_back(const std::vector<SlotId>& slots, const char* why) {
    std::map<SlotId, int> failed;
    for (const SlotId slot : slots) withheld_.forget(slot);
    if (passing_)
        for (const auto& [slot, code] : show(slots)) failed.emplace(slot, code);
    for (const SlotId slot : slots) {
        const Open& open = open_.at(slot);
        if (const auto failure = failed.find(slot); failure != failed.end()) {
            if (gate_ != nullptr) gate_->shut(open.ip);
            withheld_.add(slot, open.pool, now_);
            tell_(Noticed{fmt::format("{} could not be put back on its NIC: {}; trying on",
                                      open.ip.to_string(), std::strerror(failure->second))});
            continue;
        }
        tell_(Claimed{.pool = open.pool->name,
                      .ip = open.ip,
                      .withheld = false,
                      .text = fmt::format("pool {}: {} is held by this node again: {}", open.pool->name,
                                          open.ip.to_string(), why)});
    }
}

void Holder::take_back_what_is_kept() {
    std::vector<SlotId> kept;
    for (const SlotId slot : withheld_.all())
        if (const Watched* pool = watched(open_.at(slot).pool->name);
            pool != nullptr && pool->plan->on_conflict != OnConflict::release)
            kept.push_back(slot);
    if (!kept.empty()) take_back(kept, "on_conflict has changed");
}

void Holder::forget_withheld(SlotId slot) {
    if (!withheld_.forget(slot)) return;
    const Open& open = open_.at(slot);
    tell_(Claimed{.pool = open.pool->name, .ip = open.ip, .withheld = false});
}

}  // namespace buoy::kernel
