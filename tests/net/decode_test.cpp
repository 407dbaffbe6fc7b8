// SPDX-License-Identifier: GPL-2.0-or-later
// Decoders of netlink messages: what a kernel sent, cut short, and with bytes changed. The build with
// sanitizers holds them to reading nothing that is not there.
#include <gtest/gtest.h>

#include <random>

#include "net/address.hpp"
#include "net/link.hpp"
#include "net/route.hpp"
#include "tests/net/messages.hpp"

namespace buoy::net {
namespace {

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

void decode_all(const nlmsghdr& message) {
    (void)decode_link(message);
    (void)decode_address(message);
    (void)decode_route(message);
    (void)decode_source_rule(message);
}

constexpr std::array all_messages = {macvlan_link,    labelled_address,   plain_ipv6_address, gateway_route,
                                     multipath_route, ipv6_gateway_route, source_rule};

TEST(DecodeLink, macvlan) {
    const Captured captured(macvlan_link);
    const auto link = decode_link(captured.message());
    ASSERT_TRUE(link);
    Link wanted;
    wanted.index = 5;
    wanted.name = "bv02005e770001";
    wanted.altnames = {"a-rather-long-altname", "second"};
    wanted.mac = Mac{{0x02, 0x00, 0x5e, 0x77, 0x00, 0x01}};
    wanted.ethernet = true;
    wanted.parent = 2;
    wanted.kind = "macvlan";
    wanted.alias = "some-text";
    EXPECT_EQ(*link, wanted);
}

TEST(DecodeAddress, with_label_broadcast_and_lifetime) {
    const Captured captured(labelled_address);
    const auto address = decode_address(captured.message());
    ASSERT_TRUE(address);
    EXPECT_EQ(address->ip, ip("10.9.0.50"));
    EXPECT_EQ(address->prefix_length, 28);
    EXPECT_EQ(address->link, 2);
    EXPECT_EQ(address->label, "eth0:web");
    EXPECT_EQ(address->broadcast, ip("10.9.0.63").v4());
    EXPECT_GT(address->preferred_lifetime_s, 0U);
    EXPECT_LE(address->preferred_lifetime_s, 100U);
    EXPECT_FALSE(address->no_prefix_route);
}

TEST(DecodeAddress, ipv6_with_flags_beyond_the_first_eight_bits) {
    const Captured captured(plain_ipv6_address);
    const auto address = decode_address(captured.message());
    ASSERT_TRUE(address);
    EXPECT_EQ(address->ip, ip("2001:db8:9::50"));
    EXPECT_EQ(address->prefix_length, 64);
    EXPECT_TRUE(address->no_dad);
    EXPECT_TRUE(address->no_prefix_route);
    EXPECT_FALSE(address->tentative);
    EXPECT_FALSE(address->broadcast);
    EXPECT_EQ(address->preferred_lifetime_s, forever);
}

TEST(DecodeRoute, by_a_gateway) {
    const Captured v4(gateway_route);
    EXPECT_EQ(decode_route(v4.message()),
              (Route{{ip("198.51.100.0"), 24}, 2, ip("10.9.0.100"), 7, 254, ip("10.9.0.1")}));
    const Captured v6(ipv6_gateway_route);
    EXPECT_EQ(decode_route(v6.message()),
              (Route{{ip("2001:db8:51::"), 48}, 2, ip("fe80::64"), 9, 254, std::nullopt}));
}

TEST(DecodeRoute, several_next_hops_are_passed_over) {
    const Captured captured(multipath_route);
    EXPECT_FALSE(decode_route(captured.message()));
}

TEST(DecodeSourceRule, one_address_and_one_table) {
    const Captured captured(source_rule);
    EXPECT_EQ(decode_source_rule(captured.message()), (SourceRule{ip("10.9.0.50"), 0x62000000, 5000}));
}

TEST(Decoders, leave_messages_of_other_types_alone) {
    for (const auto hex : all_messages) {
        const Captured captured(hex);
        const auto& message = captured.message();
        const int decoded = (decode_link(message) ? 1 : 0) + (decode_address(message) ? 1 : 0) +
                            (decode_route(message) ? 1 : 0) + (decode_source_rule(message) ? 1 : 0);
        EXPECT_EQ(decoded, hex == multipath_route ? 0 : 1);
    }
}

TEST(Decoders, read_nothing_beyond_a_message_cut_short) {
    for (const auto hex : all_messages) {
        const Captured whole(hex);
        for (std::size_t length = sizeof(nlmsghdr); length < whole.size(); ++length) {
            const auto cut = whole.cut_to(length);
            decode_all(cut.message());
        }
        EXPECT_FALSE(decode_link(whole.cut_to(sizeof(nlmsghdr) + 4).message()));
        EXPECT_FALSE(decode_address(whole.cut_to(sizeof(nlmsghdr) + 4).message()));
        EXPECT_FALSE(decode_route(whole.cut_to(sizeof(nlmsghdr) + 4).message()));
        EXPECT_FALSE(decode_source_rule(whole.cut_to(sizeof(nlmsghdr) + 4).message()));
    }
}

TEST(Decoders, read_nothing_beyond_a_message_with_bytes_changed) {
    std::mt19937 dice(1);
    for (const auto hex : all_messages) {
        const Captured whole(hex);
        for (int round = 0; round < 3000; ++round) {
            auto changed = whole.cut_to(
                std::uniform_int_distribution<std::size_t>(sizeof(nlmsghdr), whole.size())(dice));
            const auto type = changed.header().nlmsg_type;
            for (int change = 0; change < 1 + round % 4; ++change)
                changed[std::uniform_int_distribution<std::size_t>(0, changed.size() - 1)(dice)] =
                    static_cast<std::uint8_t>(dice());
            changed.header().nlmsg_len = static_cast<std::uint32_t>(changed.size());
            changed.header().nlmsg_type = type;
            decode_all(changed.message());
        }
    }
}

TEST(Decoders, take_no_number_from_an_attribute_that_is_too_short) {
    // Every attribute in turn shrunk to nothing and made the last: a number read from it would be read from
    // beyond the message.
    for (const auto hex : all_messages) {
        const Captured whole(hex);
        for (std::size_t at = sizeof(nlmsghdr); at + 4 <= whole.size(); at += 4) {
            auto cut = whole.cut_to(at + 4);
            cut[at] = 4;
            cut[at + 1] = 0;
            decode_all(cut.message());
        }
    }
}

}  // namespace
}  // namespace buoy::net
