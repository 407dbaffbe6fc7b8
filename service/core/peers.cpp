// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/peers.hpp"

#include <algorithm>
#include <bit>
#include <functional>

#include "service/core/fault.hpp"

namespace buoy::core {

void Barrier::update(TimePoint now, Duration margin, std::int64_t all, std::int64_t majority) {
    all_ = all;
    // A voter that went to another ring takes its report with it.
    if (majority < majority_) rising_.clear();
    if (majority > majority_ || (rising_.empty() && majority > matured_)) {
        if (majority >= 0) {
            // Where there is no room the newest two become one, with the later time: later is always safe.
            if (rising_.size() == rising_.max)
                *(rising_.end() - 1) = {majority, now};
            else
                rising_.push_back({majority, now});
        }
    }
    majority_ = majority;
    FixedList<Reached, 16> still;
    for (const Reached& r : rising_) {
        if (now - r.since > margin)
            matured_ = std::max(matured_, r.entry);
        else
            still.push_back(r);
    }
    if (still.size() != rising_.size()) rising_ = still;
}

bool Barrier::passed(std::uint64_t entry) const {
    const auto wanted = static_cast<std::int64_t>(entry);
    if (fault(Fault::barrier)) return true;
    if (all_ >= wanted) return true;
    return majority_ >= wanted && (matured_ >= wanted || fault(Fault::wait));
}

TimePoint Barrier::next_passing(TimePoint now, Duration margin) const {
    return rising_.empty() ? TimePoint::max() : std::max(now, rising_[0].since + margin) + Duration{1};
}

void Peers::blank(TimePoint now) {
    mine_ = 0;
    known_ = 0;
    for (Peer& p : peers_) {
        p.condemns = 0;
        p.heard = now;
    }
}

void Peers::forget_place(TimePoint now, NodeIndex who) {
    peers_[who] = Peer{};
    peers_[who].heard = now;
    mine_ &= ~bit(who);
    known_ &= ~bit(who);
    for (Peer& p : peers_) p.condemns &= ~bit(who);
}

void Peers::rejoined(TimePoint now, NodeIndex who, bool self) {
    mine_ &= ~bit(who);
    peers_[who].heard = now;
    if (self) {
        known_ &= ~bit(who);
        for (Peer& p : peers_) p.condemns &= ~bit(who);
    } else if (!fault(Fault::forget)) {
        peers_[who].condemns = 0;
        known_ = 0;
    } else {
        known_ &= ~bit(who);
    }
}

void Peers::newborn(TimePoint now) {
    mine_ = 0;
    for (Peer& p : peers_) p.heard = now;
}

void Peers::stop_condemning(TimePoint now) {
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (has(mine_, i)) peers_[i].heard = now;
    mine_ = 0;
}

bool Peers::is_old(NodeIndex from, const Beat& beat) const {
    const Peer& p = peers_[from];
    if (!p.heard_of) return false;
    if (beat.incarnation != p.incarnation) return beat.incarnation < p.incarnation;
    return beat.created < p.created;
}

Peers::News Peers::receive(TimePoint now, const AgreedState& agreed, const Self& self, NodeIndex from,
                           const Beat& beat) {
    Peer& p = peers_[from];
    p.last_beat = now;
    NodeMask condemns = 0;
    for (const NodeId node : beat.condemned)
        if (const NodeIndex i = agreed.find(node); i != no_index) condemns |= bit(i);
    const bool hears_us = self.index != no_index &&
                          std::ranges::find(beat.heard, agreed.voters[self.index].id) != beat.heard.end();
    const bool changed = !p.heard_of || p.tag != beat.tag || p.condemns != condemns ||
                         p.incarnation != beat.incarnation || p.hash != beat.hash || p.hears_us != hears_us;
    if (p.incarnation != beat.incarnation) p.echoable = false;
    p.heard_of = true;
    p.incarnation = beat.incarnation;
    p.created = beat.created;
    p.tag = beat.tag;
    p.hash = beat.hash;
    p.condemns = condemns;
    p.hears_us = hears_us;
    p.owed = beat.owed;
    const bool same_ring = beat.tag.ring == self.tag.ring;
    const bool count = (same_ring || fault(Fault::echo_ring)) &&
                       (self.primary || fault(Fault::echo_primary)) &&
                       (!same_ring || beat.tag.entries >= self.tag.entries || fault(Fault::echo_entry));
    if (count && !has(mine_, from)) {
        p.echo = beat.created;
        p.echoable = true;
        p.heard = now;
    }
    bool vouched = false;
    for (const Echo& echo : beat.echoes) {
        if (self.index == no_index || echo.node != agreed.voters[self.index].id) continue;
        // Nobody has seen a beat that we have yet to make, or that another run of this daemon made.
        if (echo.incarnation != self.incarnation || echo.created > now) continue;
        const TimePoint at = fault(Fault::lease_from_arrival) ? now : echo.created;
        if (p.has_vouched && at <= p.vouched) continue;
        p.vouched = at;
        p.has_vouched = true;
        vouched = true;
    }
    return changed ? News::reports : vouched ? News::lease : News::none;
}

bool Peers::is_heard_again(TimePoint now, const Self& self, NodeIndex from) const {
    return has(mine_, from) && now - peers_[from].last_beat > self.margin;
}

int Peers::in_touch(TimePoint now, const AgreedState& agreed, const Self& self) const {
    int count = self.index != no_index;
    for (NodeIndex i = 0; i < max_nodes; ++i) {
        const Peer& p = peers_[i];
        if (agreed.voters[i].id.value == 0 || i == self.index || !p.heard_of) continue;
        const bool deaf_to_us = self.index != no_index && has(p.condemns, self.index) && !p.hears_us;
        count += now - p.last_beat <= self.margin && !deaf_to_us;
    }
    return count;
}

bool Peers::deaf(TimePoint now, const AgreedState& agreed, const Self& self, TimePoint since) const {
    int count = self.index != no_index;
    for (NodeIndex i = 0; i < max_nodes; ++i) {
        if (agreed.voters[i].id.value == 0 || i == self.index) continue;
        count += now - std::max(since, peers_[i].last_beat) <= self.margin;
    }
    return count < agreed.majority();
}

bool Peers::condemn_silent(TimePoint now, const AgreedState& agreed, const Self& self) {
    const NodeMask voters = agreed.electorate();
    if (self.index == no_index || !has(voters, self.index)) return false;
    bool any = false;
    for (NodeIndex i = 0; i < max_nodes; ++i) {
        if (i == self.index || !has(voters, i) || has(mine_, i) || now - peers_[i].heard <= self.margin)
            continue;
        mine_ |= bit(i);
        any = true;
    }
    return any;
}

TimePoint Peers::next_silence(TimePoint now, const AgreedState& agreed, const Self& self) const {
    TimePoint at = TimePoint::max();
    if (self.index == no_index) return at;
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (agreed.voters[i].id.value != 0 && i != self.index && !has(mine_, i))
            at = std::min(at, std::max(now, peers_[i].heard + self.margin) + Duration{1});
    return at;
}

bool Peers::condemns_in_vain(TimePoint now, const Self& self) const {
    for (NodeIndex i = 0; i < max_nodes; ++i) {
        const Peer& p = peers_[i];
        // Long enough that whoever else missed it has said so, and that it was not heard by chance.
        if (has(mine_ & ~known_, i) && now - p.heard > 20 * self.margin &&
            now - p.last_beat < self.margin / 2 && p.tag == self.tag)
            return true;
    }
    return false;
}

bool Peers::count_condemned(const AgreedState& agreed, const Self& self) {
    const NodeMask voters = agreed.electorate();
    const int majority = agreed.majority();
    const NodeMask before = known_;
    std::array<std::uint8_t, max_nodes> votes{};
    const auto add = [&](NodeMask condemned) {
        for (condemned &= voters; condemned != 0; condemned &= condemned - 1)
            ++votes[std::countr_zero(condemned)];
    };
    for (NodeIndex j = 0; j < max_nodes; ++j) {
        if (!has(voters, j)) continue;
        if (j == self.index)
            add(mine_);
        else if (peers_[j].tag == self.tag || fault(Fault::same_entry))
            add(peers_[j].condemns);
    }
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (votes[i] >= majority) known_ |= bit(i);
    return known_ != before;
}

bool Peers::condemned_ourselves(const AgreedState& agreed, const Self& self, const Tag& since) const {
    if (self.index == no_index) return false;
    int votes = 0;
    for (NodeIndex j = 0; j < max_nodes; ++j) {
        if (agreed.voters[j].id.value == 0 || j == self.index || !has(peers_[j].condemns, self.index))
            continue;
        // Who has not seen our Rejoin yet speaks of the time before it.
        if (peers_[j].tag.ring == since.ring && peers_[j].tag.entries < since.entries) continue;
        ++votes;
    }
    // So many that the others are no majority: no lease can be had from them any more (with an even number of
    // voters that is one vote short of a majority that condemns).
    return votes > std::popcount(agreed.electorate()) - agreed.majority();
}

TimePoint Peers::vouched(TimePoint now, const AgreedState& agreed, const Self& self) const {
    std::array<TimePoint, max_nodes + 1> times;
    std::size_t count = 0;
    for (NodeIndex j = 0; j < max_nodes; ++j) {
        if (agreed.voters[j].id.value == 0) continue;
        if (j == self.index)
            times[count++] = now;
        else
            times[count++] = peers_[j].has_vouched ? peers_[j].vouched : TimePoint::min();
    }
    if (count == 0) return TimePoint::min();
    const auto majority = static_cast<std::ptrdiff_t>(count / 2);
#ifdef BUOY_FAULTS
    if (fault(Fault::non_voter_echo)) times[count++] = stranger_vouched_;
#endif
    const auto nth = times.begin() + majority;
    std::nth_element(times.begin(), nth, times.begin() + static_cast<std::ptrdiff_t>(count),
                     std::greater<>());
    return *nth;
}

std::int64_t Peers::reported(const Self& self, NodeIndex who) const {
    if (who == self.index) return static_cast<std::int64_t>(self.tag.entries);
    const Peer& p = peers_[who];
    return p.heard_of && p.tag.ring == self.tag.ring ? static_cast<std::int64_t>(p.tag.entries) : -1;
}

std::int64_t Peers::reported_by_all(const AgreedState& agreed, const Self& self, NodeMask among) const {
    std::int64_t least = static_cast<std::int64_t>(self.tag.entries);
    for (NodeIndex j = 0; j < max_nodes; ++j)
        if (has(among, j) && agreed.voters[j].id.value != 0) least = std::min(least, reported(self, j));
    return least;
}

void Peers::update_barrier(TimePoint now, const AgreedState& agreed, const Self& self,
                           Barrier& barrier) const {
    std::array<std::int64_t, max_nodes> entries;
    std::size_t count = 0;
    for (NodeIndex j = 0; j < max_nodes; ++j)
        if (agreed.voters[j].id.value != 0) entries[count++] = reported(self, j);
    if (count == 0) {
        // No voters yet: nobody there who could answer for anything.
        const auto all = static_cast<std::int64_t>(self.tag.entries);
        barrier.update(now, self.margin, all, all);
        return;
    }
    std::sort(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>());
    barrier.update(now, self.margin, entries[count - 1], entries[count / 2]);
}

void Peers::write(TimePoint now, const AgreedState& agreed, const Self& self, bool echo, Beat& beat) const {
    for (NodeIndex j = 0; j < max_nodes; ++j) {
        if (agreed.voters[j].id.value == 0 || j == self.index) continue;
        if (has(mine_, j)) {
            beat.condemned.push_back(agreed.voters[j].id);
            if (peers_[j].heard_of && now - peers_[j].last_beat <= self.margin)
                beat.heard.push_back(agreed.voters[j].id);
        } else if (echo && peers_[j].echoable) {
            beat.echoes.push_back({agreed.voters[j].id, peers_[j].incarnation, peers_[j].echo});
        }
    }
}

bool Peers::diverged(const AgreedState& agreed, const Self& self, std::uint64_t hash) const {
    int same = 1;
    int other = 0;
    bool lower = false;  // whether the other camp has a lower id: it wins a draw
    for (NodeIndex j = 0; j < max_nodes; ++j) {
        if (agreed.voters[j].id.value == 0 || j == self.index) continue;
        if (!peers_[j].heard_of || peers_[j].tag != self.tag) continue;
        if (peers_[j].hash == hash) {
            ++same;
            continue;
        }
        ++other;
        lower = lower || self.index == no_index || agreed.voters[j].id < agreed.voters[self.index].id;
    }
    return other > same || (other == same && other > 0 && lower);
}

}  // namespace buoy::core
