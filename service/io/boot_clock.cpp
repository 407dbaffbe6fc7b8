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
    // The wall clock last: should something come between the two, times found by them are too early.
    const TimePoint boot = boot_now();
    return {boot, read(CLOCK_REALTIME)};
}

TimePoint ClockPair::boot_time_of(Duration then) const {
    return boot - std::max(wall - then, Duration{});
}

}  // namespace buoy::io
