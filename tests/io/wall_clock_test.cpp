// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/wall_clock.hpp"

#include <gtest/gtest.h>

namespace buoy::io {
namespace {

using namespace std::chrono_literals;

constexpr Duration epoch = 1'700'000'000s;  // what the wall clock says when the boot clock says 0

ClockPair at(Duration boot, Duration set_by = 0s) {
    return {TimePoint(boot), epoch + boot + set_by};
}

// Within the margin for reading two clocks, and not later.
void expect_just_before(std::optional<TimePoint> found, Duration boot) {
    ASSERT_TRUE(found);
    EXPECT_LE(*found, TimePoint(boot));
    EXPECT_GE(*found, TimePoint(boot - 10ms));
}

TEST(WallClock, a_time_is_found) {
    WallClock clock;
    clock.observe(at(100s));
    clock.observe(at(200s));
    expect_just_before(clock.boot_time_of(epoch + 150s), 150s);
    expect_just_before(clock.boot_time_of(epoch + 50s), 50s);
}

TEST(WallClock, a_time_to_come_is_not_found) {
    WallClock clock;
    EXPECT_EQ(clock.boot_time_of(epoch), std::nullopt);
    clock.observe(at(100s));
    EXPECT_EQ(clock.boot_time_of(epoch + 101s), std::nullopt);
    clock.observe(at(102s));
    expect_just_before(clock.boot_time_of(epoch + 101s), 101s);
}

TEST(WallClock, reading_two_clocks_takes_time) {
    WallClock clock;
    clock.observe(at(100s, -2ms));
    clock.observe(at(110s));
    clock.observe(at(120s, 2ms));
    expect_just_before(clock.boot_time_of(epoch + 115s), 115s);
}

TEST(WallClock, what_is_shown_twice_is_taken_for_the_first_time) {
    WallClock clock;
    clock.observe(at(100s));
    clock.observe(at(200s));
    clock.observe(at(201s, -50s));
    expect_just_before(clock.boot_time_of(epoch + 160s), 160s);
    clock.observe(at(300s, -50s));
    expect_just_before(clock.boot_time_of(epoch + 190s), 190s);
    expect_just_before(clock.boot_time_of(epoch + 210s), 260s);
}

TEST(WallClock, a_clock_set_forward_does_not_make_times_later) {
    WallClock clock;
    clock.observe(at(100s));
    clock.observe(at(200s, 3600s));
    expect_just_before(clock.boot_time_of(epoch + 150s), 150s);
    clock.observe(at(300s, 3600s));
    expect_just_before(clock.boot_time_of(epoch + 3600s + 250s), 250s);
}

TEST(WallClock, a_clock_that_is_set_all_the_time_takes_no_end_of_room) {
    WallClock clock;
    for (int i = 0; i < 1000; ++i) clock.observe(at(1s * i, i % 2 == 0 ? 1s : 0s));
    expect_just_before(clock.boot_time_of(epoch + 999s), 998s);
}

}  // namespace
}  // namespace buoy::io
