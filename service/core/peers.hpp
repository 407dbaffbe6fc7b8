// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>

#include "service/core/agreed_state.hpp"
#include "service/core/fixed_list.hpp"
#include "service/core/messages.hpp"
#include "service/core/recorded.hpp"

namespace buoy::core {

/// How far the voters have reported to be in a ring, for rule 4's barrier: an entry has passed it when every
/// voter - or a majority for longer than LM - has reported it.
class Barrier {
  public:
    /// Begins anew: another ring, or other voters.
    void reset() { *this = Barrier(); }
    /// `all`: the least that every voter has reported, or -1 where one is elsewhere. `majority`: what a
    /// majority has.
    void update(TimePoint now, Duration margin, std::int64_t all, std::int64_t majority);
    [[nodiscard]] bool all(std::uint64_t entry) const { return all_ >= static_cast<std::int64_t>(entry); }
    [[nodiscard]] bool passed(std::uint64_t entry) const;
    /// When the next entry will have been with a majority for longer than LM; the greatest time where none
    /// will.
    [[nodiscard]] TimePoint next_passing(TimePoint now, Duration margin) const;

  private:
    template <typename T>
    friend struct journal::Fields;
    struct Reached {
        std::int64_t entry = -1;
        TimePoint since;
    };
    std::int64_t all_ = -1;
    std::int64_t majority_ = -1;
    std::int64_t matured_ = -1;  // a majority has reported it for longer than LM
    FixedList<Reached, 16> rising_;
};

/// What a node knows of the other voters from their beats: rules 1, 2, 3 and 8. Indexed by their places in
/// the agreed state. No function here allocates, or does more than a few steps per voter.
class Peers {
  public:
    /// Where the node itself stands, as rules 1 and 4 compare with.
    struct Self {
        NodeIndex index = no_index;  ///< no_index: no voter
        bool primary = false;
        Tag tag;
        Incarnation incarnation;
        Duration lease{};
        Duration margin{};  ///< LM
    };
    enum class News : std::uint8_t { none, lease, reports };

    /// Rule 7: nothing of before is known.
    void blank(TimePoint now);
    /// The voter at this place is another one than before.
    void forget_place(TimePoint now, NodeIndex who);
    /// A Rejoin of `who` was applied (rules 3 and 8). `self`: it is our own.
    void rejoined(TimePoint now, NodeIndex who, bool self);
    /// The voters changed: what a majority says is counted again.
    void recount() { known_ = 0; }
    /// This node became a voter: it judges only from here on.
    void newborn(TimePoint now);
    /// Ends what rule 3 keeps until a Rejoin: whom we condemn is judged anew, from here on.
    void stop_condemning(TimePoint now);

    /// Takes a beat in. An older one than the last of its sender changes nothing.
    News receive(TimePoint now, const AgreedState& agreed, const Self& self, NodeIndex from,
                 const Beat& beat);
    /// Whether the beat is older than one that came already.
    [[nodiscard]] bool is_old(NodeIndex from, const Beat& beat) const;
    /// Whether this is the first beat for LM of somebody whom we condemn.
    [[nodiscard]] bool is_heard_again(TimePoint now, const Self& self, NodeIndex from) const;
    /// Voters, we included, whose beats have come within LM; those who condemn us and say that ours do not
    /// come through to them are left out.
    [[nodiscard]] int in_touch(TimePoint now, const AgreedState& agreed, const Self& self) const;
    /// Whether fewer than a majority of the voters, we included, have been heard for LM, counted from `since`
    /// at the earliest.
    [[nodiscard]] bool deaf(TimePoint now, const AgreedState& agreed, const Self& self,
                            TimePoint since) const;
    /// Condemns who has not been heard for LM. True when somebody was.
    bool condemn_silent(TimePoint now, const AgreedState& agreed, const Self& self);
    /// When the next voter will have been silent for too long; the greatest time where none is waited for.
    [[nodiscard]] TimePoint next_silence(TimePoint now, const AgreedState& agreed, const Self& self) const;
    /// Whether we condemn somebody whom too few others do, and who has been heard again for long: a
    /// condemnation is not taken back, so that nobody would ever hear our echo of it (rule 3).
    [[nodiscard]] bool condemns_in_vain(TimePoint now, const Self& self) const;
    /// Whether we condemn somebody whom too few others do.
    [[nodiscard]] bool condemns_alone() const { return (mine_ & ~known_) != 0; }
    /// Looks again for whom a majority condemns. True when that has become more.
    bool count_condemned(const AgreedState& agreed, const Self& self);
    /// Whether so many report to condemn us that the rest is no majority; counted are those that have applied
    /// `since`, where they are on its ring.
    [[nodiscard]] bool condemned_ourselves(const AgreedState& agreed, const Self& self,
                                           const Tag& since) const;
    /// When, in our own time, a majority of the voters last vouched for us; the least time where it never
    /// did.
    [[nodiscard]] TimePoint vouched(TimePoint now, const AgreedState& agreed, const Self& self) const;
    void update_barrier(TimePoint now, const AgreedState& agreed, const Self& self, Barrier& barrier) const;
    /// As `all` of the barrier, for the voters in `among` only.
    [[nodiscard]] std::int64_t reported_by_all(const AgreedState& agreed, const Self& self,
                                               NodeMask among) const;
    /// What our beat says of the others.
    void write(TimePoint now, const AgreedState& agreed, const Self& self, bool echo, Beat& beat) const;
    /// Whether our state is the one that differs from that of most others with the same tag.
    [[nodiscard]] bool diverged(const AgreedState& agreed, const Self& self, std::uint64_t hash) const;

    [[nodiscard]] NodeMask mine() const { return mine_; }
    [[nodiscard]] NodeMask known() const { return known_; }
    [[nodiscard]] TimePoint last_beat(NodeIndex who) const { return peers_[who].last_beat; }
    /// Slots that were moved to it in portions and that it had yet to open when it last spoke.
    [[nodiscard]] std::uint32_t owed(NodeIndex who) const { return peers_[who].owed; }

  private:
    template <typename T>
    friend struct journal::Fields;
    struct Peer {
        bool heard_of = false;
        bool echoable = false;
        bool has_vouched = false;
        bool hears_us = false;  // while it condemns us
        Incarnation incarnation;
        TimePoint created;  // its newest beat, in its time
        Tag tag;            // that it reported
        std::uint64_t hash = 0;
        NodeMask condemns = 0;
        TimePoint heard;         // as rule 1 counts, in our time
        TimePoint last_beat;     // any at all
        TimePoint echo;          // creation of its newest beat that we vouch for
        TimePoint vouched;       // creation of our newest beat that it vouched for
        std::uint32_t owed = 0;  // slots that it has yet to open
    };
    [[nodiscard]] std::int64_t reported(const Self& self, NodeIndex who) const;

    std::array<Peer, max_nodes> peers_{};
    NodeMask mine_ = 0;   // whom we condemn
    NodeMask known_ = 0;  // whom a majority was seen to condemn
#ifdef BUOY_FAULTS
  public:
    TimePoint stranger_vouched_{TimePoint::min()};
#endif
};

}  // namespace buoy::core
