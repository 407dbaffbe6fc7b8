// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "service/core/messages.hpp"

namespace buoy::core {

/// Names one Close or Open, so that its result can be told. Grows; never used twice by one daemon.
struct EffectId {
    std::uint64_t value = 0;
    constexpr auto operator<=>(const EffectId&) const = default;
};

/// Sends to the group, in the agreed order. Nothing is agreed until it is delivered, also to the sender.
struct Multicast {
    Message message;
    bool operator==(const Multicast&) const = default;
};
/// Sends to every other node of the cluster, outside the order.
struct SendBeat {
    Beat beat;
    bool operator==(const SendBeat&) const = default;
};
/// Makes this node stop answering for the slots. Answered by EffectDone when the gate is shut for them.
struct Close {
    EffectId id;
    bool everything = false;  ///< all that the gate has, whoever opened it; `slots` is empty then
    std::vector<SlotId> slots;
    bool operator==(const Close&) const = default;
};
/// Makes this node answer for the slots, within the gate's deadline. Answered when the first burst is out.
struct Open {
    EffectId id;
    std::vector<SlotId> slots;
    bool operator==(const Open&) const = default;
};
/// Repeats the announcements of slots that are open.
struct Announce {
    std::vector<SlotId> slots;
    bool operator==(const Announce&) const = default;
};

/// All gates of this node shut at `deadline`, in boot-clock time, whatever else happens.
struct SetGateDeadline {
    TimePoint deadline;
    bool operator==(const SetGateDeadline&) const = default;
};
/// One TimerFired at this time; replaces the one armed before.
struct ArmTimer {
    TimePoint at;
    bool operator==(const ArmTimer&) const = default;
};
struct Reply {
    RequestId id;
    Outcome outcome = Outcome::applied;
    bool operator==(const Reply&) const = default;
};

struct PoolStatus {
    std::string name;
    std::uint32_t slots = 0;
    std::uint32_t held = 0;  ///< open here
    std::uint32_t members = 0;
    bool started = false;      ///< here
    bool failed_open = false;  ///< here
    bool no_carrier = false;   ///< here
    bool unsafe = false;
    bool operator==(const PoolStatus&) const = default;
};
/// A daemon in this configuration whose lease is not ours. Leases have to be equal in a cluster: who condemns
/// after a short one would take slots from who holds for a long one.
struct OtherLease {
    NodeId node;
    Duration lease{};
    bool operator==(const OtherLease&) const = default;
};
/// What has changed for people to see.
struct Status {
    bool primary = false;
    bool quorate = false;
    bool out = true;            ///< closed, and asking to rejoin
    bool close_failed = false;  ///< a close failed: nothing is renewed here until it succeeds
    bool cut_off = false;       ///< out, and to stay so until beats go to and fro between it and a majority
    bool resynced = false;      ///< the state differed from the others' at the same tag, and was thrown away
    Tag tag;
    std::vector<NodeId> voters;
    std::vector<NodeId> lost;
    std::vector<NodeId> condemned;  ///< by a majority
    std::vector<PoolStatus> pools;
    std::vector<OtherLease> other_leases{};  ///< either they take no part, or we do not: see `primary`
    /// That somebody may still hold who was agreed with earlier, or ours. To be kept over restarts of the
    /// daemon and machine, for Started: a daemon that begins anew with a shorter lease waits for as long.
    Duration longest_lease{};
    bool operator==(const Status&) const = default;
};
struct PublishStatus {
    Status status;
    bool operator==(const PublishStatus&) const = default;
};

using Effect =
    std::variant<ArmTimer, SetGateDeadline, Reply, Close, Open, Announce, Multicast, SendBeat, PublishStatus>;

/// What a step asks for, to be carried out in this order. The first few are held in place: a beat that renews
/// the lease costs no allocation.
class Effects {
  public:
    void push(Effect effect) {
        if (size_ < first_.size())
            first_[size_] = std::move(effect);
        else
            rest_.push_back(std::move(effect));
        ++size_;
    }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] const Effect& operator[](std::size_t i) const {
        return i < first_.size() ? first_[i] : rest_[i - first_.size()];
    }
    [[nodiscard]] Effect& operator[](std::size_t i) {
        return i < first_.size() ? first_[i] : rest_[i - first_.size()];
    }
    bool operator==(const Effects& other) const {
        if (size_ != other.size_) return false;
        for (std::size_t i = 0; i < size_; ++i)
            if ((*this)[i] != other[i]) return false;
        return true;
    }

  private:
    std::array<Effect, 3> first_;
    std::vector<Effect> rest_;
    std::size_t size_ = 0;
};

}  // namespace buoy::core
