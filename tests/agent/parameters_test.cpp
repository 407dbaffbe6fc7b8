// SPDX-License-Identifier: GPL-2.0-or-later
// What parameters come to; their wrong values are in test_parameters.py, where the exit code is seen as well.
#include "address/parameters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace buoy::agent {
namespace {

using std::chrono::milliseconds;
using Given = std::map<std::string, std::string, std::less<>>;

Environment environment(const Given& given) {
    Given variables;
    for (const auto& [name, value] : given) variables["OCF_RESKEY_" + name] = value;
    return Environment(variables);
}

AddressParameters read(Given given) {
    given.try_emplace("ip", "192.0.2.1");
    const auto parameters = read_parameters(environment(given));
    EXPECT_TRUE(parameters) << parameters.error().reason;
    return parameters.value_or(AddressParameters{});
}

std::string reason(const Given& given) {
    const auto parameters = read_parameters(environment(given));
    return parameters ? "" : parameters.error().reason;
}

TEST(Netmask, dotted_ones_are_read_to_their_length) {
    for (int bits = 1; bits <= 32; ++bits) {
        const auto mask = Ipv4::from_value(bits == 32 ? 0xffffffffU : ~(0xffffffffU >> bits)).to_string();
        EXPECT_EQ(read({{"cidr_netmask", mask}}).prefix_length, bits) << mask;
        EXPECT_EQ(read({{"cidr_netmask", std::to_string(bits)}}).prefix_length, bits);
    }
}

TEST(Netmask, ones_with_gaps_are_refused) {
    for (const char* mask : {"255.0.255.0", "0.255.255.255", "255.255.255.1", "128.0.0.1", "0.0.0.0"})
        EXPECT_NE(reason({{"ip", "192.0.2.1"}, {"cidr_netmask", mask}}).find("not a netmask"),
                  std::string::npos)
            << mask;
}

TEST(ConflictChecks, by_family_and_by_either_name) {
    EXPECT_EQ(read({}).conflict_check, ConflictCheck::off);
    EXPECT_EQ(read({{"ip", "2001:db8::1"}}).conflict_check, ConflictCheck::fast);
    EXPECT_EQ(read({{"run_arping", "true"}}).conflict_check, ConflictCheck::fast);
    EXPECT_EQ(read({{"run_arping", "true"}, {"conflict_check", "off"}}).conflict_check, ConflictCheck::off);
    EXPECT_EQ(read({{"nodad", "true"}, {"conflict_check", "fast"}}).conflict_check, ConflictCheck::fast)
        << "nodad is of IPv6";
    EXPECT_EQ(read({{"ip", "2001:db8::1"}, {"nodad", "true"}, {"conflict_check", "rfc5227"}}).conflict_check,
              ConflictCheck::off);
}

TEST(Schedule, as_many_as_asked_for_that_far_apart) {
    EXPECT_EQ(read({}).schedule, net::default_schedule());
    EXPECT_EQ(read({{"arp_count", "3"}, {"arp_interval", "50"}}).schedule,
              (net::AnnounceSchedule{milliseconds(0), milliseconds(50), milliseconds(100)}));
    EXPECT_EQ(read({{"arp_count", "1"}}).schedule, net::AnnounceSchedule{milliseconds(0)});
}

TEST(Forms, with_counts_and_by_the_older_spelling) {
    using Forms = net::AnnounceForms;
    EXPECT_EQ(read({}).forms, (Forms{1, 1}));
    EXPECT_EQ(read({{"announce", "reply:2, request:3"}}).forms, (Forms{3, 2}));
    EXPECT_EQ(read({{"announce", "both:4"}}).forms, (Forms{4, 4}));
    EXPECT_EQ(read({{"announce", "none"}}).forms, (Forms{0, 0}));
    EXPECT_EQ(read({{"send_arp_opts", "-b -A"}}).forms, (Forms{0, 1}));
    EXPECT_EQ(read({{"send_arp_opts", "-A"}, {"announce", "request"}}).forms, (Forms{1, 0}));
}

TEST(Nic, with_a_label_behind_it) {
    const auto parameters = read({{"nic", "eth0:web"}});
    EXPECT_EQ(parameters.nic, "eth0");
    EXPECT_EQ(parameters.label, "web");
    EXPECT_EQ(read({{"nic", "eth0:"}}).label, std::nullopt);
    EXPECT_EQ(read({{"nic", "eth0:web"}, {"iflabel", "db"}}).label, "web");
    EXPECT_EQ(read({{"ip", "2001:db8::1"}, {"iflabel", "web"}}).label, std::nullopt);
}

TEST(ClusterMode, names_the_agent_to_use) {
    for (const char* name : {"clusterip_hash", "clusterip_firewall", "clusterip_hash_seed",
                             "clusterip_mac_mangle", "unique_clone_address"}) {
        EXPECT_NE(reason({{"ip", "192.0.2.1"}, {name, "x"}}).find("ocf:buoy:pool"), std::string::npos)
            << name;
        EXPECT_EQ(reason({{"ip", "192.0.2.1"}, {name, "false"}}), "") << name;
    }
    EXPECT_NE(reason({{"ip", "192.0.2.1"}, {"CRM_meta_clone_max", "2"}}).find("clone-max=2"),
              std::string::npos);
    EXPECT_EQ(reason({{"ip", "192.0.2.1"}, {"CRM_meta_clone_max", "2"}, {"nic", "lo"}}), "");
}

TEST(ForStop, only_the_address_itself_has_to_be_readable) {
    const Given given = {{"ip", "192.0.2.1"},   {"cidr_netmask", "x"}, {"mac", "x"},
                         {"arp_count", "x"},    {"broadcast", "x"},    {"kill_connections", "x"},
                         {"announce_to", "x"},  {"nic", "eth0"},       {"lvs_support", "x"},
                         {"preferred_lft", "x"}};
    const auto parameters = read_parameters_for_stop(environment(given));
    ASSERT_TRUE(parameters);
    EXPECT_EQ(parameters->nic, "eth0");
    EXPECT_FALSE(parameters->has_virtual_mac());
    EXPECT_TRUE(parameters->kill_connections);
    EXPECT_FALSE(read_parameters_for_stop(environment({{"ip", "x"}})));
    EXPECT_FALSE(read_parameters_for_stop(environment({})));
}

TEST(Notes, about_what_does_nothing_and_what_is_unknown) {
    const auto notes = parameter_notes(environment({{"ip", "192.0.2.1"},
                                                    {"arp_sender", "send_arp"},
                                                    {"frobnicate", "1"},
                                                    {"trace_ra", "1"},
                                                    {"crm_feature_set", "3.16"},
                                                    {"CRM_meta_timeout", "20000"},
                                                    {"clusterip_hash", "false"}}));
    ASSERT_EQ(notes.size(), 2U);
    EXPECT_NE(notes[0].find("arp_sender"), std::string::npos);
    EXPECT_NE(notes[1].find("frobnicate"), std::string::npos);
}

TEST(Reading, any_bytes_give_an_answer) {
    std::uint32_t state = 1;
    auto next = [&] { return state = state * 1664525U + 1013904223U; };
    for (int round = 0; round < 2000; ++round) {
        Given given = {{"ip", round % 2 == 0 ? "192.0.2.1" : "2001:db8::1"}};
        for (const auto& info : address_parameters) {
            if (next() % 4 != 0) continue;
            std::string value;
            for (std::uint32_t length = next() % 12; length > 0; --length)
                value += static_cast<char>(next() >> 24);
            given[std::string(info.name)] = value;
        }
        const auto read = read_parameters(environment(given));
        EXPECT_TRUE(read || !read.error().reason.empty());
        (void)read_parameters_for_stop(environment(given));
        (void)parameter_notes(environment(given));
    }
}

}  // namespace
}  // namespace buoy::agent
