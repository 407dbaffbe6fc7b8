// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <random>
#include <set>

using namespace buoy::core;

namespace {

// A random cluster and its lists, brought from one state to the next by placement.
struct Cluster {
    std::vector<PlacementMember> members;
    std::vector<NodeIndex> lists;
    std::vector<NodeIndex> pins;
    Rebalance rebalance = Rebalance::automatic;
    std::size_t slots = 0;

    void place() { buoy::core::place(lists, {members, pins, rebalance}); }
    [[nodiscard]] NodeIndex at(std::size_t slot, std::size_t place) const {
        return lists[slot * members.size() + place];
    }
    [[nodiscard]] std::vector<NodeIndex> owners() const {
        std::vector<NodeIndex> out;
        for (std::size_t s = 0; s < slots; ++s) out.push_back(at(s, 0));
        return out;
    }
    [[nodiscard]] std::map<NodeIndex, std::size_t> counts() const {
        std::map<NodeIndex, std::size_t> out;
        for (const PlacementMember& m : members) out[m.index] = 0;
        for (const NodeIndex i : owners()) ++out[i];
        return out;
    }
    PlacementMember& member(NodeIndex i) { return *std::ranges::find(members, i, &PlacementMember::index); }
    void add(NodeIndex i, std::uint32_t weight) {
        std::vector<NodeIndex> wider;
        for (std::size_t s = 0; s < slots; ++s) {
            for (std::size_t k = 0; k < members.size(); ++k) wider.push_back(at(s, k));
            wider.push_back(i);
        }
        lists = std::move(wider);
        members.push_back({i, weight, true, false});
        std::ranges::sort(members, {}, &PlacementMember::index);
    }
    void expect_permutations() const {
        std::uint32_t all = 0;
        for (const PlacementMember& m : members) all |= bit(m.index);
        for (std::size_t s = 0; s < slots; ++s) {
            std::uint32_t seen = 0;
            for (std::size_t k = 0; k < members.size(); ++k) seen |= bit(at(s, k));
            ASSERT_EQ(seen, all);
        }
    }
    void expect_balanced() const {
        double weights = 0;
        for (const PlacementMember& m : members)
            if (m.eligible) weights += m.weight;
        if (weights == 0) return;
        const auto count = counts();
        for (const PlacementMember& m : members) {
            const double share = m.eligible ? static_cast<double>(slots) * m.weight / weights : 0;
            ASSERT_LT(std::abs(static_cast<double>(count.at(m.index)) - share), 1.0 + 1e-9) << int{m.index};
        }
    }
};

Cluster random_cluster(std::mt19937_64& random, std::size_t max_members, std::size_t max_slots_here,
                       bool weighted) {
    Cluster c;
    c.slots = 1 + random() % max_slots_here;
    const std::size_t n = 1 + random() % max_members;
    for (std::size_t i = 0; i < n; ++i) {
        c.add(static_cast<NodeIndex>(i), weighted ? 1 + random() % 4 * 50 : 100);
        c.place();
    }
    return c;
}

// One in so many rounds has up to 32 members and 4096 slots; the sanitizers take their time.
#ifdef __SANITIZE_ADDRESS__
constexpr int large_every = 2000;
#else
constexpr int large_every = 100;
#endif

Cluster any_cluster(std::mt19937_64& random, int round, bool weighted) {
    const bool large = round % large_every == 0;
    return random_cluster(random, large ? max_nodes : 6, large ? 4096 : 48, weighted);
}

std::size_t moved(const std::vector<NodeIndex>& before, const std::vector<NodeIndex>& after) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < before.size(); ++i) n += before[i] != after[i];
    return n;
}

}  // namespace

TEST(placement, first_places_are_within_one_of_each_share_whatever_the_cluster) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 20'000; ++round) {
        Cluster c = any_cluster(random, round, random() % 2 == 0);
        c.expect_permutations();
        c.expect_balanced();
        if (HasFatalFailure()) FAIL() << "round " << round;
    }
}

TEST(placement, the_largest_cluster_is_balanced) {
    std::mt19937_64 random(2);
    Cluster c;
    c.slots = 4096;
    for (NodeIndex i = 0; i < 32; ++i) {
        c.add(i, 100);
        c.place();
    }
    c.expect_permutations();
    c.expect_balanced();
}

TEST(placement, a_loss_moves_the_lost_members_slots_alone_and_evenly) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 20'000; ++round) {
        Cluster c = any_cluster(random, round, false);
        if (c.members.size() < 2) continue;
        const NodeIndex lost = c.members[random() % c.members.size()].index;
        const auto before = c.owners();
        const auto lists = c.lists;
        c.member(lost).eligible = false;
        c.place();
        c.expect_balanced();
        for (std::size_t s = 0; s < c.slots; ++s) {
            if (before[s] != lost) {
                ASSERT_EQ(c.at(s, 0), before[s]) << "round " << round;
            } else {
                // It went where whoever opened it past the lost member already is.
                ASSERT_EQ(c.at(s, 0), lists[s * c.members.size() + 1]) << "round " << round;
            }
        }
    }
}

TEST(placement, a_return_moves_no_more_than_its_share) {
    std::mt19937_64 random(4);
    for (int round = 0; round < 20'000; ++round) {
        Cluster c = any_cluster(random, round, false);
        if (c.members.size() < 2) continue;
        const NodeIndex who = c.members[random() % c.members.size()].index;
        c.member(who).eligible = false;
        c.place();
        const auto before = c.owners();
        c.member(who).eligible = true;
        c.place();
        c.expect_balanced();
        ASSERT_EQ(moved(before, c.owners()), c.counts().at(who)) << "round " << round;
    }
}

TEST(placement, never_pulls_nothing_back) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 10'000; ++round) {
        Cluster c = any_cluster(random, round, true);
        const NodeIndex who = c.members[random() % c.members.size()].index;
        c.rebalance = Rebalance::never;
        c.member(who).eligible = false;
        c.place();
        const auto before = c.owners();
        c.member(who).eligible = true;
        c.place();
        ASSERT_EQ(moved(before, c.owners()), 0U);
    }
}

TEST(placement, placing_twice_changes_nothing) {
    std::mt19937_64 random(6);
    for (int round = 0; round < 10'000; ++round) {
        Cluster c = any_cluster(random, round, true);
        const auto owners = c.owners();
        c.place();
        ASSERT_EQ(owners, c.owners());
    }
}

TEST(placement, pinned_slots_stay_with_their_eligible_member) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 10'000; ++round) {
        Cluster c = any_cluster(random, round, false);
        c.pins.assign(c.slots, no_index);
        for (std::size_t s = 0; s < c.slots; ++s)
            if (random() % 4 == 0) c.pins[s] = c.members[random() % c.members.size()].index;
        const NodeIndex ill = c.members[random() % c.members.size()].index;
        c.member(ill).eligible = false;
        c.place();
        c.expect_permutations();
        for (std::size_t s = 0; s < c.slots; ++s)
            if (c.pins[s] != no_index && c.pins[s] != ill) {
                ASSERT_EQ(c.at(s, 0), c.pins[s]);
            }
    }
}

TEST(placement, slots_that_wait_for_fencing_stay) {
    std::mt19937_64 random(8);
    for (int round = 0; round < 10'000; ++round) {
        Cluster c = any_cluster(random, round, false);
        const NodeIndex lost = c.members[random() % c.members.size()].index;
        const auto before = c.owners();
        c.member(lost).eligible = false;
        c.member(lost).keeps = true;
        c.place();
        ASSERT_EQ(before, c.owners());
    }
}

TEST(placement, a_double_loss_is_spread_by_the_second_and_third_places) {
    Cluster c;
    c.slots = 600;
    for (NodeIndex i = 0; i < 5; ++i) {
        c.add(i, 100);
        c.place();
    }
    std::map<NodeIndex, int> heirs;
    for (std::size_t s = 0; s < c.slots; ++s) {
        std::size_t k = 0;
        while (c.at(s, k) == 0 || c.at(s, k) == 1) ++k;
        ++heirs[c.at(s, k)];
    }
    for (const auto& [who, count] : heirs) EXPECT_NEAR(count, 200, 12) << int{who};
}
