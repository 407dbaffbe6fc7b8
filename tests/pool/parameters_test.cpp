// SPDX-License-Identifier: GPL-2.0-or-later
#include "pool/parameters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "buoy/virtual_mac.hpp"
#include "service/core/limits.hpp"

namespace buoy::pool {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* both_families = "10.77.0.60-10.77.0.79 2001:db8:77::60-2001:db8:77::69";

PoolParameters read(ParameterTexts texts) {
    texts.try_emplace("addresses", "192.0.2.1");
    const auto parameters = parse("web", texts);
    EXPECT_TRUE(parameters) << parameters.error().message;
    return parameters.value_or(PoolParameters{});
}

std::string refusal(ParameterTexts texts, const std::string& name = "web") {
    texts.try_emplace("addresses", "192.0.2.1");
    const auto parameters = parse(name, texts);
    return parameters ? "" : parameters.error().message;
}

std::vector<std::string> texts_of(const std::vector<IpAddress>& addresses) {
    std::vector<std::string> texts;
    for (const auto& ip : addresses) texts.push_back(ip.to_string());
    return texts;
}

std::string canonical(const std::string& text) {
    const auto addresses = parse_addresses(text);
    return addresses ? addresses_text(*addresses) : addresses.error().message;
}

TEST(Addresses, are_those_of_the_lists_and_ranges_in_one_order) {
    using Texts = std::vector<std::string>;
    EXPECT_EQ(texts_of(read({{"addresses", "192.0.2.9, 192.0.2.1-192.0.2.3"}}).addresses),
              (Texts{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.9"}));
    EXPECT_EQ(texts_of(read({{"addresses", "2001:db8::ff-2001:db8::101\t10.0.0.255-10.0.1.0"}}).addresses),
              (Texts{"10.0.0.255", "10.0.1.0", "2001:db8::ff", "2001:db8::100", "2001:db8::101"}));
    EXPECT_EQ(read({{"addresses", both_families}}).addresses.size(), 30U);
}

TEST(Addresses, are_equal_however_they_are_written) {
    const auto plain = read({{"addresses", "10.0.0.1-10.0.0.4 2001:db8::a"}});
    for (const char* other : {"2001:DB8:0::a 10.0.0.4 10.0.0.3 10.0.0.2 10.0.0.1",
                              "10.0.0.3-10.0.0.4,10.0.0.1-10.0.0.2 2001:db8::a",
                              " ,2001:db8::a-2001:db8::a,, 10.0.0.1-10.0.0.4\n"}) {
        EXPECT_EQ(read({{"addresses", other}}), plain) << other;
        EXPECT_EQ(read({{"addresses", other}}).fingerprint(), plain.fingerprint()) << other;
    }
}

TEST(Addresses, have_a_shortest_text) {
    EXPECT_EQ(canonical("10.0.0.3 10.0.0.1 10.0.0.2"), "10.0.0.1-10.0.0.3");
    EXPECT_EQ(canonical("10.0.0.2 10.0.0.1"), "10.0.0.1 10.0.0.2");
    EXPECT_EQ(canonical("223.255.255.255 100::1 100::2 100::3"), "223.255.255.255 100::1-100::3");
    EXPECT_EQ(canonical("10.0.0.1 10.0.0.3-10.0.0.5 10.0.0.9"), "10.0.0.1 10.0.0.3-10.0.0.5 10.0.0.9");
    EXPECT_EQ(canonical(both_families), both_families);
}

TEST(Addresses, up_to_the_limit) {
    EXPECT_EQ(read({{"addresses", "10.0.0.0-10.0.63.255"}}).addresses.size(), core::max_slots);
    EXPECT_NE(refusal({{"addresses", "10.0.0.0-10.0.64.0"}}).find("16384"), std::string::npos);
    EXPECT_NE(refusal({{"addresses", "2001:db8::-2001:db8:ffff::"}}).find("16384"), std::string::npos);
}

TEST(Addresses, whose_text_is_too_long_for_a_cluster_are_refused) {
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += " 10.0." + std::to_string(i / 100) + '.' + std::to_string(2 * (i % 100));
    const auto reason = refusal({{"addresses", text}});
    EXPECT_NE(reason.find("use ranges"), std::string::npos) << reason;
}

struct Bad {
    const char* parameter;
    const char* value;
    const char* says;  ///< what the message has to contain besides parameter and value
};

const Bad bad_values[] = {
    {"addresses", "", "not set"},
    {"addresses", " , ", "not set"},
    {"addresses", "10.0.0.60-79", "192.0.2.1-192.0.2.9"},
    {"addresses", "10.0.0.0/28", "neither an IP address nor a range"},
    {"addresses", "10.0.0.1 - 10.0.0.3", "neither"},
    {"addresses", "10.0.0.1-10.0.0.3-10.0.0.5", "neither"},
    {"addresses", "-10.0.0.1", "neither"},
    {"addresses", "fe80::1%eth0", "neither"},
    {"addresses", "10.0.0.9-10.0.0.1", "swap"},
    {"addresses", "10.0.0.1-2001:db8::1", "family"},
    {"addresses", "10.0.0.1 10.0.0.1", "twice"},
    {"addresses", "10.0.0.1-10.0.0.5 10.0.0.5-10.0.0.9", "10.0.0.5 is there twice"},
    {"addresses", "0.0.0.0", "unicast"},
    {"addresses", "224.0.0.1", "unicast"},
    {"addresses", "223.255.255.250-224.0.0.1", "224.0.0.0, in the range"},
    {"addresses", "255.255.255.255", "unicast"},
    {"addresses", "::", "unicast"},
    {"addresses", "ff02::1", "unicast"},
    {"addresses", "fe80::1", "nic is not set"},
    {"addresses", "0.1.2.3", "unicast"},
    {"addresses", "127.0.0.1", "unicast"},
    {"addresses", "126.255.255.254-127.0.0.1", "127.0.0.0, in the range"},
    {"addresses", "::1", "unicast"},
    {"addresses", "::ffff:10.0.0.1", "unicast"},
    {"addresses", "::10.0.0.1", "unicast"},
    {"addresses", "10.0.0.256", "neither"},
    {"addresses", "10.0.0", "neither"},
    {"addresses", "010.0.0.1", "neither"},
    {"addresses", "10.0.0.1;10.0.0.2", "neither"},
    {"addresses", "2001:db8::1/64", "neither"},
    {"addresses", "2001:db8:::1", "neither"},
    {"addresses", "host.example.com", "neither"},
    {"addresses", "10.0.0.\xd9\xa1", "neither"},
    {"addresses", "10.0.0.1\n10.0.0.x", "'10.0.0.x' is neither"},
    {"addresses", "2001:DB8::1 2001:db8:0::1", "2001:db8::1 is there twice"},
    {"addresses", "2001:db8::9-2001:db8::1", "swap"},
    {"nic", "eth 0", "interface"},
    {"nic", "../eth0", "interface"},
    {"nic", "\xff\xfe", "interface"},
    {"cidr_netmask", "0", "1 to 32"},
    {"cidr_netmask", "33", "1 to 32"},
    {"cidr_netmask", "x", "1 to 32"},
    {"cidr_netmask", "255.0.255.0", "1 to 32"},
    {"cidr_netmask", "24,129", "1 to 128"},
    {"cidr_netmask", "24,64,8", "24,64"},
    {"cidr_netmask", ",", "24,64"},
    {"cidr_netmask", "-24", "1 to 32"},
    {"cidr_netmask", "24bits", "1 to 32"},
    {"cidr_netmask", "/24", "1 to 32"},
    {"cidr_netmask", "64", "1 to 32"},
    {"cidr_netmask", "24,255.255.255.0", "1 to 128"},
    {"cidr_netmask", "99999999999999999999", "1 to 32"},
    {"weight", "-1", "0 to 1000"},
    {"weight", "1001", "0 to 1000"},
    {"weight", "1.5", "0 to 1000"},
    {"weight", "99999999999999999999", "0 to 1000"},
    {"rebalance", "always", "auto, never"},
    {"rebalance", "Auto", "auto, never"},
    {"on_loss", "lease", "auto, fenced, unsafe"},
    {"lease_ms", "24", "25 to 60000 ms"},
    {"lease_ms", "60001", "25 to 60000 ms"},
    {"lease_ms", "500ms", "25 to 60000 ms"},
    {"beat_ms", "4", "5 to 166 ms (a third of lease_ms=500)"},
    {"beat_ms", "167", "5 to 166 ms (a third of lease_ms=500)"},
    {"announce", "gratuitous", "request, reply, both, none"},
    {"announce", "reply:0", "1 to 20"},
    {"announce", "reply:21", "1 to 20"},
    {"announce", "reply:", "1 to 20"},
    {"announce_refresh", "-1", "0 to 86400 s"},
    {"announce_pps", "9", "10 to"},
    {"announce_to", "10.0.0.x", "announce_to='10.0.0.x': '10.0.0.x' is not an IP address"},
    {"announce_to", "10.0.0.1 fe80::1", "addresses has no IPv6 address that fe80::1 could be told of"},
    {"announce_to",
     "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9,10.0.0.10,"
     "10.0.0.11,10.0.0.12,10.0.0.13,10.0.0.14,10.0.0.15,10.0.0.16,10.0.0.17",
     "17 neighbours, and 16"},
    {"conflict_check", "on", "off, fast, rfc5227"},
    {"conflict_check", "RFC5227", "off, fast, rfc5227"},
    {"on_conflict", "fight", "defend, report, release"},
    {"on_conflict", "Release", "defend, report, release"},
    {"link_down", "stop", "release, ignore"},
    {"hold_ms", "-5", "0 to 600000 ms"},
    {"buckets", "0", "1 to 4096"},
    {"buckets", "4097", "1 to 4096"},
    {"buckets", "many", "1 to 4096"},
    {"hash", "port", "source, source-port, tuple"},
    {"l2", "unicast", "multicast, flood"},
    {"l2", "answer", "not there yet"},
    {"attach", "egress", "tc, xdp"},
    {"mac", "vrrp:7", "is not auto"},
    {"mac", "02:00:5e:77:00:01", "is not auto"},
    {"mac", "Auto", "is not auto"},
};

TEST(BadValues, are_refused_by_parameter_and_value) {
    for (const auto& bad : bad_values) {
        const auto reason = refusal({{bad.parameter, bad.value}});
        EXPECT_NE(reason.find(bad.says), std::string::npos)
            << bad.parameter << '=' << bad.value << ": " << reason;
        const std::string subject = bad.says == std::string("nic is not set") ? "nic" : bad.parameter;
        EXPECT_EQ(reason.find(subject), 0U) << reason;
    }
}

void expect_refused(std::string_view name, const std::string& value, std::string_view so) {
    const std::string parameter(name);
    const auto said = refusal({{parameter, value}});
    EXPECT_EQ(said.find(parameter + "='" + value + "' " + std::string(so)), 0U)
        << name << '=' << value << ": " << said;
}

TEST(BadValues, no_number_has_a_sign_a_fraction_a_unit_or_too_many_digits) {
    for (const auto& info : pool_parameters) {
        if (info.type != "integer") continue;
        for (const char* value : {"-1", "+7", "1.5", "0x10", "1e2", "5 s", "5ms", " 5", "5 ", "5,5", "x",
                                  "five", "99999999999999999999", "-99999999999999999999", "\xd9\xa5", "5\n"})
            expect_refused(info.name, value, "is not a number from ");
    }
}

TEST(BadValues, choices_are_words_and_nothing_like_them) {
    for (const auto& info : pool_parameters) {
        if (info.type != "select") continue;
        const std::string word(info.default_value.empty() ? "auto" : info.default_value);
        std::string capital = word;
        capital[0] = static_cast<char>(capital[0] - 'a' + 'A');
        for (const auto& value : {word + word, word.substr(1), ' ' + word, word + ' ', word + ",x", capital,
                                  std::string("\xff"), std::string("true")})
            expect_refused(info.name, value, "is no");
    }
}

TEST(BadValues, are_clipped_so_that_what_would_be_right_is_said) {
    for (const auto& info : pool_parameters)
        for (const char piece : {'x', '9'}) {
            const auto reason = refusal({{std::string(info.name), std::string(100'000, piece)}});
            EXPECT_EQ(reason.find(info.name), 0U) << info.name;
            EXPECT_LT(reason.size(), 700U) << info.name;
        }
}

TEST(BadValues, of_nul_in_what_another_program_wrote) {
    for (const auto& info : pool_parameters) {
        auto object = read({}).to_json();
        const auto was = object.at(info.name);
        object[std::string(info.name)] =
            (was.is_string() ? was.get<std::string>() : was.dump()) + std::string("\0", 1);
        EXPECT_FALSE(PoolParameters::from_json(object)) << info.name;
    }
}

TEST(BadValues, addresses_that_are_no_hosts_in_their_network) {
    const auto said = [](const char* addresses, const char* netmask) {
        return refusal({{"addresses", addresses}, {"cidr_netmask", netmask}});
    };
    EXPECT_EQ(said("10.0.0.1 10.0.0.255", "24"),
              "addresses: 10.0.0.255 is the broadcast address of a network of 24 bits, as cidr_netmask says, "
              "and no "
              "host's: leave it out");
    EXPECT_NE(said("10.0.0.250-10.0.1.5", "255.255.255.0").find("10.0.0.255 is the broadcast"),
              std::string::npos);
    EXPECT_NE(said("10.0.0.0-10.0.0.9", "24").find("10.0.0.0 is the network"), std::string::npos);
    EXPECT_NE(said("10.0.0.4", "30").find("the network"), std::string::npos);
    EXPECT_NE(said("10.255.255.255", "8").find("the broadcast"), std::string::npos);
    EXPECT_EQ(said("10.0.0.254 10.0.1.1", "24"), "");
    EXPECT_EQ(said("10.0.0.255", "23"), "");
    EXPECT_EQ(said("10.0.0.0-10.0.0.1", "31"), "");
    EXPECT_EQ(said("10.0.0.0", "32"), "");
    EXPECT_EQ(said("2001:db8::", "64"), "");
    EXPECT_EQ(said("10.0.0.255", ""), "") << "the node's own network has yet to say";
}

TEST(BadValues, of_virtual_macs) {
    EXPECT_EQ(refusal({{"mac", "auto"}, {"buckets", "8"}}).find("mac=auto and buckets exclude each other"),
              0U);
    // Made from sixteen bytes, some pair has the same four.
    std::map<Mac, IpAddress> seen;
    std::mt19937 dice(1);
    std::string both;
    while (both.empty()) {
        Ipv6 ip = Ipv6::parse("2001:db8::").value();
        for (std::size_t i = 8; i < 16; ++i) ip.bytes[i] = static_cast<std::uint8_t>(dice());
        const auto [other, fresh] = seen.emplace(virtual_mac_of(ip), ip);
        if (!fresh) both = other->second.to_string() + " " + ip.to_string();
    }
    const std::string said = refusal({{"addresses", both}, {"mac", "auto"}});
    EXPECT_NE(said.find("the same MAC"), std::string::npos) << said;
    EXPECT_EQ(refusal({{"addresses", both}}), "");
}

TEST(BadValues, of_buckets_that_are_released) {
    EXPECT_EQ(refusal({{"on_conflict", "release"}, {"buckets", "8"}})
                  .find("on_conflict=release and buckets exclude each other"),
              0U);
    EXPECT_EQ(read({{"on_conflict", "release"}}).on_conflict, OnConflict::release);
}

TEST(BadValues, exist_for_every_parameter) {
    for (const auto& info : pool_parameters)
        EXPECT_TRUE(std::ranges::any_of(bad_values, [&](const auto& bad) {
            return bad.parameter == info.name;
        })) << info.name;
}

TEST(BadValues, names_that_are_no_names) {
    for (const auto& name : {std::string(), std::string("../x"), std::string(".x"), std::string("a b"),
                             std::string("web:0"), std::string(65, 'a'), std::string("w\0b", 3)})
        EXPECT_NE(refusal({}, name).find("pool's name"), std::string::npos) << name;
    EXPECT_EQ(refusal({}, std::string(64, 'a')), "");
    EXPECT_EQ(refusal({}, "web-1_b.c"), "");
}

TEST(Defaults, are_those_of_the_table) {
    const auto plain = read({});
    for (const auto& info : pool_parameters) {
        if (info.default_value.empty()) continue;
        EXPECT_EQ(read({{std::string(info.name), std::string(info.default_value)}}), plain) << info.name;
    }
}

TEST(Values, come_to) {
    const auto all = read({{"addresses", both_families},
                           {"nic", "eth0"},
                           {"cidr_netmask", "255.255.255.0 64"},
                           {"weight", "0"},
                           {"rebalance", "never"},
                           {"on_loss", "fenced"},
                           {"lease_ms", "25"},
                           {"announce", "both:2"},
                           {"announce_refresh", "60"},
                           {"announce_pps", "500"},
                           {"announce_to", "10.0.0.1 10.0.0.2,10.0.0.1"},
                           {"conflict_check", "rfc5227"},
                           {"on_conflict", "report"},
                           {"link_down", "ignore"},
                           {"hold_ms", "0"},
                           {"buckets", "256"},
                           {"hash", "source"},
                           {"l2", "flood"},
                           {"attach", "xdp"}});
    PoolParameters wanted = all;
    wanted.nic = "eth0";
    wanted.prefix4 = 24;
    wanted.prefix6 = 64;
    wanted.weight = 0;
    wanted.rebalance = Rebalance::never;
    wanted.on_loss = OnLoss::fenced;
    wanted.lease = milliseconds(25);
    wanted.beat = milliseconds(5);
    wanted.announce = {2, 2};
    wanted.announce_refresh = seconds(60);
    wanted.announce_pps = 500;
    wanted.announce_to = {Ipv4{{10, 0, 0, 1}}, Ipv4{{10, 0, 0, 2}}};
    wanted.conflict_check = ConflictCheck::rfc5227;
    wanted.on_conflict = OnConflict::report;
    wanted.link_down = LinkDown::ignore;
    wanted.hold = milliseconds(0);
    wanted.buckets = 256;
    wanted.hash = Hash::source;
    wanted.l2 = Layer2::flood;
    wanted.attach = Attach::xdp;
    EXPECT_EQ(all, wanted);
    EXPECT_EQ(read({{"lease_ms", "2000"}}).beat, milliseconds(200));
}

TEST(Values, of_netmasks_belong_to_the_families_there_are) {
    EXPECT_EQ(read({{"addresses", both_families}, {"cidr_netmask", "24"}}).prefix4, 24);
    EXPECT_EQ(read({{"addresses", both_families}, {"cidr_netmask", "24"}}).prefix6, std::nullopt);
    EXPECT_EQ(read({{"addresses", "2001:db8::1"}, {"cidr_netmask", "64"}}).prefix6, 64);
    EXPECT_EQ(read({{"addresses", "2001:db8::1"}, {"cidr_netmask", "24,64"}}).prefix4, std::nullopt);
    EXPECT_EQ(read({{"cidr_netmask", "24,64"}}), read({{"cidr_netmask", "24"}}));
}

/// For every parameter another value than the default.
const ParameterTexts others = {{"addresses", "192.0.2.1-192.0.2.3"},
                               {"nic", "eth1"},
                               {"cidr_netmask", "28"},
                               {"weight", "50"},
                               {"rebalance", "never"},
                               {"on_loss", "unsafe"},
                               {"lease_ms", "600"},
                               {"beat_ms", "20"},
                               {"announce", "reply"},
                               {"announce_refresh", "30"},
                               {"announce_pps", "1000"},
                               {"announce_to", "10.0.0.1"},
                               {"conflict_check", "fast"},
                               {"on_conflict", "report"},
                               {"link_down", "ignore"},
                               {"hold_ms", "5"},
                               {"buckets", "4096"},
                               {"hash", "tuple"},
                               {"l2", "flood"},
                               {"attach", "xdp"},
                               {"mac", "auto"}};

TEST(Json, gives_back_what_went_in) {
    EXPECT_EQ(others.size(), pool_parameters.size());
    ParameterTexts all = others;
    all.erase("mac");  // not with buckets
    for (const auto& [name, value] : others)
        for (const auto& parameters : {read({{name, value}}), read(all),
                                       read({{"addresses", both_families}, {"cidr_netmask", "24,64"}})}) {
            const auto again = PoolParameters::from_json(parameters.to_json());
            ASSERT_TRUE(again) << again.error().message;
            EXPECT_EQ(*again, parameters);
        }
}

TEST(Json, the_agreed_text_gives_back_what_is_agreed) {
    for (const char* exclusive : {"mac", "buckets"}) {
        ParameterTexts given = others;
        given.erase(exclusive);
        const auto parameters = read(given);
        const auto again = PoolParameters::from_text(parameters.agreed_text());
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(again->fingerprint(), parameters.fingerprint());
        EXPECT_EQ(difference(*again, parameters), "");
        EXPECT_EQ(again->weight, 100U);
    }
}

TEST(Json, from_a_newer_version_is_read) {
    auto newer = read({}).to_json();
    newer["pebbles"] = 256;
    EXPECT_EQ(PoolParameters::from_json(newer).value_or(PoolParameters{}), read({}));
}

TEST(Json, that_is_wrong_is_refused) {
    for (const char* text : {"", "{", "[]", "null", "{}", R"({"name":"web"})",
                             R"({"name":5,"addresses":"10.0.0.1"})"
                             "x",
                             R"({"name":"web","addresses":["10.0.0.1"]})",
                             R"({"name":"web","addresses":"10.0.0.1","weight":{}})",
                             R"({"name":"web","addresses":"10.0.0.1","weight":1e3})"}) {
        const auto read = PoolParameters::from_text(text);
        ASSERT_FALSE(read) << text;
        EXPECT_FALSE(read.error().message.empty());
    }
}

TEST(Agreement, differs_with_exactly_what_has_to_be_equal) {
    for (const auto& info : pool_parameters) {
        ParameterTexts given;
        if (info.name == "hash" || info.name == "l2") given["buckets"] = "8";
        const auto plain = read(given);
        given[std::string(info.name)] = others.at(std::string(info.name));
        const auto other = read(given);
        ASSERT_NE(other, plain) << info.name;
        EXPECT_EQ(other.fingerprint() != plain.fingerprint(), info.agreed) << info.name;
        EXPECT_EQ(!difference(other, plain).empty(), info.agreed) << info.name;
        EXPECT_NE(info.agreed && info.reloadable, true) << info.name;
    }
}

TEST(Agreement, names_what_differs_with_both_values) {
    EXPECT_EQ(difference(read({{"lease_ms", "600"}, {"beat_ms", "50"}}), read({})),
              "lease_ms is '600' here, but '500' in the cluster");
    EXPECT_EQ(difference(read({{"addresses", "10.0.0.1-10.0.0.9"}}),
                         read({{"addresses", "10.0.0.1-10.0.0.8 10.0.0.20"}})),
              "addresses differ: only here 10.0.0.9; only in the cluster 10.0.0.20");
    EXPECT_EQ(
        difference(read({{"addresses", "10.0.0.1-10.0.0.9"}}), read({{"addresses", "10.0.0.1-10.0.0.8"}})),
        "addresses differ: only here 10.0.0.9; only in the cluster none");
}

TEST(Agreement, without_buckets_is_not_about_how_they_are_made) {
    EXPECT_EQ(read({{"hash", "tuple"}, {"l2", "flood"}}), read({}));
    EXPECT_EQ(difference(read({{"buckets", "256"}}), read({})),
              "buckets is '256' here, but '' in the cluster");
    EXPECT_EQ(difference(read({}), read({{"buckets", "8"}})), "buckets is '' here, but '8' in the cluster");
}

TEST(Values, of_buckets_are_the_slots) {
    EXPECT_EQ(read({{"addresses", both_families}}).slots(), 30U);
    EXPECT_EQ(read({{"addresses", both_families}, {"buckets", "256"}}).slots(), 256U);
}

TEST(Agreement, hash_stays_what_it_was) {
    // Nodes of different versions compare it: a change needs a plan for clusters that are upgraded node by
    // node.
    EXPECT_EQ(
        read({{"addresses", both_families}}).agreed_text(),
        R"({"addresses":"10.77.0.60-10.77.0.79 2001:db8:77::60-2001:db8:77::69","beat_ms":50,"cidr_netmask":"",)"
        R"("lease_ms":500,"name":"web","on_loss":"auto"})");
    EXPECT_EQ(read({{"addresses", both_families}}).fingerprint(), 14852664890111380643U);
}

TEST(Reading, any_bytes_give_an_answer) {
    std::uint32_t state = 1;
    auto next = [&] { return state = state * 1664525U + 1013904223U; };
    constexpr std::string_view likely = "0123456789.:-, abcdef";
    for (int round = 0; round < 3000; ++round) {
        ParameterTexts given = {{"addresses", "192.0.2.1"}};
        for (const auto& info : pool_parameters) {
            if (next() % 4 != 0) continue;
            std::string value;
            for (std::uint32_t length = (next() >> 16) % 12; length > 0; --length)
                value +=
                    round % 2 == 0 ? static_cast<char>(next() >> 24) : likely[(next() >> 16) % likely.size()];
            given[std::string(info.name)] = value;
        }
        const auto parameters = parse("web", given);
        EXPECT_TRUE(parameters || !parameters.error().message.empty());
        if (parameters) {
            EXPECT_EQ(PoolParameters::from_text(parameters->to_json().dump()).value_or(PoolParameters{}),
                      *parameters);
        }
    }
}

}  // namespace
}  // namespace buoy::pool
