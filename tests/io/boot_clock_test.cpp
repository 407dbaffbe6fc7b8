// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/boot_clock.hpp"

#include <gtest/gtest.h>

namespace buoy::io {
namespace {

using namespace std::chrono_literals;

constexpr ClockPair pair{TimePoint(100s), 1'700'000'000s};

TEST(BootClock, goes_forward) {
    const TimePoint before = boot_now();
    EXPECT_GT(before, TimePoint{});
    EXPECT_LE(before, boot_now());
}

TEST(BootClock, a_wall_time_is_found_on_it) {
    EXPECT_EQ(pair.boot_time_of(1'700'000'000s - 3s), TimePoint(97s));
}

TEST(BootClock, nothing_is_later_than_now) {
    EXPECT_EQ(pair.boot_time_of(1'700'000'000s + 3s), TimePoint(100s));
}

}  // namespace
}  // namespace buoy::io
