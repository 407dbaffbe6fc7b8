// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <tuple>

#include "service/core/event.hpp"
#include "service/core/ownership.hpp"

// The names under which the journal writes every field of every event and effect, and of a node's whole
// state: the one list that both the writer and the parser read.
namespace buoy::journal {

template <typename T, typename M>
struct Field {
    const char* name;
    M T::*member;
};
template <typename T, typename M>
constexpr Field<T, M> field(const char* name, M T::*member) {
    return {name, member};
}

/// Fields (service/core/recorded.hpp) is specialised for every struct that the journal knows: `name` and
/// `all`, a tuple of fields.
template <typename T>
concept Known = requires {
    Fields<T>::all;
};

#define BUOY_FIELDS(TYPE, NAME, ...)                              \
    template <>                                                   \
    struct Fields<TYPE> {                                         \
        static constexpr const char* name = NAME;                 \
        static constexpr auto all = std::make_tuple(__VA_ARGS__); \
    }
#define BUOY_F(TYPE, MEMBER) field(#MEMBER, &TYPE::MEMBER)

BUOY_FIELDS(CorosyncRing, "ring", BUOY_F(CorosyncRing, seq), BUOY_F(CorosyncRing, node));
BUOY_FIELDS(RingId, "ring_id", BUOY_F(RingId, ring), BUOY_F(RingId, change));
BUOY_FIELDS(Tag, "tag", BUOY_F(Tag, ring), BUOY_F(Tag, entries));
BUOY_FIELDS(Outing, "outing", BUOY_F(Outing, incarnation), BUOY_F(Outing, count));
BUOY_FIELDS(SlotId, "slot", BUOY_F(SlotId, pool), BUOY_F(SlotId, index));

BUOY_FIELDS(core::PoolConfig, "pool_config", BUOY_F(core::PoolConfig, name), BUOY_F(core::PoolConfig, hash),
            BUOY_F(core::PoolConfig, slots), BUOY_F(core::PoolConfig, on_loss),
            BUOY_F(core::PoolConfig, rebalance), BUOY_F(core::PoolConfig, parameters));
BUOY_FIELDS(core::Move, "move", BUOY_F(core::Move, pool), BUOY_F(core::Move, slots),
            BUOY_F(core::Move, node));
BUOY_FIELDS(core::Rejoin, "rejoin", BUOY_F(core::Rejoin, node), BUOY_F(core::Rejoin, outing),
            BUOY_F(core::Rejoin, electorate), BUOY_F(core::Rejoin, pools));
BUOY_FIELDS(core::Lost, "lost", BUOY_F(core::Lost, node));
BUOY_FIELDS(core::Leave, "leave", BUOY_F(core::Leave, node), BUOY_F(core::Leave, electorate));
BUOY_FIELDS(core::Fenced, "fenced", BUOY_F(core::Fenced, node), BUOY_F(core::Fenced, outing),
            BUOY_F(core::Fenced, electorate), BUOY_F(core::Fenced, proof), BUOY_F(core::Fenced, user));
BUOY_FIELDS(core::CountLeases, "count_leases", BUOY_F(core::CountLeases, electorate));
BUOY_FIELDS(core::JoinPool, "join_pool", BUOY_F(core::JoinPool, node), BUOY_F(core::JoinPool, config));
BUOY_FIELDS(core::LeavePool, "leave_pool", BUOY_F(core::LeavePool, node), BUOY_F(core::LeavePool, pool));
BUOY_FIELDS(core::RemovePool, "remove_pool", BUOY_F(core::RemovePool, pool));
BUOY_FIELDS(core::SetWeight, "set_weight", BUOY_F(core::SetWeight, pool), BUOY_F(core::SetWeight, node),
            BUOY_F(core::SetWeight, weight));
BUOY_FIELDS(core::Pin, "pin", BUOY_F(core::Pin, pool), BUOY_F(core::Pin, slot), BUOY_F(core::Pin, node));
BUOY_FIELDS(core::SetRebalance, "set_rebalance", BUOY_F(core::SetRebalance, pool),
            BUOY_F(core::SetRebalance, rebalance));
BUOY_FIELDS(core::Drain, "drain", BUOY_F(core::Drain, node), BUOY_F(core::Drain, on));
BUOY_FIELDS(core::SetAilment, "set_ailment", BUOY_F(core::SetAilment, node), BUOY_F(core::SetAilment, pool),
            BUOY_F(core::SetAilment, ailment), BUOY_F(core::SetAilment, on));
BUOY_FIELDS(core::Unknown, "unknown", BUOY_F(core::Unknown, bytes));
BUOY_FIELDS(core::Entry, "entry", BUOY_F(core::Entry, ring), BUOY_F(core::Entry, sender),
            BUOY_F(core::Entry, request), BUOY_F(core::Entry, body), BUOY_F(core::Entry, unknown));

BUOY_FIELDS(core::Voter, "voter", BUOY_F(core::Voter, id), BUOY_F(core::Voter, lost),
            BUOY_F(core::Voter, drained), BUOY_F(core::Voter, outing));
BUOY_FIELDS(core::Weight, "weight", BUOY_F(core::Weight, node), BUOY_F(core::Weight, weight));
BUOY_FIELDS(core::PinnedSlot, "pinned_slot", BUOY_F(core::PinnedSlot, slot), BUOY_F(core::PinnedSlot, node));
BUOY_FIELDS(core::Pool, "pool", BUOY_F(core::Pool, id), BUOY_F(core::Pool, config),
            BUOY_F(core::Pool, members), BUOY_F(core::Pool, no_carrier), BUOY_F(core::Pool, failed_open),
            BUOY_F(core::Pool, weights), BUOY_F(core::Pool, pins), BUOY_F(core::Pool, width),
            BUOY_F(core::Pool, lists), BUOY_F(core::Pool, changed), BUOY_F(core::Pool, unknown));
BUOY_FIELDS(core::AgreedState, "state", BUOY_F(core::AgreedState, tag),
            BUOY_F(core::AgreedState, voters_changed), BUOY_F(core::AgreedState, leases_count),
            BUOY_F(core::AgreedState, voters), BUOY_F(core::AgreedState, pools),
            BUOY_F(core::AgreedState, pools_made), BUOY_F(core::AgreedState, unknown));
BUOY_FIELDS(core::Together, "together", BUOY_F(core::Together, node), BUOY_F(core::Together, process),
            BUOY_F(core::Together, configurations));
BUOY_FIELDS(core::VoterSeen, "voter_seen", BUOY_F(core::VoterSeen, node), BUOY_F(core::VoterSeen, outing));
BUOY_FIELDS(core::Hello, "hello", BUOY_F(core::Hello, sender), BUOY_F(core::Hello, incarnation),
            BUOY_F(core::Hello, ring), BUOY_F(core::Hello, change), BUOY_F(core::Hello, together),
            BUOY_F(core::Hello, quorate), BUOY_F(core::Hello, expected), BUOY_F(core::Hello, has_state),
            BUOY_F(core::Hello, holding), BUOY_F(core::Hello, lease), BUOY_F(core::Hello, longest_lease),
            BUOY_F(core::Hello, tag), BUOY_F(core::Hello, hash), BUOY_F(core::Hello, voters),
            BUOY_F(core::Hello, silent), BUOY_F(core::Hello, unknown));
BUOY_FIELDS(core::Snapshot, "snapshot", BUOY_F(core::Snapshot, sender), BUOY_F(core::Snapshot, ring),
            BUOY_F(core::Snapshot, together), BUOY_F(core::Snapshot, to), BUOY_F(core::Snapshot, hold),
            BUOY_F(core::Snapshot, state), BUOY_F(core::Snapshot, unknown));
BUOY_FIELDS(core::Echo, "echo", BUOY_F(core::Echo, node), BUOY_F(core::Echo, incarnation),
            BUOY_F(core::Echo, created));
BUOY_FIELDS(core::Beat, "beat", BUOY_F(core::Beat, sender), BUOY_F(core::Beat, incarnation),
            BUOY_F(core::Beat, tag), BUOY_F(core::Beat, hash), BUOY_F(core::Beat, created),
            BUOY_F(core::Beat, echoes), BUOY_F(core::Beat, condemned), BUOY_F(core::Beat, heard),
            BUOY_F(core::Beat, owed));

BUOY_FIELDS(core::TimerFired, "timer", );
BUOY_FIELDS(core::Started, "started", BUOY_F(core::Started, self), BUOY_F(core::Started, incarnation),
            BUOY_F(core::Started, beat), BUOY_F(core::Started, lease), BUOY_F(core::Started, pools),
            BUOY_F(core::Started, longest_lease), BUOY_F(core::Started, portion));
BUOY_FIELDS(core::Member, "member", BUOY_F(core::Member, node), BUOY_F(core::Member, process));
BUOY_FIELDS(core::Departure, "departure", BUOY_F(core::Departure, node), BUOY_F(core::Departure, reason));
BUOY_FIELDS(core::ConfigurationChanged, "configuration", BUOY_F(core::ConfigurationChanged, ring),
            BUOY_F(core::ConfigurationChanged, members), BUOY_F(core::ConfigurationChanged, joined),
            BUOY_F(core::ConfigurationChanged, left));
BUOY_FIELDS(core::QuorumChanged, "quorum", BUOY_F(core::QuorumChanged, ring),
            BUOY_F(core::QuorumChanged, quorate), BUOY_F(core::QuorumChanged, two_node),
            BUOY_F(core::QuorumChanged, expected), BUOY_F(core::QuorumChanged, nodes));
BUOY_FIELDS(core::EntryDelivered, "entry_delivered", BUOY_F(core::EntryDelivered, entry));
BUOY_FIELDS(core::HelloDelivered, "hello_delivered", BUOY_F(core::HelloDelivered, hello));
BUOY_FIELDS(core::SnapshotDelivered, "snapshot_delivered", BUOY_F(core::SnapshotDelivered, snapshot));
BUOY_FIELDS(core::BeatReceived, "beat_received", BUOY_F(core::BeatReceived, beat));
BUOY_FIELDS(core::FencingReported, "fencing", BUOY_F(core::FencingReported, node),
            BUOY_F(core::FencingReported, action), BUOY_F(core::FencingReported, succeeded),
            BUOY_F(core::FencingReported, at));
BUOY_FIELDS(core::EffectDone, "done", BUOY_F(core::EffectDone, effect));
BUOY_FIELDS(core::EffectFailed, "failed", BUOY_F(core::EffectFailed, effect),
            BUOY_F(core::EffectFailed, slots), BUOY_F(core::EffectFailed, reason));
BUOY_FIELDS(core::CarrierChanged, "carrier", BUOY_F(core::CarrierChanged, pool),
            BUOY_F(core::CarrierChanged, carrier));
BUOY_FIELDS(core::StartPool, "start_pool", BUOY_F(core::StartPool, config));
BUOY_FIELDS(core::StopPool, "stop_pool", BUOY_F(core::StopPool, pool));
BUOY_FIELDS(core::ClearFailure, "clear_failure", BUOY_F(core::ClearFailure, pool));
BUOY_FIELDS(core::ConfirmDown, "confirm_down", BUOY_F(core::ConfirmDown, node),
            BUOY_F(core::ConfirmDown, proof), BUOY_F(core::ConfirmDown, user));
BUOY_FIELDS(core::Shutdown, "shutdown", );
BUOY_FIELDS(core::Requested, "requested", BUOY_F(core::Requested, id), BUOY_F(core::Requested, request));
BUOY_FIELDS(core::MessageRefused, "refused", BUOY_F(core::MessageRefused, reason));

BUOY_FIELDS(core::Multicast, "multicast", BUOY_F(core::Multicast, message));
BUOY_FIELDS(core::SendBeat, "send_beat", BUOY_F(core::SendBeat, beat));
BUOY_FIELDS(core::Close, "close", BUOY_F(core::Close, id), BUOY_F(core::Close, everything),
            BUOY_F(core::Close, slots));
BUOY_FIELDS(core::Open, "open", BUOY_F(core::Open, id), BUOY_F(core::Open, slots));
BUOY_FIELDS(core::Announce, "announce", BUOY_F(core::Announce, slots));
BUOY_FIELDS(core::SetGateDeadline, "gate_deadline", BUOY_F(core::SetGateDeadline, deadline));
BUOY_FIELDS(core::ArmTimer, "arm_timer", BUOY_F(core::ArmTimer, at));
BUOY_FIELDS(core::Reply, "reply", BUOY_F(core::Reply, id), BUOY_F(core::Reply, outcome));
BUOY_FIELDS(core::PoolStatus, "pool_status", BUOY_F(core::PoolStatus, name), BUOY_F(core::PoolStatus, slots),
            BUOY_F(core::PoolStatus, held), BUOY_F(core::PoolStatus, members),
            BUOY_F(core::PoolStatus, started), BUOY_F(core::PoolStatus, failed_open),
            BUOY_F(core::PoolStatus, no_carrier), BUOY_F(core::PoolStatus, unsafe));
BUOY_FIELDS(core::OtherLease, "other_lease", BUOY_F(core::OtherLease, node), BUOY_F(core::OtherLease, lease));
BUOY_FIELDS(core::Status, "status", BUOY_F(core::Status, primary), BUOY_F(core::Status, quorate),
            BUOY_F(core::Status, out), BUOY_F(core::Status, close_failed), BUOY_F(core::Status, cut_off),
            BUOY_F(core::Status, resynced), BUOY_F(core::Status, tag), BUOY_F(core::Status, voters),
            BUOY_F(core::Status, lost), BUOY_F(core::Status, condemned), BUOY_F(core::Status, pools),
            BUOY_F(core::Status, other_leases), BUOY_F(core::Status, longest_lease));
BUOY_FIELDS(core::PublishStatus, "publish_status", BUOY_F(core::PublishStatus, status));

// A node's whole state: every member of its parts. A test compares with what the headers declare.
BUOY_FIELDS(core::Barrier::Reached, "reached", BUOY_F(core::Barrier::Reached, entry),
            BUOY_F(core::Barrier::Reached, since));
BUOY_FIELDS(core::Barrier, "barrier", BUOY_F(core::Barrier, all_), BUOY_F(core::Barrier, majority_),
            BUOY_F(core::Barrier, matured_), BUOY_F(core::Barrier, rising_));
BUOY_FIELDS(core::Peers::Peer, "peer", BUOY_F(core::Peers::Peer, heard_of),
            BUOY_F(core::Peers::Peer, echoable), BUOY_F(core::Peers::Peer, has_vouched),
            BUOY_F(core::Peers::Peer, hears_us), BUOY_F(core::Peers::Peer, incarnation),
            BUOY_F(core::Peers::Peer, created), BUOY_F(core::Peers::Peer, tag),
            BUOY_F(core::Peers::Peer, hash), BUOY_F(core::Peers::Peer, condemns),
            BUOY_F(core::Peers::Peer, heard), BUOY_F(core::Peers::Peer, last_beat),
            BUOY_F(core::Peers::Peer, echo), BUOY_F(core::Peers::Peer, vouched),
            BUOY_F(core::Peers::Peer, owed));
BUOY_FIELDS(core::Peers, "peers", BUOY_F(core::Peers, peers_), BUOY_F(core::Peers, mine_),
            BUOY_F(core::Peers, known_));
BUOY_FIELDS(core::Decision, "decision", BUOY_F(core::Decision, ring), BUOY_F(core::Decision, members),
            BUOY_F(core::Decision, keeper), BUOY_F(core::Decision, cold), BUOY_F(core::Decision, hold),
            BUOY_F(core::Decision, snapshot), BUOY_F(core::Decision, hold_lease),
            BUOY_F(core::Decision, newest), BUOY_F(core::Decision, hash), BUOY_F(core::Decision, silent));
BUOY_FIELDS(core::Exchange, "exchange", BUOY_F(core::Exchange, self_), BUOY_F(core::Exchange, ring_),
            BUOY_F(core::Exchange, change_), BUOY_F(core::Exchange, members_),
            BUOY_F(core::Exchange, quorum_), BUOY_F(core::Exchange, hellos_),
            BUOY_F(core::Exchange, decision_));
BUOY_FIELDS(core::Holding::PoolSlots, "pool_slots", BUOY_F(core::Holding::PoolSlots, id),
            BUOY_F(core::Holding::PoolSlots, passing), BUOY_F(core::Holding::PoolSlots, states));
BUOY_FIELDS(core::Holding::Asked, "asked_of_gate", BUOY_F(core::Holding::Asked, id),
            BUOY_F(core::Holding::Asked, close), BUOY_F(core::Holding::Asked, everything),
            BUOY_F(core::Holding::Asked, slots));
BUOY_FIELDS(core::Holding, "holding", BUOY_F(core::Holding, pools_), BUOY_F(core::Holding, asked_),
            BUOY_F(core::Holding, failed_), BUOY_F(core::Holding, failed_everything_),
            BUOY_F(core::Holding, passing_), BUOY_F(core::Holding, closes_), BUOY_F(core::Holding, last_id_));
BUOY_FIELDS(core::Ownership::LocalPool, "local_pool", BUOY_F(core::Ownership::LocalPool, config),
            BUOY_F(core::Ownership::LocalPool, stopping), BUOY_F(core::Ownership::LocalPool, failed_open));
BUOY_FIELDS(core::Ownership::Pending, "pending", BUOY_F(core::Ownership::Pending, id),
            BUOY_F(core::Ownership::Pending, request), BUOY_F(core::Ownership::Pending, since),
            BUOY_F(core::Ownership::Pending, begun));
BUOY_FIELDS(core::Ownership::Asked, "asked", BUOY_F(core::Ownership::Asked, kind),
            BUOY_F(core::Ownership::Asked, node), BUOY_F(core::Ownership::Asked, pool),
            BUOY_F(core::Ownership::Asked, detail), BUOY_F(core::Ownership::Asked, refused_until));
BUOY_FIELDS(core::Ownership::Handover, "handover", BUOY_F(core::Ownership::Handover, goes_on),
            BUOY_F(core::Ownership::Handover, goal), BUOY_F(core::Ownership::Handover, portion),
            BUOY_F(core::Ownership::Handover, rest), BUOY_F(core::Ownership::Handover, entry),
            BUOY_F(core::Ownership::Handover, since));
BUOY_FIELDS(core::Ownership::Proven, "proven", BUOY_F(core::Ownership::Proven, who),
            BUOY_F(core::Ownership::Proven, proof), BUOY_F(core::Ownership::Proven, user));
BUOY_FIELDS(core::Ownership::Memberless, "memberless", BUOY_F(core::Ownership::Memberless, pool),
            BUOY_F(core::Ownership::Memberless, since));
BUOY_FIELDS(core::Ownership::LastSeen, "last_seen", BUOY_F(core::Ownership::LastSeen, node),
            BUOY_F(core::Ownership::LastSeen, at));
BUOY_FIELDS(core::Ownership::Order, "order", BUOY_F(core::Ownership::Order, sent),
            BUOY_F(core::Ownership::Order, back), BUOY_F(core::Ownership::Order, asked),
            BUOY_F(core::Ownership::Order, asked_at), BUOY_F(core::Ownership::Order, answered),
            BUOY_F(core::Ownership::Order, vouched));
BUOY_FIELDS(
    core::Ownership, "ownership", BUOY_F(core::Ownership, settings_), BUOY_F(core::Ownership, margin_),
    BUOY_F(core::Ownership, started_), BUOY_F(core::Ownership, now_), BUOY_F(core::Ownership, started_at_),
    BUOY_F(core::Ownership, phase_), BUOY_F(core::Ownership, exchange_), BUOY_F(core::Ownership, has_state_),
    BUOY_F(core::Ownership, agreed_), BUOY_F(core::Ownership, hash_), BUOY_F(core::Ownership, next_),
    BUOY_F(core::Ownership, next_entry_), BUOY_F(core::Ownership, next_outcome_),
    BUOY_F(core::Ownership, next_hold_), BUOY_F(core::Ownership, next_same_), BUOY_F(core::Ownership, queue_),
    BUOY_F(core::Ownership, replay_), BUOY_F(core::Ownership, resyncing_),
    BUOY_F(core::Ownership, hello_delivered_), BUOY_F(core::Ownership, snapshot_sent_),
    BUOY_F(core::Ownership, peers_), BUOY_F(core::Ownership, barrier_), BUOY_F(core::Ownership, holding_),
    BUOY_F(core::Ownership, deadline_), BUOY_F(core::Ownership, order_),
    BUOY_F(core::Ownership, no_leases_since_), BUOY_F(core::Ownership, installed_at_),
    BUOY_F(core::Ownership, deaf_since_), BUOY_F(core::Ownership, apart_since_),
    BUOY_F(core::Ownership, hold_until_), BUOY_F(core::Ownership, longest_lease_),
    BUOY_F(core::Ownership, out_), BUOY_F(core::Ownership, muted_), BUOY_F(core::Ownership, outing_),
    BUOY_F(core::Ownership, joined_at_), BUOY_F(core::Ownership, joined_),
    BUOY_F(core::Ownership, opened_past_), BUOY_F(core::Ownership, opened_past_since_),
    BUOY_F(core::Ownership, pools_), BUOY_F(core::Ownership, no_carrier_), BUOY_F(core::Ownership, pending_),
    BUOY_F(core::Ownership, asked_), BUOY_F(core::Ownership, handover_), BUOY_F(core::Ownership, owed_),
    BUOY_F(core::Ownership, proven_), BUOY_F(core::Ownership, seen_), BUOY_F(core::Ownership, memberless_),
    BUOY_F(core::Ownership, shutting_down_), BUOY_F(core::Ownership, left_last_),
    BUOY_F(core::Ownership, next_beat_), BUOY_F(core::Ownership, retry_close_at_),
    BUOY_F(core::Ownership, beat_now_), BUOY_F(core::Ownership, dirty_), BUOY_F(core::Ownership, resynced_),
    BUOY_F(core::Ownership, status_due_), BUOY_F(core::Ownership, published_),
    BUOY_F(core::Ownership, refused_));

#undef BUOY_F
#undef BUOY_FIELDS

}  // namespace buoy::journal
