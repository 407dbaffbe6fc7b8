// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ethernet.hpp"

#include <algorithm>

#include "tests/wire/frames.hpp"

namespace buoy::wire {
namespace {

using namespace test;

const Frame plain = bytes("02000000000b 02000000000a 0806 c0ffee");
const EthernetHeader plain_header{mac("02:00:00:00:00:0b"), mac("02:00:00:00:00:0a"), ethertype_arp, {}};

const Frame customer_tag = bytes("8100 6007");
const Frame service_tag = bytes("88a8 0064");

/// The error alone outlives the bytes, so that these may be a temporary.
std::string refusal(const Frame& frame) {
    return error_of(decode_ethernet(frame));
}

bool payload_is(const Result<EthernetFrame>& frame, const Frame& expected) {
    return frame && std::ranges::equal(frame->payload, expected);
}

TEST(Ethernet, decode_reads_addresses_type_and_payload) {
    const auto frame = decode_ethernet(plain);
    ASSERT_TRUE(frame) << error_of(frame);
    EXPECT_EQ(frame->header, plain_header);
    EXPECT_TRUE(payload_is(frame, bytes("c0ffee")));
}

TEST(Ethernet, decode_of_a_header_alone_gives_an_empty_payload) {
    EXPECT_TRUE(payload_is(decode_ethernet(Bytes(plain).first(14)), {}));
}

TEST(Ethernet, decode_reads_one_tag) {
    const Frame bytes_of_it = tagged(plain, customer_tag);
    const auto frame = decode_ethernet(bytes_of_it);
    ASSERT_TRUE(frame) << error_of(frame);
    EXPECT_EQ(frame->header.tags, (std::vector<VlanTag>{{0x8100, 0x6007}}));
    EXPECT_EQ(frame->header.tags[0].vlan(), 7);
    EXPECT_EQ(frame->header.ethertype, ethertype_arp);
    EXPECT_TRUE(payload_is(frame, bytes("c0ffee")));
}

TEST(Ethernet, decode_reads_two_tags_outermost_first) {
    const Frame bytes_of_it = tagged(plain, bytes("88a8 0064 8100 6007"));
    const auto frame = decode_ethernet(bytes_of_it);
    ASSERT_TRUE(frame) << error_of(frame);
    EXPECT_EQ(frame->header.tags, (std::vector<VlanTag>{{0x88a8, 100}, {0x8100, 0x6007}}));
    EXPECT_EQ(frame->header.ethertype, ethertype_arp);
    EXPECT_TRUE(payload_is(frame, bytes("c0ffee")));
}

TEST(Ethernet, decode_refuses_three_tags) {
    EXPECT_EQ(refusal(tagged(tagged(tagged(plain, customer_tag), customer_tag), service_tag)),
              "Ethernet frame with more than two VLAN tags");
}

TEST(Ethernet, decode_refuses_a_length_field_in_place_of_a_type) {
    EXPECT_EQ(refusal(with(with(plain, 12, 0x05), 13, 0xff)),
              "Ethernet frame with a length field (0x05ff) in place of an ethertype");
    EXPECT_EQ(refusal(with(with(plain, 12, 0x06), 13, 0x00)), "");
}

TEST(Ethernet, decode_refuses_every_truncation_of_the_header) {
    const Frame frame = tagged(tagged(plain, customer_tag), service_tag);
    expect_every_truncation_fails(Frame(frame.begin(), frame.begin() + 22),
                                  [](Bytes cut) { return decode_ethernet(cut); });
    EXPECT_EQ(error_of(decode_ethernet(Bytes(frame).first(13))),
              "Ethernet frame of 13 bytes is too short (wanted 14)");
    EXPECT_EQ(error_of(decode_ethernet(Bytes(frame).first(17))),
              "VLAN tag of 3 bytes is too short (wanted 4)");
}

TEST(Ethernet, encode_writes_the_frame_unpadded) {
    EXPECT_EQ(encode_ethernet(plain_header, bytes("c0ffee")), plain);
}

TEST(Ethernet, encode_writes_tags_outermost_first) {
    EthernetHeader header = plain_header;
    header.tags = {{ethertype_service_tag, 100}, {ethertype_customer_tag, 0x6007}};
    EXPECT_EQ(encode_ethernet(header, bytes("c0ffee")),
              bytes("02000000000b 02000000000a 88a8 0064 8100 6007 0806 c0ffee"));
}

}  // namespace
}  // namespace buoy::wire
