// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "buoy/time.hpp"

namespace buoy::io {

/// Now, by CLOCK_BOOTTIME.
TimePoint boot_now();

/// Both clocks of this node read as one: what the wall clock said at `boot`.
struct ClockPair {
    TimePoint boot;
    Duration wall{};  ///< since the Unix epoch

    static ClockPair now();
    /// When the wall clock said `wall`, in boot-clock time, supposing that it has not been set since. Never
    /// later than it was: earlier by what passed between reading the two clocks.
    [[nodiscard]] TimePoint boot_time_of(Duration wall) const;
};

}  // namespace buoy::io
