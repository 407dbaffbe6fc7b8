// SPDX-License-Identifier: GPL-2.0-or-later
// Planned handovers of many slots, in portions: see Handover.
#include <algorithm>

#include "service/core/ownership.hpp"

namespace buoy::core {
namespace {

constexpr std::size_t most_portions = 16;  // each is a message in the order, of one pool and to one node

bool is_portion(const Entry& entry) {
    return entry.request.value == 0 && std::holds_alternative<Move>(entry.body);
}

}  // namespace

// True while slots still go in portions and the entry has to wait.
bool Ownership::hand_over_before(const EntryBody& goal, RequestId request) {
    const Asked key = key_of(goal, request);
    if (settings_.portion == 0 || out_ || std::ranges::find(asked_, key) != asked_.end()) return false;
    // What takes longer than a lease goes at once: a member may be lost, or cannot open what it was given.
    if (handover_.goes_on && now_ - handover_.since > settings_.lease) {
        const bool ours = handover_.goal == key;
        handover_ = {};
        if (ours) return false;
    }
    if (handover_.goes_on && handover_.goal != key) return true;
    if (!handover_.goes_on) {
        handover_ = plan(goal, request);
        if (!handover_.goes_on) return false;
    } else if (!portion_settled()) {
        return true;
    }
    if (handover_.rest.empty()) {
        handover_ = {};
        return false;
    }
    handover_.since = now_;
    order(handover_.rest.back());
    handover_.rest.pop_back();
    return true;
}

bool Ownership::hands_over_before_leaving() {
    // A portion of ours is closing.
    if (phase_ == Phase::applying && handover_.goes_on && now_ - handover_.since <= settings_.lease)
        return true;
    return phase_ == Phase::primary && exchange_.quorate() &&
           hand_over_before(Leave{settings_.self, agreed_.voters_changed});
}

// Whether a pool that stops here was given slots by somebody who could not know, another node that stops it,
// say: nobody answers for them until this one has left.
bool Ownership::is_given_in_vain(const Pool& pool) const {
    const NodeIndex self = self_index(agreed_);
    for (std::uint32_t s = 0; s < pool.config.slots; ++s)
        if (pool.list(s).front() == self && holding_.state({pool.id, s}) == Holding::State::shut) return true;
    return false;
}

Ownership::Handover Ownership::plan(const EntryBody& goal, RequestId request) const {
    // With a voter lost every entry waits for LM, and one that waits is enough.
    if (agreed_.lost() != 0) return {};
    AgreedState after = agreed_;
    if (after.apply(goal) != Outcome::applied) return {};
    std::vector<Move> moves;  // one for each pool and the node that gets slots of it
    std::size_t count = 0;
    for (const Pool& p : agreed_.pools) {
        const Pool* then = after.pool(p.id);
        if (then == nullptr || p.width == 0 || then->width == 0) continue;
        const NodeMask may = agreed_.eligible(p);
        for (std::uint32_t s = 0; s < p.config.slots; ++s) {
            const NodeIndex from = p.list(s).front();
            const NodeIndex to = then->list(s).front();
            if (from == to || !has(may, from) || !has(may, to)) continue;
            const NodeId node = agreed_.voters[to].id;
            auto move = std::ranges::find_if(
                moves, [&](const Move& m) { return m.pool == p.config.name && m.node == node; });
            if (move == moves.end()) move = moves.insert(moves.end(), Move{p.config.name, {}, node});
            move->slots.push_back(s);
            ++count;
        }
    }
    const std::size_t portion = std::max<std::size_t>(settings_.portion, count / most_portions);
    if (count <= portion) return {};
    Handover out{true, key_of(goal, request), static_cast<std::uint32_t>(portion), {}, 0, now_};
    for (const Move& m : moves)
        for (std::size_t at = 0; at < m.slots.size(); at += portion) {
            const std::size_t end = std::min(m.slots.size(), at + portion);
            out.rest.push_back({m.pool,
                                {m.slots.begin() + static_cast<std::ptrdiff_t>(at),
                                 m.slots.begin() + static_cast<std::ptrdiff_t>(end)},
                                m.node});
        }
    // Many pools, a few slots of each: it would take longer than it saves.
    if (out.rest.size() > 2 * most_portions) return {};
    // The last one is what the entry itself does.
    out.rest.pop_back();
    std::ranges::reverse(out.rest);
    return out;
}

// Whether the next portion may go: everybody has applied the last one, and nobody has more than one to open.
bool Ownership::portion_settled() const {
    const std::size_t move = EntryBody(Move{}).index();
    for (const Asked& a : asked_)
        if (a.kind == move && a.detail == 0) return false;
    if (!barrier_.passed(handover_.entry) || owed_.size() > handover_.portion) return false;
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (agreed_.voters[i].id.value != 0 && peers_.owed(i) > handover_.portion) return false;
    return true;
}

void Ownership::portion_applied() {
    // What has gone on to somebody else, because it could not be opened here, is not owed any more.
    std::erase_if(owed_, [this](SlotId s) {
        const Pool* pool = agreed_.pool(s.pool);
        return pool == nullptr || pool->width == 0 || pool->list(s.index).front() != self_index(agreed_);
    });
    if (!is_portion(next_entry_)) return;
    if (handover_.goes_on && next_entry_.sender == settings_.self) handover_.entry = agreed_.tag.entries;
    const Move& move = std::get<Move>(next_entry_.body);
    const Pool* pool = agreed_.pool(move.pool);
    if (out_ || next_outcome_ != Outcome::applied || move.node != settings_.self || pool == nullptr) return;
    for (const std::uint32_t s : move.slots)
        if (holding_.state({pool->id, s}) != Holding::State::open) owed_.push_back({pool->id, s});
}

// Whoever waits with the next portion is told at once.
void Ownership::opened_what_was_owed() {
    const auto opened = [this](SlotId s) { return holding_.state(s) == Holding::State::open; };
    if (std::erase_if(owed_, opened) > 0) beat_now_ = true;
}

}  // namespace buoy::core
