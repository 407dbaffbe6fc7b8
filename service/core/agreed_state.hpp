// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "buoy/ids.hpp"
#include "service/core/entry.hpp"
#include "service/core/limits.hpp"

namespace buoy::core {

/// A voter's place in the table. The place is its NodeIndex while it is a voter; id 0 is a free place.
struct Voter {
    NodeId id;
    bool lost = false;
    bool drained = false;
    Outing outing;  ///< of its last Rejoin
    bool operator==(const Voter&) const = default;
};

struct Weight {
    NodeId node;
    std::uint32_t weight = 100;
    bool operator==(const Weight&) const = default;
};

struct PinnedSlot {
    std::uint32_t slot = 0;
    NodeId node;
    bool operator==(const PinnedSlot&) const = default;
};

/// A pool in the agreed state; numbered in the order in which pools get their first member. Every slot's list
/// holds the same members, in the slot's own order.
struct Pool {
    PoolId id;
    PoolConfig config;
    NodeMask members = 0;  ///< started there, eligible or not
    NodeMask no_carrier = 0;
    NodeMask failed_open = 0;
    std::vector<Weight> weights;   ///< by node; only those that were set
    std::vector<PinnedSlot> pins;  ///< by slot
    std::uint32_t width = 0;       ///< members in a list
    std::vector<NodeIndex> lists;  ///< `width` places per slot
    std::vector<std::uint32_t>
        changed;          ///< per slot: the entry of this ring in which its list last changed, or 0
    std::string unknown;  ///< fields of a newer minor version, as they came

    [[nodiscard]] std::span<const NodeIndex> list(std::uint32_t slot) const {
        return {lists.data() + std::size_t{slot} * width, width};
    }
    [[nodiscard]] NodeMask ailing() const { return no_carrier | failed_open; }
    [[nodiscard]] std::uint32_t weight_of(NodeId node) const;
    bool operator==(const Pool&) const = default;
};

/// The ordered state (design 4.1): changed by ordered entries and configuration changes alone, equal on every
/// node that has the same tag. Pure: no function here knows on which node it runs.
class AgreedState {
  public:
    Tag tag;
    Tag voters_changed;         ///< the entry in which the voters last changed
    bool leases_count = false;  ///< silence for a lease is proof in pools with on_loss=auto (see CountLeases)
    std::array<Voter, max_nodes> voters;
    std::vector<Pool> pools;  ///< by name
    std::uint32_t pools_made = 0;
    std::string unknown;

    /// Applies the next entry: counts it, and changes the state if it stands. Total.
    Outcome apply(const EntryBody& body);

    /// Begins a configuration with this state: `silent` voters go, voters that are not `members` are lost,
    /// and entries are counted from 0.
    void begin(const RingId& ring, std::span<const NodeId> members, std::span<const NodeId> silent);

    /// Makes these the voters of a state that has none.
    void elect(std::span<const NodeId> nodes);

    [[nodiscard]] NodeIndex find(NodeId node) const;
    [[nodiscard]] NodeMask electorate() const;
    [[nodiscard]] NodeMask lost() const;
    [[nodiscard]] int majority() const;
    [[nodiscard]] const Pool* pool(std::string_view name) const;
    [[nodiscard]] const Pool* pool(PoolId id) const;
    /// Members of the pool that may answer: not lost, not drained, without an ailment.
    [[nodiscard]] NodeMask eligible(const Pool& pool) const;
    /// Only death or departure frees a member's slots in this pool, at present (design 4.3).
    [[nodiscard]] bool waits_for_fencing(const Pool& pool) const;
    [[nodiscard]] std::uint32_t slots() const;
    /// Over everything above; equal states have equal hashes.
    [[nodiscard]] std::uint64_t hash() const;
    /// The name of the first invariant that this state breaks, or nullptr. What comes from outside is asked
    /// this first.
    [[nodiscard]] const char* unsound() const;
    bool operator==(const AgreedState&) const = default;

  private:
    Outcome on(const Move& entry);
    Outcome on(const Rejoin& entry);
    Outcome on(const Lost& entry);
    Outcome on(const Leave& entry);
    Outcome on(const Fenced& entry);
    Outcome on(const CountLeases& entry);
    Outcome on(const JoinPool& entry);
    Outcome on(const LeavePool& entry);
    Outcome on(const RemovePool& entry);
    Outcome on(const SetWeight& entry);
    Outcome on(const Pin& entry);
    Outcome on(const SetRebalance& entry);
    Outcome on(const Drain& entry);
    Outcome on(const SetAilment& entry);
    Outcome on(const Unknown& entry);

    Pool* pool_named(std::string_view name);
    void remove_voter(NodeIndex who);
    void lose(NodeIndex who);
    void add_to_lists(Pool& pool, NodeIndex who);
    void drop_from_lists(Pool& pool, NodeIndex who);
    void to_ends(Pool& pool, NodeIndex who);
    void place(Pool& pool);
    void place_all();
    void touch(Pool& pool, std::uint32_t slot) {
        pool.changed[slot] = static_cast<std::uint32_t>(tag.entries);
    }
};

}  // namespace buoy::core
