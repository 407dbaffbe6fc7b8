// SPDX-License-Identifier: GPL-2.0-or-later
// What this node wants in the agreed order, and the requests of agents and people. Nothing is asked for twice
// while it is on its way; a configuration change voids what was on its way, and it is asked for again.
#include <algorithm>
#include <bit>

#include "service/core/fault.hpp"
#include "service/core/ownership.hpp"

namespace buoy::core {
namespace {

constexpr std::size_t max_on_their_way = 64;  // Corosync spins when a daemon's sends pile up
constexpr int request_leases = 20;            // a request waits this many leases for a primary configuration
constexpr int forgotten_leases = 2;           // a pool that nobody has started is remembered for so many
constexpr Duration pins_kept = std::chrono::hours(24);  // the same, where a person has pinned slots of it

}  // namespace

Ownership::LocalPool* Ownership::local(std::string_view name) {
    const auto found =
        std::ranges::find_if(pools_, [&](const LocalPool& p) { return p.config.name == name; });
    return found == pools_.end() ? nullptr : &*found;
}

bool Ownership::has_carrier(std::string_view pool) const {
    return std::ranges::find(no_carrier_, pool) == no_carrier_.end();
}

const Ownership::LocalPool* Ownership::local(std::string_view name) const {
    return const_cast<Ownership*>(this)->local(name);
}

Ownership::Asked Ownership::key_of(const EntryBody& body, RequestId request) {
    Asked key;
    key.kind = body.index();
    key.detail = request.value;
    std::visit(
        [&](const auto& e) {
            if constexpr (requires { e.node; }) key.node = e.node;
            if constexpr (requires { e.pool; }) key.pool = e.pool;
            if constexpr (requires { e.config; }) key.pool = e.config.name;
            if constexpr (requires { e.ailment; }) key.detail = static_cast<std::uint64_t>(e.ailment);
        },
        body);
    return key;
}

bool Ownership::order(const EntryBody& body, RequestId request) {
    Asked key = key_of(body, request);
    if (asked_.size() >= max_on_their_way || std::ranges::find(asked_, key) != asked_.end()) return false;
    asked_.push_back(std::move(key));
    emit(Multicast{Entry{agreed_.tag.ring, settings_.self, request, body, {}}});
    return true;
}

void Ownership::ask() {
    if (phase_ != Phase::primary || !exchange_.quorate()) return;
    std::erase_if(asked_, [this](const Asked& a) { return a.refused_until && now_ >= *a.refused_until; });
    ask_for_self();
    ask_for_others();
    if (!out_) ask_for_pools();
}

void Ownership::ask_for_self() {
    if (!out_ || holding_.closing() || holding_.any_passing()) return;
    const bool voter = self_index(agreed_) != no_index;
    const bool voters_settled = barrier_.passed(voters_entry()) || fault(Fault::conf_barrier);
    if (shutting_down_) {
        if (voter && voters_settled) order(Leave{settings_.self, agreed_.voters_changed});
        return;
    }
    if (!may_rejoin()) {
        // What was ours is for the others, who may hear us, and then condemn nobody.
        if (voter && hears_nobody() && !has(agreed_.lost(), self_index(agreed_))) order(Lost{settings_.self});
        return;
    }
    if (!voter && !voters_settled) return;
    Rejoin rejoin{settings_.self, outing_, agreed_.voters_changed, {}};
    for (const LocalPool& p : pools_)
        if (!p.stopping) rejoin.pools.push_back(p.config.name);
    order(rejoin);
}

void Ownership::ask_for_others() {
    const bool voters_settled = barrier_.passed(voters_entry()) || fault(Fault::conf_barrier);
    std::erase_if(proven_, [this](const Proven& p) {
        const NodeIndex i = agreed_.find(p.who.node);
        return i == no_index || agreed_.voters[i].outing != p.who.outing;
    });
    for (const Proven& p : proven_)
        if (voters_settled) order(Fenced{p.who.node, p.who.outing, agreed_.voters_changed, p.proof, p.user});
    if (out_) return;
    NodeId lowest = settings_.self;
    for (const Voter& v : agreed_.voters)
        if (v.id.value != 0 && !v.lost) lowest = std::min(lowest, v.id);
    if (!agreed_.leases_count && std::popcount(agreed_.electorate()) >= 3 && lowest == settings_.self &&
        barrier_.all(voters_entry()))
        order(CountLeases{agreed_.voters_changed});
    ask_to_forget_pools(lowest);
    // Two beats later than we opened: other successors of the same node may still be counting who condemns
    // it, and the entry would make them count again.
    opened_past_ &= peers_.known() & ~agreed_.lost() & agreed_.electorate();
    if (opened_past_ == 0 || now_ - opened_past_since_ < 2 * settings_.beat) return;
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (has(opened_past_, i)) order(Lost{agreed_.voters[i].id});
}

// A pool that is started nowhere has no member: whoever may still answer for one of its slots is one, until
// it has closed or is known to be silent. The entry is void if somebody has joined by then, and whoever makes
// the pool anew waits for the barrier of its own join, which is behind all that the pool went through before.
void Ownership::ask_to_forget_pools(NodeId lowest) {
    std::erase_if(memberless_, [this](const Memberless& m) {
        const Pool* pool = agreed_.pool(m.pool);
        return pool == nullptr || pool->members != 0;
    });
    for (const Pool& p : agreed_.pools) {
        if (p.members != 0) continue;
        const auto known = std::ranges::find(memberless_, p.id, &Memberless::pool);
        if (known == memberless_.end()) {
            memberless_.push_back({p.id, now_});
            continue;
        }
        const Duration kept = p.pins.empty() ? forgotten_leases * settings_.lease : pins_kept;
        if (lowest == settings_.self && now_ - known->since >= kept) order(RemovePool{p.config.name});
    }
}

void Ownership::ask_for_pools() {
    const NodeIndex self = self_index(agreed_);
    if (self == no_index || agreed_.voters[self].lost) return;
    for (const Pool& p : agreed_.pools) {
        const LocalPool* here = local(p.config.name);
        if (!has(p.members, self)) continue;
        if (here == nullptr || here->stopping) {
            const LeavePool leave{settings_.self, p.config.name};
            if (is_given_in_vain(p) || !hand_over_before(leave)) order(leave);
            continue;
        }
        if (const bool dark = !has_carrier(p.config.name); dark != has(p.no_carrier, self))
            order(SetAilment{settings_.self, p.config.name, Ailment::no_carrier, dark});
        if (here->failed_open != has(p.failed_open, self))
            order(SetAilment{settings_.self, p.config.name, Ailment::failed_open, here->failed_open});
    }
    for (const LocalPool& here : pools_) {
        if (here.stopping) continue;
        const Pool* p = agreed_.pool(here.config.name);
        if (p == nullptr || !has(p->members, self)) order(JoinPool{settings_.self, here.config});
    }
}

bool Ownership::prove(NodeId node, Proof proof, const std::string& user) {
    if (node == settings_.self || !has_state_) return false;
    const NodeIndex i = agreed_.find(node);
    if (i == no_index) return false;
    const VoterSeen who{node, agreed_.voters[i].outing};
    if (std::ranges::find(proven_, who, &Proven::who) != proven_.end()) return true;
    std::erase_if(proven_, [&](const Proven& p) { return p.who.node == node; });
    proven_.push_back({who, proof, user});
    if (phase_ == Phase::exchanging) say_hello();
    return true;
}

// Whether it would be refused again if it were asked for at once, and again, as fast as the order carries it.
bool Ownership::in_vain(const Entry& entry, Outcome outcome) const {
    if (outcome == Outcome::full || outcome == Outcome::last_voter) return true;
    const auto* rejoin = std::get_if<Rejoin>(&entry.body);
    return rejoin != nullptr && outcome == Outcome::stale_outing && out_ && rejoin->outing == outing_;
}

// Our own entry has come back, in its place in the order.
void Ownership::entry_returned(const Entry& entry, Outcome outcome) {
    Asked key = key_of(entry.body, entry.request);
    std::erase(asked_, key);
    if (entry.request.value == 0 && in_vain(entry, outcome)) {
        key.refused_until = now_ + settings_.lease;
        asked_.push_back(std::move(key));
    }
    if (entry.request.value != 0) {
        const auto pending = std::ranges::find(pending_, entry.request, &Pending::id);
        if (pending == pending_.end()) return;
        emit(Reply{entry.request, outcome});
        pending_.erase(pending);
        return;
    }
    if (const auto* join = std::get_if<JoinPool>(&entry.body)) {
        const bool refused =
            outcome == Outcome::different_config || outcome == Outcome::full || outcome == Outcome::refused;
        if (!refused) return;
        std::erase_if(pending_, [&](const Pending& p) {
            const auto* start = std::get_if<StartPool>(&p.request);
            if (start == nullptr || start->config.name != join->config.name) return false;
            emit(Reply{p.id, outcome});
            return true;
        });
        std::erase_if(pools_, [&](const LocalPool& p) { return p.config.name == join->config.name; });
    }
    if (std::holds_alternative<Leave>(entry.body) && outcome == Outcome::last_voter) left_last_ = true;
}

template <typename E>
std::optional<Outcome> Ownership::serve_entry(const Pending& pending, const E& entry) {
    if (phase_ == Phase::primary && exchange_.quorate() && !hand_over_before(entry, pending.id))
        order(entry, pending.id);
    if (now_ - pending.since > request_leases * settings_.lease) return Outcome::not_primary;
    return std::nullopt;
}

void Ownership::serve() {
    for (std::size_t i = 0; i < pending_.size();) {
        const auto outcome = serve(pending_[i]);
        if (!outcome) {
            ++i;
            continue;
        }
        emit(Reply{pending_[i].id, *outcome});
        pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

std::optional<Outcome> Ownership::serve(Pending& pending) {
    return std::visit(
        [&](const auto& request) -> std::optional<Outcome> {
            if constexpr (requires { this->serve(pending, request); })
                return serve(pending, request);
            else
                return serve_entry(pending, request);
        },
        pending.request);
}

std::optional<Outcome> Ownership::serve(Pending& pending, const StartPool& request) {
    LocalPool* here = local(request.config.name);
    if (!pending.begun) {
        if (request.config.name.empty() || request.config.name.size() > max_name ||
            request.config.parameters.size() > max_parameters || request.config.slots == 0 ||
            request.config.slots > max_slots)
            return Outcome::refused;
        if (here != nullptr && !here->stopping && here->config != request.config)
            return Outcome::different_config;
        // The stop that is under way comes first.
        if (here != nullptr && here->stopping) return std::nullopt;
        if (here == nullptr) {
            if (pools_.size() >= max_pools) return Outcome::full;
            pools_.push_back({request.config});
        }
        pending.begun = dirty_ = true;
        return std::nullopt;
    }
    const NodeIndex self = has_state_ ? self_index(agreed_) : no_index;
    const Pool* pool = self == no_index ? nullptr : agreed_.pool(request.config.name);
    if (!out_ && standing().primary && pool != nullptr && has(pool->members, self)) return Outcome::applied;
    return std::nullopt;
}

std::optional<Outcome> Ownership::serve(Pending& pending, const StopPool& request) {
    LocalPool* here = local(request.pool);
    if (!pending.begun && here != nullptr) here->stopping = true;
    pending.begun = true;
    const Pool* pool = has_state_ ? agreed_.pool(request.pool) : nullptr;
    const NodeIndex self = has_state_ ? self_index(agreed_) : no_index;
    const bool ordering = !out_ && standing().primary;
    if (ordering && pool != nullptr && self != no_index && has(pool->members, self)) return std::nullopt;
    // Nobody to tell: it is enough that nothing of it is open here any more.
    if (!ordering && has_state_) close(to_close(agreed_, peers_.known(), out_));
    if (holding_.closing()) return std::nullopt;
    std::erase_if(pools_, [&](const LocalPool& p) { return p.config.name == request.pool; });
    return Outcome::applied;
}

std::optional<Outcome> Ownership::serve(Pending&, const ClearFailure& request) {
    LocalPool* here = local(request.pool);
    if (here == nullptr) return Outcome::no_such_pool;
    here->failed_open = false;
    dirty_ = true;
    return Outcome::applied;
}

std::optional<Outcome> Ownership::serve(Pending& pending, const ConfirmDown& request) {
    if (!has_state_)
        return now_ - pending.since > request_leases * settings_.lease ? std::optional(Outcome::not_primary)
                                                                       : std::nullopt;
    if (agreed_.find(request.node) == no_index)
        return pending.begun ? Outcome::applied : Outcome::no_such_node;
    // Whoever speaks in this configuration is not down, whatever anyone says.
    if (request.node == settings_.self || request.user.size() > max_text || exchange_.is_member(request.node))
        return Outcome::refused;
    pending.begun = prove(request.node, request.proof, request.user);
    return std::nullopt;
}

std::optional<Outcome> Ownership::serve(Pending&, const Shutdown&) {
    if (!shutting_down_) {
        if (hands_over_before_leaving()) return std::nullopt;
        shutting_down_ = true;
        if (!out_) leave();
    }
    if (holding_.closing()) return std::nullopt;
    if (!standing().primary || !exchange_.quorate()) return Outcome::not_primary;
    if (self_index(agreed_) == no_index || left_last_) return Outcome::applied;
    return std::nullopt;
}

}  // namespace buoy::core
