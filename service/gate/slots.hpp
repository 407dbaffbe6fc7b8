// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace buoy::gate {

/// Which slots of the gate's table are taken. A range is given out where it first fits.
class Slots {
  public:
    explicit Slots(std::uint32_t size) : taken_(size) {}

    /// The first of `count` slots in a row, or nothing where there are not so many.
    std::optional<std::uint32_t> take(std::uint32_t count) {
        std::uint32_t free = 0;
        for (std::uint32_t slot = 0; slot < taken_.size(); ++slot) {
            free = taken_[slot] ? 0 : free + 1;
            if (free != count) continue;
            mark(slot + 1 - count, count, true);
            return slot + 1 - count;
        }
        return std::nullopt;
    }
    void give_back(std::uint32_t first, std::uint32_t count) { mark(first, count, false); }

  private:
    void mark(std::uint32_t first, std::uint32_t count, bool taken) {
        std::fill_n(taken_.begin() + first, count, taken);
    }
    std::vector<bool> taken_;
};

}  // namespace buoy::gate
