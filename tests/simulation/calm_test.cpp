// SPDX-License-Identifier: GPL-2.0-or-later
// What a cluster does when only one thing goes wrong, measured.
#include <gtest/gtest.h>

#include <optional>

#include "tests/simulation/shrink.hpp"

using namespace buoy;
using namespace buoy::simulation;

namespace {

Schedule one_action(std::uint32_t nodes, std::uint32_t slots, Kind kind, std::uint32_t a, std::uint32_t b,
                    Instant span) {
    Schedule s;
    s.nodes = nodes;
    s.slots = slots;
    s.chaos_beats = 60;
    s.actions.push_back({4 * lease, kind, a, b, span});
    return s;
}

// Beats from node 1 to the others, or from them to it, are lost for ten leases, and nothing else is.
Schedule beats_cut(std::uint32_t nodes, bool out, bool in) {
    Schedule s = one_action(nodes, 10 * nodes, Kind::cut, 1, 0, 10 * lease);
    s.actions.clear();
    for (const std::uint32_t other : {0U, 2U}) {
        if (other >= nodes) continue;
        if (out) s.actions.push_back({4 * lease, Kind::cut, 1, other, 10 * lease});
        if (in) s.actions.push_back({4 * lease, Kind::cut, other, 1, 10 * lease});
    }
    return s;
}

std::uint64_t rejoins_of_node_1(const Schedule& s) {
    std::uint64_t count = 0;
    const Outcome outcome =
        Cluster(s, [&](std::uint32_t node, TimePoint, const core::Event*, const core::Effect* effect) {
            const auto* sent = effect == nullptr ? nullptr : std::get_if<core::Multicast>(effect);
            const auto* entry = sent == nullptr ? nullptr : std::get_if<core::Entry>(&sent->message);
            count += node == 1 && entry != nullptr && std::holds_alternative<core::Rejoin>(entry->body);
        }).run();
    EXPECT_TRUE(outcome.ok) << outcome.breach;
    return count;
}

// What nodes ask for by themselves to be forgotten, in messages of each.
std::vector<int> removals(const Schedule& s) {
    std::vector<int> by_node(s.nodes, 0);
    const Outcome outcome =
        Cluster(s, [&](std::uint32_t node, TimePoint, const core::Event*, const core::Effect* effect) {
            const auto* sent = effect == nullptr ? nullptr : std::get_if<core::Multicast>(effect);
            const auto* entry = sent == nullptr ? nullptr : std::get_if<core::Entry>(&sent->message);
            by_node[node] += entry != nullptr && entry->request.value == 0 &&
                             std::holds_alternative<core::RemovePool>(entry->body);
        }).run();
    EXPECT_TRUE(outcome.ok) << outcome.breach;
    return by_node;
}

// Slots that were opened after the action, over all nodes.
std::uint64_t opened_after(const Schedule& s) {
    Schedule without = s;
    without.actions.clear();
    const Outcome outcome = Cluster(s).run();
    EXPECT_TRUE(outcome.ok) << outcome.breach;
    return outcome.opens - Cluster(without).run().opens;
}

}  // namespace

TEST(calm, a_pool_that_its_only_node_has_stopped_is_forgotten_with_one_message) {
    EXPECT_EQ(removals(one_action(3, 10, Kind::second_pool, 1, 0, lease)), (std::vector{1, 0, 0}));
    EXPECT_EQ(removals(one_action(3, 10, Kind::move, 1, 0, lease)), (std::vector{0, 0, 0}));
    // And in random schedules too, where everything else goes wrong meanwhile.
    int count = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed)
        for (const int of_node : removals(make_schedule(seed))) count += of_node;
    EXPECT_GT(count, 10);
}

TEST(calm, a_change_costs_every_node_a_handful_of_messages) {
    Schedule nothing = one_action(5, 10, Kind::move, 1, 0, 2 * lease);
    nothing.actions.clear();
    const Outcome before = Cluster(nothing).run();
    ASSERT_TRUE(before.ok) << before.breach;
    // What begins and makes calm: a Hello, a Rejoin and one for the pool for each node, and the
    // snapshot.
    EXPECT_LE(before.multicasts, 5U * 6);
    for (const Kind kind :
         {Kind::move, Kind::crash, Kind::power_off, Kind::drain, Kind::configure, Kind::restart_pool}) {
        const std::uint32_t who = kind == Kind::configure ? 3 : 1;
        const Outcome after = Cluster(one_action(5, 10, kind, who, 0, 2 * lease)).run();
        ASSERT_TRUE(after.ok) << after.breach;
        // Most cost two changes: what goes comes back.
        EXPECT_LE(after.multicasts, before.multicasts + std::uint64_t{2} * 5 * 2) << static_cast<int>(kind);
    }
}

TEST(calm, messages_do_not_grow_with_slots) {
    for (const Kind kind : {Kind::move, Kind::crash, Kind::power_off, Kind::drain, Kind::configure}) {
        const Outcome few =
            Cluster(one_action(5, 1, kind, kind == Kind::configure ? 3 : 1, 0, 2 * lease)).run();
        const Outcome many =
            Cluster(one_action(5, 2000, kind, kind == Kind::configure ? 3 : 1, 0, 2 * lease)).run();
        ASSERT_TRUE(few.ok) << few.breach;
        ASSERT_TRUE(many.ok) << many.breach;
        // What may differ is who had something to take over, and so to order Lost for: one entry a node.
        EXPECT_LE(many.multicasts, few.multicasts + 2 * 5) << static_cast<int>(kind);
    }
}

TEST(calm, move_moves_one_slot) {
    Schedule s = one_action(3, 30, Kind::move, 1, 4, 0);
    s.rebalance = core::Rebalance::never;
    EXPECT_LE(opened_after(s), 1U);
    s.rebalance = core::Rebalance::automatic;  // and back, for balance, when the configuration next changes
    EXPECT_LE(opened_after(s), 2U);
}

TEST(calm, crash_moves_the_slots_of_the_crashed_node_and_back) {
    // 30 slots on 3 nodes: 10 go over to the others, and 10 come back with it.
    EXPECT_LE(opened_after(one_action(3, 30, Kind::power_off, 1, 0, 3 * lease)), 20U);
}

TEST(calm, node_whose_beats_are_cut_stays_out_until_they_come_through) {
    for (const auto& [out, in] : {std::pair(true, false), std::pair(false, true), std::pair(true, true)}) {
        const Schedule s = beats_cut(3, out, in);
        // Its ten slots go over to the others once, and come back once; so does the node.
        EXPECT_EQ(opened_after(s), 20U) << out << in;
        Schedule without = s;
        without.actions.clear();
        EXPECT_EQ(rejoins_of_node_1(s), rejoins_of_node_1(without) + 1) << out << in;
    }
}

TEST(calm, node_whose_beats_were_cut_echoes_everybody_again) {
    for (const auto& [out, in] : {std::pair(true, false), std::pair(false, true), std::pair(true, true)}) {
        std::optional<core::Beat> last;
        Schedule s = beats_cut(3, out, in);
        s.chaos_beats = 100;  // some leases longer than the cut, and no other configuration meanwhile
        const Outcome outcome =
            Cluster(s, [&](std::uint32_t node, TimePoint, const core::Event*, const core::Effect* effect) {
                const auto* sent = effect == nullptr ? nullptr : std::get_if<core::SendBeat>(effect);
                if (node == 1 && sent != nullptr) last = sent->beat;
            }).run();
        ASSERT_TRUE(outcome.ok) << outcome.breach;
        ASSERT_TRUE(last);
        EXPECT_EQ(last->echoes.size(), 2U) << out << in;
        EXPECT_TRUE(last->condemned.empty()) << out << in;
    }
}

TEST(calm, two_nodes_need_no_beats_for_what_they_have) {
    // Who was condemned goes out once, when the next configuration comes.
    for (const auto& [out, in] : {std::pair(true, false), std::pair(false, true), std::pair(true, true)})
        EXPECT_LE(opened_after(beats_cut(2, out, in)), 10U) << out << in;
}

TEST(calm, slots_whose_open_fails_go_on_and_the_failure_is_visible) {
    Schedule s = one_action(3, 6, Kind::open_fails, 1, 1, lease);  // an odd b: to the end
    s.actions.push_back({4 * lease + beat, Kind::move, 1, 0, 0});
    bool visible = false;
    const Outcome outcome =
        Cluster(s, [&](std::uint32_t node, TimePoint, const core::Event*, const core::Effect* effect) {
            const auto* published = effect == nullptr ? nullptr : std::get_if<core::PublishStatus>(effect);
            if (node != 1 || published == nullptr) return;
            for (const core::PoolStatus& pool : published->status.pools)
                visible = visible || (pool.failed_open && pool.held == 0);
        }).run();
    // What was open there before stays until it is known not to be eligible; then all of it is covered
    // elsewhere.
    EXPECT_TRUE(outcome.ok) << outcome.breach;
    EXPECT_TRUE(visible);
}

TEST(calm, equal_seeds_give_equal_runs) {
    for (std::uint64_t seed = 1; seed < 20; ++seed) {
        const Outcome a = run(make_schedule(seed));
        const Outcome b = run(make_schedule(seed));
        EXPECT_EQ(a.steps, b.steps);
        EXPECT_EQ(a.multicasts, b.multicasts);
        EXPECT_EQ(a.opens, b.opens);
    }
}

TEST(schedule, text_reads_back_as_itself) {
    for (std::uint64_t seed = 1; seed < 200; ++seed) {
        const Schedule s = make_schedule(seed);
        Schedule back;
        ASSERT_TRUE(from_text(to_text(s), back));
        EXPECT_EQ(s, back);
    }
}
