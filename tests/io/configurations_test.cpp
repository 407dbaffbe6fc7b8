// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/configurations.hpp"

#include <gtest/gtest.h>

namespace buoy::io {
namespace {

using core::ConfigurationChanged;
using core::Departed;
using core::Departure;
using core::Member;

constexpr CorosyncRing ring1{8, {1}};
constexpr CorosyncRing ring2{12, {1}};
constexpr Member self{{1}, 100};
constexpr Member second{{2}, 200};
constexpr Member third{{3}, 300};
constexpr Member second_again{{2}, 201};

using Nodes = std::vector<NodeId>;

// A daemon that is a member of ring1, alone or with others.
Configurations member_of_ring1(std::vector<Member> members = {self}) {
    Configurations configurations(self);
    EXPECT_FALSE(configurations.members(std::move(members), {}, {{self, CpgReason::join}}));
    EXPECT_TRUE(configurations.ring(ring1));
    return configurations;
}

TEST(Configurations, joining_is_told_with_its_ring) {
    Configurations configurations(self);
    EXPECT_FALSE(configurations.members({self, second}, {}, {{self, CpgReason::join}}));
    const auto event = configurations.ring(ring1);
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring1, {self, second}, {{1}, {2}}, {}}));
}

TEST(Configurations, a_ring_named_before_joining_waits_for_it) {
    Configurations configurations(self);
    EXPECT_FALSE(configurations.ring(ring1));
    const auto event = configurations.members({self}, {}, {{self, CpgReason::join}});
    ASSERT_TRUE(event);
    EXPECT_EQ(event->ring, ring1);
}

TEST(Configurations, others_alone_are_not_told) {
    Configurations configurations(self);
    EXPECT_FALSE(configurations.ring(ring1));
    EXPECT_FALSE(configurations.members({second}, {}, {{second, CpgReason::join}}));
}

TEST(Configurations, a_daemon_comes_and_goes_on_a_ring_that_stays) {
    Configurations configurations = member_of_ring1();
    auto event = configurations.members({self, second}, {}, {{second, CpgReason::join}});
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring1, {self, second}, {{2}}, {}}));
    event = configurations.members({self}, {{second, CpgReason::process_down}}, {});
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring1, {self}, {}, {{{2}, Departed::process_down}}}));
    event = configurations.members({self, second}, {}, {{second, CpgReason::join}});
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring1, {self, second}, {{2}}, {}}));
    event = configurations.members({self, second, third}, {}, {{third, CpgReason::join}});
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring1, {self, second, third}, {{3}}, {}})) << "that is over";
}

TEST(Configurations, a_ring_is_told_once_after_the_last_of_its_calls) {
    Configurations configurations = member_of_ring1({self, second});
    EXPECT_FALSE(configurations.members({self}, {{second, CpgReason::node_down}}, {}));
    EXPECT_FALSE(configurations.members({self, third}, {}, {{third, CpgReason::node_up}}));
    const auto event = configurations.ring(ring2);
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring2, {self, third}, {{3}}, {{{2}, Departed::node_down}}}));
}

TEST(Configurations, a_ring_that_leaves_the_group_as_it_is_is_told) {
    Configurations configurations = member_of_ring1({self, second});
    const auto event = configurations.ring(ring2);
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring2, {self, second}, {}, {}}));
}

// Corosync stopped by SIGTERM: its daemons are told gone, its node follows with a ring of its own.
TEST(Configurations, a_process_that_goes_before_its_node_is_told_twice) {
    Configurations configurations = member_of_ring1({self, second});
    EXPECT_TRUE(configurations.members({self}, {{second, CpgReason::process_down}}, {}));
    const auto event = configurations.ring(ring2);
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring2, {self}, {}, {}}));
}

// Processes that ended while the ring was being formed come between the ring's other calls.
TEST(Configurations, a_process_that_ended_meanwhile_is_told_with_the_ring) {
    Configurations configurations = member_of_ring1({self, second});
    EXPECT_FALSE(configurations.members({self, second, third}, {}, {{third, CpgReason::node_up}}));
    EXPECT_FALSE(configurations.members({self, third}, {{second, CpgReason::process_down}}, {}));
    const auto event = configurations.ring(ring2);
    ASSERT_TRUE(event);
    EXPECT_EQ(*event, (ConfigurationChanged{ring2, {self, third}, {{3}}, {{{2}, Departed::process_down}}}));
}

// A restart of the node faster than the token, or a pause of ours.
TEST(Configurations, who_left_and_came_back_within_a_ring_is_in_both_lists) {
    Configurations configurations = member_of_ring1({self, second});
    EXPECT_FALSE(configurations.members({self}, {{second, CpgReason::node_down}}, {}));
    EXPECT_FALSE(configurations.members({self, second}, {}, {{second, CpgReason::node_up}}));
    const auto event = configurations.ring(ring2);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->joined, Nodes{{2}});
    EXPECT_EQ(event->left, (std::vector<Departure>{{{2}, Departed::node_down}}));
    EXPECT_EQ(event->members, (std::vector<Member>{self, second}));
}

TEST(Configurations, the_member_list_counts_where_nobody_was_said_to_have_left) {
    Configurations configurations = member_of_ring1({self, second});
    const auto event = configurations.members({self, third}, {}, {{third, CpgReason::join}});
    ASSERT_TRUE(event);
    EXPECT_EQ(event->left, (std::vector<Departure>{{{2}, Departed::process_gone}}));
}

TEST(Configurations, nothing_is_told_while_a_node_has_a_dying_daemon_and_its_successor) {
    Configurations configurations = member_of_ring1({self, second});
    EXPECT_FALSE(configurations.members({self, second, second_again}, {}, {{second_again, CpgReason::join}}));
    const auto event = configurations.members({self, second_again}, {{second, CpgReason::process_down}}, {});
    ASSERT_TRUE(event);
    EXPECT_EQ(*event,
              (ConfigurationChanged{ring1, {self, second_again}, {{2}}, {{{2}, Departed::process_down}}}));
}

// Joining while a ring is being formed: it is named at once, and again when it is ready.
TEST(Configurations, a_ring_that_was_named_too_early_is_begun_anew) {
    Configurations configurations(self);
    EXPECT_FALSE(configurations.members({self, second}, {}, {{self, CpgReason::join}}));
    EXPECT_TRUE(configurations.ring(ring2));
    EXPECT_FALSE(configurations.members({self}, {{second, CpgReason::node_down}}, {}));
    EXPECT_FALSE(configurations.members({self, third}, {}, {{third, CpgReason::node_up}}));
    const auto event = configurations.ring(ring2);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->members, (std::vector<Member>{self, third}));
    EXPECT_EQ(event->joined, (Nodes{{1}, {3}}));
    EXPECT_EQ(event->left,
              (std::vector<Departure>{{{1}, Departed::process_gone}, {{2}, Departed::node_down}}));
}

}  // namespace
}  // namespace buoy::io
