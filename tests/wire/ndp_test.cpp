// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ndp.hpp"

#include "tests/wire/frames.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv6.hpp"

namespace buoy::wire {
namespace {

using namespace test;

const Mac here = mac("02:00:00:00:00:0a");
const Mac there = mac("02:00:00:00:00:0b");
const Ipv6 ours = ip6("2001:db8::a");
const Ipv6 theirs = ip6("2001:db8::b");

// As seen from Linux 6.18: a ping, ndisc_notify, duplicate detection, reachability confirmation.
const Frame kernel_solicitation = bytes(
    "3333ff00000b 02000000000a 86dd"
    "60000000 0020 3a ff  20010db800000000000000000000000a ff0200000000000000000001ff00000b"
    "87 00 1c03 00000000  20010db800000000000000000000000b  01 01 02000000000a");
const Frame kernel_advertisement = bytes(
    "02000000000a 02000000000b 86dd"
    "60000000 0020 3a ff  20010db800000000000000000000000b 20010db800000000000000000000000a"
    "88 00 8a4d 60000000  20010db800000000000000000000000b  02 01 02000000000b");
const Frame kernel_ndisc_notify = bytes(
    "333300000001 02000000000a 86dd"
    "60000000 0020 3a ff  20010db800000000000000000000000a ff020000000000000000000000000001"
    "88 00 f90f 20000000  20010db800000000000000000000000a  02 01 02000000000a");
const Frame kernel_dad_with_nonce = bytes(
    "3333ff00000a 02000000000a 86dd"
    "60000000 0020 3a ff  00000000000000000000000000000000 ff0200000000000000000001ff00000a"
    "87 00 f32f 00000000  20010db800000000000000000000000a  0e 01 58806d3885e9");
const Frame kernel_confirmation = bytes(
    "02000000000b 02000000000a 86dd"
    "60000000 0018 3a ff  20010db800000000000000000000000a fe80000000000000000000fffe00000b"
    "88 00 de9a 40000000  20010db800000000000000000000000a");
// As RFC 4862 section 5.4.2 lays it out: ff02, 1, ff00, a (destination), 18 (length), 3a (next header), 8700,
// 2001, db8, a (target) sum to 2b322, folded b324, whose complement is the checksum.
const Frame rfc4862_probe = bytes(
    "3333ff00000a 02000000000a 86dd"
    "60000000 0018 3a ff  00000000000000000000000000000000 ff0200000000000000000001ff00000a"
    "87 00 4cdb 00000000  20010db800000000000000000000000a");

constexpr std::size_t ip = 14;
constexpr std::size_t icmp = 54;
constexpr std::size_t option = 78;

/// `frame` with a payload length and checksum that fit it, so that only what a test changed is wrong with it.
Frame sealed(Frame frame) {
    const auto length = static_cast<std::uint16_t>(frame.size() - icmp);
    frame[ip + 4] = static_cast<std::uint8_t>(length >> 8);
    frame[ip + 5] = static_cast<std::uint8_t>(length);
    frame[icmp + 2] = frame[icmp + 3] = 0;
    Ipv6 source;
    Ipv6 destination;
    std::copy_n(frame.begin() + ip + 8, 16, source.bytes.begin());
    std::copy_n(frame.begin() + ip + 24, 16, destination.bytes.begin());
    const auto sum = checksum(source, destination, next_header_icmpv6, Bytes(frame).subspan(icmp));
    frame[icmp + 2] = static_cast<std::uint8_t>(sum >> 8);
    frame[icmp + 3] = static_cast<std::uint8_t>(sum);
    return frame;
}

/// `frame` with `options` in place of its own.
Frame with_options(Frame frame, const Frame& options) {
    frame.resize(option);
    frame.insert(frame.end(), options.begin(), options.end());
    return sealed(frame);
}

/// `frame` with another IPv6 source (offset 8) or destination (offset 24), or target (`icmp` - `ip` + 8).
Frame with_address(Frame frame, std::size_t offset, const Ipv6& address) {
    std::copy(address.bytes.begin(), address.bytes.end(),
              frame.begin() + static_cast<std::ptrdiff_t>(ip + offset));
    return sealed(frame);
}

TEST(NdpFrames, solicitation_is_what_the_kernel_sends) {
    EXPECT_EQ(solicitation(here, ours, theirs), kernel_solicitation);
}

TEST(NdpFrames, solicited_advertisement_is_what_the_kernel_sends) {
    EXPECT_EQ(solicited_advertisement(here, ours, there, theirs), kernel_advertisement);
}

TEST(NdpFrames, unsolicited_advertisement_is_what_the_kernel_sends) {
    EXPECT_EQ(unsolicited_advertisement(here, ours), kernel_ndisc_notify);
}

TEST(NdpFrames, unsolicited_advertisement_of_a_router_says_so) {
    EXPECT_EQ(unsolicited_advertisement(here, ours, true), sealed(with(kernel_ndisc_notify, icmp + 4, 0xa0)));
}

TEST(NdpFrames, unicast_advertisement_is_unsolicited_and_to_one_station) {
    EXPECT_EQ(unicast_advertisement(here, ours, there, theirs),
              sealed(with(kernel_advertisement, icmp + 4, 0x20)));
}

TEST(NdpFrames, dad_probe_comes_from_nowhere_and_has_no_option) {
    EXPECT_EQ(dad_probe(here, ours), rfc4862_probe);
}

TEST(NdpFrames, ethernet_source_may_differ_from_the_option) {
    const Ndp ndp{theirs, ours,
                  NeighborAdvertisement{.target = theirs, .target_mac = mac("33:33:00:00:00:fb")}};
    const auto frame = encode_ndp(here, there, ndp);
    const auto ethernet = decode_ethernet(frame);
    ASSERT_TRUE(ethernet) << error_of(ethernet);
    EXPECT_EQ(ethernet->header, (EthernetHeader{here, there, ethertype_ipv6, {}}));
    EXPECT_EQ(decode_ndp(frame), ndp);
}

TEST(Ndp, decode_reads_a_solicitation) {
    EXPECT_EQ(decode_ndp(kernel_solicitation),
              (Ndp{ours, ip6("ff02::1:ff00:b"), NeighborSolicitation{theirs, here}}));
}

TEST(Ndp, decode_reads_an_advertisement) {
    EXPECT_EQ(decode_ndp(kernel_advertisement),
              (Ndp{theirs, ours,
                   NeighborAdvertisement{
                       .target = theirs, .solicited = true, .override = true, .target_mac = there}}));
}

TEST(Ndp, decode_reads_each_flag_by_itself) {
    const auto flags = [](std::uint8_t byte) {
        return decode_neighbor_advertisement(sealed(with(kernel_advertisement, icmp + 4, byte))).value();
    };
    const NeighborAdvertisement none{.target = theirs, .target_mac = there};
    EXPECT_EQ(flags(0x00), none);
    EXPECT_EQ(flags(0x1f), none) << "reserved bits are ignored";
    EXPECT_EQ(flags(0x80), (NeighborAdvertisement{.target = theirs, .router = true, .target_mac = there}));
    EXPECT_EQ(flags(0x40), (NeighborAdvertisement{.target = theirs, .solicited = true, .target_mac = there}));
    EXPECT_EQ(flags(0x20), (NeighborAdvertisement{.target = theirs, .override = true, .target_mac = there}));
}

TEST(Ndp, decode_skips_options_it_does_not_know) {
    EXPECT_EQ(decode_ndp(kernel_dad_with_nonce),
              (Ndp{Ipv6{}, ip6("ff02::1:ff00:a"), NeighborSolicitation{ours, std::nullopt}}));
    const auto unknown_first =
        with_options(kernel_solicitation,
                     bytes("0e 02 00000000 0000000000000000 0000 0201 0000 0000 0000 0101 02000000000a"));
    EXPECT_EQ(decode_ndp(unknown_first), decode_ndp(kernel_solicitation));
}

TEST(Ndp, decode_takes_no_mac_from_the_other_messages_option) {
    EXPECT_EQ(decode_neighbor_solicitation(sealed(with(kernel_solicitation, option, 2))),
              (NeighborSolicitation{theirs, std::nullopt}));
    EXPECT_EQ(
        decode_neighbor_advertisement(sealed(with(kernel_advertisement, option, 1))),
        (NeighborAdvertisement{.target = theirs, .solicited = true, .override = true, .target_mac = {}}));
}

TEST(Ndp, decode_takes_the_first_of_two_alike) {
    EXPECT_EQ(decode_neighbor_solicitation(
                  with_options(kernel_solicitation, bytes("0101 02000000000a 0101 02000000000b"))),
              (NeighborSolicitation{theirs, here}));
}

TEST(Ndp, decode_reads_a_message_without_options) {
    EXPECT_EQ(decode_ndp(kernel_confirmation),
              (Ndp{ours, ip6("fe80::ff:fe00:b"), NeighborAdvertisement{.target = ours, .solicited = true}}));
}

TEST(Ndp, decode_reads_through_tags_and_padding) {
    Frame frame = tagged(kernel_confirmation, bytes("88a8 0064 8100 6007"));
    frame.resize(frame.size() + 9, 0xee);
    EXPECT_EQ(decode_ndp(frame), decode_ndp(kernel_confirmation));
}

TEST(Ndp, packet_of_a_socket_without_ethernet_header_is_the_frame_without_it) {
    const Bytes packet = Bytes(kernel_advertisement).subspan(ip);
    const auto ndp = decode_ndp_packet(packet);
    ASSERT_TRUE(ndp) << error_of(ndp);
    EXPECT_EQ(decode_ndp(kernel_advertisement), ndp);
    EXPECT_EQ(encode_ndp_packet(*ndp), Frame(packet.begin(), packet.end()));
}

TEST(Ndp, decode_undoes_encode) {
    const auto group = ip6("ff02::1:ff03:4");
    const std::vector<Ndp> all{
        {ours, theirs, NeighborSolicitation{theirs, std::nullopt}},
        {ours, group, NeighborSolicitation{ip6("fe80::1:2:3:4"), here}},
        {Ipv6{}, group, NeighborSolicitation{ip6("fe80::1:2:3:4"), std::nullopt}},
        {ours, theirs, NeighborAdvertisement{ours, true, false, false, std::nullopt}},
        {ours, theirs, NeighborAdvertisement{ours, false, true, false, here}},
        {ours, all_nodes, NeighborAdvertisement{ours, true, false, true, here}},
    };
    for (const auto& ndp : all) EXPECT_EQ(decode_ndp(encode_ndp(there, here, ndp)), ndp);
}

TEST(Ndp, decode_of_one_kind_refuses_the_other) {
    EXPECT_TRUE(decode_neighbor_solicitation(kernel_solicitation));
    EXPECT_TRUE(decode_neighbor_advertisement(kernel_advertisement));
    EXPECT_EQ(error_of(decode_neighbor_solicitation(kernel_advertisement)),
              "neighbour advertisement, not a solicitation");
    EXPECT_EQ(error_of(decode_neighbor_advertisement(kernel_solicitation)),
              "neighbour solicitation, not an advertisement");
}

TEST(NdpMalformed, decode_refuses_every_truncation) {
    for (const auto& frame : {kernel_solicitation, kernel_advertisement, kernel_ndisc_notify,
                              kernel_dad_with_nonce, kernel_confirmation})
        expect_every_truncation_fails(frame, decode_ndp);
    expect_every_truncation_fails(tagged(kernel_solicitation, bytes("8100 0007")), decode_ndp);
}

TEST(NdpMalformed, decode_refuses_every_truncation_whose_lengths_and_checksum_fit) {
    // The smallest message is whole without its option, so that is the one beginning that is valid.
    for (std::size_t size = icmp + 4; size < kernel_solicitation.size(); ++size) {
        const auto cut = sealed(Frame(kernel_solicitation.begin(),
                                      kernel_solicitation.begin() + static_cast<std::ptrdiff_t>(size)));
        EXPECT_EQ(decode_ndp(cut).has_value(), size == option) << size;
    }
}

TEST(NdpMalformed, decode_sees_every_flipped_bit_that_the_checksum_covers) {
    for (const auto& frame : {kernel_solicitation, kernel_advertisement, kernel_ndisc_notify})
        for (std::size_t byte = ip + 8; byte < frame.size(); ++byte)
            for (int bit = 0; bit < 8; ++bit) {
                const auto flipped = with(frame, byte, static_cast<std::uint8_t>(frame[byte] ^ (1 << bit)));
                EXPECT_FALSE(decode_ndp(flipped)) << "byte " << byte << ", bit " << bit;
            }
    EXPECT_EQ(error_of(decode_ndp(with(kernel_solicitation, icmp + 20, 0x55))),
              "neighbour discovery message with a wrong checksum");
}

TEST(NdpMalformed, decode_names_what_is_not_neighbour_discovery) {
    EXPECT_EQ(error_of(decode_ndp(with(with(kernel_solicitation, 12, 0x08), 13, 0x06))),
              "Ethernet frame of type 0x0806, not IPv6 (0x86dd)");
    EXPECT_EQ(error_of(decode_ndp(with(kernel_solicitation, ip + 6, 0))),
              "IPv6 packet with next header 0, not ICMPv6 (58)");
    EXPECT_EQ(error_of(decode_ndp(sealed(with(kernel_solicitation, icmp, 134)))),
              "ICMPv6 message of type 134 is neither neighbour solicitation (135) nor advertisement (136)");
    Frame short_message = kernel_confirmation;
    short_message.resize(icmp + 23);
    EXPECT_EQ(error_of(decode_ndp(sealed(short_message))),
              "neighbour discovery message of 23 bytes is too short (wanted 24)");
}

TEST(NdpMalformed, decode_refuses_what_came_over_a_router) {
    for (const auto& frame : {kernel_solicitation, kernel_advertisement})
        EXPECT_EQ(error_of(decode_ndp(with(frame, ip + 7, 254))),
                  "neighbour discovery message with hop limit 254, not 255");
}

TEST(NdpMalformed, decode_refuses_another_code) {
    for (const auto& frame : {kernel_solicitation, kernel_advertisement})
        EXPECT_EQ(error_of(decode_ndp(sealed(with(frame, icmp + 1, 1)))),
                  "neighbour discovery message with code 1, not 0");
}

TEST(NdpMalformed, decode_refuses_a_multicast_target) {
    for (const auto& frame : {kernel_solicitation, kernel_advertisement})
        EXPECT_EQ(error_of(decode_ndp(with_address(frame, icmp - ip + 8, ip6("ff02::1:ff00:b")))),
                  "neighbour discovery message about the multicast address ff02::1:ff00:b");
}

TEST(NdpMalformed, decode_refuses_a_multicast_source) {
    EXPECT_EQ(error_of(decode_ndp(with_address(kernel_solicitation, 8, all_nodes))),
              "IPv6 packet from the multicast address ff02::1");
}

TEST(NdpMalformed, decode_refuses_an_option_of_length_zero) {
    EXPECT_EQ(error_of(decode_ndp(sealed(with(kernel_solicitation, option + 1, 0)))),
              "neighbour discovery option 1 of length 0");
    EXPECT_EQ(error_of(decode_ndp(with_options(kernel_solicitation, bytes("0101 02000000000a 0e00")))),
              "neighbour discovery option 14 of length 0");
}

TEST(NdpMalformed, decode_refuses_an_option_beyond_the_end) {
    EXPECT_EQ(error_of(decode_ndp(sealed(with(kernel_advertisement, option + 1, 2)))),
              "neighbour discovery option 2 with 8 of its 16 bytes");
    EXPECT_EQ(error_of(decode_ndp(sealed(with(kernel_advertisement, option + 1, 255)))),
              "neighbour discovery option 2 with 8 of its 2040 bytes");
    EXPECT_EQ(error_of(decode_ndp(with_options(kernel_solicitation, bytes("0e")))),
              "neighbour discovery option of 1 bytes is too short (wanted 2)");
}

TEST(NdpMalformed, decode_refuses_a_link_layer_address_of_another_size) {
    EXPECT_EQ(
        error_of(decode_ndp(with_options(kernel_solicitation, bytes("0102 02000000000a 0000000000000000")))),
        "link-layer address option of 16 bytes, not Ethernet's 8");
}

TEST(NdpMalformed, decode_refuses_a_duplicate_check_that_gives_a_mac) {
    EXPECT_EQ(error_of(decode_ndp(with_address(kernel_solicitation, 8, Ipv6{}))),
              "neighbour solicitation from :: with a source link-layer address");
}

TEST(NdpMalformed, decode_refuses_a_duplicate_check_to_one_station) {
    EXPECT_EQ(error_of(decode_ndp(with_address(kernel_dad_with_nonce, 24, theirs))),
              "neighbour solicitation from :: to 2001:db8::b, which is no solicited-node address");
    EXPECT_EQ(error_of(decode_ndp(with_address(kernel_dad_with_nonce, 24, all_nodes))),
              "neighbour solicitation from :: to ff02::1, which is no solicited-node address");
}

TEST(NdpMalformed, decode_refuses_a_solicited_advertisement_to_a_group) {
    EXPECT_EQ(error_of(decode_ndp(with_address(kernel_advertisement, 24, all_nodes))),
              "solicited neighbour advertisement to the multicast address ff02::1");
}

}  // namespace
}  // namespace buoy::wire
