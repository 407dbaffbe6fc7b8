// SPDX-License-Identifier: GPL-2.0-or-later
// ocf/address.xml, the table of parameters in the code, and what the code does: three that have to agree.
#include "address/metadata.hpp"

#include <gtest/gtest.h>

#include <map>
#include <pugixml.hpp>
#include <set>
#include <string>

#include "address/parameters.hpp"

namespace buoy::agent {
namespace {

class Metadata : public testing::Test {
  protected:
    void SetUp() override {
        const auto parsed = document_.load_buffer(address_metadata.data(), address_metadata.size());
        ASSERT_TRUE(parsed) << parsed.description();
        agent_ = document_.child("resource-agent");
        for (const auto& parameter : agent_.child("parameters").children("parameter"))
            parameters_[parameter.attribute("name").value()] = parameter;
    }

    pugi::xml_document document_;
    pugi::xml_node agent_;
    std::map<std::string, pugi::xml_node> parameters_;
};

AddressParameters read(std::map<std::string, std::string, std::less<>> given) {
    std::map<std::string, std::string, std::less<>> variables;
    for (const auto& [name, value] : given) variables["OCF_RESKEY_" + name] = value;
    const auto parameters = read_parameters(Environment(variables));
    EXPECT_TRUE(parameters) << parameters.error().reason;
    return parameters.value_or(AddressParameters{});
}

TEST_F(Metadata, names_the_agent_and_the_standard) {
    EXPECT_STREQ(agent_.attribute("name").value(), "address");
    EXPECT_STREQ(agent_.child("version").text().get(), "1.1");
    EXPECT_EQ(std::string(agent_.attribute("version").value()).find('@'), std::string::npos);
}

TEST_F(Metadata, has_every_parameter_of_the_table) {
    for (const auto& info : address_parameters) {
        const std::string name(info.name);
        ASSERT_TRUE(parameters_.contains(name)) << name;
        const auto node = parameters_[name];
        EXPECT_EQ(node.child("content").attribute("type").value(), info.type) << name;
        EXPECT_EQ(node.child("content").attribute("default").value(), info.default_value) << name;
        EXPECT_EQ(node.attribute("reloadable").as_bool(), info.reloadable) << name;
    }
}

TEST_F(Metadata, has_no_other_parameters) {
    std::set<std::string> table;
    for (const auto& info : address_parameters)
        EXPECT_TRUE(table.insert(std::string(info.name)).second) << info.name << " is there twice";
    for (const auto& [name, node] : parameters_) EXPECT_TRUE(table.contains(name)) << name;
}

TEST_F(Metadata, requires_the_address_alone) {
    for (const auto& [name, node] : parameters_)
        EXPECT_EQ(node.attribute("required").as_bool(), name == "ip") << name;
}

TEST_F(Metadata, describes_everything) {
    for (const auto& [name, node] : parameters_) {
        EXPECT_GT(std::string(node.child("longdesc").text().get()).size(), 10U) << name;
        EXPECT_GT(std::string(node.child("shortdesc").text().get()).size(), 3U) << name;
    }
}

TEST_F(Metadata, declares_the_actions_that_pacemaker_calls) {
    std::multiset<std::string> actions;
    for (const auto& action : agent_.child("actions").children("action")) {
        actions.insert(action.attribute("name").value());
        EXPECT_TRUE(action.attribute("timeout")) << action.attribute("name").value();
    }
    EXPECT_EQ(actions, (std::multiset<std::string>{"start", "stop", "monitor", "monitor", "status",
                                                   "reload-agent", "validate-all", "meta-data"}));
}

TEST_F(Metadata, offers_what_can_be_chosen) {
    for (const auto& option : parameters_["conflict_check"].child("content").children("option"))
        read({{"ip", "192.0.2.1"}, {"conflict_check", option.attribute("value").value()}});
}

TEST(Defaults, of_the_table_are_what_an_empty_environment_does) {
    // These two are exceptions: neither set, the schedule is another one than with both at their default.
    const std::set<std::string_view> numbers = {"arp_count", "arp_interval"};
    for (const char* ip : {"192.0.2.1", "2001:db8::1"}) {
        const auto plain = read({{"ip", ip}});
        for (const auto& info : address_parameters) {
            if (info.default_value.empty() || numbers.contains(info.name)) continue;
            const auto said = read({{"ip", ip}, {std::string(info.name), std::string(info.default_value)}});
            EXPECT_EQ(said, plain) << info.name << "=" << info.default_value << " with " << ip;
        }
    }
}

TEST(Defaults, of_the_numbers_of_announcements_count_once_one_is_set) {
    const auto both = read({{"ip", "192.0.2.1"}, {"arp_count", "5"}, {"arp_interval", "200"}});
    EXPECT_EQ(read({{"ip", "192.0.2.1"}, {"arp_count", "5"}}), both);
    EXPECT_EQ(read({{"ip", "192.0.2.1"}, {"arp_interval", "200"}}), both);
    EXPECT_NE(read({{"ip", "192.0.2.1"}}), both);
}

TEST(Defaults, of_the_policy_label) {
    EXPECT_EQ(
        read({{"ip", "2001:db8::1"}, {"lvs_ipv6_addrlabel", "true"}}),
        read({{"ip", "2001:db8::1"}, {"lvs_ipv6_addrlabel", "true"}, {"lvs_ipv6_addrlabel_value", "99"}}));
}

TEST(Defaults, every_parameter_has_an_effect_or_is_said_to_have_none) {
    const std::map<std::string_view, std::pair<const char*, const char*>> other = {
        {"ip", {"192.0.2.1", "192.0.2.2"}},
        {"nic", {"192.0.2.1", "eth0"}},
        {"cidr_netmask", {"192.0.2.1", "28"}},
        {"netmask", {"192.0.2.1", "28"}},
        {"broadcast", {"192.0.2.1", "-"}},
        {"iflabel", {"192.0.2.1", "web"}},
        {"lvs_support", {"192.0.2.1", "true"}},
        {"lvs_ipv6_addrlabel", {"2001:db8::1", "true"}},
        {"arp_interval", {"192.0.2.1", "100"}},
        {"arp_count", {"192.0.2.1", "9"}},
        {"arp_count_refresh", {"192.0.2.1", "1"}},
        {"arp_bg", {"192.0.2.1", "false"}},
        {"send_arp_opts", {"192.0.2.1", "-A"}},
        {"flush_routes", {"192.0.2.1", "true"}},
        {"run_arping", {"192.0.2.1", "true"}},
        {"nodad", {"2001:db8::1", "true"}},
        {"noprefixroute", {"192.0.2.1", "true"}},
        {"preferred_lft", {"192.0.2.1", "0"}},
        {"network_namespace", {"192.0.2.1", "blue"}},
        {"check_link_status", {"192.0.2.1", "false"}},
        {"mac", {"192.0.2.1", "auto"}},
        {"conflict_check", {"192.0.2.1", "rfc5227"}},
        {"announce", {"192.0.2.1", "reply"}},
        {"announce_to", {"192.0.2.1", "192.0.2.3"}},
        {"gateway_check", {"192.0.2.1", "off"}},
        {"kill_connections", {"192.0.2.1", "false"}},
    };
    const std::set<std::string_view> without = {"arp_sender", "lvs_ipv6_addrlabel_value"};
    for (const auto& info : address_parameters) {
        if (without.contains(info.name)) continue;
        const auto found = other.find(info.name);
        ASSERT_NE(found, other.end()) << info.name << " has no other value here";
        const auto& [ip, value] = found->second;
        auto given = std::map<std::string, std::string, std::less<>>{{"ip", info.name == "ip" ? value : ip}};
        given.insert_or_assign(std::string(info.name), value);
        EXPECT_NE(read(given), read({{"ip", ip}})) << info.name;
    }
}

}  // namespace
}  // namespace buoy::agent
