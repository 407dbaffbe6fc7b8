// SPDX-License-Identifier: GPL-2.0-or-later
// What a node asks the order for again when it was refused: not as fast as the order carries it.
#include <gtest/gtest.h>

#include <optional>

#include "service/core/invariants.hpp"
#include "service/core/ownership.hpp"

using namespace buoy;
using namespace buoy::core;
using namespace std::chrono_literals;

namespace {

constexpr CorosyncRing ring{8, {1}};
constexpr Duration lease = 500ms;
constexpr Duration beat = 50ms;

// Node 1, whose entries come back to it a millisecond after they were sent.
class asks : public testing::Test {
  protected:
    // Among so many nodes, of which the others say that they have this state; without one all begin anew.
    void begin(std::uint32_t count, const AgreedState* state) {
        step(Started{{1}, {1}, beat, lease, {}, {}});
        step(EffectDone{{1}});
        ConfigurationChanged configuration{ring, {}, {}, {}};
        QuorumChanged quorum{ring, true, false, count, {}};
        for (std::uint32_t n = 1; n <= count; ++n) {
            configuration.members.push_back({{n}, 100 + n});
            quorum.nodes.push_back({n});
        }
        step(configuration);
        step(quorum);
        for (std::uint32_t n = 1; n <= count; ++n) step(HelloDelivered{hello(n, count, state)});
        if (state != nullptr) {
            Snapshot snapshot{{2}, ring, hello(2, count, state).together, {}, false, *state, {}};
            step(SnapshotDelivered{snapshot});
        }
        ASSERT_EQ(node.phase(), Ownership::Phase::primary);
    }

    // As begin, with these voters.
    void begin_with_three_voters() {
        AgreedState state;
        const std::vector<NodeId> nodes{{1}, {2}, {3}};
        state.elect(nodes);
        state.begin({ring, 1 << 16}, nodes, {});
        begin(3, &state);
    }

    // As begin_with_three_voters, with a pool that `member` alone has started. Node 3 is never heard.
    void begin_with_a_pool_of(NodeId member, bool is_pinned = false) {
        AgreedState state;
        const std::vector<NodeId> nodes{{1}, {2}, {3}};
        state.elect(nodes);
        ASSERT_EQ(state.apply(JoinPool{member, web}), Outcome::applied);
        if (is_pinned) state.apply(Pin{"web", 0, member});
        state.begin({ring, 1 << 16}, nodes, {});
        begin(3, &state);
        run(lease, 2);
        ASSERT_FALSE(node.out());
    }
    void order(NodeId sender, const EntryBody& body) {
        step(EntryDelivered{{node.agreed().tag.ring, sender, {}, body, {}}});
    }

    // A beat of another node. `condemns_us`: in which it does; `hears_us`: and hears us again.
    void hear(std::uint32_t from, bool condemns_us = false, bool hears_us = false) {
        Beat b;
        b.sender = {from};
        b.incarnation = {5};
        b.tag = node.agreed().tag;
        b.hash = node.agreed_hash();
        b.created = now;
        if (condemns_us) b.condemned.push_back({1});
        if (hears_us) b.heard.push_back({1});
        step(BeatReceived{b});
    }

    static Hello hello(std::uint32_t from, std::uint32_t count, const AgreedState* state) {
        Hello h;
        h.sender = {from};
        h.incarnation = {1};
        h.ring = ring;
        h.change = from == 1 ? 1 << 16 : 0;
        for (std::uint32_t n = 1; n <= count; ++n) h.together.push_back({{n}, 100 + n, 1});
        h.quorate = true;
        h.expected = count;
        h.lease = h.longest_lease = lease;
        if (state == nullptr || from == 1) return h;
        h.has_state = true;
        h.tag = {{{4, {1}}, 0}, 7};
        h.hash = 7;
        for (const Voter& v : state->voters)
            if (v.id.value != 0) h.voters.push_back({v.id, v.outing});
        return h;
    }

    // Delivers what the node sends until it sends no more, or for this long.
    void run(Duration span, std::uint32_t heard = 0) {
        const TimePoint end = now + span;
        while (now < end) {
            if (heard != 0) hear(heard);
            if (next < sent.size())
                deliver(sent[next++]);
            else
                step(TimerFired{});
        }
    }

    void deliver(Message message) {
        if (auto* entry = std::get_if<Entry>(&message)) step(EntryDelivered{std::move(*entry)});
        if (auto* snapshot = std::get_if<Snapshot>(&message)) step(SnapshotDelivered{std::move(*snapshot)});
    }

    void step(const Event& event) {
        const Effects effects = node.step(now += 1ms, event);
        for (std::size_t i = 0; i < effects.size(); ++i) {
            if (const auto* m = std::get_if<Multicast>(&effects[i])) sent.push_back(m->message);
            if (const auto* b = std::get_if<SendBeat>(&effects[i])) last_beat = b->beat;
        }
        Invariants::hold(node);
    }

    template <typename E>
    [[nodiscard]] int count() const {
        int n = 0;
        for (const Message& m : sent)
            if (const auto* entry = std::get_if<Entry>(&m)) n += std::holds_alternative<E>(entry->body);
        return n;
    }

    const PoolConfig web{"web", 1, 4, {}, {}, {}};
    Ownership node;
    TimePoint now{10s};
    std::vector<Message> sent;
    std::optional<Beat> last_beat;
    std::size_t next = 0;
};

}  // namespace

TEST_F(asks, last_voter_asks_to_leave_once_a_lease) {
    step(Started{{1}, {1}, 50ms, lease, {}, {}});
    step(EffectDone{{1}});
    step(ConfigurationChanged{ring, {{{1}, 101}}, {}, {}});
    step(QuorumChanged{ring, true, false, 1, {{1}}});
    step(HelloDelivered{hello(1, 1, nullptr)});
    run(20ms);
    ASSERT_FALSE(node.out());
    step(Requested{{1}, Shutdown{}});
    run(lease - 10ms);
    EXPECT_EQ(count<Leave>(), 1);
    run(lease);
    EXPECT_EQ(count<Leave>(), 2);  // somebody may have become a voter meanwhile
}

TEST_F(asks, rejoin_for_an_outing_that_is_over_is_asked_for_once_a_lease) {
    // The others know of a later run of this daemon than the present one.
    AgreedState state;
    const std::vector<NodeId> nodes{{1}, {2}, {3}};
    state.elect(nodes);
    state.voters[0].outing = {{9}, 9};
    state.begin({ring, 1 << 16}, nodes, {});
    begin(3, &state);
    run(lease - 20ms, 2);
    EXPECT_TRUE(node.out());
    EXPECT_EQ(count<Rejoin>(), 1);
    run(lease, 2);
    EXPECT_EQ(count<Rejoin>(), 2);
}

TEST_F(asks, who_hears_nobody_says_that_it_is_lost_and_stays_out) {
    begin_with_three_voters();
    run(lease);
    EXPECT_EQ(count<Lost>(), 0);  // it may be that the others' beats are on their way
    run(10 * lease);
    EXPECT_EQ(count<Lost>(), 1);
    EXPECT_EQ(count<Rejoin>(), 0);
    EXPECT_TRUE(node.out());
    hear(3);
    run(10ms);
    EXPECT_EQ(count<Rejoin>(), 1);
    EXPECT_FALSE(node.out());
}

TEST_F(asks, who_is_let_in_and_then_hears_nobody_goes_out) {
    begin_with_three_voters();
    hear(2);
    run(10ms);
    ASSERT_FALSE(node.out());
    run(lease);
    EXPECT_FALSE(node.out());
    run(lease);
    EXPECT_TRUE(node.out());
    EXPECT_EQ(count<Lost>(), 1);
    EXPECT_EQ(count<Rejoin>(), 1);
}

TEST_F(asks, who_is_condemned_stays_out_until_those_who_do_hear_it) {
    begin_with_three_voters();
    for (int i = 0; i < 20; ++i) {
        hear(2, true);
        hear(3, true);
        run(beat);
    }
    EXPECT_EQ(count<Rejoin>(), 0);
    EXPECT_EQ(count<Lost>(), 0);  // those who condemn it see to that
    hear(2, true, true);
    run(10ms);
    EXPECT_EQ(count<Rejoin>(), 1);
}

TEST_F(asks, who_was_condemned_and_is_heard_again_is_told_at_once) {
    begin_with_three_voters();
    run(2 * lease, 2);
    ASSERT_TRUE(last_beat);
    EXPECT_EQ(last_beat->condemned.size(), 1U);
    EXPECT_EQ(last_beat->heard.size(), 0U);
    last_beat.reset();
    hear(3);
    ASSERT_TRUE(last_beat);
    ASSERT_EQ(last_beat->heard.size(), 1U);
    EXPECT_EQ(last_beat->heard[0], NodeId{3});
}

TEST_F(asks, newcomer_waits_for_the_voters_beats) {
    AgreedState state;
    const std::vector<NodeId> nodes{{2}, {3}};
    state.elect(nodes);
    state.begin({ring, 1 << 16}, nodes, {});
    begin(3, &state);
    run(4 * lease);
    EXPECT_EQ(count<Rejoin>(), 0);
    hear(2);
    EXPECT_EQ(count<Rejoin>(), 0);
    hear(3);
    run(10ms);
    EXPECT_EQ(count<Rejoin>(), 1);
}

TEST_F(asks, pool_that_its_last_member_has_left_is_forgotten) {
    begin_with_a_pool_of({2});
    order({2}, LeavePool{{2}, "web"});
    run(2 * lease - 50ms, 2);
    EXPECT_EQ(count<RemovePool>(), 0);
    run(100ms, 2);
    EXPECT_EQ(count<RemovePool>(), 1);
    EXPECT_EQ(node.agreed().pool("web"), nullptr);
}

TEST_F(asks, pool_that_is_started_again_is_not_forgotten) {
    begin_with_a_pool_of({2});
    order({2}, LeavePool{{2}, "web"});
    run(lease, 2);
    order({2}, JoinPool{{2}, web});
    run(2 * lease, 2);
    order({2}, LeavePool{{2}, "web"});
    run(lease, 2);
    EXPECT_EQ(count<RemovePool>(), 0);
    ASSERT_NE(node.agreed().pool("web"), nullptr);
}

TEST_F(asks, pool_of_a_member_that_is_lost_is_not_forgotten) {
    begin_with_a_pool_of({3});
    order({2}, Lost{{3}});
    run(10 * lease, 2);
    ASSERT_EQ(node.agreed().lost(), bit(2));
    EXPECT_EQ(count<RemovePool>(), 0);
    // Until it is known to be silent.
    order({2}, Fenced{{3}, {}, node.agreed().voters_changed, Proof::fenced, {}});
    ASSERT_EQ(node.agreed().find({3}), no_index);
    run(3 * lease, 2);
    EXPECT_EQ(count<RemovePool>(), 1);
}

TEST_F(asks, pool_with_pins_is_forgotten_after_a_day) {
    begin_with_a_pool_of({2}, true);
    order({2}, LeavePool{{2}, "web"});
    run(10 * lease, 2);
    now += 23h;
    run(lease, 2);
    EXPECT_EQ(count<RemovePool>(), 0);
    now += 1h;
    run(lease, 2);
    EXPECT_EQ(count<RemovePool>(), 1);
    EXPECT_EQ(node.agreed().pool("web"), nullptr);
}
