// SPDX-License-Identifier: GPL-2.0-or-later
// Planned handovers of many slots, in portions: three nodes whose messages all arrive, in one order.
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>

#include "service/core/invariants.hpp"
#include "service/core/ownership.hpp"

using namespace buoy;
using namespace buoy::core;
using namespace std::chrono_literals;

namespace {

constexpr CorosyncRing ring{8, {1}};
constexpr Duration lease = 500ms;
constexpr Duration beat = 50ms;
constexpr std::uint32_t slots = 40;
constexpr std::uint32_t portion = 4;

class handover : public testing::Test {
  protected:
    // All slots of a pool on node 1; the others have it, too.
    void SetUp() override { begin(portion); }
    void begin(std::uint32_t portion) {
        for (std::uint32_t n = 1; n <= 3; ++n) step(n, Started{{n}, {1}, beat, lease, {}, {}, portion});
        configure(1 << 16);
        for (std::uint32_t n = 1; n <= 3; ++n) {
            ask(n, StartPool{web});
            pass(4 * lease);
        }
        ASSERT_EQ(open_on(1), slots);
        moved.clear();
    }
    void configure(std::uint64_t) {
        ConfigurationChanged configuration{ring, {}, {}, {}};
        QuorumChanged quorum{ring, true, false, 3, {}};
        for (std::uint32_t n = 1; n <= 3; ++n) {
            configuration.members.push_back({{n}, 100 + n});
            quorum.nodes.push_back({n});
        }
        for (std::uint32_t n = 1; n <= 3; ++n) step(n, configuration);
        for (std::uint32_t n = 1; n <= 3; ++n) step(n, quorum);
        settle();
    }
    RequestId ask(std::uint32_t node, Request request) {
        step(node, Requested{{++requests}, std::move(request)});
        settle();
        return {requests};
    }
    // Lets time go by.
    void pass(Duration span) {
        for (const TimePoint end = now + span; now < end;) {
            now += beat / 2;
            for (std::uint32_t n = 1; n <= 3; ++n) step(n, TimerFired{});
            settle();
        }
    }
    // Delivers everything, until nothing is on its way but the answers to Opens on slow nodes.
    void settle() {
        while (!answers.empty() || !order.empty() || !beats.empty()) {
            if (!answers.empty()) {
                const auto [node, effect] = answers.front();
                answers.pop_front();
                step(node, EffectDone{effect});
            } else if (!beats.empty()) {
                const Beat one = beats.front();
                beats.pop_front();
                for (std::uint32_t n = 1; n <= 3; ++n)
                    if (one.sender.value != n) step(n, BeatReceived{one});
            } else {
                const Message message = order.front();
                order.pop_front();
                deliver(message);
            }
        }
    }
    void deliver(const Message& message) {
        const auto* entry = std::get_if<Entry>(&message);
        if (entry != nullptr) {
            if (const auto* move = std::get_if<Move>(&entry->body)) {
                EXPECT_LE(move->slots.size(), portion);
                moved.push_back(move->slots.size());
            }
            const EntryBody& body = entry->body;
            if (std::holds_alternative<Drain>(body) || std::holds_alternative<LeavePool>(body) ||
                std::holds_alternative<Leave>(body))
                moved.push_back(0);
        }
        for (std::uint32_t n = 1; n <= 3; ++n) {
            if (entry != nullptr) step(n, EntryDelivered{*entry});
            if (const auto* hello = std::get_if<Hello>(&message)) step(n, HelloDelivered{*hello});
            if (const auto* snapshot = std::get_if<Snapshot>(&message)) step(n, SnapshotDelivered{*snapshot});
        }
    }
    void step(std::uint32_t n, const Event& event) {
        if (n == down) return;
        const Effects effects = nodes[n - 1].step(now += 1us, event);
        for (std::size_t i = 0; i < effects.size(); ++i) {
            if (const auto* m = std::get_if<Multicast>(&effects[i])) order.push_back(m->message);
            if (const auto* b = std::get_if<SendBeat>(&effects[i])) {
                beats.push_back(b->beat);
                if (n == 2) last_owed = b->beat.owed;
            }
            if (const auto* close = std::get_if<Close>(&effects[i])) answers.emplace_back(n, close->id);
            if (const auto* open = std::get_if<Open>(&effects[i])) {
                if (slow == n)
                    unanswered.emplace_back(n, *open);
                else
                    answers.emplace_back(n, open->id);
            }
            if (const auto* reply = std::get_if<Reply>(&effects[i]))
                replies.insert_or_assign(reply->id.value, reply->outcome);
        }
        Invariants::hold(nodes[n - 1]);
    }
    [[nodiscard]] std::uint32_t open_on(std::uint32_t n) const {
        const Pool* pool = nodes[n - 1].agreed().pool("web");
        return pool == nullptr ? 0 : nodes[n - 1].holding().open_count(pool->id);
    }
    [[nodiscard]] std::uint32_t silent() const { return slots - open_on(1) - open_on(2) - open_on(3); }
    // The next Open that a slow node was asked for is carried out.
    bool answer_one() {
        if (unanswered.empty()) return false;
        answers.emplace_back(unanswered.front().first, unanswered.front().second.id);
        unanswered.pop_front();
        settle();
        return true;
    }

    const PoolConfig web{"web", 1, slots, OnLoss::automatic, Rebalance::never, {}};
    std::array<Ownership, 3> nodes;
    TimePoint now{10s};
    std::deque<Message> order;
    std::deque<Beat> beats;
    std::deque<std::pair<std::uint32_t, EffectId>> answers;
    std::deque<std::pair<std::uint32_t, Open>> unanswered;
    std::map<std::uint64_t, Outcome> replies;
    std::vector<std::size_t> moved;  // by each Move that was ordered; 0: what they went before
    std::uint32_t slow = 0;          // whose Opens take until they are answered by hand
    std::uint32_t down = 0;          // who does nothing any more
    std::uint32_t last_owed = 0;     // as node 2 said
    std::uint64_t requests = 0;
};

class handover_at_once : public handover {
    void SetUp() override { begin(0); }
};

}  // namespace

TEST_F(handover, drain_of_many_goes_in_portions) {
    const RequestId drain = ask(3, Drain{{1}, true});
    EXPECT_EQ(replies.at(drain.value), Outcome::applied);
    EXPECT_EQ(moved, (std::vector<std::size_t>{4, 4, 4, 4, 4, 4, 4, 4, 4, 0}));  // the entry does the rest
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(silent(), 0U);
}

TEST_F(handover_at_once, drain_of_many_is_one_entry_where_there_are_no_portions) {
    ask(3, Drain{{1}, true});
    EXPECT_EQ(moved, std::vector<std::size_t>{0});
    EXPECT_EQ(silent(), 0U);
}

TEST_F(handover, stop_of_a_pool_goes_in_portions) {
    const RequestId stop = ask(1, StopPool{"web"});
    EXPECT_EQ(replies.at(stop.value), Outcome::applied);
    EXPECT_EQ(moved, (std::vector<std::size_t>{4, 4, 4, 4, 4, 4, 4, 4, 4, 0}));
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(silent(), 0U);
}

TEST_F(handover, shutdown_of_a_daemon_goes_in_portions) {
    const RequestId shutdown = ask(1, Shutdown{});
    EXPECT_EQ(replies.at(shutdown.value), Outcome::applied);
    EXPECT_EQ(moved, (std::vector<std::size_t>{4, 4, 4, 4, 4, 4, 4, 4, 4, 0}));
    EXPECT_EQ(open_on(1), 0U);
    EXPECT_EQ(silent(), 0U);
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
    moved.clear();
    ask(3, Drain{{1}, true});
    EXPECT_EQ(moved, std::vector<std::size_t>{0});
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
    order.push_back(Entry{nodes[0].agreed().tag.ring, {1}, {}, Lost{{2}}, {}});
    down = 2;
    settle();
    const RequestId drain = ask(3, Drain{{1}, true});
    pass(4 * lease);
    EXPECT_EQ(replies.at(drain.value), Outcome::applied);
    EXPECT_EQ(moved, std::vector<std::size_t>{0});
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
    EXPECT_EQ(last_owed, 0U);
}
