// SPDX-License-Identifier: GPL-2.0-or-later
// What this node may hold and for how long: rules 2, 4, 5 and 6, and the policies of design 4.3.
#include <algorithm>
#include <bit>

#include "service/core/fault.hpp"
#include "service/core/ownership.hpp"

namespace buoy::core {

Peers::Self Ownership::standing() const {
    const bool primary = phase_ == Phase::primary || phase_ == Phase::applying;
    return {has_state_ ? self_index(agreed_) : no_index,
            primary,
            agreed_.tag,
            settings_.incarnation,
            settings_.lease,
            margin_};
}

std::uint64_t Ownership::entry_of(const Tag& tag) const {
    // An entry of an older ring is behind everyone who is in this one.
    return tag.ring == agreed_.tag.ring ? tag.entries : 0;
}

bool Ownership::two_node_survivor() const {
    return phase_ == Phase::exchanging && exchange_.complete_without_primary() && exchange_.quorate() &&
           has_state_ && std::popcount(agreed_.electorate()) == 2 && self_index(agreed_) != no_index;
}

// A pool for which a node's absence is proof enough.
bool Ownership::absence_suffices(const AgreedState& agreed, const Pool& pool) const {
    return pool.config.on_loss == OnLoss::unsafe ||
           (fault(Fault::two_node_unfenced) && std::popcount(agreed.electorate()) == 2);
}

bool Ownership::counts_as_silent(const AgreedState& agreed, const Pool& pool, NodeIndex who,
                                 NodeMask known) const {
    if (absence_suffices(agreed, pool)) {
        if (agreed.voters[who].lost) return true;
        if (two_node_survivor() && !exchange_.is_member(agreed.voters[who].id)) return true;
    }
    return agreed.leases_count && !agreed.waits_for_fencing(pool) && has(known, who);
}

bool Ownership::may_be_here(const AgreedState& agreed, const Pool& pool) const {
    const NodeIndex self = self_index(agreed);
    if (self == no_index || !has(agreed.eligible(pool), self)) return false;
    const LocalPool* here = local(pool.config.name);
    if (here == nullptr) return false;
    // A pool that stops goes on until the others have been told, so that they can take over at once.
    return !here->stopping || (!out_ && (phase_ == Phase::primary || phase_ == Phase::applying));
}

// The first half of rule 4: everyone before us in the list is silent, as far as the policy asks.
bool Ownership::first_in_line(const AgreedState& agreed, const Pool& pool, std::uint32_t slot,
                              NodeMask known) const {
    const NodeIndex self = self_index(agreed);
    for (const NodeIndex who : pool.list(slot)) {
        if (who == self || fault(Fault::order)) return true;
        if (!counts_as_silent(agreed, pool, who, known)) return false;
    }
    return false;
}

std::vector<SlotId> Ownership::to_close(const AgreedState& agreed, NodeMask known, bool leaving) const {
    std::vector<SlotId> out;
    PoolId last;
    const Pool* pool = nullptr;
    bool here = false;
    holding_.for_each_passing([&](SlotId s) {
        if (s.pool != last) {
            last = s.pool;
            pool = agreed.pool(s.pool);
            here = pool != nullptr && may_be_here(agreed, *pool);
        }
        if (leaving || !here || !first_in_line(agreed, *pool, s.index, known)) out.push_back(s);
    });
    return out;
}

void Ownership::close(std::vector<SlotId> slots) {
    if (slots.empty()) return;
    status_due_ = true;
    emit(holding_.close(std::move(slots)));
}

// Rule 6: everything closes, at once by the gate's deadline and for good by the Close.
void Ownership::leave() {
    out_ = true;
    ++outing_.count;
    opened_past_ = 0;
    owed_.clear();
    handover_ = {};
    set_deadline({});
    if (holding_.any_passing()) close(holding_.passing());
    status_due_ = true;
}

// Rule 7: what a restart forgets, and a node whose state was overtaken must.
void Ownership::blank() {
    peers_.blank(now_);
    muted_ = !fault(Fault::mute);
    joined_ = false;
    no_leases_since_ = {};
}

// Whether the two of a two-node cluster go by their membership, and need no beats to hold what they have.
bool Ownership::by_membership() const {
    return exchange_.last_quorum().two_node && !agreed_.leases_count &&
           std::popcount(agreed_.electorate()) <= 2;
}

// Whether too few voters are heard for a lease. Seen twice, for a node that stood still has yet to read what
// came.
bool Ownership::hears_nobody() {
    const Peers::Self self = standing();
    const bool deaf = self.primary && self.index != no_index && !by_membership() &&
                      peers_.deaf(now_, agreed_, self, installed_at_);
    if (!deaf)
        deaf_since_ = TimePoint::max();
    else if (deaf_since_ == TimePoint::max())
        deaf_since_ = now_;
    return deaf && now_ - deaf_since_ >= 2 * settings_.beat;
}

// Whether beats go to and fro between us and a majority: without them a Rejoin would give us slots that we
// get no lease for.
bool Ownership::may_rejoin() const {
    return agreed_.electorate() == 0 || by_membership() ||
           peers_.in_touch(now_, agreed_, standing()) >= agreed_.majority();
}

// Whether we are cut off, for people to see, and what follows when it ends.
void Ownership::look_for_others() {
    const bool primary = standing().primary;
    const bool apart = out_ && primary && !shutting_down_ && !may_rejoin();
    const bool back = out_ && primary && !apart && apart_since_ != TimePoint::max();
    if (!apart)
        apart_since_ = TimePoint::max();
    else if (apart_since_ == TimePoint::max())
        apart_since_ = now_;
    if (cut_off() != published_.cut_off) status_due_ = true;
    // Whom we condemned while we heard nobody we would echo never again.
    if (back && peers_.condemns_alone()) {
        leave();
        blank();
    }
}

void Ownership::set_deadline(TimePoint deadline) {
    if (deadline_ == deadline) return;
    if (deadline_ <= now_ && deadline > now_) dirty_ = true;
    deadline_ = deadline;
    emit(SetGateDeadline{deadline});
}

// Whether so few are voters that a majority of them leaves enough nodes for a cold start. Those would know of
// no voters, and wait no longer than LM for them.
bool Ownership::few_voters() const {
    const std::size_t nodes = exchange_.last_quorum().expected;
    const std::size_t to_begin = nodes / 2 + 1;
    return static_cast<std::size_t>(agreed_.majority()) + to_begin <= nodes && !fault(Fault::few_voters);
}

// Few voters have to see as well that nobody has left the ring: what they say in it comes back to them. The
// token that brings one message back may have lain in a paused node's socket for long; so it takes a second
// one, sent after the first came back, for which the token has been around.
void Ownership::ask_the_order() {
    if (phase_ != Phase::primary || order_.asked != 0 || !few_voters()) return;
    say_hello();
    order_.asked = order_.sent;
    order_.asked_at = now_;
}

void Ownership::hello_returned() {
    ++order_.back;
    if (order_.asked == 0 || order_.back < order_.asked) return;
    order_.vouched = order_.answered;
    order_.answered = order_.asked_at;
    order_.asked = 0;
}

// Rule 2's time, in our own: when we were last known to be heard.
TimePoint Ownership::vouched() const {
    const TimePoint heard = peers_.vouched(now_, agreed_, standing());
    return few_voters() ? std::min(heard, order_.vouched) : heard;
}

// The lease: rule 2, and for the two of a two-node cluster their membership.
void Ownership::renew() {
    const Peers::Self self = standing();
    if (out_ || !has_state_ || self.index == no_index || holding_.close_failed()) return;
    TimePoint until = deadline_;
    if (const TimePoint since = vouched(); since != TimePoint::min())
        until = std::max(until, since + settings_.lease);
    if (membership_holds()) until = now_ + settings_.lease;
    if (until > deadline_) set_deadline(until);
}

void Ownership::shorten_lease() {
    const TimePoint since = vouched();
    const TimePoint until = since == TimePoint::min() ? TimePoint{} : since + settings_.lease;
    if (until < deadline_) set_deadline(until);
}

// Of two nodes neither takes anything from the other without proof of its silence, so that a node may go on
// without the other's echo - once both have been seen to know that they are two, for who does not may still
// count leases.
bool Ownership::membership_holds() const {
    if (!exchange_.quorate() || !exchange_.last_quorum().two_node || agreed_.leases_count) return false;
    if (std::popcount(agreed_.electorate()) > 2 || agreed_.lost() >> self_index(agreed_) & 1) return false;
    if (no_leases_since_ != agreed_.voters_changed) return false;
    return phase_ == Phase::primary || phase_ == Phase::applying || two_node_survivor();
}

// The second half of rule 4. Where a node may hold on without echoes, a majority that knows of the entry is
// no proof that it does: there everyone has to have reported it.
bool Ownership::barrier_passed(const Pool& pool, std::uint32_t slot) const {
    if (phase_ != Phase::primary) return true;
    const std::uint64_t entry = std::max<std::uint64_t>(pool.changed[slot], voters_entry());
    if (absence_suffices(agreed_, pool) &&
        peers_.reported_by_all(agreed_, standing(), agreed_.electorate() & ~agreed_.lost()) >=
            static_cast<std::int64_t>(entry))
        return true;
    if (!agreed_.leases_count) return barrier_.all(entry) || fault(Fault::barrier);
    return barrier_.passed(entry);
}

void Ownership::open_slots() {
    if (phase_ == Phase::applying || phase_ == Phase::installing || !queue_.empty()) return;
    dirty_ = false;
    if (!has_state_ || out_ || now_ < hold_until_ || deadline_ <= now_ || !exchange_.quorate() ||
        holding_.close_failed())
        return;
    const bool alone = two_node_survivor();
    if (phase_ != Phase::primary && !alone) return;
    std::vector<SlotId> slots;
    for (const Pool& pool : agreed_.pools) {
        if (alone && !absence_suffices(agreed_, pool)) continue;
        open_in(pool, slots);
    }
    if (slots.empty()) return;
    status_due_ = true;
    emit(holding_.open(std::move(slots)));
}

void Ownership::open_in(const Pool& pool, std::vector<SlotId>& slots) {
    if (!may_be_here(agreed_, pool)) return;
    const LocalPool* here = local(pool.config.name);
    if (here->stopping || here->failed_open || !has_carrier(pool.config.name)) return;
    const auto* states = holding_.of_pool(pool.id);
    const NodeMask known = peers_.known();
    const NodeIndex self = self_index(agreed_);
    for (std::uint32_t s = 0; s < pool.config.slots; ++s) {
        if (states != nullptr && s < states->size() && (*states)[s] != Holding::State::shut) continue;
        if (!first_in_line(agreed_, pool, s, known) || !barrier_passed(pool, s)) continue;
        slots.push_back({pool.id, s});
        for (const NodeIndex who : pool.list(s)) {
            if (who == self) break;
            if (opened_past_ == 0) opened_past_since_ = now_;
            opened_past_ |= bit(who);
        }
    }
}

}  // namespace buoy::core
