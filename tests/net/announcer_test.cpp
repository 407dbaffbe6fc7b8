// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/announcer.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace buoy::net {
namespace {

using std::chrono::milliseconds;

TEST(DefaultSchedule, begins_at_once_and_goes_on) {
    const auto schedule = default_schedule();
    ASSERT_GE(schedule.size(), 2U);
    EXPECT_EQ(schedule.front(), milliseconds(0));
    EXPECT_TRUE(std::is_sorted(schedule.begin(), schedule.end()));
}

TEST(DefaultSchedule, outlasts_the_locktime_of_linux_neighbours) {
    // A neighbour that has just changed its entry ignores what comes within a second (arp(7), locktime), so
    // two bursts more than that apart are needed whenever the first of them came too early.
    constexpr milliseconds locktime(1000);
    const auto schedule = default_schedule();
    EXPECT_GT(schedule.back(), 2 * locktime);
    const auto beyond =
        std::count_if(schedule.begin(), schedule.end(), [&](milliseconds after) { return after > locktime; });
    EXPECT_GE(beyond, 2);
}

}  // namespace
}  // namespace buoy::net
