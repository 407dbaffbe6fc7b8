// SPDX-License-Identifier: GPL-2.0-or-later
// The agreed order: configurations, Hellos, snapshots and entries, one after the other (rules 0 and 5 to 9).
#include <algorithm>
#include <bit>

#include "service/core/check.hpp"
#include "service/core/fault.hpp"
#include "service/core/ownership.hpp"

namespace buoy::core {

void Ownership::deliver(Ordered event) {
    queue_.push_back(std::move(event));
    drain();
    react();
}

void Ownership::drain() {
    while (!queue_.empty() && phase_ != Phase::installing && phase_ != Phase::applying) {
        const Ordered event = std::move(queue_.front());
        queue_.pop_front();
        std::visit([this](const auto& e) { process(e); }, event);
    }
}

void Ownership::process(const ConfigurationChanged& event) {
    if (std::ranges::find(event.members, settings_.self, &Member::node) == event.members.end())
        return refuse(Refusal::contradictory);
    exchange_.begin(event, settings_.self, settings_.incarnation);
    phase_ = Phase::exchanging;
    order_ = {};
    snapshot_sent_ = false;
    asked_.clear();
    handover_ = {};
    owed_.clear();
    replay_.clear();
    resyncing_.clear();
    for (const Member& m : event.members) saw(m.node);
    status_due_ = true;
    say_hello();
}

void Ownership::say_hello() {
    if (!exchange_.in_step()) return;
    Hello hello;
    hello.sender = settings_.self;
    hello.incarnation = settings_.incarnation;
    hello.ring = exchange_.ring();
    hello.change = exchange_.change();
    hello.together = exchange_.together();
    hello.quorate = exchange_.quorate();
    hello.expected = exchange_.last_quorum().expected;
    hello.has_state = has_state_;
    hello.holding = now_ < hold_until_;
    hello.lease = settings_.lease;
    hello.longest_lease = longest_lease_;
    if (has_state_) {
        hello.tag = agreed_.tag;
        hello.hash = hash_;
        for (const Voter& v : agreed_.voters)
            if (v.id.value != 0) hello.voters.push_back({v.id, v.outing});
        for (const Proven& p : proven_) hello.silent.push_back(p.who);
    }
    ++order_.sent;
    emit(Multicast{std::move(hello)});
}

void Ownership::process(const Hello& hello) {
    saw(hello.sender);
    if (hello.sender == settings_.self && exchange_.fresh(hello.sender, hello.ring, hello.together))
        hello_returned();
    const bool other_lease = hello.lease != settings_.lease && !fault(Fault::any_lease);
    if (phase_ == Phase::exchanging) {
        if (!exchange_.take(hello)) return refuse(exchange_.why_not_fresh(hello.sender, hello.ring));
        // It is known to be here, and of no account.
        if (other_lease) refuse(Refusal::contradictory);
        return decide();
    }
    if (!exchange_.fresh(hello.sender, hello.ring, hello.together))
        return refuse(exchange_.why_not_fresh(hello.sender, hello.ring));
    if (other_lease) return refuse(Refusal::contradictory);
    if (phase_ == Phase::resyncing && hello.sender == settings_.self) {
        hello_delivered_ = true;
        replay_.clear();
        return;
    }
    if (phase_ != Phase::primary || hello.has_state || hello.sender == settings_.self) return;
    // Somebody has thrown its state away within a configuration. The lowest id that still has one answers,
    // from exactly this place in the order.
    if (std::ranges::find(resyncing_, hello.sender) == resyncing_.end()) resyncing_.push_back(hello.sender);
    NodeId lowest = settings_.self;
    for (const NodeId node : exchange_.members())
        if (exchange_.takes_part(node) && std::ranges::find(resyncing_, node) == resyncing_.end())
            lowest = std::min(lowest, node);
    if (lowest == settings_.self) send_snapshot(agreed_, hello.sender, now_ < hold_until_);
}

void Ownership::decide() {
    const auto& decision = exchange_.decide();
    status_due_ = true;
    if (!decision || !exchange_.takes_part(settings_.self)) return;
    const auto begun = [&](AgreedState base) {
        base.begin(decision->ring, decision->members, decision->silent);
        return base;
    };
    if (!decision->snapshot)
        return install(begun(agreed_), true, decision->hold ? decision->hold_lease : Duration{});
    if (decision->keeper != settings_.self || snapshot_sent_) return;
    snapshot_sent_ = true;
    // A cold start's voters are those who are here, from the beginning: no part of them can go on without the
    // rest.
    AgreedState base = begun(decision->cold ? AgreedState{} : agreed_);
    if (decision->cold) base.elect(decision->members);
    send_snapshot(std::move(base), {}, decision->hold);
}

void Ownership::send_snapshot(AgreedState state, NodeId to, bool hold) {
    emit(Multicast{
        Snapshot{settings_.self, exchange_.ring(), exchange_.together(), to, hold, std::move(state), {}}});
}

void Ownership::process(const Snapshot& snapshot) {
    const bool fresh = exchange_.fresh(snapshot.sender, snapshot.ring, snapshot.together);
    if (fault(Fault::stale_snapshot) && !fresh && phase_ == Phase::exchanging)
        return install(snapshot.state, false, {});
    if (!fresh) return refuse(exchange_.why_not_fresh(snapshot.sender, snapshot.ring));
    if (snapshot.state.unsound() != nullptr) return refuse(Refusal::malformed);
    if (snapshot.to.value != 0) {
        std::erase(resyncing_, snapshot.to);
        const auto& begun = exchange_.decision();
        if (!begun || snapshot.state.tag.ring != begun->ring) return refuse(Refusal::contradictory);
        if (snapshot.to == settings_.self && phase_ == Phase::resyncing && hello_delivered_)
            install(snapshot.state, false, snapshot.hold ? longest_lease_ : Duration{});
        return;
    }
    const auto& decision = exchange_.decision();
    if (phase_ != Phase::exchanging || !decision || !decision->snapshot ||
        decision->keeper != snapshot.sender || snapshot.state.tag != Tag{decision->ring, 0})
        return refuse(Refusal::contradictory);
    if (!exchange_.takes_part(settings_.self)) return;
    const Duration hold_lease = decision->hold ? decision->hold_lease : Duration{};
    if (has_state_ && !decision->cold && agreed_.tag == decision->newest && hash_ == decision->hash) {
        AgreedState base = agreed_;
        base.begin(decision->ring, decision->members, decision->silent);
        if (base == snapshot.state) return install(std::move(base), true, hold_lease);
    }
    install(snapshot.state, false, hold_lease);
}

void Ownership::install(AgreedState base, bool same, Duration hold_lease) {
    phase_ = Phase::installing;
    next_ = std::move(base);
    next_hold_ = hold_lease;
    next_same_ = same || fault(Fault::overtaken);
    if (!next_same_) leave();
    try_commit();
}

namespace {

// The node in whose name alone an entry may be sent; 0 where anybody may. Nobody closes for another, or knows
// what another has started.
NodeId author(const EntryBody& body) {
    return std::visit(
        [](const auto& e) -> NodeId {
            using E = std::decay_t<decltype(e)>;
            constexpr bool own = std::is_same_v<E, Rejoin> || std::is_same_v<E, Leave> ||
                                 std::is_same_v<E, JoinPool> || std::is_same_v<E, LeavePool> ||
                                 std::is_same_v<E, SetAilment>;
            if constexpr (own)
                return e.node;
            else
                return {};
        },
        body);
}

}  // namespace

void Ownership::process(const Entry& entry) {
    if (phase_ == Phase::resyncing) {
        if (hello_delivered_) replay_.push_back(entry);
        return;
    }
    if (phase_ != Phase::primary || entry.ring != agreed_.tag.ring) return refuse(Refusal::other_ring);
    // Everybody sees it and has made the same decision, and so everybody drops it at this place in the order.
    if (!exchange_.takes_part(entry.sender)) return refuse(Refusal::stranger);
    if (const NodeId node = author(entry.body); node.value != 0 && node != entry.sender)
        return refuse(Refusal::contradictory);
    next_ = agreed_;
    next_outcome_ = next_.apply(entry.body);
    next_entry_ = entry;
    phase_ = Phase::applying;
    try_commit();
}

namespace {

bool is_in(const AgreedState& agreed, NodeIndex i) {
    return i != no_index && !agreed.voters[i].lost;
}

// The node that an entry lets back in, where it did.
NodeId readmitted(const Entry& entry, Outcome outcome) {
    const auto* rejoin = std::get_if<Rejoin>(&entry.body);
    return rejoin != nullptr && outcome == Outcome::applied ? rejoin->node : NodeId{};
}

}  // namespace

// An entry, or a configuration's beginning, takes effect when what it no longer lets us hold is closed and
// acknowledged: until then this node is one that has yet to get it, and says so in its beats.
void Ownership::try_commit() {
    if (phase_ != Phase::applying && phase_ != Phase::installing) return;
    NodeMask known = peers_.known();
    if (next_.voters_changed != agreed_.voters_changed && !fault(Fault::recount)) known = 0;
    if (phase_ == Phase::applying && !fault(Fault::forget)) {
        const NodeId back = readmitted(next_entry_, next_outcome_);
        if (back.value != 0 && back != settings_.self) known = 0;
    }
    const bool leaving = out_ || !is_in(next_, self_index(next_));
    if (!fault(Fault::close)) {
        auto slots = to_close(next_, known, leaving);
        if (!slots.empty()) close(std::move(slots));
        if (holding_.closing() && !fault(Fault::close_unacknowledged)) return;
    }
    if (phase_ == Phase::applying)
        commit_entry();
    else
        commit_install();
    dirty_ = beat_now_ = status_due_ = true;
}

void Ownership::commit_entry() {
    const NodeIndex before = self_index(agreed_);
    const bool was_in = has_state_ && is_in(agreed_, before);
    const bool new_voters = next_.voters_changed != agreed_.voters_changed;
    std::swap(agreed_, next_);
    hash_ = agreed_.hash();
    phase_ = Phase::primary;
    if (new_voters) {
        if (!fault(Fault::recount)) peers_.recount();
        barrier_.reset();
        // From three voters on nobody goes on without echoes; what was granted before is cut back before we
        // report it.
        const bool outgrown =
            std::popcount(next_.electorate()) <= 2 && std::popcount(agreed_.electorate()) > 2;
        if (outgrown && !out_) shorten_lease();
    }
    const NodeIndex self = self_index(agreed_);
    const NodeId back = readmitted(next_entry_, next_outcome_);
    if (back.value != 0) {
        const NodeIndex i = agreed_.find(back);
        if (next_.find(back) == no_index) peers_.forget_place(now_, i);
        if (before == no_index && self != no_index && !fault(Fault::newborn)) peers_.newborn(now_);
        peers_.rejoined(now_, i, i == self);
        opened_past_ &= ~bit(i);
        const bool ours = std::get<Rejoin>(next_entry_.body).outing == outing_ || fault(Fault::outing);
        if (i == self && out_ && ours && !shutting_down_) {
            out_ = false;
            joined_ = true;
            joined_at_ = agreed_.tag;
        }
    }
    if (was_in && !is_in(agreed_, self) && !out_) leave();
    if (fault(Fault::persist)) peers_.stop_condemning(now_);
    portion_applied();
    if (next_entry_.sender == settings_.self) entry_returned(next_entry_, next_outcome_);
}

void Ownership::commit_install() {
    const bool resynced = !replay_.empty() || hello_delivered_;
    const bool new_voters = next_.voters_changed != agreed_.voters_changed;
    std::swap(agreed_, next_);
    hash_ = agreed_.hash();
    has_state_ = true;
    installed_at_ = now_;
    phase_ = Phase::primary;
    barrier_.reset();
    if (!next_same_) {
        // Places in this state's table need not be those of ours.
        for (NodeIndex i = 0; i < max_nodes; ++i) peers_.forget_place(now_, i);
        memberless_.clear();
        blank();
    } else if (new_voters && !fault(Fault::recount)) {
        peers_.recount();
    }
    hold_back();
    if (!out_ && !is_in(agreed_, self_index(agreed_))) leave();
    std::erase_if(proven_, [this](const Proven& p) { return exchange_.is_member(p.who.node); });
    if (resynced) {
        hello_delivered_ = false;
        queue_.insert(queue_.begin(), replay_.begin(), replay_.end());
        replay_.clear();
    }
}

void Ownership::hold_back() {
    if (next_hold_ != Duration{}) {
        hold_until_ = std::max(hold_until_, now_ + next_hold_ + next_hold_ / 10 + Duration{1});
        longest_lease_ = next_hold_;
    } else if (now_ >= hold_until_) {
        longest_lease_ = settings_.lease;
    }
}

// Equal inputs gave an unequal state (invariant 3). Ours is the odd one: closed, thrown away, asked for anew.
void Ownership::resync() {
    leave();
    blank();
    has_state_ = false;
    agreed_ = AgreedState{};
    hash_ = 0;
    phase_ = Phase::resyncing;
    hello_delivered_ = false;
    replay_.clear();
    asked_.clear();
    resynced_ = true;
    status_due_ = true;
    say_hello();
}

}  // namespace buoy::core
