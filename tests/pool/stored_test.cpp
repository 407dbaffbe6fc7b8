// SPDX-License-Identifier: GPL-2.0-or-later
#include "pool/stored.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

namespace buoy::pool {
namespace {

namespace fs = std::filesystem;

PoolParameters pool(const std::string& name, const std::string& addresses) {
    return parse(name, {{"addresses", addresses}, {"weight", "7"}}).value();
}

class Stored : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "buoy-stored-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        top_ = pattern;
        directory_ = top_ / "pools";
    }
    void TearDown() override { fs::remove_all(top_); }
    void write(const std::string& name, const std::string& text) {
        fs::create_directories(directory_);
        std::ofstream(directory_ / name) << text;
    }

    fs::path top_;
    fs::path directory_;
};

TEST_F(Stored, what_was_stored_is_found_again) {
    const auto web = pool("web", "10.0.0.1-10.0.0.9");
    const auto mail = pool("mail", "10.0.0.20");
    ASSERT_TRUE(store(web, directory_));
    ASSERT_TRUE(store(mail, directory_));
    const auto stored = stored_pools(directory_);
    EXPECT_EQ(stored.pools, (std::vector{mail, web}));
    EXPECT_TRUE(stored.problems.empty());
}

TEST_F(Stored, the_last_one_counts) {
    ASSERT_TRUE(store(pool("web", "10.0.0.1-10.0.0.9"), directory_));
    ASSERT_TRUE(store(pool("web", "10.0.0.1"), directory_));
    EXPECT_EQ(stored_pools(directory_).pools, std::vector{pool("web", "10.0.0.1")});
}

TEST_F(Stored, what_was_forgotten_is_gone) {
    ASSERT_TRUE(store(pool("web", "10.0.0.1"), directory_));
    ASSERT_TRUE(forget("web", directory_));
    ASSERT_TRUE(forget("web", directory_));
    EXPECT_TRUE(stored_pools(directory_).pools.empty());
    EXPECT_TRUE(stored_pools(top_ / "nowhere").pools.empty());
    EXPECT_TRUE(stored_pools(top_ / "nowhere").problems.empty());
}

TEST_F(Stored, files_that_cannot_be_read_are_named_and_passed_over) {
    ASSERT_TRUE(store(pool("web", "10.0.0.1"), directory_));
    write("a.json", "");
    write("b.json", "{");
    write("c.json", pool("web", "10.0.0.1").to_json().dump());
    write("half.json.new", "{");
    const auto stored = stored_pools(directory_);
    EXPECT_EQ(stored.pools.size(), 1U);
    ASSERT_EQ(stored.problems.size(), 3U);
    EXPECT_NE(stored.problems[2].find("c.json is of a pool named 'web'"), std::string::npos)
        << stored.problems[2];
}

TEST_F(Stored, everybody_may_read_it_whatever_the_umask) {
    const auto before = umask(077);
    const auto stored = store(pool("web", "10.0.0.1"), directory_);
    umask(before);
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(fs::status(directory_).permissions(), fs::perms(0755));
    EXPECT_EQ(fs::status(directory_ / "web.json").permissions(), fs::perms(0644));
}

TEST_F(Stored, a_directory_that_cannot_be_made_is_an_error) {
    std::ofstream(top_ / "file") << "x";
    EXPECT_FALSE(store(pool("web", "10.0.0.1"), top_ / "file" / "pools"));
}

/// Addresses on a pair of devices in a network namespace of this process's own.
class Kernel : public testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for a network namespace of its own";
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        shell("ip link add buoy0 type veth peer name buoy1 && ip link set buoy1 up && ip link set buoy0 up");
        auto netlink = net::Netlink::open();
        ASSERT_TRUE(netlink);
        netlink_.emplace(std::move(*netlink));
    }
    static void shell(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }
    std::vector<Carried> carried_by(const PoolParameters& parameters) {
        return carried(*netlink_, parameters).value_or(std::vector<Carried>());
    }

    std::optional<net::Netlink> netlink_;
};

TEST_F(Kernel, addresses_are_found_on_whatever_link) {
    shell(
        "ip a add 10.9.0.3/24 dev buoy1 && ip a add 10.9.0.1/16 dev buoy0 && ip a add 10.9.0.9/16 dev buoy0");
    shell("ip a add fd00:9::1/64 dev buoy0 nodad");
    EXPECT_EQ(carried_by(pool("web", "10.9.0.1-10.9.0.8 fd00:9::1-fd00:9::8")),
              (std::vector<Carried>{{*IpAddress::parse("10.9.0.1"), "buoy0"},
                                    {*IpAddress::parse("10.9.0.3"), "buoy1"},
                                    {*IpAddress::parse("fd00:9::1"), "buoy0"}}));
    EXPECT_TRUE(carried_by(pool("other", "10.9.0.100")).empty());
}

TEST_F(Kernel, closing_leaves_nothing_of_the_pool_and_everything_else) {
    // The pool's are the primary ones of their network, with which the others would go.
    shell(
        "ip a add 10.9.0.1/24 dev buoy0 && ip a add 10.9.0.2/24 dev buoy0 && ip a add 10.9.0.50/24 dev "
        "buoy0");
    shell("ip a add fd00:9::1/64 dev buoy0 nodad && ip a add fd00:9::50/64 dev buoy0 nodad");
    shell("echo 0 > /proc/sys/net/ipv4/conf/buoy0/promote_secondaries");
    shell("echo 0 > /proc/sys/net/ipv4/conf/all/promote_secondaries");
    const auto web = pool("web", "10.9.0.1-10.9.0.8 fd00:9::1-fd00:9::8");
    const auto closed = close_all(*netlink_, web);
    ASSERT_TRUE(closed) << closed.error().message;
    EXPECT_EQ(closed->size(), 3U);
    EXPECT_TRUE(carried_by(web).empty());
    EXPECT_EQ(carried_by(pool("others", "10.9.0.50 fd00:9::50")).size(), 2U);
    EXPECT_TRUE(close_all(*netlink_, web).value().empty());
}

}  // namespace
}  // namespace buoy::pool
