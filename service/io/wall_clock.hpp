// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <vector>

#include "buoy/time.hpp"
#include "service/io/boot_clock.hpp"

namespace buoy::io {

/// Finds wall-clock times of others on the boot clock, also when the wall clock is set meanwhile: it is told
/// both now and then, and takes what a time meant at the earliest. Pure.
class WallClock {
  public:
    /// To be called at the beginning, whenever the wall clock was set, and before boot_time_of(): the more
    /// often, the better it knows since when the wall clock says what it says.
    void observe(ClockPair now);

    /// When the wall clock said `wall`, not later than it was. A time that the wall clock shows twice, having
    /// been set back, is taken for the first. None for a time that has not come yet: that clock was never
    /// ours.
    [[nodiscard]] std::optional<TimePoint> boot_time_of(Duration wall) const;

  private:
    struct Stretch {
        Duration ahead;   ///< of the wall clock before the boot clock
        TimePoint until;  ///< last seen so
    };
    std::vector<Stretch> stretches_;
};

}  // namespace buoy::io
