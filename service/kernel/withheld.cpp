// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/withheld.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace buoy::kernel {

namespace {

net::ProbeTiming timing_of(const PoolPlan& pool) {
    if (pool.probes) return *pool.probes;
    std::random_device device;
    return net::rfc5227_timing([&] { return std::uniform_real_distribution<>(0, 1)(device); });
}

}  // namespace

void Withheld::add(SlotId slot, Plan pool, TimePoint now) {
    const TimePoint due = now + pool->quiet;
    slots_.insert_or_assign(slot, Slot{std::move(pool), due, {}, 0, false});
}

std::vector<SlotId> Withheld::all() const {
    std::vector<SlotId> slots;
    for (const auto& [id, slot] : slots_) slots.push_back(id);
    return slots;
}

void Withheld::put_off(SlotId slot, TimePoint now) {
    if (const auto found = slots_.find(slot); found != slots_.end()) add(slot, Plan(found->second.pool), now);
}

TimePoint Withheld::next() const {
    TimePoint next = TimePoint::max();
    for (const auto& [id, slot] : slots_) next = std::min(next, slot.due);
    return next;
}

Withheld::Due Withheld::run(TimePoint now) {
    Due due;
    for (auto& [id, slot] : slots_) {
        if (now < slot.due) continue;
        if (!slot.asking) {
            slot.timing = timing_of(*slot.pool);
            slot.asking = true;
            slot.due = now + slot.timing.first_after;
            if (now < slot.due) continue;
        }
        const std::vector<std::chrono::milliseconds>& spacings = slot.timing.spacings;
        if (slot.probes > spacings.size()) {
            due.silent.push_back(id);
            slot.asking = false;
            slot.probes = 0;
            slot.due = now + slot.pool->quiet;
            continue;
        }
        due.asked.push_back(id);
        slot.due =
            now + (slot.probes < spacings.size() ? spacings[slot.probes] : slot.timing.listen_after_last);
        ++slot.probes;
    }
    return due;
}

}  // namespace buoy::kernel
