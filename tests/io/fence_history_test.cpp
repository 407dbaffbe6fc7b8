// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/fence_history.hpp"

#include <gtest/gtest.h>

#include "service/io/fence_reports.hpp"

namespace buoy::io {
namespace {

using namespace std::chrono_literals;
using core::FencingAction;

// As Pacemaker 2.1.5 prints it, after an off, a person's word, a reboot, an on and a failed off.
constexpr std::string_view full =
    R"(<pacemaker-result api-version="2.25" request="stonith_admin --history n3 --output-as=xml -V">
  <list name="fencing history" count="6">
    <fence_event action="off" target="n3" client="pacemaker-controld.19" origin="n2" status="pending" extended-status="1"/>
    <fence_event action="on" target="n3" client="stonith_admin.110" origin="n1" status="success" delegate="n1" completed="2026-11-21 06:21:34Z"/>
    <fence_event action="reboot" target="n3" client="stonith_admin.107" origin="n1" status="success" delegate="n1" completed="2026-11-21 06:21:33Z"/>
    <fence_event action="off" target="n3" client="stonith_admin.81" origin="n1" status="success" delegate="a human" completed="2026-11-21 06:21:28Z"/>
    <fence_event action="off" target="n3" client="stonith_admin.77" origin="n1" status="failed" delegate="n1" completed="2026-11-21 06:21:27Z"/>
    <fence_event action="off" target="n3" client="stonith_admin.71" origin="n1" status="success" delegate="n1" completed="2026-11-21 06:21:26Z"/>
  </list>
  <status code="0" message="OK"/>
</pacemaker-result>
)";
constexpr std::string_view none =
    R"(<pacemaker-result api-version="2.25" request="stonith_admin --history n3 --output-as=xml -V">
  <list name="fencing history" count="0"/>
  <status code="0" message="OK"/>
</pacemaker-result>
)";
constexpr std::string_view no_fencer =
    R"(<pacemaker-result api-version="2.25" request="stonith_admin --history n3 --output-as=xml">
  <status code="102" message="Not connected">
    <errors>
      <error>Could not connect to fencer: Transport endpoint is not connected</error>
    </errors>
  </status>
</pacemaker-result>
)";

constexpr Duration six = 1'795'242'060s;  // 2026-11-21 06:21:00Z

TEST(PacemakerTime, zones_and_fractions_are_read) {
    EXPECT_EQ(parse_pacemaker_time("2026-11-21 06:21:00Z"), six);
    EXPECT_EQ(parse_pacemaker_time("2026-11-21 07:21:00 +01:00"), six);
    EXPECT_EQ(parse_pacemaker_time("2026-11-21 02:51:00 -03:30"), six);
    EXPECT_EQ(parse_pacemaker_time("2026-11-21 06:21:00.250000Z"), six + 250ms);
    EXPECT_EQ(parse_pacemaker_time("2026-11-21 07:21:00.000001 +01:00"), six + 1us);
    EXPECT_EQ(parse_pacemaker_time("1970-01-01 00:00:00Z"), Duration{});
}

TEST(PacemakerTime, anything_else_is_refused) {
    for (const std::string_view text :
         {"", "now", "2026-11-21", "2026-11-21 06:21:00", "2026-13-21 06:21:00Z", "2026-02-30 06:21:00Z",
          "2026-11-21 24:21:00Z", "2026-11-21 06:60:00Z", "2026-11-21 06:21:00+01", "2026-11-21 06:21:00.Z",
          "2026-11-21 06:21:00.1234567890Z", "2026-11-21 06:21:00Zulu", "-026-11-21 06:21:00Z",
          "2026-11-21 06:21:00 +01:00 "})
        EXPECT_EQ(parse_pacemaker_time(text), std::nullopt) << text;
}

TEST(FenceHistory, every_event_is_read) {
    const auto events = parse_fence_history(full);
    ASSERT_TRUE(events) << events.error().message;
    ASSERT_EQ(events->size(), 6U);
    const std::vector actions{FencingAction::off, FencingAction::on,  FencingAction::reboot,
                              FencingAction::off, FencingAction::off, FencingAction::off};
    const std::vector succeeded{false, true, true, true, false, true};
    for (std::size_t i = 0; i < 6; ++i) {
        EXPECT_EQ((*events)[i].target, "n3");
        EXPECT_EQ((*events)[i].action, actions[i]) << i;
        EXPECT_EQ((*events)[i].succeeded, succeeded[i]) << i;
    }
    EXPECT_EQ((*events)[0].completed, std::nullopt);
    EXPECT_EQ((*events)[5].completed, six + 26s);
    EXPECT_EQ((*events)[5].resolution, 1s);
    EXPECT_NE((*events)[3].identity, (*events)[5].identity);
}

TEST(FenceHistory, no_events_are_none) {
    const auto events = parse_fence_history(none);
    ASSERT_TRUE(events);
    EXPECT_TRUE(events->empty());
}

TEST(FenceHistory, a_failure_is_told) {
    const auto events = parse_fence_history(no_fencer);
    ASSERT_FALSE(events);
    EXPECT_NE(events.error().message.find("Could not connect to fencer"), std::string::npos);
    EXPECT_FALSE(parse_fence_history(""));
    EXPECT_FALSE(parse_fence_history("<pacemaker-result/>"));
    EXPECT_FALSE(parse_fence_history(full.substr(0, 700)));
}

// The boot clock says 0 when the wall clock says `six`.
class FenceReportsTest : public testing::Test {
  protected:
    FenceReportsTest() { pass_to(100s); }
    void pass_to(Duration boot) { clock_.observe({TimePoint(boot), six + boot}); }
    static FenceEvent off(Duration boot, const std::string& identity = "one") {
        return {"n3", FencingAction::off, true, six + boot, 1s, identity};
    }
    std::vector<core::FencingReported> judge(const std::vector<FenceEvent>& events, Duration asked) {
        return reports_.judge({3}, events, TimePoint(asked), clock_);
    }

    WallClock clock_;
    FenceReports reports_;
};

TEST_F(FenceReportsTest, what_ended_after_the_loss_is_told_once) {
    reports_.watch({3}, TimePoint(50s));
    const auto told = judge({off(60s)}, 90s);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].node, NodeId{3});
    EXPECT_EQ(told[0].action, FencingAction::off);
    EXPECT_TRUE(told[0].succeeded);
    EXPECT_LE(told[0].at, TimePoint(60s));
    EXPECT_GT(told[0].at, TimePoint(59s));
    EXPECT_TRUE(judge({off(60s)}, 91s).empty());
    EXPECT_EQ(judge({off(60s), off(92s, "two")}, 93s).size(), 1U);
}

TEST_F(FenceReportsTest, what_ended_before_the_loss_or_failed_or_has_not_ended_is_not_told) {
    reports_.watch({3}, TimePoint(50s));
    EXPECT_TRUE(judge({off(40s), off(50s, "two")}, 90s).empty());
    EXPECT_TRUE(judge({off(40s), off(50s, "two")}, 91s).empty()) << "nor when asked again";
    FenceEvent failed = off(60s);
    failed.succeeded = false;
    FenceEvent pending = off(60s);
    pending.completed.reset();
    EXPECT_TRUE(judge({failed, pending}, 92s).empty());
    EXPECT_TRUE(reports_.judge({2}, {off(60s)}, TimePoint(92s), clock_).empty()) << "nobody asked about it";
}

// The second of the loss: only what was seen to come is known to be later.
TEST_F(FenceReportsTest, what_was_rounded_off_is_made_up_for_by_asking_often) {
    reports_.watch({3}, TimePoint(50s + 100ms));
    EXPECT_TRUE(judge({}, 50s + 200ms).empty());
    const auto told = judge({off(50s)}, 50s + 533ms);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].at, TimePoint(50s + 200ms));
}

TEST_F(FenceReportsTest, what_comes_late_is_as_old_as_it_says) {
    reports_.watch({3}, TimePoint(50s));
    EXPECT_TRUE(judge({}, 90s).empty());
    EXPECT_TRUE(judge({off(48s)}, 91s).empty()) << "a history merged after a partition";
}

TEST_F(FenceReportsTest, another_loss_is_judged_anew) {
    reports_.watch({3}, TimePoint(50s));
    EXPECT_EQ(judge({off(60s)}, 90s).size(), 1U);
    reports_.watch({3}, TimePoint(50s));
    EXPECT_EQ(judge({off(60s)}, 91s).size(), 0U);
    reports_.watch({3}, TimePoint(55s));
    EXPECT_EQ(judge({off(60s)}, 92s).size(), 1U);
    reports_.forget({3});
    EXPECT_EQ(judge({off(60s)}, 93s).size(), 0U);
}

// Fenced while the clock was an hour ahead; then it was put right.
TEST_F(FenceReportsTest, a_time_to_come_is_never_believed) {
    reports_.watch({3}, TimePoint(50s));
    EXPECT_TRUE(judge({off(3600s)}, 90s).empty());
    pass_to(4000s);
    EXPECT_TRUE(judge({off(3600s)}, 4000s).empty());
    reports_.forget({3});
    reports_.watch({3}, TimePoint(3500s));
    EXPECT_TRUE(judge({off(3600s)}, 4001s).empty());
}

TEST_F(FenceReportsTest, what_was_told_is_confirmed_by_the_history) {
    const auto confirm = [this](Duration told, const std::vector<FenceEvent>& events) {
        return FenceReports::confirm({3}, FencingAction::off, TimePoint(told), events, clock_);
    };
    const auto at_once = confirm(60s + 300ms, {off(40s), off(60s, "two")});
    ASSERT_TRUE(at_once);
    EXPECT_EQ(at_once->at, TimePoint(60s + 300ms));
    // The one who told it was held up.
    const auto late = confirm(90s, {off(60s)});
    ASSERT_TRUE(late);
    EXPECT_LE(late->at, TimePoint(61s));
    EXPECT_GE(late->at, TimePoint(60s + 900ms));
    EXPECT_FALSE(confirm(50s, {off(60s)}));
    EXPECT_FALSE(confirm(60s, {}));
    FenceEvent failed = off(60s);
    failed.succeeded = false;
    FenceEvent on = off(60s);
    on.action = FencingAction::on;
    EXPECT_FALSE(confirm(61s, {failed, on}));
}

}  // namespace
}  // namespace buoy::io
