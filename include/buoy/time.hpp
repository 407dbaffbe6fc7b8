// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>

namespace buoy {

/// The boot clock of the node (CLOCK_BOOTTIME), in nanoseconds: it goes on while the machine sleeps and is
/// never set. It has no now(): whoever reads the clock does so outside the pure parts and passes the time on.
/// A time of one node means nothing to another.
struct BootClock {
    using rep = std::int64_t;
    using period = std::nano;
    using duration = std::chrono::duration<rep, period>;
    using time_point = std::chrono::time_point<BootClock>;
    static constexpr bool is_steady = true;
};

using Duration = BootClock::duration;
using TimePoint = BootClock::time_point;

}  // namespace buoy
