// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/arp.hpp"

#include "tests/wire/frames.hpp"
#include "wire/ethernet.hpp"

namespace buoy::wire {
namespace {

using namespace test;

const Mac here = mac("02:00:00:00:00:0a");
const Mac there = mac("02:00:00:00:00:0b");
const Ipv4 ours = ip4("192.0.2.10");
const Ipv4 theirs = ip4("192.0.2.11");

// As seen from Linux 6.18 (request and reply of a ping; arp_notify) and from arping -A of iputils.
const Frame kernel_request = bytes(
    "ffffffffffff 02000000000a 0806"
    "0001 0800 06 04 0001  02000000000a c000020a  000000000000 c000020b");
const Frame kernel_reply = bytes(
    "02000000000a 02000000000b 0806"
    "0001 0800 06 04 0002  02000000000b c000020b  02000000000a c000020a");
const Frame kernel_arp_notify = bytes(
    "ffffffffffff 02000000000a 0806"
    "0001 0800 06 04 0001  02000000000a c000020a  000000000000 c000020a");
const Frame arping_reply_form = bytes(
    "ffffffffffff 02000000000a 0806"
    "0001 0800 06 04 0002  02000000000a c000020a  02000000000a c000020a");
// As RFC 5227 section 2.1.1 lays it out.
const Frame rfc5227_probe = bytes(
    "ffffffffffff 02000000000a 0806"
    "0001 0800 06 04 0001  02000000000a 00000000  000000000000 c000020a");

TEST(ArpFrames, request_is_what_the_kernel_sends) {
    EXPECT_EQ(request(here, ours, theirs), kernel_request);
}

TEST(ArpFrames, unicast_reply_is_what_the_kernel_sends) {
    EXPECT_EQ(unicast_reply(here, ours, there, theirs), kernel_reply);
}

TEST(ArpFrames, gratuitous_request_is_what_the_kernel_sends) {
    EXPECT_EQ(gratuitous_request(here, ours), kernel_arp_notify);
}

TEST(ArpFrames, gratuitous_reply_is_what_arping_sends) {
    EXPECT_EQ(gratuitous_reply(here, ours), arping_reply_form);
}

TEST(ArpFrames, probe_has_no_sender_address) {
    EXPECT_EQ(probe(here, ours), rfc5227_probe);
}

TEST(ArpFrames, announcement_is_the_probe_with_the_sender_address) {
    Frame expected = rfc5227_probe;
    std::copy(ours.bytes.begin(), ours.bytes.end(), expected.begin() + 28);
    EXPECT_EQ(announcement(here, ours), expected);
}

TEST(ArpFrames, ethernet_source_may_differ_from_the_sender_mac) {
    const Mac group = mac("01:00:5e:00:00:fb");
    const auto frame = encode_arp(there, here, {Arp::Operation::reply, group, ours, there, theirs});
    const auto ethernet = decode_ethernet(frame);
    ASSERT_TRUE(ethernet) << error_of(ethernet);
    EXPECT_EQ(ethernet->header, (EthernetHeader{there, here, ethertype_arp, {}}));
    const auto arp = decode_arp(frame);
    ASSERT_TRUE(arp) << error_of(arp);
    EXPECT_EQ(arp->sender_mac, group);
}

TEST(Arp, decode_reads_every_field) {
    const auto asked = decode_arp(kernel_request);
    ASSERT_TRUE(asked) << error_of(asked);
    EXPECT_EQ(*asked, (Arp{Arp::Operation::request, here, ours, Mac{}, theirs}));
    const auto answered = decode_arp(kernel_reply);
    ASSERT_TRUE(answered) << error_of(answered);
    EXPECT_EQ(*answered, (Arp{Arp::Operation::reply, there, theirs, here, ours}));
}

TEST(Arp, decode_reads_through_tags_and_padding) {
    Frame frame = tagged(kernel_request, bytes("88a8 0064 8100 6007"));
    frame.resize(64, 0xee);
    EXPECT_EQ(decode_arp(frame), decode_arp(kernel_request));
}

TEST(Arp, packet_of_a_socket_without_ethernet_header_is_the_frame_without_it) {
    const Bytes packet = Bytes(kernel_reply).subspan(14);
    EXPECT_EQ(decode_arp_packet(packet), decode_arp(kernel_reply));
    const auto arp = decode_arp(kernel_reply);
    ASSERT_TRUE(arp);
    EXPECT_EQ(encode_arp_packet(*arp), Frame(packet.begin(), packet.end()));
}

TEST(Arp, decode_undoes_encode) {
    for (const auto operation : {Arp::Operation::request, Arp::Operation::reply}) {
        const Arp arp{operation, mac("10:11:12:13:14:15"), ip4("1.2.3.4"), mac("20:21:22:23:24:25"),
                      ip4("250.251.252.253")};
        EXPECT_EQ(decode_arp(encode_arp(there, here, arp)), arp);
    }
}

TEST(Arp, decode_refuses_every_truncation) {
    for (const auto& frame : {kernel_request, kernel_reply, arping_reply_form, rfc5227_probe})
        expect_every_truncation_fails(frame, decode_arp);
    expect_every_truncation_fails(tagged(kernel_request, bytes("8100 0007")), decode_arp);
    EXPECT_EQ(error_of(decode_arp(Bytes(kernel_request).first(34))),
              "ARP packet of 20 bytes is too short (wanted 28)");
}

TEST(Arp, decode_names_what_is_not_arp_for_ipv4_over_ethernet) {
    EXPECT_EQ(error_of(decode_arp(with(with(kernel_request, 12, 0x86), 13, 0xdd))),
              "Ethernet frame of type 0x86dd, not ARP (0x0806)");
    EXPECT_EQ(error_of(decode_arp(with(kernel_request, 15, 32))),
              "ARP packet for hardware type 32, not Ethernet (1)");
    EXPECT_EQ(error_of(decode_arp(with(kernel_request, 16, 0x86))),
              "ARP packet for protocol 0x8600, not IPv4 (0x0800)");
    EXPECT_EQ(error_of(decode_arp(with(kernel_request, 18, 8))),
              "ARP packet with addresses of 8 and 4 bytes, not 6 and 4");
    EXPECT_EQ(error_of(decode_arp(with(kernel_request, 19, 16))),
              "ARP packet with addresses of 6 and 16 bytes, not 6 and 4");
}

TEST(Arp, decode_refuses_every_other_operation) {
    for (const int operation : {0, 3, 8, 255})
        EXPECT_EQ(error_of(decode_arp(with(kernel_request, 21, static_cast<std::uint8_t>(operation)))),
                  "ARP operation " + std::to_string(operation) + " is neither request (1) nor reply (2)");
    EXPECT_EQ(error_of(decode_arp(with(kernel_request, 20, 1))),
              "ARP operation 257 is neither request (1) nor reply (2)");
}

TEST(Arp, probe_and_gratuitous_are_told_apart) {
    EXPECT_TRUE(decode_arp(rfc5227_probe)->is_probe());
    EXPECT_FALSE(decode_arp(rfc5227_probe)->is_gratuitous());
    for (const auto& frame : {gratuitous_request(here, ours), gratuitous_reply(here, ours)}) {
        EXPECT_TRUE(decode_arp(frame)->is_gratuitous());
        EXPECT_FALSE(decode_arp(frame)->is_probe());
    }
    for (const auto& frame : {kernel_request, kernel_reply}) {
        EXPECT_FALSE(decode_arp(frame)->is_gratuitous());
        EXPECT_FALSE(decode_arp(frame)->is_probe());
    }
    const Arp nothing{Arp::Operation::request, here, Ipv4{}, Mac{}, Ipv4{}};
    EXPECT_FALSE(nothing.is_probe());
    EXPECT_FALSE(nothing.is_gratuitous());
    EXPECT_FALSE((Arp{Arp::Operation::reply, here, Ipv4{}, there, ours}).is_probe());
}

}  // namespace
}  // namespace buoy::wire
