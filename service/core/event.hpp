// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "service/core/effect.hpp"
#include "service/core/messages.hpp"

namespace buoy::core {

/// The first event: who we are. `pools` are those that were started on this node before the daemon was.
/// `longest_lease` is what the last run of the daemon published by that name, kept over restarts; zero where
/// there was none. A planned handover of more than `portion` slots goes in portions; 0: none does.
struct Started {
    NodeId self;
    Incarnation incarnation;
    Duration beat{50'000'000};
    Duration lease{500'000'000};
    std::vector<PoolConfig> pools;
    Duration longest_lease{};
    std::uint32_t portion = 0;
    bool operator==(const Started&) const = default;
};

enum class Departed : std::uint8_t { left, process_down, node_down, process_gone };
struct Departure {
    NodeId node;
    Departed reason = Departed::node_down;
    bool operator==(const Departure&) const = default;
};

/// A daemon in the group.
struct Member {
    NodeId node;
    std::uint32_t process = 0;  ///< its process id
    bool operator==(const Member&) const = default;
};

/// The group changed: once per ring, after the last of Corosync's callbacks for it, and once for each daemon
/// that comes or goes on a ring that stays. The member list counts; `joined` and `left` differ from node to
/// node.
struct ConfigurationChanged {
    CorosyncRing ring;
    std::vector<Member> members;
    std::vector<NodeId> joined;
    std::vector<Departure> left;
    bool operator==(const ConfigurationChanged&) const = default;
};

/// The quorum service's view. `nodes` are the ring's nodes: a group member that is not among them is a ghost.
/// `expected` is how many nodes the cluster is made of; with `two_node` both halves of it are quorate.
struct QuorumChanged {
    CorosyncRing ring;
    bool quorate = false;
    bool two_node = false;
    std::uint32_t expected = 0;
    std::vector<NodeId> nodes;
    bool operator==(const QuorumChanged&) const = default;
};

struct EntryDelivered {
    Entry entry;
    bool operator==(const EntryDelivered&) const = default;
};
struct HelloDelivered {
    Hello hello;
    bool operator==(const HelloDelivered&) const = default;
};
struct SnapshotDelivered {
    Snapshot snapshot;
    bool operator==(const SnapshotDelivered&) const = default;
};
struct BeatReceived {
    Beat beat;
    bool operator==(const BeatReceived&) const = default;
};

enum class FencingAction : std::uint8_t { off, reboot, on, other };
/// What Pacemaker's fencer reports. `at` is when the action ended, in this node's time, never later than it
/// was.
struct FencingReported {
    NodeId node;
    FencingAction action = FencingAction::other;
    bool succeeded = false;
    TimePoint at;
    bool operator==(const FencingReported&) const = default;
};

/// The timer last armed has run out. Early or doubled timers do no harm.
struct TimerFired {
    bool operator==(const TimerFired&) const = default;
};

/// A Close or an Open was carried out.
struct EffectDone {
    EffectId effect;
    bool operator==(const EffectDone&) const = default;
};
/// A Close or an Open failed for these slots; for the rest of them it was carried out.
struct EffectFailed {
    EffectId effect;
    std::vector<SlotId> slots;
    std::string reason;
    bool operator==(const EffectFailed&) const = default;
};

/// Whether the pool's interface can carry traffic.
struct CarrierChanged {
    std::string pool;
    bool carrier = true;
    bool operator==(const CarrierChanged&) const = default;
};

struct StartPool {
    PoolConfig config;
    bool operator==(const StartPool&) const = default;
};
struct StopPool {
    std::string pool;
    bool operator==(const StopPool&) const = default;
};
/// Tries again to open a pool's slots here after an open failed.
struct ClearFailure {
    std::string pool;
    bool operator==(const ClearFailure&) const = default;
};
/// A person, or a node's agent that has closed for its dead daemon, vouches for a node's silence.
struct ConfirmDown {
    NodeId node;
    Proof proof = Proof::operator_word;
    std::string user;
    bool operator==(const ConfirmDown&) const = default;
};
/// Closes everything and takes this node out of the voters, for good.
struct Shutdown {
    bool operator==(const Shutdown&) const = default;
};

using Request = std::variant<StartPool, StopPool, ClearFailure, ConfirmDown, Shutdown, Move, RemovePool,
                             SetWeight, Pin, SetRebalance, Drain>;

struct Requested {
    RequestId id;
    Request request;
    bool operator==(const Requested&) const = default;
};

/// Why something that came in was dropped.
enum class Refusal : std::uint8_t {
    malformed,
    too_large,
    newer_major,
    other_cluster,
    stranger,
    contradictory,
    old,
    other_ring,
    count_,
};
/// A decoder dropped a message; only counted.
struct MessageRefused {
    Refusal reason = Refusal::malformed;
    bool operator==(const MessageRefused&) const = default;
};

using Event = std::variant<TimerFired, Started, ConfigurationChanged, QuorumChanged, EntryDelivered,
                           HelloDelivered, SnapshotDelivered, BeatReceived, FencingReported, EffectDone,
                           EffectFailed, CarrierChanged, Requested, MessageRefused>;

}  // namespace buoy::core
