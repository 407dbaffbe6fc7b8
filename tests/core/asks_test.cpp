// SPDX-License-Identifier: GPL-2.0-or-later
// What a node asks the order for again when it was refused: not as fast as the order carries it.
#include <gtest/gtest.h>

#include "service/core/invariants.hpp"
#include "service/core/ownership.hpp"

using namespace buoy;
using namespace buoy::core;
using namespace std::chrono_literals;

namespace {

constexpr CorosyncRing ring{8, {1}};
constexpr Duration lease = 500ms;

// Node 1, whose entries come back to it a millisecond after they were sent.
class asks : public testing::Test {
  protected:
    // Among so many nodes, of which the others say that they have this state; without one all begin anew.
    void begin(std::uint32_t count, const AgreedState* state) {
        step(Started{{1}, {1}, 50ms, lease, {}, {}});
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
    void run(Duration span) {
        const TimePoint end = now + span;
        while (now < end) {
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
        for (std::size_t i = 0; i < effects.size(); ++i)
            if (const auto* m = std::get_if<Multicast>(&effects[i])) sent.push_back(m->message);
        Invariants::hold(node);
    }

    template <typename E>
    [[nodiscard]] int count() const {
        int n = 0;
        for (const Message& m : sent)
            if (const auto* entry = std::get_if<Entry>(&m)) n += std::holds_alternative<E>(entry->body);
        return n;
    }

    Ownership node;
    TimePoint now{10s};
    std::vector<Message> sent;
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
    run(lease - 20ms);
    EXPECT_TRUE(node.out());
    EXPECT_EQ(count<Rejoin>(), 1);
    run(lease);
    EXPECT_EQ(count<Rejoin>(), 2);
}
