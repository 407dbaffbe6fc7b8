// SPDX-License-Identifier: GPL-2.0-or-later
// Daemons whose leases differ: who takes part, who does not, and who hears of it.
#include <gtest/gtest.h>

#include <algorithm>

#include "service/core/exchange.hpp"
#include "service/core/ownership.hpp"

using namespace buoy;
using namespace buoy::core;
using namespace std::chrono_literals;

namespace {

constexpr CorosyncRing ring{8, {1}};
constexpr Duration lease = 500ms;

std::vector<Member> members(std::uint32_t count) {
    std::vector<Member> out;
    for (std::uint32_t i = 1; i <= count; ++i) out.push_back({{i}, 100 + i});
    return out;
}

QuorumChanged quorum(std::uint32_t count, std::uint32_t expected) {
    QuorumChanged q{ring, true, expected == 2, expected, {}};
    for (std::uint32_t i = 1; i <= count; ++i) q.nodes.push_back({i});
    return q;
}

Hello hello(std::uint32_t node, std::uint32_t count, Duration its_lease) {
    Hello h;
    h.sender = {node};
    h.incarnation = {1};
    h.ring = ring;
    for (const Member& m : members(count)) h.together.push_back({m.node, m.process, 1});
    h.quorate = true;
    h.expected = 3;
    h.lease = h.longest_lease = its_lease;
    return h;
}

Hello with_state(Hello h, std::uint64_t entries) {
    h.has_state = true;
    h.tag = {{{4, {1}}, 0}, entries};
    h.hash = entries;
    h.voters = {{{1}, {}}, {{2}, {}}, {{3}, {}}};
    return h;
}

// What three members of a cluster of three come to.
std::optional<Decision> decision_of(const std::vector<Hello>& hellos) {
    Exchange exchange;
    exchange.begin({ring, members(3), {}, {}}, {1}, {1});
    exchange.quorum(quorum(3, 3));
    for (const Hello& h : hellos) EXPECT_TRUE(exchange.take(h));
    return exchange.decide();
}

using Nodes = std::vector<NodeId>;

// Node 1 of three, as far as it is when every Hello was delivered.
class one_of_three : public testing::Test {
  protected:
    void start(Duration own) {
        step(Started{{1}, {1}, 50ms, own, {}, {}});
        step(EffectDone{{1}});
        step(ConfigurationChanged{ring, members(3), {}, {}});
        step(quorum(3, 3));
        step(HelloDelivered{hello(1, 3, own)});
    }
    void step(const Event& event) {
        const Effects effects = node.step(now += 1ms, event);
        for (std::size_t i = 0; i < effects.size(); ++i) {
            if (const auto* published = std::get_if<PublishStatus>(&effects[i])) status = published->status;
            if (const auto* sent = std::get_if<Multicast>(&effects[i]))
                if (const auto* snapshot = std::get_if<Snapshot>(&sent->message)) sent_snapshot = *snapshot;
        }
    }
    Ownership node;
    TimePoint now;
    Status status;
    std::optional<Snapshot> sent_snapshot;
};

}  // namespace

TEST(lease, newcomer_with_another_one_does_not_stop_those_who_agree) {
    for (const Duration other : {Duration(250ms), Duration(2s)}) {
        const auto d = decision_of(
            {with_state(hello(1, 3, lease), 5), with_state(hello(2, 3, lease), 5), hello(3, 3, other)});
        ASSERT_TRUE(d);
        EXPECT_EQ(d->members, (Nodes{{1}, {2}}));
        EXPECT_FALSE(d->snapshot);
        EXPECT_FALSE(d->hold);
    }
}

TEST(lease, newcomer_that_is_not_quorate_yet_is_not_waited_for) {
    Hello late = hello(3, 3, 2s);
    late.quorate = false;
    EXPECT_TRUE(decision_of({with_state(hello(1, 3, lease), 5), with_state(hello(2, 3, lease), 5), late}));
}

TEST(lease, older_state_of_another_one_counts_for_nothing) {
    const auto d = decision_of({with_state(hello(1, 3, lease), 5), with_state(hello(2, 3, lease), 5),
                                with_state(hello(3, 3, 2s), 4)});
    ASSERT_TRUE(d);
    EXPECT_EQ(d->members, (Nodes{{1}, {2}}));
    // The newest state's voters are all here, but most of them cannot go on with it.
    EXPECT_FALSE(decision_of(
        {with_state(hello(1, 3, lease), 5), with_state(hello(2, 3, 2s), 4), with_state(hello(3, 3, 2s), 4)}));
}

TEST(lease, cold_start_is_that_of_more_than_half_who_agree) {
    const auto d = decision_of({hello(1, 3, 2s), hello(2, 3, lease), hello(3, 3, lease)});
    ASSERT_TRUE(d);
    EXPECT_TRUE(d->cold);
    EXPECT_EQ(d->keeper, NodeId{2});
    EXPECT_EQ(d->members, (Nodes{{2}, {3}}));
    EXPECT_FALSE(decision_of({hello(1, 3, 1s), hello(2, 3, 2s), hello(3, 3, 3s)}));
}

TEST(lease, cold_start_holds_back_for_the_longest_that_anybody_had) {
    Hello had_longer = hello(2, 3, lease);
    had_longer.longest_lease = 2s;
    const auto d = decision_of({hello(1, 3, lease), had_longer, hello(3, 3, lease)});
    ASSERT_TRUE(d);
    EXPECT_TRUE(d->hold);
    EXPECT_EQ(d->hold_lease, Duration(2s));
}

TEST_F(one_of_three, names_the_node_with_another_lease_and_refuses_its_hello) {
    start(lease);
    step(HelloDelivered{hello(2, 3, lease)});
    step(HelloDelivered{hello(3, 3, 2s)});
    EXPECT_EQ(node.refused(Refusal::contradictory), 1U);
    EXPECT_EQ(status.other_leases, (std::vector<OtherLease>{{{3}, 2s}}));
    ASSERT_TRUE(sent_snapshot);
    EXPECT_EQ(sent_snapshot->state.find({3}), no_index);
    step(SnapshotDelivered{*sent_snapshot});
    EXPECT_EQ(node.phase(), Ownership::Phase::primary);
    // Its next word is no request for a snapshot either.
    sent_snapshot.reset();
    step(HelloDelivered{hello(3, 3, 2s)});
    EXPECT_FALSE(sent_snapshot);
    EXPECT_EQ(node.refused(Refusal::contradictory), 2U);
}

TEST_F(one_of_three, takes_no_part_when_its_own_lease_is_the_other_one) {
    start(2s);
    step(HelloDelivered{hello(2, 3, lease)});
    step(HelloDelivered{hello(3, 3, lease)});
    EXPECT_EQ(status.other_leases, (std::vector<OtherLease>{{{2}, lease}, {{3}, lease}}));
    EXPECT_FALSE(sent_snapshot);
    AgreedState state;
    const Nodes both{{2}, {3}};
    state.begin({ring, 1 << 16}, both, {});
    state.elect(both);
    Snapshot snapshot{{2}, ring, hello(2, 3, lease).together, {}, true, state, {}};
    step(SnapshotDelivered{snapshot});
    snapshot.to = {1};
    step(SnapshotDelivered{snapshot});
    EXPECT_EQ(node.phase(), Ownership::Phase::exchanging);
    EXPECT_FALSE(node.has_state());
    EXPECT_FALSE(status.primary);
}

TEST_F(one_of_three, says_for_how_long_somebody_may_still_hold) {
    step(Started{{1}, {1}, 50ms, lease, {}, 2s});
    EXPECT_EQ(status.longest_lease, Duration(2s));
    step(EffectDone{{1}});
    step(ConfigurationChanged{ring, members(3), {}, {}});
    step(quorum(3, 3));
    Hello own = hello(1, 3, lease);
    own.longest_lease = 2s;
    step(HelloDelivered{own});
    step(HelloDelivered{hello(2, 3, lease)});
    step(HelloDelivered{hello(3, 3, lease)});
    ASSERT_TRUE(sent_snapshot);
    step(SnapshotDelivered{*sent_snapshot});
    ASSERT_EQ(node.phase(), Ownership::Phase::primary);
    now += 2100ms;
    step(TimerFired{});
    EXPECT_EQ(status.longest_lease, Duration(2s));
    now += 200ms;
    step(TimerFired{});
    EXPECT_EQ(status.longest_lease, lease);
}
