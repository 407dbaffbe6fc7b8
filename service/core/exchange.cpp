// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/exchange.hpp"

#include <algorithm>
#include <iterator>

#include "service/core/fault.hpp"

namespace buoy::core {
namespace {

Together entry_of(const std::vector<Together>& together, NodeId node) {
    const auto found = std::ranges::find(together, node, &Together::node);
    return found == together.end() ? Together{} : *found;
}

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
    return std::ranges::find(nodes, node) != nodes.end();
}

}  // namespace

void Exchange::begin(const ConfigurationChanged& event, NodeId self, Incarnation incarnation) {
    const bool same_ring = begun() && event.ring == ring_;
    std::vector<Together> members;
    for (const Member& m : event.members) {
        const Together before = entry_of(members_, m.node);
        const bool stayed = same_ring && before.process == m.process &&
                            std::ranges::find(event.left, m.node, &Departure::node) == event.left.end();
        members.push_back({m.node, m.process, stayed ? before.configurations + 1 : 1});
    }
    change_ = !begun() ? incarnation.value << 16 : same_ring ? change_ + 1 : 0;
    self_ = self;
    ring_ = event.ring;
    members_ = std::move(members);
    hellos_.clear();
    decision_.reset();
}

bool Exchange::is_member(NodeId node) const {
    return entry_of(members_, node).configurations != 0 && contains(quorum_.nodes, node);
}

std::vector<NodeId> Exchange::members() const {
    std::vector<NodeId> out;
    for (const Together& m : members_)
        if (contains(quorum_.nodes, m.node)) out.push_back(m.node);
    return out;
}

bool Exchange::fresh(NodeId sender, const CorosyncRing& ring, const std::vector<Together>& together) const {
    const Together theirs = entry_of(members_, sender);
    const Together ours = entry_of(together, self_);
    return ring == ring_ && theirs.configurations != 0 && theirs.configurations == ours.configurations &&
           ours.process == entry_of(members_, self_).process &&
           theirs.process == entry_of(together, sender).process;
}

Refusal Exchange::why_not_fresh(NodeId sender, const CorosyncRing& ring) const {
    const bool here = entry_of(members_, sender).configurations != 0;
    return ring == ring_ && !here ? Refusal::stranger : Refusal::other_ring;
}

const Hello* Exchange::hello_of(NodeId node) const {
    const auto found = std::ranges::find(hellos_, node, &Hello::sender);
    return found == hellos_.end() ? nullptr : &*found;
}

bool Exchange::take(const Hello& hello) {
    if (!fresh(hello.sender, hello.ring, hello.together)) return false;
    // Who joined late has counted fewer changes; no number may be used twice in a ring.
    change_ = std::max(change_, hello.change);
    std::erase_if(hellos_, [&](const Hello& h) { return h.sender == hello.sender; });
    hellos_.push_back(hello);
    return true;
}

bool Exchange::complete() const {
    // Our own Hello comes only after the quorum service has named this ring, so members() is settled by then.
    return in_step() &&
           std::ranges::all_of(members(), [this](NodeId node) { return hello_of(node) != nullptr; });
}

std::size_t Exchange::expected() const {
    std::uint32_t most = 0;
    for (const Hello& h : hellos_) most = std::max(most, h.expected);
    return most;
}

bool Exchange::takes_part(NodeId node) const {
    // Without its rule a stale snapshot begins a configuration that nobody has decided on.
    if (fault(Fault::stale_snapshot) && !decision_) return true;
    return decision_ && contains(decision_->members, node);
}

std::vector<OtherLease> Exchange::other_leases(Duration lease) const {
    std::vector<OtherLease> out;
    for (const NodeId node : members())
        if (const Hello* h = hello_of(node); h != nullptr && h->lease != lease)
            out.push_back({node, h->lease});
    return out;
}

const Hello* Exchange::newest_of(const std::vector<NodeId>& nodes) const {
    const Hello* newest = nullptr;
    for (const NodeId node : nodes) {
        const Hello& h = *hello_of(node);
        if (!h.has_state) continue;
        if (newest == nullptr || h.tag > newest->tag || (h.tag == newest->tag && h.sender < newest->sender))
            newest = &h;
    }
    return newest;
}

// The members that take part: those with the lease of the newest state, for everybody who holds by that state
// has it; where nobody has a state, those with the lease of more than half of the cluster. None where there
// is no such lease.
std::vector<NodeId> Exchange::with_one_lease() const {
    const auto present = members();
    if (fault(Fault::any_lease)) return present;
    const auto with = [&](Duration lease) {
        std::vector<NodeId> out;
        std::ranges::copy_if(present, std::back_inserter(out),
                             [&](NodeId node) { return hello_of(node)->lease == lease; });
        return out;
    };
    if (const Hello* newest = newest_of(present)) return with(newest->lease);
    for (const NodeId node : present)
        if (auto same = with(hello_of(node)->lease); 2 * same.size() > expected()) return same;
    return {};
}

// More than half of the cluster's daemons have to be here for a beginning: Corosync counts nodes, also those
// whose daemon is dead, and two_node lets each half be quorate. Nobody has a state.
std::optional<Decision> Exchange::cold_start(Decision decision) const {
    if (!may_begin(decision)) return std::nullopt;
    decision.cold = decision.hold = decision.snapshot = true;
    decision.keeper = *std::ranges::min_element(decision.members);
    return decision;
}

std::optional<Decision> Exchange::go_on(Decision d, const Hello& newest) const {
    // A state without voters says no more than none.
    if (newest.voters.empty() && !may_begin(d)) return std::nullopt;
    const auto present = members();
    for (const VoterSeen& voter : newest.voters) {
        const bool said = std::ranges::any_of(d.members, [&](NodeId node) {
            const Hello& h = *hello_of(node);
            return std::ranges::find(h.silent, voter) != h.silent.end();
        });
        if (said && !contains(present, voter.node)) d.silent.push_back(voter.node);
    }
    std::size_t voters = 0;
    std::size_t with_state = 0;
    std::size_t here = 0;
    for (const VoterSeen& voter : newest.voters) {
        if (contains(d.silent, voter.node)) continue;
        ++voters;
        if (!contains(d.members, voter.node)) continue;
        ++here;
        if (hello_of(voter.node)->has_state || fault(Fault::remember)) ++with_state;
    }
    const bool majority = with_state >= voters / 2 + 1;
    // Where every voter is here, but none has its state any more, another member's is as good as a cold
    // start's.
    const bool all = here == voters;
    if (!fault(Fault::primary) && !majority && !all) return std::nullopt;
    d.hold = d.hold || (!majority && !fault(Fault::hold));
    // So few have the newest state that the rest may have begun without it meanwhile: what that holds runs
    // out in LM.
    const auto keepers = std::ranges::count_if(d.members, [&](NodeId node) {
        return hello_of(node)->has_state && hello_of(node)->tag == newest.tag;
    });
    d.hold = d.hold || (2 * static_cast<std::size_t>(keepers) < expected() && !fault(Fault::hold));
    d.keeper = newest.sender;
    d.newest = newest.tag;
    d.hash = newest.hash;
    for (const NodeId node : d.members) {
        const Hello& h = *hello_of(node);
        if (!h.has_state || h.tag != d.newest || h.hash != d.hash) d.snapshot = true;
    }
    return d;
}

const std::optional<Decision>& Exchange::decide() {
    if (decision_ || !complete()) return decision_;
    Decision d;
    d.ring = {ring_, 0};
    d.members = with_one_lease();
    if (d.members.empty()) return decision_;
    for (const NodeId node : members()) d.ring.change = std::max(d.ring.change, hello_of(node)->change);
    for (const NodeId node : d.members) {
        const Hello& h = *hello_of(node);
        if (!h.quorate) return decision_;
        // Who takes over a state that others still hold back with has to hold back as well.
        d.hold = d.hold || (h.holding && !fault(Fault::hold));
        d.hold_lease = std::max(d.hold_lease, h.lease);
        if (!fault(Fault::short_hold))
            d.hold_lease = std::max(d.hold_lease, std::min(h.longest_lease, max_lease));
    }
    const Hello* newest = newest_of(d.members);
    decision_ = newest == nullptr ? cold_start(std::move(d)) : go_on(std::move(d), *newest);
    return decision_;
}

}  // namespace buoy::core
