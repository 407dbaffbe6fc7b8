// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/agreed_state.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "service/core/fault.hpp"
#include "service/core/placement.hpp"

namespace buoy::core {
namespace {

// Remembers a pool's lists, to mark those that an entry has changed in the end: what it did in between is
// nothing to rule 4.
class Relisting {
  public:
    Relisting(Pool& pool, std::uint64_t entry)
        : pool_(pool), entry_(static_cast<std::uint32_t>(entry)), lists_(pool.lists), width_(pool.width) {}
    ~Relisting() {
        for (std::uint32_t s = 0; s < pool_.config.slots; ++s)
            if (width_ != pool_.width || !std::ranges::equal(pool_.list(s), before(s)))
                pool_.changed[s] = entry_;
    }
    Relisting(const Relisting&) = delete;
    Relisting& operator=(const Relisting&) = delete;

  private:
    std::span<const NodeIndex> before(std::uint32_t slot) const {
        return {lists_.data() + std::size_t{slot} * width_, width_};
    }
    Pool& pool_;
    std::uint32_t entry_;
    std::vector<NodeIndex> lists_;
    std::uint32_t width_;
};

void set_bit(NodeMask& mask, NodeIndex i, bool on) {
    mask = on ? mask | bit(i) : mask & ~bit(i);
}

}  // namespace

std::uint32_t Pool::weight_of(NodeId node) const {
    const auto found = std::ranges::find(weights, node, &Weight::node);
    return found == weights.end() ? 100 : found->weight;
}

NodeIndex AgreedState::find(NodeId node) const {
    if (node.value == 0) return no_index;
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (voters[i].id == node) return i;
    return no_index;
}

NodeMask AgreedState::electorate() const {
    NodeMask mask = 0;
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (voters[i].id.value != 0) mask |= bit(i);
    return mask;
}

NodeMask AgreedState::lost() const {
    NodeMask mask = 0;
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (voters[i].lost) mask |= bit(i);
    return mask;
}

int AgreedState::majority() const {
    return std::popcount(electorate()) / 2 + 1;
}

const Pool* AgreedState::pool(std::string_view name) const {
    const auto found = std::ranges::find_if(pools, [&](const Pool& p) { return p.config.name == name; });
    return found == pools.end() ? nullptr : &*found;
}

const Pool* AgreedState::pool(PoolId id) const {
    const auto found = std::ranges::find(pools, id, &Pool::id);
    return found == pools.end() ? nullptr : &*found;
}

Pool* AgreedState::pool_named(std::string_view name) {
    return const_cast<Pool*>(pool(name));
}

NodeMask AgreedState::eligible(const Pool& pool) const {
    NodeMask mask = 0;
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (has(pool.members, i) && !voters[i].lost && !voters[i].drained) mask |= bit(i);
    return mask & ~pool.ailing();
}

bool AgreedState::waits_for_fencing(const Pool& pool) const {
    return pool.config.on_loss == OnLoss::fenced ||
           (pool.config.on_loss == OnLoss::automatic && !leases_count);
}

std::uint32_t AgreedState::slots() const {
    std::uint32_t sum = 0;
    for (const Pool& p : pools) sum += p.config.slots;
    return sum;
}

Outcome AgreedState::apply(const EntryBody& body) {
    ++tag.entries;
    return std::visit([this](const auto& entry) { return on(entry); }, body);
}

void AgreedState::begin(const RingId& ring, std::span<const NodeId> members, std::span<const NodeId> silent) {
    tag = {ring, 0};
    for (const NodeId node : silent)
        if (const NodeIndex i = find(node); i != no_index) remove_voter(i);
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (voters[i].id.value != 0 && std::ranges::find(members, voters[i].id) == members.end())
            voters[i].lost = true;
    place_all();
    // Lists changed in older rings, or by beginning this one, ask for a report of this ring and no more (rule
    // 4).
    for (Pool& p : pools) std::ranges::fill(p.changed, 0U);
}

void AgreedState::elect(std::span<const NodeId> nodes) {
    std::size_t i = 0;
    for (const NodeId node : nodes)
        if (i < max_nodes) voters[i++].id = node;
    voters_changed = tag;
    // Who is a voter from the beginning never held anything by its membership.
    leases_count = nodes.size() >= 3;
}

Outcome AgreedState::on(const Move& entry) {
    Pool* p = pool_named(entry.pool);
    if (p == nullptr) return Outcome::no_such_pool;
    if (entry.slots.empty()) return Outcome::refused;
    if (std::ranges::max(entry.slots) >= p->config.slots) return Outcome::no_such_slot;
    const NodeIndex i = find(entry.node);
    if (i == no_index || !has(p->members, i)) return Outcome::no_such_node;
    if (!has(eligible(*p), i)) return Outcome::refused;
    const Relisting relisting(*p, tag.entries);
    Outcome outcome = Outcome::unchanged;
    for (const std::uint32_t slot : entry.slots) {
        NodeIndex* const list = p->lists.data() + std::size_t{slot} * p->width;
        NodeIndex* const place = std::find(list, list + p->width, i);
        if (place == list) continue;
        std::rotate(list, place, place + 1);
        outcome = Outcome::applied;
    }
    return outcome;
}

Outcome AgreedState::on(const Rejoin& entry) {
    NodeIndex i = find(entry.node);
    if (i == no_index) {
        if (entry.electorate != voters_changed && !fault(Fault::one_at_a_time))
            return Outcome::stale_electorate;
        if (entry.node.value == 0) return Outcome::refused;
        for (NodeIndex k = max_nodes; k-- > 0;)
            if (voters[k].id.value == 0) i = k;
        if (i == no_index) return Outcome::full;
        voters[i] = {entry.node, false, false, entry.outing};
        voters_changed = tag;
        return Outcome::applied;
    }
    if (entry.outing <= voters[i].outing && !fault(Fault::outing)) return Outcome::stale_outing;
    const bool was_lost = voters[i].lost;
    voters[i].outing = entry.outing;
    voters[i].lost = false;
    for (Pool& p : pools) {
        if (!has(p.members, i)) continue;
        const Relisting relisting(p, tag.entries);
        if (std::ranges::find(entry.pools, p.config.name) == entry.pools.end()) {
            drop_from_lists(p, i);
            continue;
        }
        // A node that was not even taken for lost gets back what it had, for less moves so: this is going to
        // the ends and being moved first again, in one entry. Where nothing may be pulled back it stays at
        // the ends.
        if (was_lost || p.config.rebalance == Rebalance::never) to_ends(p, i);
        place(p);
        for (std::uint32_t s = 0; s < p.config.slots; ++s) touch(p, s);
    }
    return Outcome::applied;
}

Outcome AgreedState::on(const Lost& entry) {
    const NodeIndex i = find(entry.node);
    if (i == no_index) return Outcome::no_such_node;
    if (voters[i].lost) return Outcome::unchanged;
    voters[i].lost = true;
    lose(i);
    return Outcome::applied;
}

Outcome AgreedState::on(const Leave& entry) {
    if (entry.electorate != voters_changed && !fault(Fault::one_at_a_time)) return Outcome::stale_electorate;
    const NodeIndex i = find(entry.node);
    if (i == no_index) return Outcome::no_such_node;
    if (std::popcount(electorate()) == 1) return Outcome::last_voter;
    remove_voter(i);
    return Outcome::applied;
}

Outcome AgreedState::on(const Fenced& entry) {
    const NodeIndex i = find(entry.node);
    if (i != no_index && voters[i].outing != entry.outing) return Outcome::stale_outing;
    return on(Leave{entry.node, entry.electorate});
}

Outcome AgreedState::on(const CountLeases& entry) {
    if (entry.electorate != voters_changed) return Outcome::stale_electorate;
    if (leases_count || std::popcount(electorate()) < 3) return Outcome::unchanged;
    leases_count = true;
    // Members lost while only fencing counted: what they have is free now.
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (voters[i].lost) lose(i);
    return Outcome::applied;
}

Outcome AgreedState::on(const JoinPool& entry) {
    const NodeIndex i = find(entry.node);
    if (i == no_index || voters[i].lost) return Outcome::no_such_node;
    Pool* p = pool_named(entry.config.name);
    const std::uint32_t others = slots() - (p == nullptr ? 0 : p->config.slots);
    if (entry.config.slots == 0 || entry.config.name.empty() || entry.config.name.size() > max_name ||
        entry.config.parameters.size() > max_parameters)
        return Outcome::refused;
    if (entry.config.slots > max_slots - others) return Outcome::full;
    if (p == nullptr) {
        if (pools.size() >= max_pools) return Outcome::full;
        const auto where = std::ranges::lower_bound(
            pools, entry.config.name, {}, [](const Pool& q) -> const std::string& { return q.config.name; });
        p = &*pools.insert(where, Pool{});
    }
    const bool same = p->config.hash == entry.config.hash && p->config.slots == entry.config.slots &&
                      p->config.on_loss == entry.config.on_loss;
    if (p->members != 0 && !same) return Outcome::different_config;
    if (has(p->members, i)) return Outcome::unchanged;
    if (p->members == 0) {
        // New slots, though the pool may keep its name: no gate's answer for an old one may be taken for a
        // new one's. And a new number, by which it is later than every pool that has members now.
        p->id = {++pools_made};
        p->config = entry.config;
        p->changed.assign(p->config.slots, 0);
        std::erase_if(p->pins, [&](const PinnedSlot& pin) { return pin.slot >= p->config.slots; });
    }
    const Relisting relisting(*p, tag.entries);
    add_to_lists(*p, i);
    place(*p);
    return Outcome::applied;
}

Outcome AgreedState::on(const LeavePool& entry) {
    Pool* p = pool_named(entry.pool);
    if (p == nullptr) return Outcome::no_such_pool;
    const NodeIndex i = find(entry.node);
    if (i == no_index || !has(p->members, i)) return Outcome::unchanged;
    const Relisting relisting(*p, tag.entries);
    drop_from_lists(*p, i);
    return Outcome::applied;
}

Outcome AgreedState::on(const RemovePool& entry) {
    const Pool* p = pool(entry.pool);
    if (p == nullptr) return Outcome::no_such_pool;
    if (p->members != 0) return Outcome::pool_in_use;
    pools.erase(pools.begin() + (p - pools.data()));
    return Outcome::applied;
}

Outcome AgreedState::on(const SetWeight& entry) {
    Pool* p = pool_named(entry.pool);
    if (p == nullptr) return Outcome::no_such_pool;
    if (entry.weight > max_weight || entry.node.value == 0) return Outcome::refused;
    const auto where = std::ranges::lower_bound(p->weights, entry.node, {}, &Weight::node);
    if (where != p->weights.end() && where->node == entry.node) {
        if (where->weight == entry.weight) return Outcome::unchanged;
        where->weight = entry.weight;
    } else {
        if (p->weights.size() >= max_nodes) return Outcome::full;
        p->weights.insert(where, {entry.node, entry.weight});
    }
    const Relisting relisting(*p, tag.entries);
    place(*p);
    return Outcome::applied;
}

Outcome AgreedState::on(const Pin& entry) {
    Pool* p = pool_named(entry.pool);
    if (p == nullptr) return Outcome::no_such_pool;
    if (entry.slot >= p->config.slots) return Outcome::no_such_slot;
    const auto where = std::ranges::lower_bound(p->pins, entry.slot, {}, &PinnedSlot::slot);
    const bool there = where != p->pins.end() && where->slot == entry.slot;
    if (entry.node.value == 0) {
        if (!there) return Outcome::unchanged;
        p->pins.erase(where);
    } else if (there) {
        if (where->node == entry.node) return Outcome::unchanged;
        where->node = entry.node;
    } else {
        p->pins.insert(where, {entry.slot, entry.node});
    }
    const Relisting relisting(*p, tag.entries);
    place(*p);
    return Outcome::applied;
}

Outcome AgreedState::on(const SetRebalance& entry) {
    Pool* p = pool_named(entry.pool);
    if (p == nullptr) return Outcome::no_such_pool;
    if (p->config.rebalance == entry.rebalance) return Outcome::unchanged;
    p->config.rebalance = entry.rebalance;
    const Relisting relisting(*p, tag.entries);
    place(*p);
    return Outcome::applied;
}

Outcome AgreedState::on(const Drain& entry) {
    const NodeIndex i = find(entry.node);
    if (i == no_index) return Outcome::no_such_node;
    if (voters[i].drained == entry.on) return Outcome::unchanged;
    voters[i].drained = entry.on;
    place_all();
    return Outcome::applied;
}

Outcome AgreedState::on(const SetAilment& entry) {
    Pool* p = pool_named(entry.pool);
    if (p == nullptr) return Outcome::no_such_pool;
    const NodeIndex i = find(entry.node);
    if (i == no_index || !has(p->members, i)) return Outcome::no_such_node;
    NodeMask& mask = entry.ailment == Ailment::no_carrier ? p->no_carrier : p->failed_open;
    if (has(mask, i) == entry.on) return Outcome::unchanged;
    set_bit(mask, i, entry.on);
    const Relisting relisting(*p, tag.entries);
    place(*p);
    return Outcome::applied;
}

Outcome AgreedState::on(const Unknown&) {
    return Outcome::unknown_kind;
}

void AgreedState::remove_voter(NodeIndex who) {
    for (Pool& p : pools) {
        if (!has(p.members, who)) continue;
        const Relisting relisting(p, tag.entries);
        drop_from_lists(p, who);
    }
    voters[who] = {};
    voters_changed = tag;
    if (std::popcount(electorate()) < 3) leases_count = false;
}

void AgreedState::lose(NodeIndex who) {
    for (Pool& p : pools) {
        if (!has(p.members, who)) continue;
        const Relisting relisting(p, tag.entries);
        place(p);
    }
}

void AgreedState::add_to_lists(Pool& p, NodeIndex who) {
    std::vector<NodeIndex> lists;
    lists.reserve(std::size_t{p.width + 1} * p.config.slots);
    for (std::uint32_t s = 0; s < p.config.slots; ++s) {
        const auto list = p.list(s);
        lists.insert(lists.end(), list.begin(), list.end());
        lists.push_back(who);
    }
    p.lists = std::move(lists);
    p.members |= bit(who);
    ++p.width;
}

void AgreedState::drop_from_lists(Pool& p, NodeIndex who) {
    // Placed once more with the member at the end, so that what it had is known to be what has to move.
    p.failed_open |= bit(who);
    const bool lost = std::exchange(voters[who].lost, false);
    place(p);
    voters[who].lost = lost;
    std::erase(p.lists, who);
    p.members &= ~bit(who);
    p.no_carrier &= ~bit(who);
    p.failed_open &= ~bit(who);
    --p.width;
}

void AgreedState::to_ends(Pool& p, NodeIndex who) {
    for (std::uint32_t s = 0; s < p.config.slots; ++s) {
        NodeIndex* const list = p.lists.data() + std::size_t{s} * p.width;
        NodeIndex* const place = std::find(list, list + p.width, who);
        std::rotate(place, place + 1, list + p.width);
    }
}

void AgreedState::place(Pool& p) {
    std::array<PlacementMember, max_nodes> members;
    std::size_t count = 0;
    const NodeMask may = eligible(p);
    for (NodeIndex i = 0; i < max_nodes; ++i)
        if (has(p.members, i))
            members[count++] = {i, p.weight_of(voters[i].id), has(may, i),
                                voters[i].lost && waits_for_fencing(p)};
    std::vector<NodeIndex> pins;
    if (!p.pins.empty()) {
        pins.assign(p.config.slots, no_index);
        for (const PinnedSlot& pin : p.pins)
            if (const NodeIndex i = find(pin.node); i != no_index && has(p.members, i)) pins[pin.slot] = i;
    }
    core::place(p.lists, {{members.data(), count}, pins, p.config.rebalance});
}

void AgreedState::place_all() {
    for (Pool& p : pools) {
        const Relisting relisting(p, tag.entries);
        place(p);
    }
}

namespace {

class Hasher {
  public:
    void add(std::uint64_t value) {
        hash_ ^= value;
        hash_ *= 0x9e3779b97f4a7c15ULL;
        hash_ ^= hash_ >> 29;
    }
    // Read in one byte order, so that machines of both kinds agree.
    void add(std::span<const std::uint8_t> bytes) {
        add(bytes.size());
        for (std::size_t i = 0; i < bytes.size(); i += 8) {
            std::uint64_t word = 0;
            for (std::size_t k = 0; k < std::min<std::size_t>(8, bytes.size() - i); ++k)
                word |= std::uint64_t{bytes[i + k]} << 8 * k;
            add(word);
        }
    }
    void add(const std::string& text) {
        add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
    }
    void add(const Tag& tag) {
        add(tag.ring.ring.seq);
        add(tag.ring.ring.node.value);
        add(tag.ring.change);
        add(tag.entries);
    }
    [[nodiscard]] std::uint64_t value() const { return hash_; }

  private:
    std::uint64_t hash_ = 0x6275'6f79;
};

void add_pool(Hasher& h, const Pool& p) {
    h.add(p.id.value);
    h.add(p.config.name);
    h.add(p.config.hash);
    if (!p.config.parameters.empty()) h.add(p.config.parameters);
    h.add(std::uint64_t{p.config.slots} << 16 | static_cast<std::uint64_t>(p.config.on_loss) << 8 |
          static_cast<std::uint64_t>(p.config.rebalance));
    h.add(std::uint64_t{p.members} << 32 | p.no_carrier);
    h.add(std::uint64_t{p.failed_open} << 32 | p.width);
    for (const Weight& w : p.weights) h.add(std::uint64_t{w.node.value} << 32 | w.weight);
    h.add(p.weights.size());
    for (const PinnedSlot& pin : p.pins) h.add(std::uint64_t{pin.node.value} << 32 | pin.slot);
    h.add(p.pins.size());
    h.add(p.lists);
    for (const std::uint32_t entry : p.changed) h.add(entry);
    h.add(p.unknown);
}

}  // namespace

std::uint64_t AgreedState::hash() const {
    Hasher h;
    h.add(tag);
    h.add(voters_changed);
    h.add(std::uint64_t{leases_count} << 32 | pools_made);
    for (std::uint64_t i = 0; i < max_nodes; ++i) {
        const Voter& v = voters[i];
        if (v.id.value == 0) continue;
        h.add(i << 48 | std::uint64_t{v.id.value} << 8 | static_cast<std::uint64_t>(v.lost) << 1 |
              std::uint64_t{v.drained});
        h.add(v.outing.incarnation.value);
        h.add(v.outing.count);
    }
    for (const Pool& p : pools) add_pool(h, p);
    h.add(unknown);
    return h.value();
}

}  // namespace buoy::core
