// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "buoy/ids.hpp"
#include "service/core/effect.hpp"
#include "service/core/recorded.hpp"

namespace buoy::core {

/// What this node's gates may be passing: what was asked of them, and what they have answered. A slot counts
/// as held from the moment its opening is asked for until its closing is acknowledged.
class Holding {
  public:
    enum class State : std::uint8_t { shut, opening, open, closing };

    [[nodiscard]] State state(SlotId slot) const;
    /// Slots that are opening or open, in order.
    [[nodiscard]] std::vector<SlotId> passing() const;
    [[nodiscard]] bool any_passing() const { return passing_ != 0; }
    [[nodiscard]] std::uint32_t open_count(PoolId pool) const;
    /// Whether a Close is on its way or has failed.
    [[nodiscard]] bool closing() const { return closes_ != 0 || !failed_.empty() || failed_everything_; }
    [[nodiscard]] bool close_failed() const { return !failed_.empty() || failed_everything_; }

    /// `slots` are shut.
    Open open(std::vector<SlotId> slots);
    /// `slots` are opening or open.
    Close close(std::vector<SlotId> slots);
    /// All that the gate has, known here or not.
    Close close_everything();
    /// The Close that failed, once more; only when close_failed().
    Close close_again();

    enum class Result : std::uint8_t { unknown, opened, closed, open_failed, close_failed };
    /// Takes the answer to an Open or a Close; `failed` are the slots it was not carried out for. `about`
    /// becomes the slots that it was about and that still were in that state.
    Result answered(EffectId id, const std::vector<SlotId>& failed, std::vector<SlotId>& about);

    /// Walks the slots that are opening or open.
    template <typename F>
    void for_each_passing(F&& f) const {
        for (const PoolSlots& p : pools_)
            if (p.passing != 0)
                for (std::uint32_t s = 0; s < p.states.size(); ++s)
                    if (p.states[s] == State::opening || p.states[s] == State::open) f(SlotId{p.id, s});
    }
    /// The states of a pool's slots; empty when none was ever opened.
    [[nodiscard]] const std::vector<State>* of_pool(PoolId pool) const;

    /// As of the agreed state: nullptr when it is sound.
    [[nodiscard]] const char* unsound() const;

  private:
    template <typename T>
    friend struct journal::Fields;
    struct PoolSlots {
        PoolId id;
        std::uint32_t passing = 0;
        std::vector<State> states;
    };
    struct Asked {
        EffectId id;
        bool close = false;
        bool everything = false;
        std::vector<SlotId> slots;
    };
    void set(SlotId slot, State state);

    std::vector<PoolSlots> pools_;
    std::vector<Asked> asked_;
    std::vector<SlotId> failed_;
    bool failed_everything_ = false;
    std::uint32_t passing_ = 0;
    std::uint32_t closes_ = 0;
    std::uint64_t last_id_ = 0;
};

}  // namespace buoy::core
