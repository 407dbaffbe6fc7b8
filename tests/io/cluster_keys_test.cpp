// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/cluster_keys.hpp"

#include <gtest/gtest.h>

namespace buoy::io {
namespace {

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

// As `corosync-cmapctl` shows it on the second of two nodes.
ClusterKeys two_nodes() {
    return {
        {"totem.cluster_name", "lab"},
        {"nodelist.local_node_pos", "1"},
        {"nodelist.node.0.name", "n1"},
        {"nodelist.node.0.nodeid", "1"},
        {"nodelist.node.0.ring0_addr", "10.78.0.1"},
        {"nodelist.node.0.ring1_addr", "2001:db8::1"},
        {"nodelist.node.1.name", "n2"},
        {"nodelist.node.1.nodeid", "2"},
        {"nodelist.node.1.ring0_addr", "10.78.0.2"},
        {"nodelist.node.1.ring1_addr", "2001:db8::2"},
        {"runtime.members.2.ip", "r(0) ip(10.78.0.2) r(1) ip(2001:db8::2) "},
        {"runtime.votequorum.two_node", "1"},
    };
}

TEST(ClusterKeys, a_nodelist_is_read) {
    const auto info = assemble(two_nodes(), {});
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->self, NodeId{2});
    EXPECT_EQ(info->name, "lab");
    EXPECT_EQ(info->id, cluster_id("lab"));
    EXPECT_NE(info->id, cluster_id("lab2"));
    EXPECT_TRUE(info->two_node);
    ASSERT_EQ(info->nodes.size(), 2U);
    EXPECT_EQ(info->nodes[0], (ClusterNode{{1}, "n1", {ip("10.78.0.1"), ip("2001:db8::1")}, {0, 1}}));
    EXPECT_EQ(info->find({2})->name, "n2");
    EXPECT_EQ(info->find({3}), nullptr);
}

TEST(ClusterKeys, links_and_positions_may_have_gaps) {
    ClusterKeys keys = two_nodes();
    keys.erase("nodelist.node.0.ring0_addr");
    keys["nodelist.node.10.nodeid"] = "7";
    const auto info = assemble(keys, {});
    ASSERT_TRUE(info);
    EXPECT_EQ(info->nodes[0], (ClusterNode{{1}, "n1", {ip("2001:db8::1")}, {1}}));
    EXPECT_EQ(info->nodes[2], (ClusterNode{{7}, "7", {}, {}}));
}

TEST(ClusterKeys, names_are_what_corosync_uses_or_else_what_was_looked_up) {
    ClusterKeys keys = two_nodes();
    keys["nodelist.node.0.ring0_addr"] = "n1-ring";
    keys["nodelist.node.1.ring1_addr"] = "n2-ring";
    keys["nodelist.node.0.ring1_addr"] = "nobody-knows";
    EXPECT_EQ(names_in(keys), (std::vector<std::string>{"n1-ring", "nobody-knows", "n2-ring"}));
    const auto info = assemble(keys, {{"n1-ring", ip("10.78.0.9")}, {"n2-ring", ip("2001:db8::9")}});
    ASSERT_TRUE(info);
    EXPECT_EQ(info->nodes[0].addresses, std::vector{ip("10.78.0.9")});
    EXPECT_EQ(info->nodes[1].addresses, (std::vector{ip("10.78.0.2"), ip("2001:db8::2")}));
}

TEST(ClusterKeys, what_cannot_be_used_is_refused) {
    const auto refusal = [](auto change) {
        ClusterKeys keys = two_nodes();
        change(keys);
        const auto info = assemble(keys, {});
        return info ? "accepted" : info.error().message;
    };
    EXPECT_NE(refusal([](auto& keys) { keys.clear(); }).find("no nodelist"), std::string::npos);
    EXPECT_NE(refusal([](auto& keys) { keys.erase("nodelist.local_node_pos"); }).find("this node"),
              std::string::npos);
    EXPECT_NE(refusal([](auto& keys) { keys.erase("nodelist.node.1.nodeid"); }).find("entry 2"),
              std::string::npos);
    EXPECT_NE(refusal([](auto& keys) { keys["nodelist.node.1.nodeid"] = "1"; }).find("nodeid 1"),
              std::string::npos);
}

}  // namespace
}  // namespace buoy::io
