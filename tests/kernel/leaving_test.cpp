// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/leaving.hpp"

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace buoy::kernel {
namespace {

constexpr TimePoint begin{10s};

net::Address address(std::uint32_t number) {
    net::Address out;
    out.ip = Ipv4::from_value(0x0a090000 + number);
    out.link = 2;
    return out;
}

TEST(leaving, nothing_is_due_before_nothing_has_been_closed_for_a_while) {
    Leaving leaving;
    EXPECT_EQ(leaving.next(), TimePoint::max());
    leaving.add(address(1), 1, begin);
    leaving.add(address(2), 2, begin + 20ms);
    EXPECT_GT(leaving.next(), begin + 30ms);
    EXPECT_TRUE(leaving.take_due(begin + 30ms).empty());
    EXPECT_EQ(leaving.take_due(leaving.next()).size(), 2U);
    EXPECT_EQ(leaving.next(), TimePoint::max());
}

TEST(leaving, what_was_closed_first_does_not_wait_for_ever) {
    Leaving leaving;
    for (std::uint32_t i = 0; i < 100; ++i) {
        leaving.add(address(i), i, begin + i * 10ms);
        if (leaving.next() <= begin + i * 10ms) return;
    }
    FAIL() << "nothing became due within a second";
}

TEST(leaving, the_newest_go_first_and_a_few_at_a_time) {
    Leaving leaving;
    for (std::uint32_t i = 1; i <= 1000; ++i) leaving.add(address(1001 - i), i, begin);
    std::vector<net::Address> gone;
    while (leaving.next() != TimePoint::max()) {
        const auto some = leaving.take_due(leaving.next());
        ASSERT_LE(some.size(), 100U);
        ASSERT_FALSE(some.empty());
        gone.insert(gone.end(), some.begin(), some.end());
    }
    ASSERT_EQ(gone.size(), 1000U);
    for (std::uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(gone[i], address(i + 1));
}

TEST(leaving, what_is_opened_again_does_not_go) {
    Leaving leaving;
    leaving.add(address(1), 1, begin);
    leaving.add(address(2), 2, begin);
    EXPECT_TRUE(leaving.has(address(1).ip));
    EXPECT_EQ(leaving.take(address(1).ip), address(1));
    EXPECT_FALSE(leaving.has(address(1).ip));
    EXPECT_EQ(leaving.take(address(1).ip), std::nullopt);
    EXPECT_EQ(leaving.take_all(), std::vector{address(2)});
}

}  // namespace
}  // namespace buoy::kernel
