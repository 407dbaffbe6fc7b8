// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "service/core/entry.hpp"
#include "service/core/limits.hpp"

namespace buoy::core {

/// A member as placement sees it.
struct PlacementMember {
    NodeIndex index = no_index;
    std::uint32_t weight = 100;
    bool eligible = true;  ///< may be given first places
    bool keeps = false;    ///< not eligible, but its first places stay its own until it is proven silent
};

/// What placement orders: `lists` holds `members.size()` places for each slot, each list a permutation of the
/// members.
struct PlacementInput {
    std::span<const PlacementMember> members;  ///< at most max_nodes, in the same order on every node
    std::span<const NodeIndex> pins;           ///< per slot the member it is bound to, or no_index; or empty
    Rebalance rebalance = Rebalance::automatic;
};

/// Reorders the lists (design 4.5), in place. Pure, the same on every node.
/// First places: pinned slots to their members; the rest stay where they are as far as balance allows -
/// within one slot of each eligible member's weighted share - and with `never` as far as there is an eligible
/// owner. Second places are so spread that the loss of any one member leaves the rest balanced; third places
/// go evenly within equal first and second ones. Members that may not answer come last.
void place(std::span<NodeIndex> lists, const PlacementInput& input);

}  // namespace buoy::core
