// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/holding.hpp"

#include <algorithm>

#include "service/core/check.hpp"
#include "service/core/limits.hpp"

namespace buoy::core {
namespace {
bool passes(Holding::State s) {
    return s == Holding::State::opening || s == Holding::State::open;
}
}  // namespace

Holding::State Holding::state(SlotId slot) const {
    const auto* states = of_pool(slot.pool);
    return states != nullptr && slot.index < states->size() ? (*states)[slot.index] : State::shut;
}

const std::vector<Holding::State>* Holding::of_pool(PoolId pool) const {
    const auto found = std::ranges::find(pools_, pool, &PoolSlots::id);
    return found == pools_.end() ? nullptr : &found->states;
}

std::vector<SlotId> Holding::passing() const {
    std::vector<SlotId> out;
    out.reserve(passing_);
    for_each_passing([&](SlotId s) { out.push_back(s); });
    return out;
}

std::uint32_t Holding::open_count(PoolId pool) const {
    const auto* states = of_pool(pool);
    return states == nullptr ? 0 : static_cast<std::uint32_t>(std::ranges::count(*states, State::open));
}

void Holding::set(SlotId slot, State state) {
    auto found = std::ranges::find(pools_, slot.pool, &PoolSlots::id);
    if (found == pools_.end()) {
        if (state == State::shut) return;
        // Pools that are gone leave their places to new ones.
        std::erase_if(pools_, [](const PoolSlots& p) {
            return std::ranges::all_of(p.states, [](State s) { return s == State::shut; });
        });
        found = pools_.insert(pools_.end(), PoolSlots{slot.pool, 0, {}});
    }
    check(slot.index < max_slots, "a held slot is one of its pool's");
    if (slot.index >= found->states.size()) found->states.resize(slot.index + 1, State::shut);
    State& now = found->states[slot.index];
    if (passes(now) && !passes(state)) --found->passing, --passing_;
    if (!passes(now) && passes(state)) ++found->passing, ++passing_;
    now = state;
}

Open Holding::open(std::vector<SlotId> slots) {
    for (const SlotId s : slots) {
        check(state(s) == State::shut, "a slot is opened only when its gate is known to be shut");
        set(s, State::opening);
    }
    const EffectId id{++last_id_};
    asked_.push_back({id, false, false, slots});
    return {id, std::move(slots)};
}

Close Holding::close(std::vector<SlotId> slots) {
    for (const SlotId s : slots) {
        check(passes(state(s)), "a slot is closed when it may be passing");
        set(s, State::closing);
    }
    const EffectId id{++last_id_};
    asked_.push_back({id, true, false, slots});
    ++closes_;
    return {id, false, std::move(slots)};
}

Close Holding::close_everything() {
    auto slots = passing();
    for (const SlotId s : slots) set(s, State::closing);
    slots.insert(slots.end(), failed_.begin(), failed_.end());
    failed_.clear();
    failed_everything_ = false;
    const EffectId id{++last_id_};
    asked_.push_back({id, true, true, std::move(slots)});
    ++closes_;
    return {id, true, {}};
}

Close Holding::close_again() {
    if (failed_everything_) return close_everything();
    const EffectId id{++last_id_};
    asked_.push_back({id, true, false, std::exchange(failed_, {})});
    ++closes_;
    return {id, false, asked_.back().slots};
}

Holding::Result Holding::answered(EffectId id, const std::vector<SlotId>& failed,
                                  std::vector<SlotId>& about) {
    const auto found = std::ranges::find(asked_, id, &Asked::id);
    if (found == asked_.end()) return Result::unknown;
    const Asked asked = std::move(*found);
    asked_.erase(found);
    const auto has_failed = [&](SlotId s) { return std::ranges::find(failed, s) != failed.end(); };
    if (!asked.close) {
        for (const SlotId s : asked.slots) {
            // A slot that has to close again in the meantime is in the next answer's care.
            if (state(s) != State::opening) continue;
            const bool ok = !has_failed(s);
            if (ok == failed.empty()) about.push_back(s);
            set(s, State::open);
        }
        return failed.empty() ? Result::opened : Result::open_failed;
    }
    --closes_;
    for (const SlotId s : asked.slots) {
        if (state(s) != State::closing) continue;
        if (has_failed(s) && !asked.everything) {
            failed_.push_back(s);
            continue;
        }
        if (asked.everything && !failed.empty()) {
            failed_.push_back(s);
            continue;
        }
        set(s, State::shut);
        about.push_back(s);
    }
    if (failed.empty()) return Result::closed;
    if (asked.everything) failed_everything_ = true;
    return Result::close_failed;
}

const char* Holding::unsound() const {
    std::uint32_t all = 0;
    for (const PoolSlots& p : pools_) {
        if (p.states.size() > max_slots || p.passing != std::ranges::count_if(p.states, passes))
            return "slots that pass are counted";
        all += p.passing;
    }
    const bool counted = all == passing_ && closes_ == static_cast<std::uint32_t>(
                                                           std::ranges::count(asked_, true, &Asked::close));
    return counted ? nullptr : "slots that pass are counted";
}

}  // namespace buoy::core
