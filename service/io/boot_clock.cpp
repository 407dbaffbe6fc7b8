// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/boot_clock.hpp"

#include <time.h>

#include <algorithm>

namespace buoy::io {
namespace {

Duration read(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

TimePoint boot_now() {
    return TimePoint(read(CLOCK_BOOTTIME));
}

ClockPair ClockPair::now() {
    // The wall clock first: an age taken from the pair then errs on the side of too old.
    const Duration wall = read(CLOCK_REALTIME);
    return {boot_now(), wall};
}

TimePoint ClockPair::boot_time_of(Duration then) const {
    return boot - std::max(wall - then, Duration{});
}

}  // namespace buoy::io
