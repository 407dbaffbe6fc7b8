// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/executor.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <optional>

#include "service/runtime/pools.hpp"

namespace buoy::runtime {
namespace {

pool::PoolParameters parameters(const std::string& name, const std::string& addresses,
                                const std::string& buckets = "") {
    const pool::ParameterTexts given{{"addresses", addresses}, {"nic", "eth0"}, {"buckets", buckets}};
    auto parsed = pool::parse(name, given);
    EXPECT_TRUE(parsed) << parsed.error().message;
    return *parsed;
}

/// What an Open makes of slots whose pools have addresses in common.
class opens : public testing::Test {
  protected:
    opens() {
        const std::array nodes{NodeId{1}, NodeId{2}};
        agreed_.elect(nodes);
    }
    void join(std::uint32_t node, const pool::PoolParameters& parameters) {
        ASSERT_EQ(agreed_.apply(core::JoinPool{{node}, config_of(parameters)}), core::Outcome::applied);
        plans_[parameters.name] = std::make_shared<const kernel::PoolPlan>(plan_of(parameters));
    }
    /// In which nobody opens anything before all have applied everything of this one.
    void begin_another_ring() {
        const std::array nodes{NodeId{1}, NodeId{2}};
        agreed_.begin({{8, {1}}, 1}, nodes, {});
    }
    /// The addresses that are opened; none for slots that cannot be.
    std::vector<std::string> open(const std::string& pool) {
        std::optional<kernel::OpenSlots> order;
        Outlets outlets;
        outlets.kernel = [&](kernel::Order given) { order = std::get<kernel::OpenSlots>(given); };
        outlets.plan = [&](const std::string& name) { return plans_.at(name); };
        core::Open effect{{1}, {}};
        const core::Pool& known = *agreed_.pool(pool);
        for (std::uint32_t s = 0; s < known.config.slots; ++s) effect.slots.push_back({known.id, s});
        Executor(outlets).carry_out(effect, agreed_);
        std::vector<std::string> opened;
        for (const kernel::Placed& slot : order->slots)
            opened.push_back(slot.pool == nullptr ? "" : slot.ip.to_string());
        return opened;
    }

    core::AgreedState agreed_;
    std::map<std::string, kernel::Plan> plans_;
};

using Addresses = std::vector<std::string>;

TEST_F(opens, addresses_of_two_pools_for_the_earlier_one_alone) {
    join(1, parameters("web", "10.9.1.1-10.9.1.3"));
    join(2, parameters("db", "10.9.1.3-10.9.1.5"));
    EXPECT_EQ(open("web"), (Addresses{"10.9.1.1", "10.9.1.2", "10.9.1.3"}));
    EXPECT_EQ(open("db"), (Addresses{"", "10.9.1.4", "10.9.1.5"}));
}

TEST_F(opens, addresses_of_a_pool_that_nobody_has_started_for_the_other) {
    join(1, parameters("web", "10.9.1.1-10.9.1.3"));
    agreed_.apply(core::LeavePool{{1}, "web"});
    join(2, parameters("db", "10.9.1.3-10.9.1.5"));
    EXPECT_EQ(open("db"), (Addresses{"10.9.1.3", "10.9.1.4", "10.9.1.5"}));
    join(1, parameters("web", "10.9.1.1-10.9.1.3"));
    EXPECT_EQ(open("db"), (Addresses{"10.9.1.3", "10.9.1.4", "10.9.1.5"}));
    EXPECT_EQ(open("web"), (Addresses{"10.9.1.1", "10.9.1.2", ""})) << "it is the later one now";
}

TEST_F(opens, addresses_beside_a_pool_that_has_no_slots) {
    join(1, parameters("web", "10.9.1.1-10.9.1.3"));
    core::Pool none;  // as a snapshot may bring it, and no join
    none.config.name = "none";
    agreed_.pools.insert(agreed_.pools.begin(), none);
    EXPECT_EQ(open("web"), (Addresses{"10.9.1.1", "10.9.1.2", "10.9.1.3"}));
}

TEST_F(opens, no_bucket_where_one_of_the_addresses_is_an_earlier_pools) {
    join(1, parameters("db", "10.9.1.3"));
    join(2, parameters("web", "10.9.1.1-10.9.1.3", "4"));
    EXPECT_EQ(open("web"), Addresses(4));
    agreed_.apply(core::LeavePool{{1}, "db"});
    EXPECT_EQ(open("web"), Addresses(4)) << "its last member may have yet to close it";
    begin_another_ring();
    EXPECT_EQ(open("web"), Addresses(4, "10.9.1.1"));
}

}  // namespace
}  // namespace buoy::runtime
