// SPDX-License-Identifier: GPL-2.0-or-later
// Planned handovers of many slots, in portions: three nodes whose messages all arrive, in one order.
#include "tests/core/three_nodes.hpp"

namespace buoy::core {
namespace {

constexpr std::uint32_t slots = 40;
constexpr std::uint32_t portion = 4;

class handover : public ThreeNodes {
  protected:
    // All slots of a pool on node 1; the others have it, too.
    void SetUp() override { begin_with_all_on_one(portion); }
    void begin_with_all_on_one(std::uint32_t portion) {
        begin(portion);
        for (std::uint32_t n = 1; n <= 3; ++n) {
            ask(n, StartPool{{"web", 1, slots, OnLoss::automatic, Rebalance::never, {}}});
            pass(4 * lease);
        }
        ASSERT_EQ(open_on(1), slots);
        ordered.clear();
    }
    // By each Move that was ordered, how many slots; 0 for what they went before.
    [[nodiscard]] std::vector<std::size_t> moved() const {
        std::vector<std::size_t> out;
        for (const EntryBody& body : ordered) {
            if (const auto* move = std::get_if<Move>(&body)) out.push_back(move->slots.size());
            if (std::holds_alternative<Drain>(body) || std::holds_alternative<LeavePool>(body) ||
                std::holds_alternative<Leave>(body))
                out.push_back(0);
        }
        return out;
    }
    [[nodiscard]] std::uint32_t silent() const { return slots - open_on(1) - open_on(2) - open_on(3); }
};

class handover_at_once : public handover {
    void SetUp() override { begin_with_all_on_one(0); }
};

}  // namespace

TEST_F(handover, drain_of_many_goes_in_portions) {
    const RequestId drain = ask(3, Drain{{1}, true});
    EXPECT_EQ(replies.at(drain.value), Outcome::applied);
    EXPECT_EQ(moved(), (std::vector<std::size_t>{4, 4, 4, 4, 4, 4, 4, 4, 4, 0}));  // the entry does the rest
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(silent(), 0U);
}

TEST_F(handover_at_once, drain_of_many_is_one_entry_where_there_are_no_portions) {
    ask(3, Drain{{1}, true});
    EXPECT_EQ(moved(), std::vector<std::size_t>{0});
    EXPECT_EQ(silent(), 0U);
}

TEST_F(handover, stop_of_a_pool_goes_in_portions) {
    const RequestId stop = ask(1, StopPool{"web"});
    EXPECT_EQ(replies.at(stop.value), Outcome::applied);
    EXPECT_EQ(moved(), (std::vector<std::size_t>{4, 4, 4, 4, 4, 4, 4, 4, 4, 0}));
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(silent(), 0U);
}

TEST_F(handover, shutdown_of_a_daemon_goes_in_portions) {
    const RequestId shutdown = ask(1, Shutdown{});
    EXPECT_EQ(replies.at(shutdown.value), Outcome::applied);
    EXPECT_EQ(moved(), (std::vector<std::size_t>{4, 4, 4, 4, 4, 4, 4, 4, 4, 0}));
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(silent(), 0U);
}

TEST_F(handover, two_nodes_that_stop_a_pool_together_give_each_other_nothing_for_long) {
    for (std::uint32_t s = 0; s < slots; s += 2) ask(1, Move{"web", {s}, {2}});
    ordered.clear();
    step(1, Requested{{101}, StopPool{"web"}});
    step(2, Requested{{102}, StopPool{"web"}});
    settle();
    EXPECT_EQ(replies.at(101), Outcome::applied);
    EXPECT_EQ(replies.at(102), Outcome::applied);
    EXPECT_EQ(open_on(3), slots);
}

TEST_F(handover, who_stops_a_pool_and_is_given_slots_leaves_it_at_once) {
    slow = 2;
    ask(1, SetWeight{"web", {3}, 0});
    ask(1, StopPool{"web"});
    ASSERT_GT(open_on(1), 0U);
    order(3, Move{"web", {0}, {1}});
    settle();
    while (answer_one()) {
    }
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(open_on(2) + open_on(3), slots);
    EXPECT_LT(moved().size(), slots / portion);
}

TEST_F(handover, no_more_slots_are_silent_at_a_time_than_two_portions) {
    slow = 2;
    ask(1, SetWeight{"web", {3}, 0});
    // Whether it is another node's word, or its own, how many it has to open.
    for (const std::uint32_t asker : {3U, 2U}) {
        const RequestId drain = ask(asker, Drain{{1}, true});
        std::uint32_t most = 0;
        do most = std::max(most, silent());
        while (answer_one());
        EXPECT_GT(most, portion) << "the next one is on its way while the last one is opened";
        EXPECT_LE(most, 2 * portion);
        EXPECT_EQ(open_on(2), slots);
        EXPECT_EQ(replies.at(drain.value), Outcome::applied);
        ask(asker, Drain{{1}, false});
        ask(asker, Drain{{2}, true});
        ask(asker, Drain{{2}, false});
        ASSERT_EQ(open_on(1), slots);
    }
}

TEST_F(handover, few_slots_go_at_once) {
    for (std::uint32_t s = portion; s < slots; ++s) ask(1, Move{"web", {s}, {2}});
    ordered.clear();
    ask(3, Drain{{1}, true});
    EXPECT_EQ(moved(), std::vector<std::size_t>{0});
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(silent(), 0U);
}

TEST_F(handover, who_cannot_open_is_waited_for_no_longer_than_a_lease) {
    slow = 2;
    ask(1, SetWeight{"web", {3}, 0});
    const RequestId drain = ask(3, Drain{{1}, true});
    EXPECT_LE(silent(), 2 * portion);
    pass(lease - beat);
    EXPECT_FALSE(replies.contains(drain.value));
    pass(2 * beat);
    EXPECT_EQ(replies.at(drain.value), Outcome::applied);
    while (answer_one()) {
    }
    EXPECT_EQ(open_on(2), slots);
}

TEST_F(handover, another_request_waits_for_its_turn) {
    slow = 2;
    ask(1, SetWeight{"web", {3}, 0});
    const RequestId drain = ask(3, Drain{{1}, true});
    const RequestId undrain = ask(3, Drain{{1}, false});
    EXPECT_FALSE(replies.contains(undrain.value));
    while (answer_one()) {
    }
    EXPECT_EQ(replies.at(drain.value), Outcome::applied);
    EXPECT_EQ(replies.at(undrain.value), Outcome::applied);
    EXPECT_FALSE(nodes[0].agreed().voters[0].drained);
}

TEST_F(handover, what_a_new_configuration_broke_off_is_done_in_it) {
    slow = 2;
    ask(1, SetWeight{"web", {3}, 0});
    const RequestId drain = ask(3, Drain{{1}, true});
    slow = 0;
    ConfigurationChanged without{ring, {{{1}, 101}, {{3}, 103}}, {}, {{{2}, Departed::left}}};
    for (const std::uint32_t n : {1U, 3U}) step(n, without);
    pass(4 * lease);
    EXPECT_EQ(replies.at(drain.value), Outcome::applied);
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(open_on(3), slots);
}

TEST_F(handover, with_a_voter_lost_everything_goes_at_once) {
    order(1, Lost{{2}});
    down = 2;
    settle();
    const RequestId drain = ask(3, Drain{{1}, true});
    pass(4 * lease);
    EXPECT_EQ(replies.at(drain.value), Outcome::applied);
    EXPECT_EQ(moved(), std::vector<std::size_t>{0});
    EXPECT_EQ(open_on(3), slots);
}

TEST_F(handover, what_cannot_be_opened_goes_on_and_is_not_waited_for) {
    slow = 2;
    ask(1, SetWeight{"web", {3}, 0});
    ask(3, Drain{{1}, true});
    ASSERT_GT(open_on(1), 0U);
    slow = 0;
    // Nothing of what was given can be opened.
    while (!unanswered.empty()) {
        const auto [node, open] = unanswered.front();
        unanswered.pop_front();
        step(node, EffectFailed{open.id, open.slots, "no room"});
    }
    settle();
    EXPECT_EQ(open_on(3), slots);
    EXPECT_EQ(said[1].owed, 0U);
}

}  // namespace buoy::core
