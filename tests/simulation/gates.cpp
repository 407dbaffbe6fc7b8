// SPDX-License-Identifier: GPL-2.0-or-later
// The nodes' gates: what they are told to pass, when they do it, and what they pass.
#include <algorithm>

#include "tests/simulation/cluster.hpp"

namespace buoy::simulation {

// Numbers of pools count from one again when everybody has forgotten everything, so that the number alone
// does not say which of the two it is.
void Cluster::asked_to_open(std::uint32_t i, const core::Open& open) {
    for (const SlotId s : open.slots) {
        const core::Pool* pool = machines_[i].core->agreed().pool(s.pool);
        machines_[i].is_second[s.pool.value] = pool != nullptr && pool->config.name == second_.name;
    }
}

void Cluster::work_gate(std::uint32_t i) {
    Machine& m = machines_[i];
    if (m.gate_orders.empty()) return;
    const core::Effect effect = std::move(m.gate_orders.front().effect);
    m.gate_orders.pop_front();
    core::EffectId done;
    std::vector<SlotId> failed;
    if (const auto* close = std::get_if<core::Close>(&effect)) {
        done = close->id;
        if (now_ < m.close_fails_until) {
            failed = close->slots;
            if (close->everything) failed.push_back({});
        } else if (close->everything) {
            m.gate.clear();
        } else {
            for (const SlotId s : close->slots) {
                auto& bits = m.gate[s.pool.value];
                if (s.index < bits.size()) bits[s.index] = false;
            }
        }
    } else {
        const auto& open = std::get<core::Open>(effect);
        done = open.id;
        outcome_.opens += open.slots.size();
        for (const SlotId s : open.slots) {
            if (now_ < m.open_fails_until) {
                failed.push_back(s);
                continue;
            }
            auto& bits = m.gate[s.pool.value];
            bits.resize(schedule_.slots, false);
            bits[s.index] = true;
            const bool second = m.is_second[s.pool.value];
            second_was_open_ = second_was_open_ || second;
            check_exclusive(i, second, s.index);
        }
    }
    events_.push_back(failed.empty() ? core::Event(core::EffectDone{done})
                                     : core::Event(core::EffectFailed{done, failed, "made to fail"}));
    at(now_ + between(1000, beat / 50, ++salts_), Tick::request, i,
       static_cast<std::uint32_t>(events_.size() - 1));
}

bool Cluster::passes(std::uint32_t i, bool second, std::uint32_t slot) const {
    const Machine& m = machines_[i];
    if (!m.powered || local(m, now_) >= m.deadline) return false;
    return std::ranges::any_of(m.gate, [&](const auto& pool) {
        return slot < pool.second.size() && pool.second[slot] && m.is_second.at(pool.first) == second;
    });
}

// Whether the node could take anything over.
bool Cluster::able(std::uint32_t i) const {
    return now_ >= machines_[i].no_carrier_until && now_ >= machines_[i].open_fails_until;
}

}  // namespace buoy::simulation
