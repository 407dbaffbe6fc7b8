// SPDX-License-Identifier: GPL-2.0-or-later
// What comes in and makes no sense: counted with its reason, and nothing else comes of it.
#include <gtest/gtest.h>

#include <functional>

#include "service/core/invariants.hpp"
#include "service/core/ownership.hpp"

using namespace buoy;
using namespace buoy::core;
using namespace std::chrono_literals;

namespace {

constexpr CorosyncRing ring{8, {1}};
constexpr Duration lease = 500ms;

// Node 1 of three, in a primary configuration, with a pool that it holds.
class refusals : public testing::Test {
  protected:
    refusals() {
        step(Started{{1}, {1}, 50ms, lease, {{"web", 1, 4, {}, {}, {}}}, {}});
        step(EffectDone{{1}});
        step(ConfigurationChanged{ring, {{{1}, 101}, {{2}, 102}, {{3}, 103}}, {}, {}});
        step(QuorumChanged{ring, true, false, 3, {{1}, {2}, {3}}});
        for (const std::uint32_t n : {1U, 2U, 3U}) step(HelloDelivered{hello(n)});
        EXPECT_TRUE(snapshot);
        step(SnapshotDelivered{snapshot.value_or(Snapshot{})});
        // Beats come through, without which it would not ask to be let in.
        Beat heard = beat(2);
        heard.incarnation = {4};
        step(BeatReceived{heard});
        step(TimerFired{});
        // What it asks for comes back to it.
        for (std::size_t k = 0; k < entries.size(); ++k) step(EntryDelivered{Entry(entries[k])});
        EXPECT_EQ(node.phase(), Ownership::Phase::primary);
        EXPECT_FALSE(node.out());
        EXPECT_NE(node.agreed().pool("web"), nullptr);
    }

    static Hello hello(std::uint32_t from) {
        Hello h;
        h.sender = {from};
        h.incarnation = {1};
        h.ring = ring;
        h.change = from == 1 ? 1 << 16 : 0;
        for (std::uint32_t n = 1; n <= 3; ++n) h.together.push_back({{n}, 100 + n, 1});
        h.quorate = true;
        h.expected = 3;
        h.lease = h.longest_lease = lease;
        return h;
    }

    [[nodiscard]] Entry entry(std::uint32_t from, EntryBody body) const {
        return {node.agreed().tag.ring, {from}, {}, std::move(body), {}};
    }

    [[nodiscard]] Beat beat(std::uint32_t from) const {
        Beat b;
        b.sender = {from};
        b.incarnation = {5};
        b.tag = node.agreed().tag;
        b.hash = node.agreed_hash();
        b.created = TimePoint(1s);
        return b;
    }

    Effects step(const Event& event) {
        Effects effects = node.step(now += 1ms, event);
        for (std::size_t i = 0; i < effects.size(); ++i) {
            const auto* sent = std::get_if<Multicast>(&effects[i]);
            if (sent == nullptr) continue;
            if (const auto* s = std::get_if<Snapshot>(&sent->message)) snapshot = *s;
            if (const auto* e = std::get_if<Entry>(&sent->message)) entries.push_back(*e);
        }
        Invariants::hold(node);
        return effects;
    }

    void expect_refused(const Event& event, Refusal reason) {
        const auto before = node.refused(reason);
        const AgreedState state = node.agreed();
        const TimePoint deadline = node.deadline();
        const Effects effects = step(event);
        EXPECT_EQ(node.refused(reason), before + 1) << static_cast<int>(reason);
        EXPECT_TRUE(effects.empty());
        EXPECT_EQ(node.agreed(), state);
        EXPECT_EQ(node.deadline(), deadline);
        EXPECT_EQ(node.phase(), Ownership::Phase::primary);
    }

    Ownership node;
    TimePoint now{10s};
    std::optional<Snapshot> snapshot;
    std::vector<Entry> entries;
};

}  // namespace

TEST_F(refusals, what_a_decoder_dropped_is_counted) {
    for (const Refusal reason : {Refusal::malformed, Refusal::too_large, Refusal::newer_major,
                                 Refusal::other_cluster, Refusal::stranger, Refusal::contradictory})
        expect_refused(MessageRefused{reason}, reason);
    expect_refused(MessageRefused{static_cast<Refusal>(99)}, Refusal::malformed);
}

TEST_F(refusals, beat_of_a_stranger) {
    expect_refused(BeatReceived{beat(9)}, Refusal::stranger);
}

TEST_F(refusals, beat_in_our_own_name) {
    expect_refused(BeatReceived{beat(1)}, Refusal::contradictory);
}

TEST_F(refusals, beat_older_than_the_last_and_of_an_earlier_run) {
    step(BeatReceived{beat(2)});
    Beat older = beat(2);
    older.created -= 1ms;
    expect_refused(BeatReceived{older}, Refusal::old);
    Beat before = beat(2);
    before.incarnation = {4};
    before.created += 1h;
    expect_refused(BeatReceived{before}, Refusal::old);
}

TEST_F(refusals, echo_of_a_beat_that_was_never_made_gives_no_lease) {
    for (const std::uint32_t from : {2U, 3U}) {
        Beat future = beat(from);
        future.echoes.push_back({{1}, {1}, now + 1h});
        future.echoes.push_back({{1}, {7}, now});  // another run's
        step(BeatReceived{future});
    }
    EXPECT_LE(node.deadline(), now);
}

TEST_F(refusals, entry_of_somebody_who_takes_no_part) {
    expect_refused(EntryDelivered{entry(9, Drain{{2}, true})}, Refusal::stranger);
}

TEST_F(refusals, entry_of_another_ring) {
    Entry other = entry(2, Drain{{2}, true});
    ++other.ring.change;
    expect_refused(EntryDelivered{other}, Refusal::other_ring);
}

TEST_F(refusals, entry_in_the_name_of_another_node) {
    const Tag electorate = node.agreed().voters_changed;
    const EntryBody bodies[] = {Rejoin{{3}, {{9}, 9}, electorate, {}}, Leave{{3}, electorate},
                                JoinPool{{3}, {"web", 1, 4, {}, {}, {}}}, LeavePool{{1}, "web"},
                                SetAilment{{1}, "web", Ailment::no_carrier, true}};
    for (const EntryBody& body : bodies)
        expect_refused(EntryDelivered{entry(2, body)}, Refusal::contradictory);
    // In its own name it counts.
    const auto applied = node.agreed().tag.entries;
    step(EntryDelivered{entry(3, Rejoin{{3}, {{9}, 9}, electorate, {}})});
    EXPECT_EQ(node.agreed().tag.entries, applied + 1);
}

TEST_F(refusals, hello_of_somebody_who_is_not_here) {
    Hello stranger = hello(2);
    stranger.sender = {9};
    expect_refused(HelloDelivered{stranger}, Refusal::stranger);
    Hello other_ring = hello(2);
    other_ring.ring.seq = 4;
    expect_refused(HelloDelivered{other_ring}, Refusal::other_ring);
    Hello earlier_run = hello(2);
    earlier_run.together[1].process = 7;
    expect_refused(HelloDelivered{earlier_run}, Refusal::other_ring);
}

TEST_F(refusals, snapshot_that_nobody_waits_for) {
    ASSERT_TRUE(snapshot);
    Snapshot again = *snapshot;
    expect_refused(SnapshotDelivered{again}, Refusal::contradictory);
    again.sender = {2};
    expect_refused(SnapshotDelivered{again}, Refusal::contradictory);
    again.sender = {9};
    expect_refused(SnapshotDelivered{again}, Refusal::stranger);
    again.ring.seq = 4;
    expect_refused(SnapshotDelivered{again}, Refusal::other_ring);
    Snapshot for_one = *snapshot;
    for_one.to = {2};
    ++for_one.state.tag.ring.change;
    expect_refused(SnapshotDelivered{for_one}, Refusal::contradictory);
    Snapshot broken = *snapshot;
    broken.state.voters[5] = broken.state.voters[0];
    expect_refused(SnapshotDelivered{broken}, Refusal::malformed);
}

TEST_F(refusals, answers_and_configurations_that_make_no_sense) {
    expect_refused(EffectDone{{999}}, Refusal::contradictory);
    expect_refused(EffectFailed{{999}, {{{1}, 0}}, "no"}, Refusal::contradictory);
    expect_refused(Started{{2}, {1}, 50ms, lease, {}, {}}, Refusal::contradictory);
    expect_refused(ConfigurationChanged{{99, {2}}, {{{2}, 102}}, {}, {}}, Refusal::contradictory);
}
