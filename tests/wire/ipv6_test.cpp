// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ipv6.hpp"

#include <algorithm>

#include "tests/wire/frames.hpp"

namespace buoy::wire {
namespace {

using namespace test;

// Version 6, traffic class 0xab, flow label 0x9cdef, 3 bytes of payload, UDP, hop limit 64.
const Frame packet = bytes(
    "6ab9cdef 0003 11 40"
    "20010db8 00000000 00000000 0000000a"
    "20010db8 00000000 00000000 0000000b"
    "c0ffee");
const Ipv6Header header{0xab, 0x9cdef, 17, 64, ip6("2001:db8::a"), ip6("2001:db8::b")};

/// The error alone outlives the bytes, so that these may be a temporary.
std::string refusal(const Frame& frame) {
    return error_of(decode_ipv6(frame));
}

TEST(Ipv6Packet, decode_reads_every_field) {
    const auto decoded = decode_ipv6(packet);
    ASSERT_TRUE(decoded) << error_of(decoded);
    EXPECT_EQ(decoded->header, header);
    EXPECT_TRUE(std::ranges::equal(decoded->payload, bytes("c0ffee")));
}

TEST(Ipv6Packet, encode_writes_every_field) {
    EXPECT_EQ(encode_ipv6(header, bytes("c0ffee")), packet);
}

TEST(Ipv6Packet, encode_keeps_a_flow_label_of_more_than_20_bits_off_its_neighbours) {
    Ipv6Header wide = header;
    wide.flow_label |= 0xfff00000;
    EXPECT_EQ(encode_ipv6(wide, bytes("c0ffee")), packet);
}

TEST(Ipv6Packet, decode_leaves_padding_out_of_the_payload) {
    Frame padded = packet;
    padded.resize(60, 0xee);
    const auto decoded = decode_ipv6(padded);
    ASSERT_TRUE(decoded) << error_of(decoded);
    EXPECT_TRUE(std::ranges::equal(decoded->payload, bytes("c0ffee")));
}

TEST(Ipv6Packet, decode_refuses_every_truncation) {
    expect_every_truncation_fails(packet, [](Bytes cut) { return decode_ipv6(cut); });
    EXPECT_EQ(error_of(decode_ipv6(Bytes(packet).first(39))),
              "IPv6 packet of 39 bytes is too short (wanted 40)");
    EXPECT_EQ(error_of(decode_ipv6(Bytes(packet).first(42))), "IPv6 packet with 2 of its 3 bytes of payload");
}

TEST(Ipv6Packet, decode_refuses_another_version) {
    EXPECT_EQ(refusal(with(packet, 0, 0x45)), "IP packet of version 4, not 6");
}

TEST(Ipv6Packet, decode_refuses_a_multicast_source) {
    EXPECT_EQ(refusal(with(packet, 8, 0xff)), "IPv6 packet from the multicast address ff01:db8::a");
}

TEST(Checksum, of_known_words_is_their_folded_complement) {
    // RFC 1071 section 3: 0001 f203 f4f5 f6f7 sum to ddf2; the pseudo header adds length 8 and next header 0.
    EXPECT_EQ(checksum(Ipv6{}, Ipv6{}, 0, bytes("0001 f203 f4f5 f6f7")), 0xffff - (0xddf2 + 8));
}

TEST(Checksum, of_an_odd_length_pads_with_a_zero) {
    EXPECT_EQ(checksum(Ipv6{}, Ipv6{}, 0, bytes("12 34 56")), 0xffff - (0x1234 + 0x5600 + 3));
}

TEST(Checksum, of_an_intact_message_is_zero) {
    // An echo request from Linux 6.18, cut to its header: checksum worked out by hand.
    const auto a = ip6("2001:db8::a");
    const auto b = ip6("2001:db8::b");
    auto message = bytes("8000 0000 0978 0001");
    const auto sum = checksum(a, b, next_header_icmpv6, message);
    // 2001+0db8+000a, 2001+0db8+000b, 0008, 003a, 8000, 0978, 0001 sum to e542.
    EXPECT_EQ(sum, 0xffff - 0xe542);
    message[2] = static_cast<std::uint8_t>(sum >> 8);
    message[3] = static_cast<std::uint8_t>(sum);
    EXPECT_EQ(checksum(a, b, next_header_icmpv6, message), 0);
}

TEST(Multicast, solicited_node_address_keeps_the_last_24_bits) {
    // RFC 4291 section 2.7.1 has this example.
    EXPECT_EQ(solicited_node_multicast(ip6("4037::01:800:200e:8c6c")), ip6("ff02::1:ff0e:8c6c"));
}

TEST(Multicast, solicited_node_address_is_recognised) {
    EXPECT_TRUE(is_solicited_node_multicast(ip6("ff02::1:ff0e:8c6c")));
    EXPECT_TRUE(is_solicited_node_multicast(ip6("ff02::1:ff00:0")));
    for (const char* other : {"ff02::1", "ff02::1:fe0e:8c6c", "ff05::1:ff0e:8c6c", "ff02::2:ff0e:8c6c",
                              "ff02:1::1:ff0e:8c6c", "fe80::1:ff0e:8c6c", "::"})
        EXPECT_FALSE(is_solicited_node_multicast(ip6(other))) << other;
}

TEST(Multicast, mac_is_3333_and_the_last_32_bits) {
    EXPECT_EQ(multicast_mac(all_nodes), mac("33:33:00:00:00:01"));
    EXPECT_EQ(multicast_mac(ip6("ff02::1:ff0e:8c6c")), mac("33:33:ff:0e:8c:6c"));
}

TEST(Multicast, all_nodes_is_ff02_1) {
    EXPECT_EQ(all_nodes, ip6("ff02::1"));
}

}  // namespace
}  // namespace buoy::wire
