// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/invariants.hpp"

#include <algorithm>
#include <bit>

#include "service/core/check.hpp"
#include "service/core/fault.hpp"

namespace buoy::core {

void Invariants::hold_cheaply(const Ownership& node) {
    using Phase = Ownership::Phase;
    if (!node.started_) return;
    const bool blocked = node.phase_ == Phase::applying || node.phase_ == Phase::installing;
    check(!node.out_ || !node.holding_.any_passing(), "who is out holds nothing");
    check(!node.out_ || node.deadline_ <= node.now_, "who is out has no lease");
    check(node.has_state_ || node.out_, "who has no state is out");
    check(node.queue_.empty() || blocked, "the order is worked off unless closes are on their way");
    check(!blocked || node.holding_.closing(), "an entry waits only for closes");
    check(node.deadline_ <= node.now_ + node.settings_.lease, "no lease ends later than a lease from now");
    check(node.asked_.size() <= 64 && node.pending_.size() <= max_requests, "what waits is bounded");
    check(node.phase_ != Phase::primary || node.has_state_, "a primary configuration has given its members a state");
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
    const NodeMask voters = state.electorate();
    check(state.leases_count ? std::popcount(voters) >= 3 : true, "leases count among three voters or more");
    check(state.pools.size() <= max_pools && state.slots() <= max_slots, "the state is within its limits");
    for (NodeIndex i = 0; i < max_nodes; ++i) {
        check(has(voters, i) || state.voters[i] == Voter{}, "a free place is empty");
        for (NodeIndex k = 0; k < i; ++k)
            check(!has(voters, i) || state.voters[k].id != state.voters[i].id, "a voter has one place");
    }
    check(std::ranges::is_sorted(state.pools, {}, [](const Pool& p) -> const std::string& { return p.config.name; }),
          "pools are in the order of their names");
    for (const Pool& p : state.pools) {
        check((p.members & ~voters) == 0, "members are voters");
        check(((p.no_carrier | p.failed_open) & ~p.members) == 0, "only members have ailments");
        check(p.width == static_cast<std::uint32_t>(std::popcount(p.members)), "a list is as wide as the pool has members");
        check(p.lists.size() == std::size_t{p.width} * p.config.slots && p.changed.size() == p.config.slots,
              "every slot has a list");
        for (std::uint32_t s = 0; s < p.config.slots; ++s) {
            NodeMask listed = 0;
            for (const NodeIndex i : p.list(s)) listed |= bit(i);
            check(listed == p.members, "a list holds every member once");
            check(p.changed[s] <= state.tag.entries, "no list changed in an entry to come");
        }
    }
}

}  // namespace buoy::core
