// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/top.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/format.hpp"

namespace buoy::cli {
namespace {

Status read(std::int64_t at_ms, std::int64_t quiet, std::int64_t busy) {
    Status status;
    status.node = "n1";
    status.counted_ms = at_ms;
    Pool lb;
    lb.name = "lb";
    lb.slots = 3;
    lb.buckets = true;
    for (std::int64_t i = 0; i < 3; ++i) {
        Slot slot;
        slot.index = i;
        slot.owner = i == 2 ? "n1" : "n2";
        lb.table.push_back(slot);
    }
    lb.table[1].packets = quiet;
    lb.table[1].dropped = 5;
    lb.table[2].packets = busy;
    lb.table[2].bytes = busy * 1000;
    status.pools.push_back(lb);
    return status;
}

TEST(top, orders_slots_by_what_passed_since_the_reading_before) {
    const auto loads = loads_between(read(1000, 1000, 50), read(1500, 1010, 10050));
    ASSERT_EQ(loads.size(), 3U);
    EXPECT_EQ(loads[0], (Load{"lb", "lb/2", "n1", 20000, 20000000, 0}));
    EXPECT_EQ(loads[1], (Load{"lb", "lb/1", "n2", 20, 0, 0}));
    EXPECT_EQ(loads[2].slot, "lb/0");
}

TEST(top, takes_a_counter_that_began_anew_from_0) {
    EXPECT_EQ(loads_between(read(0, 5000, 0), read(1000, 100, 0))[0].packets, 100);
    EXPECT_EQ(loads_between(Status{}, read(1000, 100, 0))[0].packets, 100);
    EXPECT_EQ(loads_between(read(1000, 0, 0), read(1000, 100, 0))[0].packets, 0) << "no time between";
}

TEST(top, sums_pools_up_for_those_who_watch) {
    const auto now = read(1000, 10, 20000);
    const auto sums = pool_loads_between(read(0, 0, 0), now);
    ASSERT_EQ(sums.size(), 1U);
    EXPECT_EQ(sums[0], (Load{"lb", "", "", 20010, 20000000, 0}));
    EXPECT_NE(watch_picture(now, {}, sums)
                  .find("\nthrough the gate of n1: 20.0 k packets/s, 20.0 M bytes/s, 0 dropped/s\n"),
              std::string::npos);
    EXPECT_EQ(watch_picture(now, {}).find("through the gate"), std::string::npos) << "before it is known";
}

TEST(top, shows_the_busiest_and_the_sum_of_all) {
    const auto now = read(1000, 10, 20000);
    const auto loads = loads_between(read(0, 0, 0), now);
    EXPECT_EQ(top_text(now, loads, 1),
              "Through the gate of n1\n"
              "slot  owner  packets/s  bytes/s  dropped/s\n"
              "lb/2  n1     20.0 k     20.0 M   0\n"
              "all   -      20.0 k     20.0 M   0\n");
    const auto shown = top_json(now, loads);
    EXPECT_EQ(shown["slots"].size(), 3U);
    EXPECT_EQ(shown["slots"][0]["packets_per_s"], 20000.0);
}

}  // namespace
}  // namespace buoy::cli
