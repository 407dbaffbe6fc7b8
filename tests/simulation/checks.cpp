// SPDX-License-Identifier: GPL-2.0-or-later
// What must be true of a cluster at every instant, seen from outside: no slot passed by two gates, and the
// rules whose breach need not show in a gate at once.
#include <algorithm>
#include <bit>

#include "service/core/invariants.hpp"
#include "tests/simulation/cluster.hpp"

namespace buoy::simulation {

// Whether both are in one primary configuration, and as far in it.
bool Cluster::agree(std::uint32_t a, std::uint32_t b) const {
    const auto primary = [&](std::uint32_t i) {
        return machines_[i].alive && machines_[i].core->phase() == core::Ownership::Phase::primary;
    };
    return primary(a) && primary(b) && machines_[a].tag == machines_[b].tag;
}

void Cluster::check_exclusive(std::uint32_t opener) {
    for (std::uint32_t s = 0; s < schedule_.slots; ++s) {
        check_exclusive(opener, false, s);
        if (second_was_open_) check_exclusive(opener, true, s);
    }
}

void Cluster::check_exclusive(std::uint32_t opener, bool second, std::uint32_t slot) {
    if (!passes(opener, second, slot)) return;
    for (std::uint32_t j = 0; j < machines_.size(); ++j) {
        if (j == opener || !passes(j, second, slot)) continue;
        // Who asks for on_loss=unsafe gets what it says, but never within one agreed state.
        if (schedule_.on_loss == core::OnLoss::unsafe && !agree(j, opener)) continue;
        breach("exclusivity", "slot " + std::to_string(slot) + (second ? " of the second pool" : "") +
                                  " is passed by nodes " + std::to_string(j) + " and " +
                                  std::to_string(opener));
    }
}

void Cluster::check_state(std::uint32_t i) {
    Machine& m = machines_[i];
    m.tag = m.core->agreed().tag;
    ++outcome_.entries;
    // A cold start begins with nothing, in a ring that others may have been primary in before they all forgot
    // it.
    if (m.tag.entries == 0 && m.core->agreed().pools_made == 0 &&
        std::ranges::none_of(
            machines_, [&](const Machine& o) { return &o != &m && o.alive && o.tag.ring == m.tag.ring; }))
        std::erase_if(hashes_, [&](const auto& known) { return known.first.ring == m.tag.ring; });
    reached_[m.tag.ring][i] = static_cast<std::int64_t>(m.tag.entries) + 1;
    check_voters(i);
    check_electorate(i);
    if (m.tag.entries == 0 && m.core->phase() == core::Ownership::Phase::primary) check_primary(i);
    const auto [known, fresh] = hashes_.emplace(m.tag, m.core->agreed_hash());
    if (!fresh && known->second != m.core->agreed_hash())
        breach("equal tags, unequal states",
               "node " + std::to_string(i) + " has another state than others had at the same tag");
    if (hash(++salts_, 11) % 8 == 0) core::Invariants::hold(*m.core);
}

// One message for an event, never one for a slot, and none for what was refused: far more than anything that
// happens within a lease has been seen to take.
void Cluster::count_message(std::uint32_t i) {
    constexpr std::uint64_t flood = 96;
    Machine& m = machines_[i];
    if (now_ - m.counts_from >= lease) {
        m.counts_from = now_;
        m.sent = 0;
    }
    outcome_.most_at_once = std::max(outcome_.most_at_once, ++m.sent);
    if (m.sent > flood)
        breach("a flood of messages", "node " + std::to_string(i) + " floods the agreed order");
}

// Rules 3 and 6, seen from outside: since when everyone is a voter, and that no outing counts again.
void Cluster::check_voters(std::uint32_t i) {
    Machine& m = machines_[i];
    const bool fresh = m.tag.ring != m.outings_ring;
    m.outings_ring = m.tag.ring;
    for (std::uint32_t j = 0; j < machines_.size(); ++j) {
        const core::NodeIndex place = m.core->agreed().find(id(j));
        if (place == core::no_index) {
            m.voter_since[j].reset();
            continue;
        }
        if (!m.voter_since[j]) m.voter_since[j] = local(m, now_);
        const Outing outing = m.core->agreed().voters[place].outing;
        if (!fresh && outing < m.outings[j])
            rule_breach("rule 6 seen from outside",
                        "node " + std::to_string(j) + " was let in for an outing that was over");
        m.outings[j] = outing;
    }
}

// Rule 9, seen from outside: a change of the voters finds a majority of them past the one before.
void Cluster::check_electorate(std::uint32_t i) {
    Machine& m = machines_[i];
    const core::AgreedState& state = m.core->agreed();
    const bool in_order = m.voters_changed.ring == m.tag.ring && state.voters_changed.ring == m.tag.ring;
    if (in_order && state.voters_changed.entries > m.voters_changed.entries) {
        std::size_t past = 0;
        for (const NodeId node : m.voters)
            past += reached_[m.tag.ring][index(node)] > static_cast<std::int64_t>(m.voters_changed.entries);
        if (2 * past <= m.voters.size() && !m.voters.empty())
            rule_breach("rule 9 seen from outside",
                        "the voters change before a majority has applied their last change");
    }
    m.voters_changed = state.voters_changed;
    m.voters.clear();
    for (const core::Voter& v : state.voters)
        if (v.id.value != 0) m.voters.push_back(v.id);
}

void Cluster::check_beat(std::uint32_t i, const core::Beat& beat) {
    const Machine& m = machines_[i];
    const auto phase = m.core->phase();
    if (!beat.echoes.empty() && phase != core::Ownership::Phase::primary &&
        phase != core::Ownership::Phase::applying)
        rule_breach("rule 1 seen from outside",
                    "node " + std::to_string(i) + " echoes others and is in no primary configuration");
    const Duration margin = Duration(m.lease) + Duration(m.lease) / 10;
    for (const NodeId node : beat.condemned) {
        const auto since = std::max(m.voter_since[i], m.voter_since[index(node)]);
        if (!since || beat.created - *since <= margin)
            rule_breach("rule 3 seen from outside", "node " + std::to_string(i) + " condemns " +
                                                        std::to_string(index(node)) +
                                                        " sooner than LM after both became voters");
    }
}

// Rule 7, seen from outside: who had forgotten everything echoes again only when a majority has applied its
// Rejoin.
void Cluster::check_unmuted(std::uint32_t i) {
    const Machine& m = machines_[i];
    if (m.core->out()) return;
    // Whoever is in a later ring has applied it, too.
    const std::int64_t wanted =
        m.rejoined.ring == m.tag.ring ? static_cast<std::int64_t>(m.rejoined.entries) : 0;
    int have = 0;
    for (const core::Voter& v : m.core->agreed().voters) {
        if (v.id.value == 0) continue;
        const auto reached = reached_.find(m.tag.ring);
        if (reached != reached_.end() && reached->second[index(v.id)] > wanted) ++have;
    }
    if (have < m.core->agreed().majority())
        rule_breach("rule 7 seen from outside",
                    "node " + std::to_string(i) + " echoes others before a majority has applied its Rejoin");
}

// Rule 0, seen from outside: whoever begins a configuration has the greater part of its voters with it, or
// all.
void Cluster::check_primary(std::uint32_t i) {
    const Machine& m = machines_[i];
    const core::AgreedState& state = m.core->agreed();
    const Configuration& c = configurations_[m.legs.front().configuration];
    int here = 0;
    int with_state = 0;
    for (const core::Voter& v : state.voters) {
        if (v.id.value == 0 || !(c.members >> index(v.id) & 1)) continue;
        ++here;
        // Of a daemon that is gone by now, or further on, nobody can tell what it brought.
        const Machine& other = machines_[index(v.id)];
        const bool there = other.epoch == c.epochs[index(v.id)] && !other.legs.empty() &&
                           other.legs.front().configuration == m.legs.front().configuration;
        with_state += !there || other.brought_state;
    }
    const int voters = std::popcount(state.electorate());
    if (2 * with_state <= voters && here != voters)
        rule_breach("rule 0 seen from outside",
                    "node " + std::to_string(i) +
                        " takes a configuration without the greater part of its voters for primary");
}

bool Cluster::covered(std::string* why) const {
    std::uint32_t able_ones = 0;
    for (std::uint32_t i = 0; i < machines_.size(); ++i) able_ones += able(i);
    if (able_ones == 0) return true;
    for (std::uint32_t s = 0; s < schedule_.slots; ++s) {
        std::uint32_t holders = 0;
        for (std::uint32_t i = 0; i < machines_.size(); ++i)
            holders += passes(i, false, s) && now_ >= machines_[i].no_carrier_until;
        if (holders != 1) {
            *why = "slot " + std::to_string(s) + " has " + std::to_string(holders) + " holders";
            return false;
        }
    }
    return true;
}

void Cluster::rule_breach(const char* found_by, const std::string& what) {
    if (checks_.rules) breach(found_by, what);
}

void Cluster::breach(const char* found_by, const std::string& what) {
    if (!outcome_.ok) return;
    outcome_.ok = false;
    outcome_.found_by = found_by;
    outcome_.breach = what + " at " + std::to_string(now_ / 1'000'000) + " ms";
    outcome_.breach_at = now_;
    over_ = true;
}

}  // namespace buoy::simulation
