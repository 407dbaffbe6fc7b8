// SPDX-License-Identifier: GPL-2.0-or-later
// What ordered entries make of the agreed state: pools made, changed and removed, weights, pins, drain,
// voters.
#include "service/core/agreed_state.hpp"

#include <gtest/gtest.h>

#include <random>

using namespace buoy;
using namespace buoy::core;

namespace {

// Three voters, 1 to 3, whose silence counts as proof.
AgreedState three_voters() {
    AgreedState state;
    const NodeId nodes[] = {{1}, {2}, {3}};
    state.begin({{4, {1}}, 1}, nodes, {});
    state.elect(nodes);
    return state;
}

PoolConfig config(const std::string& name, std::uint32_t slots, std::uint64_t hash = 1) {
    return {name, hash, slots, {}, {}, {}};
}

void join(AgreedState& state, const PoolConfig& pool) {
    for (const std::uint32_t n : {1U, 2U, 3U})
        EXPECT_EQ(state.apply(JoinPool{{n}, pool}), Outcome::applied) << n;
}

std::uint32_t owned(const AgreedState& state, const std::string& pool, std::uint32_t node) {
    const Pool& p = *state.pool(pool);
    std::uint32_t count = 0;
    for (std::uint32_t s = 0; s < p.config.slots; ++s) count += state.voters[p.list(s)[0]].id == NodeId{node};
    return count;
}

NodeId owner(const AgreedState& state, const std::string& pool, std::uint32_t slot) {
    return state.voters[state.pool(pool)->list(slot)[0]].id;
}

}  // namespace

TEST(agreed_state, silence_counts_from_the_beginning_or_when_all_are_seen_to_know_that_they_are_three) {
    EXPECT_TRUE(three_voters().leases_count);
    AgreedState state;
    state.elect(std::vector<NodeId>{{1}, {2}});
    EXPECT_FALSE(state.leases_count);
    EXPECT_EQ(state.apply(CountLeases{state.voters_changed}), Outcome::unchanged) << "two are too few";
    ASSERT_EQ(state.apply(Rejoin{{3}, {{1}, 1}, state.voters_changed, {}}), Outcome::applied);
    EXPECT_FALSE(state.leases_count);
    EXPECT_EQ(state.apply(CountLeases{state.voters_changed}), Outcome::applied);
    EXPECT_TRUE(state.leases_count);
}

TEST(agreed_state, pool_is_made_by_its_first_member_and_shared_by_all) {
    AgreedState state = three_voters();
    join(state, config("web", 30));
    join(state, config("db", 3));
    EXPECT_EQ(state.pools[0].config.name, "db");
    for (const std::uint32_t n : {1U, 2U, 3U}) {
        EXPECT_EQ(owned(state, "web", n), 10U);
        EXPECT_EQ(owned(state, "db", n), 1U);
    }
}

TEST(agreed_state, member_with_another_configuration_is_refused) {
    AgreedState state = three_voters();
    EXPECT_EQ(state.apply(JoinPool{{1}, config("web", 4)}), Outcome::applied);
    EXPECT_EQ(state.apply(JoinPool{{2}, config("web", 4, 2)}), Outcome::different_config);
    EXPECT_EQ(state.apply(JoinPool{{2}, config("web", 5)}), Outcome::different_config);
    EXPECT_EQ(state.pool("web")->members, bit(0));
}

TEST(agreed_state, pool_without_members_takes_a_new_configuration_under_a_new_number) {
    AgreedState state = three_voters();
    EXPECT_EQ(state.apply(JoinPool{{1}, config("web", 8)}), Outcome::applied);
    EXPECT_EQ(state.apply(Pin{"web", 7, {1}}), Outcome::applied);
    const PoolId before = state.pool("web")->id;
    EXPECT_EQ(state.apply(LeavePool{{1}, "web"}), Outcome::applied);
    EXPECT_EQ(state.apply(JoinPool{{2}, config("web", 4, 2)}), Outcome::applied);
    EXPECT_NE(state.pool("web")->id, before);
    EXPECT_EQ(state.pool("web")->config.slots, 4U);
    EXPECT_TRUE(state.pool("web")->pins.empty());
    EXPECT_EQ(state.unsound(), nullptr);
}

TEST(agreed_state, pool_is_removed_only_when_nobody_is_in_it) {
    AgreedState state = three_voters();
    EXPECT_EQ(state.apply(JoinPool{{1}, config("web", 8)}), Outcome::applied);
    EXPECT_EQ(state.apply(RemovePool{"web"}), Outcome::pool_in_use);
    EXPECT_EQ(state.apply(LeavePool{{1}, "web"}), Outcome::applied);
    EXPECT_EQ(state.apply(RemovePool{"web"}), Outcome::applied);
    EXPECT_EQ(state.apply(RemovePool{"web"}), Outcome::no_such_pool);
    EXPECT_EQ(state.slots(), 0U);
}

TEST(agreed_state, pools_and_slots_have_limits) {
    AgreedState state = three_voters();
    EXPECT_EQ(state.apply(JoinPool{{1}, config("big", max_slots)}), Outcome::applied);
    EXPECT_EQ(state.apply(JoinPool{{1}, config("more", 1)}), Outcome::full);
    EXPECT_EQ(state.apply(JoinPool{{1}, config("none", 0)}), Outcome::refused);
    EXPECT_EQ(state.apply(LeavePool{{1}, "big"}), Outcome::applied);
    EXPECT_EQ(state.apply(RemovePool{"big"}), Outcome::applied);
    for (std::size_t i = 0; i < max_pools; ++i)
        EXPECT_EQ(state.apply(JoinPool{{1}, config("p" + std::to_string(i), 1)}), Outcome::applied);
    EXPECT_EQ(state.apply(JoinPool{{1}, config("more", 1)}), Outcome::full);
}

TEST(agreed_state, weights_pins_and_drain_decide_where_slots_are) {
    AgreedState state = three_voters();
    join(state, config("web", 40));
    EXPECT_EQ(state.apply(SetWeight{"web", {1}, 200}), Outcome::applied);
    EXPECT_EQ(owned(state, "web", 1), 20U);
    EXPECT_EQ(state.apply(SetWeight{"web", {1}, max_weight + 1}), Outcome::refused);
    EXPECT_EQ(state.apply(Pin{"web", 39, {1}}), Outcome::applied);
    EXPECT_EQ(owner(state, "web", 39), NodeId{1});
    EXPECT_EQ(state.apply(Drain{{1}, true}), Outcome::applied);
    EXPECT_EQ(owned(state, "web", 1), 0U);
    EXPECT_NE(owner(state, "web", 39), NodeId{1});
    EXPECT_EQ(state.apply(Drain{{1}, false}), Outcome::applied);
    EXPECT_EQ(owner(state, "web", 39), NodeId{1});
    EXPECT_EQ(owned(state, "web", 1), 20U);
    EXPECT_EQ(state.apply(Pin{"web", 39, {}}), Outcome::applied);
    EXPECT_TRUE(state.pool("web")->pins.empty());
}

TEST(agreed_state, ailing_member_has_nothing_until_it_is_well) {
    for (const Ailment ailment : {Ailment::no_carrier, Ailment::failed_open}) {
        AgreedState state = three_voters();
        join(state, config("web", 6));
        EXPECT_EQ(state.apply(SetAilment{{2}, "web", ailment, true}), Outcome::applied);
        EXPECT_EQ(owned(state, "web", 2), 0U);
        EXPECT_EQ(state.apply(Move{"web", {0}, {2}}), Outcome::refused);
        EXPECT_EQ(state.apply(SetAilment{{2}, "web", ailment, false}), Outcome::applied);
        EXPECT_EQ(owned(state, "web", 2), 2U);
    }
}

TEST(agreed_state, rejoin_counts_once_and_drops_pools_that_it_does_not_name) {
    AgreedState state = three_voters();
    join(state, config("web", 3));
    join(state, config("db", 3));
    const Rejoin rejoin{{2}, {{1}, 2}, {}, {"web"}};
    EXPECT_EQ(state.apply(rejoin), Outcome::applied);
    EXPECT_TRUE(has(state.pool("web")->members, 1));
    EXPECT_FALSE(has(state.pool("db")->members, 1));
    EXPECT_EQ(state.apply(rejoin), Outcome::stale_outing);
}

TEST(agreed_state, voters_change_only_by_who_has_seen_the_last_change) {
    AgreedState state = three_voters();
    const Tag seen = state.voters_changed;
    EXPECT_EQ(state.apply(Rejoin{{4}, {{1}, 1}, seen, {}}), Outcome::applied);
    EXPECT_EQ(state.apply(Leave{{3}, seen}), Outcome::stale_electorate);
    EXPECT_EQ(state.apply(Leave{{3}, state.voters_changed}), Outcome::applied);
    EXPECT_EQ(state.apply(Fenced{{4}, {{1}, 0}, state.voters_changed, {}, {}}), Outcome::stale_outing);
    EXPECT_EQ(state.apply(Fenced{{4}, {{1}, 1}, state.voters_changed, {}, {}}), Outcome::applied);
    // With two, silence is no proof any more.
    EXPECT_FALSE(state.leases_count);
    EXPECT_EQ(state.apply(Leave{{2}, state.voters_changed}), Outcome::applied);
    EXPECT_EQ(state.apply(Leave{{1}, state.voters_changed}), Outcome::last_voter);
}

namespace {

// Any entry about a handful of nodes and pools, sensible or not.
EntryBody random_entry(std::mt19937_64& random, const AgreedState& state) {
    const auto roll = [&](std::uint64_t n) { return static_cast<std::uint32_t>(random() % n); };
    const NodeId node{roll(7)};
    const std::string pool(1, static_cast<char>('a' + roll(4)));
    const Tag electorate = roll(4) == 0 ? Tag{} : state.voters_changed;
    const NodeIndex place = state.find(node);
    Outing outing = place == no_index ? Outing{} : state.voters[place].outing;
    switch (roll(15)) {
        case 0:
            return Move{pool, {roll(9)}, node};
        case 1:
            outing.count += roll(2);
            return Rejoin{node, outing, electorate,
                          roll(2) == 0 ? std::vector<std::string>{} : std::vector{pool}};
        case 2:
            return Lost{node};
        case 3:
            return Leave{node, electorate};
        case 4:
            return Fenced{node, outing, electorate, {}, {}};
        case 5:
            return CountLeases{electorate};
        case 6:
        case 7:
        case 8: {
            PoolConfig c = config(pool, 1 + roll(8), roll(5) == 0);
            c.on_loss = static_cast<OnLoss>(roll(3));
            c.rebalance = static_cast<Rebalance>(roll(2));
            return JoinPool{node, c};
        }
        case 9:
            return LeavePool{node, pool};
        case 10:
            return RemovePool{pool};
        case 11:
            return SetWeight{pool, node, roll(max_weight + 2)};
        case 12:
            return Pin{pool, roll(9), node};
        case 13:
            return SetRebalance{pool, static_cast<Rebalance>(roll(2))};
        default:
            return roll(2) == 0
                       ? EntryBody(Drain{node, roll(2) == 0})
                       : EntryBody(SetAilment{node, pool, static_cast<Ailment>(roll(2)), roll(2) == 0});
    }
}

}  // namespace

TEST(agreed_state, any_entries_leave_a_sound_state_and_mark_just_the_lists_that_they_change) {
    std::mt19937_64 random(1);
    std::uint64_t applied = 0;
    for (int round = 0; round < 2'000; ++round) {
        AgreedState state = three_voters();
        for (int k = 0; k < 60; ++k) {
            const AgreedState before = state;
            const EntryBody body = random_entry(random, state);
            const Outcome outcome = state.apply(body);
            ASSERT_EQ(state.unsound(), nullptr) << "entry of kind " << body.index();
            ASSERT_EQ(state.tag.entries, before.tag.entries + 1);
            applied += outcome == Outcome::applied;
            for (const Pool& p : state.pools) {
                const Pool* old = before.pool(p.id);
                if (old == nullptr) continue;
                for (std::uint32_t s = 0; s < p.config.slots; ++s) {
                    const bool same = std::ranges::equal(p.list(s), old->list(s));
                    ASSERT_TRUE(same || p.changed[s] == state.tag.entries);
                }
            }
            if (outcome != Outcome::applied) {
                AgreedState counted = before;
                ++counted.tag.entries;
                ASSERT_EQ(state, counted) << "an entry of kind " << body.index() << " that did not stand";
            }
            if (k % 20 == 19) {
                const NodeId members[] = {{1 + static_cast<std::uint32_t>(k) % 3}, {4}, {5}};
                state.begin({{4, {1}}, static_cast<std::uint64_t>(k)}, members, {});
                ASSERT_EQ(state.unsound(), nullptr);
            }
        }
    }
    EXPECT_GT(applied, 20'000U);
}
