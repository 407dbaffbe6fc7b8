// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/ownership.hpp"

#include <algorithm>
#include <bit>

#include "service/core/fault.hpp"
#include "service/core/invariants.hpp"

namespace buoy::core {

Effects Ownership::step(TimePoint now, const Event& event) {
    Effects effects;
    effects_ = &effects;
    now_ = std::max(now_, now);
    if (started_ || std::holds_alternative<Started>(event)) {
        std::visit([this](const auto& e) { on(e); }, event);
        if (beat_now_) send_beat();
        if (status_due_) publish();
    }
    Invariants::hold_cheaply(*this);
    effects_ = nullptr;
    return effects;
}

void Ownership::on(const Started& event) {
    if (started_) return refuse(Refusal::contradictory);
    started_ = true;
    settings_ = event;
    margin_ = settings_.lease + settings_.lease / 10;
    longest_lease_ = std::max(settings_.lease, settings_.longest_lease);
    for (const PoolConfig& config : event.pools) pools_.push_back({config});
    outing_ = {event.incarnation, 1};
    started_at_ = now_;
    // Nothing is known of what an earlier run opened, so all of it goes, and the gate is shut until then.
    emit(SetGateDeadline{});
    emit(holding_.close_everything());
    muted_ = !fault(Fault::mute);
    next_beat_ = now_ + settings_.beat;
    emit(ArmTimer{next_beat_});
    status_due_ = true;
}

void Ownership::on(const TimerFired&) {
    dirty_ = true;
    if (holding_.close_failed() && now_ >= retry_close_at_) emit(holding_.close_again());
    // What was held back for is over: nobody has a lease but ours any more.
    if (has_state_ && now_ >= hold_until_ && longest_lease_ != settings_.lease) {
        longest_lease_ = settings_.lease;
        status_due_ = true;
    }
    react();
    if (now_ >= next_beat_) {
        beat_now_ = true;
        next_beat_ = now_ + settings_.beat;
        ask_the_order();
    }
    TimePoint at = next_beat_;
    if (hold_until_ > now_) at = std::min(at, hold_until_);
    if (has_state_) at = std::min(at, peers_.next_silence(now_, agreed_, standing()));
    if (phase_ == Phase::primary) at = std::min(at, barrier_.next_passing(now_, margin_));
    emit(ArmTimer{at});
}

void Ownership::on(const ConfigurationChanged& event) {
    deliver(event);
}
void Ownership::on(const EntryDelivered& event) {
    deliver(event.entry);
}
void Ownership::on(const HelloDelivered& event) {
    deliver(event.hello);
}
void Ownership::on(const SnapshotDelivered& event) {
    deliver(event.snapshot);
}

void Ownership::on(const QuorumChanged& event) {
    exchange_.quorum(event);
    // Whatever the ring: a node without quorum closes at once.
    if (!event.quorate && !out_) leave();
    if (phase_ == Phase::exchanging) say_hello();
    status_due_ = true;
    dirty_ = true;
    react();
}

void Ownership::on(const BeatReceived& event) {
    const Beat& beat = event.beat;
    if (beat.sender == settings_.self) return refuse(Refusal::contradictory);
    const NodeIndex from = has_state_ ? agreed_.find(beat.sender) : no_index;
    if (from == no_index) {
#ifdef BUOY_FAULTS
        for (const Echo& echo : beat.echoes)
            if (echo.node == settings_.self && echo.incarnation == settings_.incarnation &&
                echo.created <= now_)
                peers_.stranger_vouched_ = std::max(peers_.stranger_vouched_, echo.created);
#endif
        saw(beat.sender);
        return refuse(Refusal::stranger);
    }
    if (peers_.is_old(from, beat)) return refuse(Refusal::old);
    // Who stays out until it is heard is told at once.
    if (peers_.is_heard_again(now_, standing(), from)) beat_now_ = true;
    const Peers::News news = peers_.receive(now_, agreed_, standing(), from, beat);
    if (news == Peers::News::none && !handover_.goes_on) return;
    const bool was_live = deadline_ > now_;
    renew();
    if (news != Peers::News::reports && was_live && !handover_.goes_on) return;
    dirty_ = true;
    react();
}

void Ownership::on(const FencingReported& event) {
    const bool silenced = event.action == FencingAction::off || event.action == FencingAction::reboot ||
                          (event.action == FencingAction::on && fault(Fault::on_is_fencing));
    if (!event.succeeded || !silenced || event.at <= last_seen(event.node)) return;
    prove(event.node, Proof::fenced, {});
    react();
}

void Ownership::on(const EffectDone& event) {
    answered(event.effect, {});
}

void Ownership::on(const EffectFailed& event) {
    answered(event.effect, event.slots);
}

void Ownership::answered(EffectId id, const std::vector<SlotId>& failed) {
    std::vector<SlotId> about;
    switch (holding_.answered(id, failed, about)) {
        case Holding::Result::unknown:
            return refuse(Refusal::contradictory);
        case Holding::Result::opened:
            if (!about.empty()) emit(Announce{about});
            opened_what_was_owed();
            break;
        case Holding::Result::open_failed:
            // The slot goes on to the next member: this one is not eligible until somebody has looked at it.
            for (const SlotId s : about) {
                const Pool* pool = agreed_.pool(s.pool);
                if (LocalPool* here = pool == nullptr ? nullptr : local(pool->config.name))
                    here->failed_open = true;
            }
            close(about);
            opened_what_was_owed();
            break;
        case Holding::Result::closed:
            break;
        case Holding::Result::close_failed:
            // A gate that does not obey must run into its deadline.
            retry_close_at_ = now_ + settings_.beat;
            if (!out_) leave();
            break;
    }
    dirty_ = true;
    status_due_ = true;
    try_commit();
    drain();
    react();
}

void Ownership::on(const CarrierChanged& event) {
    if (fault(Fault::ignore_carrier)) return;
    if (has_carrier(event.pool) == event.carrier || event.pool.size() > max_name) return;
    // It is remembered for pools that are not started here yet, too: nobody says it again when they are.
    if (event.carrier)
        std::erase(no_carrier_, event.pool);
    else if (no_carrier_.size() < max_pools)
        no_carrier_.push_back(event.pool);
    status_due_ = true;
    dirty_ = true;
    react();
}

void Ownership::on(const Requested& event) {
    if (pending_.size() >= max_requests) {
        emit(Reply{event.id, Outcome::busy});
        return;
    }
    pending_.push_back({event.id, event.request, now_, false});
    react();
}

void Ownership::on(const MessageRefused& event) {
    refuse(static_cast<std::size_t>(event.reason) < refused_.size() ? event.reason : Refusal::malformed);
}

// What follows from everything known, after an event that changed some of it.
void Ownership::react() {
    if (has_state_) {
        const Peers::Self self = standing();
        if (peers_.condemn_silent(now_, agreed_, self)) {
            beat_now_ = true;
            dirty_ = true;
        }
        if (!out_ && !membership_holds() &&
            peers_.condemned_ourselves(agreed_, self, joined_ ? joined_at_ : Tag{})) {
            leave();
            // Who was cut off or stood still condemned the others as they did it. That would be in vain.
            if (phase_ == Phase::primary && peers_.condemns_alone()) blank();
        }
        if (hears_nobody() && !out_) leave();
        look_for_others();
        if (self.primary) {
            peers_.update_barrier(now_, agreed_, self, barrier_);
            if (muted_ && joined_ && (barrier_.passed(entry_of(joined_at_)) || fault(Fault::mute_wait)))
                muted_ = false;
            if (peers_.count_condemned(agreed_, self)) dirty_ = status_due_ = true;
            // As after a restart (rule 7): the others drop what we reported, and we what we condemned.
            if (phase_ == Phase::primary && !out_ && peers_.condemns_in_vain(now_, self)) {
                leave();
                blank();
            }
            if (!agreed_.leases_count && barrier_.all(voters_entry()))
                no_leases_since_ = agreed_.voters_changed;
            if (phase_ == Phase::primary && peers_.diverged(agreed_, self, hash_)) resync();
        }
        renew();
    }
    serve();
    ask();
    if (dirty_) open_slots();
}

void Ownership::send_beat() {
    beat_now_ = false;
    SendBeat effect;
    Beat& beat = effect.beat;
    beat.sender = settings_.self;
    beat.incarnation = settings_.incarnation;
    beat.created = now_;
    const Peers::Self self = standing();
    const bool speaks = has_state_ && (self.primary || fault(Fault::echo_primary));
    if (speaks) {
        beat.tag = agreed_.tag;
        beat.hash = hash_;
    }
    if (has_state_) peers_.write(now_, agreed_, self, speaks && !muted_, beat);
    beat.owed = static_cast<std::uint32_t>(owed_.size());
    emit(std::move(effect));
}

void Ownership::saw(NodeId node) {
    for (LastSeen& s : seen_)
        if (s.node == node) {
            s.at = now_;
            return;
        }
    // As many as can be voters, twice; the one not seen for longest makes room.
    if (seen_.size() >= 2 * max_nodes) seen_.erase(std::ranges::min_element(seen_, {}, &LastSeen::at));
    seen_.push_back({node, now_});
}

TimePoint Ownership::last_seen(NodeId node) const {
    TimePoint at = started_at_;
    for (const LastSeen& s : seen_)
        if (s.node == node) at = std::max(at, s.at);
    if (const NodeIndex i = has_state_ ? agreed_.find(node) : no_index; i != no_index)
        at = std::max(at, peers_.last_beat(i));
    return at;
}

Status Ownership::status() const {
    Status s;
    s.primary = standing().primary;
    s.quorate = exchange_.quorate();
    s.out = out_;
    s.close_failed = holding_.close_failed();
    s.cut_off = has_state_ && cut_off();
    s.resynced = resynced_;
    s.other_leases = exchange_.other_leases(settings_.lease);
    s.longest_lease = longest_lease_;
    if (!has_state_) return s;
    s.tag = agreed_.tag;
    for (NodeIndex i = 0; i < max_nodes; ++i) {
        const Voter& v = agreed_.voters[i];
        if (v.id.value == 0) continue;
        s.voters.push_back(v.id);
        if (v.lost) s.lost.push_back(v.id);
        if (has(peers_.known(), i)) s.condemned.push_back(v.id);
    }
    const NodeIndex self = self_index(agreed_);
    for (const Pool& p : agreed_.pools) {
        PoolStatus pool{p.config.name,
                        p.config.slots,
                        holding_.open_count(p.id),
                        static_cast<std::uint32_t>(std::popcount(p.members)),
                        false,
                        false,
                        false,
                        p.config.on_loss == OnLoss::unsafe};
        if (self != no_index) {
            pool.started = has(p.members, self);
            pool.failed_open = has(p.failed_open, self);
            pool.no_carrier = has(p.no_carrier, self);
        }
        s.pools.push_back(std::move(pool));
    }
    return s;
}

void Ownership::publish() {
    status_due_ = false;
    Status s = status();
    if (s == published_) return;
    published_ = s;
    emit(PublishStatus{std::move(s)});
}

}  // namespace buoy::core
