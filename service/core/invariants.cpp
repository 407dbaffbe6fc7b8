// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/invariants.hpp"

#include <algorithm>
#include <bit>

#include "service/core/check.hpp"
#include "service/core/fault.hpp"

namespace buoy::core {

const char* Invariants::broken_cheaply(const Ownership& node) {
    using Phase = Ownership::Phase;
    if (!node.started_) return nullptr;
    const bool blocked = node.phase_ == Phase::applying || node.phase_ == Phase::installing;
    if (node.out_ && node.holding_.any_passing()) return "who is out holds nothing";
    if (node.out_ && node.deadline_ > node.now_) return "who is out has no lease";
    if (!node.has_state_ && !node.out_) return "who has no state is out";
    if (!node.queue_.empty() && !blocked) return "the order is worked off unless closes are on their way";
    if (blocked && !node.holding_.closing()) return "an entry waits only for closes";
    if (node.deadline_ > node.now_ + node.settings_.lease) return "no lease ends later than a lease from now";
    if (node.asked_.size() > 64 || node.pending_.size() > max_requests) return "what waits is bounded";
    if (node.phase_ == Phase::primary && !node.has_state_)
        return "a primary configuration has given its members a state";
    return nullptr;
}

void Invariants::hold_cheaply(const Ownership& node) {
    const char* name = broken_cheaply(node);
    check(name == nullptr, name);
}

void Invariants::hold(const Ownership& node) {
    hold_cheaply(node);
    if (!node.has_state_) return;
    hold(node.agreed_);
    check(node.hash_ == node.agreed_.hash(), "the hash is that of the state");
    using Phase = Ownership::Phase;
    if (fault(Fault::close) || node.phase_ != Phase::primary) return;
    node.holding_.for_each_passing([&](SlotId slot) {
        const Pool* pool = node.agreed_.pool(slot.pool);
        check(pool != nullptr && slot.index < pool->config.slots, "a held slot is in the agreed state");
        check(node.first_in_line(node.agreed_, *pool, slot.index, node.peers_.known()),
              "a held slot has only silent members before its holder");
        check(node.may_be_here(node.agreed_, *pool), "a holder is an eligible member");
    });
}

void Invariants::hold(const AgreedState& state) {
    const char* name = state.unsound();
    check(name == nullptr, name);
}

namespace {

const char* unsound(const AgreedState& state, const Pool& p, NodeMask voters) {
    if ((p.members & ~voters) != 0) return "members are voters";
    if (((p.no_carrier | p.failed_open) & ~p.members) != 0) return "only members have ailments";
    if (p.width != static_cast<std::uint32_t>(std::popcount(p.members)))
        return "a list is as wide as the pool has members";
    if (p.config.slots > max_slots || p.lists.size() != std::size_t{p.width} * p.config.slots ||
        p.changed.size() != p.config.slots)
        return "every slot has a list";
    if (p.weights.size() > max_nodes || p.pins.size() > p.config.slots) return "weights and pins are bounded";
    if (std::ranges::any_of(p.weights, [](const Weight& w) { return w.weight > max_weight; }))
        return "weights are bounded";
    if (std::ranges::any_of(p.pins, [&](const PinnedSlot& pin) { return pin.slot >= p.config.slots; }))
        return "a pinned slot is one of the pool's";
    for (std::uint32_t s = 0; s < p.config.slots; ++s) {
        NodeMask listed = 0;
        for (const NodeIndex i : p.list(s)) {
            if (i >= max_nodes) return "a list holds members";
            listed |= bit(i);
        }
        if (listed != p.members) return "a list holds every member once";
        if (p.changed[s] > state.tag.entries) return "no list changed in an entry to come";
    }
    return nullptr;
}

}  // namespace

const char* Ownership::unsound() const {
    if (const char* name = agreed_.unsound()) return name;
    if (const char* name = holding_.unsound()) return name;
    const bool blocked = phase_ == Phase::applying || phase_ == Phase::installing;
    if (const char* name = blocked ? next_.unsound() : nullptr) return name;
    if (has_state_ && hash_ != agreed_.hash()) return "the hash is that of the state";
    return Invariants::broken_cheaply(*this);
}

const char* AgreedState::unsound() const {
    const NodeMask there = electorate();
    if (leases_count && std::popcount(there) < 3) return "leases count among three voters or more";
    if (pools.size() > max_pools) return "the state is within its limits";
    std::uint64_t all = 0;
    for (const Pool& p : pools) all += p.config.slots;
    if (all > max_slots) return "the state is within its limits";
    for (NodeIndex i = 0; i < max_nodes; ++i) {
        if (!has(there, i) && voters[i] != Voter{}) return "a free place is empty";
        for (NodeIndex k = 0; k < i; ++k)
            if (has(there, i) && voters[k].id == voters[i].id) return "a voter has one place";
    }
    for (std::size_t i = 0; i + 1 < pools.size(); ++i)
        if (pools[i].config.name >= pools[i + 1].config.name) return "pools are in the order of their names";
    for (const Pool& p : pools)
        if (const char* name = core::unsound(*this, p, there)) return name;
    return nullptr;
}

}  // namespace buoy::core
