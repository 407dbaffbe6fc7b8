// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/conflict.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace buoy::net {
namespace {

using std::chrono::milliseconds;

milliseconds whole(const ProbeTiming& timing) {
    return std::accumulate(timing.spacings.begin(), timing.spacings.end(),
                           timing.first_after + timing.listen_after_last);
}

TEST(FastTiming, is_three_probes_in_at_most_300_ms) {
    EXPECT_EQ(fast_timing().spacings.size() + 1, 3U);
    EXPECT_EQ(fast_timing().first_after, milliseconds(0));
    EXPECT_LE(whole(fast_timing()), milliseconds(300));
}

TEST(Rfc5227Timing, keeps_to_the_bounds_of_the_standard) {
    // RFC 5227 section 1.1: PROBE_WAIT 1 s, PROBE_NUM 3, PROBE_MIN 1 s, PROBE_MAX 2 s, ANNOUNCE_WAIT 2 s.
    for (const double random : {0.0, 0.25, 0.5, 0.999999}) {
        const auto timing = rfc5227_timing([&] { return random; });
        EXPECT_EQ(timing.spacings.size() + 1, 3U);
        EXPECT_GE(timing.first_after, milliseconds(0));
        EXPECT_LE(timing.first_after, milliseconds(1000));
        for (const auto spacing : timing.spacings) {
            EXPECT_GE(spacing, milliseconds(1000));
            EXPECT_LE(spacing, milliseconds(2000));
        }
        EXPECT_EQ(timing.listen_after_last, milliseconds(2000));
    }
    EXPECT_EQ(whole(rfc5227_timing([] { return 0.0; })), milliseconds(4000));
    EXPECT_LE(whole(rfc5227_timing([] { return 0.999999; })), milliseconds(7000));
}

TEST(Rfc5227Timing, draws_anew_for_each_delay) {
    double next = 0;
    const auto timing = rfc5227_timing([&] { return next += 0.2; });
    EXPECT_NE(timing.spacings.at(0), timing.spacings.at(1));
}

}  // namespace
}  // namespace buoy::net
