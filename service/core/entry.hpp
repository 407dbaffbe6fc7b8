// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "buoy/ids.hpp"

namespace buoy::core {

/// What ends a pool member's claim when its node is lost (design 4.3).
enum class OnLoss : std::uint8_t { automatic, fenced, unsafe };
/// Whether placement may move first places for balance's sake alone.
enum class Rebalance : std::uint8_t { automatic, never };
/// What shows that a lost node no longer answers (design 4.3); `lease` needs no entry.
enum class Proof : std::uint8_t { fenced, operator_word, clean };
/// Why a started node may not answer for a pool's slots.
enum class Ailment : std::uint8_t { no_carrier, failed_open };

/// A pool's configuration, as its resource's parameters give it. `hash` covers all parameters, also those
/// that the core does not read; a node whose hash differs is refused as a member.
struct PoolConfig {
    std::string name;
    std::uint64_t hash = 0;
    std::uint32_t slots = 0;
    OnLoss on_loss = OnLoss::automatic;
    Rebalance rebalance = Rebalance::automatic;
    std::string parameters{};  ///< all of them, as text that only people and the daemons around the core read
    bool operator==(const PoolConfig&) const = default;
};

/// Puts a member first in the lists of some slots.
struct Move {
    std::string pool;
    std::vector<std::uint32_t> slots;
    NodeId node;
    bool operator==(const Move&) const = default;
};

/// Said by a node that has closed everything: it may answer again, at the ends of the lists. Counts once for
/// its outing. From a node that is no voter it makes one, and then names the electorate that it saw. The node
/// stays a member of those of its pools that it names.
struct Rejoin {
    NodeId node;
    Outing outing;
    Tag electorate;
    std::vector<std::string> pools;
    bool operator==(const Rejoin&) const = default;
};

/// The node went without closing, as far as anyone knows: to the end of the lists.
struct Lost {
    NodeId node;
    bool operator==(const Lost&) const = default;
};

/// Said by a node that has closed everything and goes for good: out of the lists and the voters.
struct Leave {
    NodeId node;
    Tag electorate;
    bool operator==(const Leave&) const = default;
};

/// There is proof that the node no longer answers: out of the lists and the voters. The proof is of the node
/// as it was since its Rejoin of `outing`; had it rejoined later, the proof would be an old one.
struct Fenced {
    NodeId node;
    Outing outing;
    Tag electorate;
    Proof proof = Proof::fenced;
    std::string user;  ///< who said so, for `operator_word`
    bool operator==(const Fenced&) const = default;
};

/// Every voter has been seen to keep its lease by echoes, so that silence may count as proof in pools with
/// on_loss=auto. Void when the electorate has changed since.
struct CountLeases {
    Tag electorate;
    bool operator==(const CountLeases&) const = default;
};

/// The pool was started on the node. The first makes the pool.
struct JoinPool {
    NodeId node;
    PoolConfig config;
    bool operator==(const JoinPool&) const = default;
};

/// The pool was stopped on the node.
struct LeavePool {
    NodeId node;
    std::string pool;
    bool operator==(const LeavePool&) const = default;
};

/// Forgets a pool that has no member. Asked for by a person, and by the lowest voter for a pool that has had
/// none for a while.
struct RemovePool {
    std::string pool;
    bool operator==(const RemovePool&) const = default;
};

/// A member's share of a pool, in proportion to the others'. 100 where nothing was said.
struct SetWeight {
    std::string pool;
    NodeId node;
    std::uint32_t weight = 100;
    bool operator==(const SetWeight&) const = default;
};

/// Binds a slot to a node while that node is an eligible member; node 0 frees it.
struct Pin {
    std::string pool;
    std::uint32_t slot = 0;
    NodeId node;
    bool operator==(const Pin&) const = default;
};

/// Whether a pool may move slots for balance's sake.
struct SetRebalance {
    std::string pool;
    Rebalance rebalance = Rebalance::automatic;
    bool operator==(const SetRebalance&) const = default;
};

/// Moves everything away from a node, or lets it be used again.
struct Drain {
    NodeId node;
    bool on = false;
    bool operator==(const Drain&) const = default;
};

/// A member's ailment in a pool appears or goes: with one it is not eligible.
struct SetAilment {
    NodeId node;
    std::string pool;
    Ailment ailment = Ailment::no_carrier;
    bool on = false;
    bool operator==(const SetAilment&) const = default;
};

/// An entry of a newer minor version: it counts as applied and changes nothing here.
struct Unknown {
    std::string bytes;
    bool operator==(const Unknown&) const = default;
};

using EntryBody = std::variant<Move, Rejoin, Lost, Leave, Fenced, CountLeases, JoinPool, LeavePool,
                               RemovePool, SetWeight, Pin, SetRebalance, Drain, SetAilment, Unknown>;

/// An ordered entry. It counts only in the configuration that it names: one sent while the ring was breaking
/// is delivered in the next configuration, to whoever is there, and means nothing any more.
struct Entry {
    RingId ring;
    NodeId sender;
    RequestId request;  ///< the sender's own, 0 when nobody waits for an answer
    EntryBody body;
    std::string unknown;  ///< fields of a newer minor version, as they came
    bool operator==(const Entry&) const = default;
};

/// What became of an entry.
enum class Outcome : std::uint8_t {
    applied,
    unchanged,         ///< it was so already
    stale_electorate,  ///< it named older voters (rule 9)
    stale_outing,      ///< that outing is over (rule 6), or the proof older than the node's return
    no_such_node,      ///< the node is no voter, or not among the pool's members
    no_such_pool,
    no_such_slot,
    different_config,  ///< the pool has members with another configuration
    pool_in_use,       ///< the pool still has members
    full,              ///< nodes, pools or slots are at their limit
    last_voter,        ///< the last voter cannot go
    unknown_kind,
    not_primary,  ///< no agreed order here, now
    busy,         ///< too many requests wait already
    refused,      ///< the request makes no sense: a name too long, a weight out of range, a node that is here
    timed_out,
};

}  // namespace buoy::core
