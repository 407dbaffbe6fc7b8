// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/withheld.hpp"

#include <gtest/gtest.h>

namespace buoy::kernel {
namespace {

using namespace std::chrono_literals;

constexpr SlotId slot{{1}, 7};
constexpr TimePoint begin = TimePoint{} + 1000s;

Plan plan() {
    PoolPlan plan;
    plan.quiet = 10s;
    plan.probes = net::ProbeTiming{500ms, {1s, 2s}, 3s};
    return std::make_shared<const PoolPlan>(plan);
}

/// When run() does something, by next(), and what: probes are -1, silence is 1.
std::vector<std::pair<Duration, int>> told(Withheld& withheld, TimePoint until) {
    std::vector<std::pair<Duration, int>> all;
    while (withheld.next() <= until) {
        const TimePoint now = withheld.next();
        const auto due = withheld.run(now);
        if (!due.asked.empty()) all.emplace_back(now - begin, -1);
        if (!due.silent.empty()) all.emplace_back(now - begin, 1);
        EXPECT_GT(withheld.next(), now) << "it would run for ever";
    }
    return all;
}

TEST(withheld, is_asked_about_after_the_quiet_and_silent_after_the_last_probe) {
    Withheld withheld;
    EXPECT_EQ(withheld.next(), TimePoint::max());
    withheld.add(slot, plan(), begin);
    EXPECT_TRUE(withheld.has(slot));
    const std::vector<std::pair<Duration, int>> wanted = {
        {10'500ms, -1}, {11'500ms, -1}, {13'500ms, -1}, {16'500ms, 1}};
    EXPECT_EQ(told(withheld, begin + 20s), wanted);
    EXPECT_EQ(withheld.next(), begin + 26'500ms) << "who does not forget it asks again";
    EXPECT_TRUE(withheld.forget(slot));
    EXPECT_FALSE(withheld.forget(slot));
    EXPECT_EQ(withheld.next(), TimePoint::max());
}

TEST(withheld, quiet_begins_anew_with_every_claim) {
    Withheld withheld;
    withheld.add(slot, plan(), begin);
    withheld.put_off(slot, begin + 9s);
    EXPECT_EQ(withheld.next(), begin + 19s);
    told(withheld, begin + 21s);  // two of three probes
    withheld.put_off(slot, begin + 21s);
    const std::vector<std::pair<Duration, int>> wanted = {
        {31'500ms, -1}, {32'500ms, -1}, {34'500ms, -1}, {37'500ms, 1}};
    EXPECT_EQ(told(withheld, begin + 40s), wanted);
    withheld.put_off({{1}, 8}, begin);
    EXPECT_FALSE(withheld.has({{1}, 8}));
}

TEST(withheld, is_asked_about_as_rfc_5227_has_it_unless_the_plan_says_otherwise) {
    for (int i = 0; i < 20; ++i) {
        Withheld withheld;
        withheld.add(slot, std::make_shared<const PoolPlan>(), begin);
        const auto all = told(withheld, begin + 25s);
        ASSERT_GE(all.size(), 4U);
        EXPECT_GE(all[0].first, 10s);
        EXPECT_LT(all[0].first, 11s);  // PROBE_WAIT
        for (std::size_t probe : {1U, 2U}) {
            EXPECT_GE(all[probe].first - all[probe - 1].first, 1s);  // PROBE_MIN
            EXPECT_LT(all[probe].first - all[probe - 1].first, 2s);  // PROBE_MAX
        }
        EXPECT_EQ(all[3], std::pair(all[2].first + 2s, 1));  // ANNOUNCE_WAIT
    }
}

}  // namespace
}  // namespace buoy::kernel
