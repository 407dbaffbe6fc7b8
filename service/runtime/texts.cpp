// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/texts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "service/core/limits.hpp"

namespace buoy::runtime {

using core::Outcome;

const char* name_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::applied:
            return "applied";
        case Outcome::unchanged:
            return "unchanged";
        case Outcome::stale_electorate:
            return "stale_electorate";
        case Outcome::stale_outing:
            return "stale_outing";
        case Outcome::no_such_node:
            return "no_such_node";
        case Outcome::no_such_pool:
            return "no_such_pool";
        case Outcome::no_such_slot:
            return "no_such_slot";
        case Outcome::different_config:
            return "different_config";
        case Outcome::pool_in_use:
            return "pool_in_use";
        case Outcome::full:
            return "full";
        case Outcome::last_voter:
            return "last_voter";
        case Outcome::unknown_kind:
            return "unknown_kind";
        case Outcome::not_primary:
            return "not_primary";
        case Outcome::busy:
            return "busy";
        case Outcome::refused:
            return "refused";
        case Outcome::timed_out:
            return "timed_out";
    }
    return "unknown";
}

const char* name_of(core::OnLoss on_loss) {
    switch (on_loss) {
        case core::OnLoss::automatic:
            return "auto";
        case core::OnLoss::fenced:
            return "fenced";
        case core::OnLoss::unsafe:
            return "unsafe";
    }
    return "unknown";
}

const char* name_of(core::Rebalance rebalance) {
    return rebalance == core::Rebalance::automatic ? "auto" : "never";
}

const char* name_of(core::Ownership::Phase phase) {
    using Phase = core::Ownership::Phase;
    switch (phase) {
        case Phase::idle:
            return "idle";
        case Phase::exchanging:
            return "exchanging";
        case Phase::installing:
            return "installing";
        case Phase::primary:
            return "primary";
        case Phase::applying:
            return "applying";
        case Phase::resyncing:
            return "resyncing";
    }
    return "unknown";
}

const char* name_of(core::Holding::State state) {
    using State = core::Holding::State;
    switch (state) {
        case State::shut:
            return "shut";
        case State::opening:
            return "opening";
        case State::open:
            return "open";
        case State::closing:
            return "closing";
    }
    return "unknown";
}

const char* name_of(core::Refusal reason) {
    using core::Refusal;
    switch (reason) {
        case Refusal::malformed:
            return "malformed";
        case Refusal::too_large:
            return "too_large";
        case Refusal::newer_major:
            return "newer_major";
        case Refusal::other_cluster:
            return "other_cluster";
        case Refusal::stranger:
            return "stranger";
        case Refusal::contradictory:
            return "contradictory";
        case Refusal::old:
            return "old";
        case Refusal::other_ring:
            return "other_ring";
        case Refusal::count_:
            break;
    }
    return "unknown";
}

std::string in_short(const core::PoolStatus& pool, std::size_t withheld) {
    const char* trouble = pool.failed_open  ? " failed"
                          : pool.no_carrier ? " no-carrier"
                          : withheld > 0    ? " withheld"
                                            : "";
    // The core's word of a close may come before the kernel's side's.
    return fmt::format("{}/{}{}{}", pool.held - std::min<std::size_t>(pool.held, withheld), pool.slots,
                       pool.unsafe ? " unsafe" : "", trouble);
}

bool succeeded(Outcome outcome) {
    return outcome == Outcome::applied || outcome == Outcome::unchanged;
}

std::string explain(Outcome outcome) {
    switch (outcome) {
        case Outcome::applied:
        case Outcome::unchanged:
            return "";
        case Outcome::stale_electorate:
        case Outcome::stale_outing:
            return "the cluster changed meanwhile; try again";
        case Outcome::no_such_node:
            return "the node is no member of this; `buoy status` lists those that are";
        case Outcome::no_such_pool:
            return "there is no such pool; `buoy pool list` shows those there are";
        case Outcome::no_such_slot:
            return "the pool has no such slot; `buoy pool show` lists its slots";
        case Outcome::different_config:
            return "the pool runs with another configuration on other nodes";
        case Outcome::pool_in_use:
            return "the pool still runs on a node; stop it everywhere first";
        case Outcome::full:
            return "the cluster has no room for it: " + std::to_string(core::max_nodes) + " nodes, " +
                   std::to_string(core::max_pools) + " pools and " + std::to_string(core::max_slots) +
                   " slots are the limit";
        case Outcome::last_voter:
            return "this is the only node left, and cannot be taken out";
        case Outcome::unknown_kind:
            return "this node's buoyd is older than the request; upgrade it";
        case Outcome::not_primary:
            return "this node is not in the part of the cluster that may decide (no quorum, or too few of "
                   "the nodes that hold its state); `buoy status` shows who is missing";
        case Outcome::busy:
            return "too many requests wait already; try again";
        case Outcome::refused:
            return "the request makes no sense as things are, or a value is out of range; `buoy status` "
                   "shows "
                   "how they are";
        case Outcome::timed_out:
            return "it was not carried out in time; `buoy status` and `buoy explain` show what it waits for";
    }
    return "unknown outcome";
}

}  // namespace buoy::runtime
