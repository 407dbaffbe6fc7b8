// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ipv6.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace buoy::wire {

namespace {

constexpr std::size_t header_size = 40;

constexpr std::array<std::uint8_t, 13> solicited_node_prefix{0xff, 0x02, 0, 0, 0,    0,   0,
                                                             0,    0,    0, 0, 0x01, 0xff};

/// Sums 16-bit words; an odd last byte counts as the first half of a word (RFC 1071 section 4.1).
std::uint64_t sum_of_words(Bytes bytes) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        sum += i % 2 == 0 ? std::uint64_t{bytes[i]} << 8 : std::uint64_t{bytes[i]};
    return sum;
}

}  // namespace

Result<Ipv6Packet> decode_ipv6(Bytes packet) {
    const auto header = head<header_size>(packet, "IPv6 packet");
    if (!header) return tl::unexpected(header.error());
    const std::uint16_t first = u16_at<0>(*header);
    if (first >> 12 != 6) return fail("IP packet of version " + std::to_string(first >> 12) + ", not 6");
    const std::uint16_t length = u16_at<4>(*header);
    if (packet.size() - header_size < length)
        return fail("IPv6 packet with " + std::to_string(packet.size() - header_size) + " of its " +
                    std::to_string(length) + " bytes of payload");
    Ipv6Packet decoded;
    decoded.header.traffic_class = static_cast<std::uint8_t>(first >> 4);
    decoded.header.flow_label = (std::uint32_t{first} & 0x000f) << 16 | u16_at<2>(*header);
    decoded.header.next_header = (*header)[6];
    decoded.header.hop_limit = (*header)[7];
    decoded.header.source = address_at<Ipv6, 8>(*header);
    decoded.header.destination = address_at<Ipv6, 24>(*header);
    decoded.payload = packet.subspan(header_size, length);
    if (decoded.header.source.is_multicast())
        return fail("IPv6 packet from the multicast address " + decoded.header.source.to_string());
    return decoded;
}

Frame encode_ipv6(const Ipv6Header& header, Bytes payload) {
    Frame packet;
    packet.reserve(header_size + payload.size());
    append_u16(packet, static_cast<std::uint16_t>(6 << 12 | header.traffic_class << 4 |
                                                  (header.flow_label >> 16 & 0x0f)));
    append_u16(packet, static_cast<std::uint16_t>(header.flow_label));
    append_u16(packet, static_cast<std::uint16_t>(payload.size()));
    packet.push_back(header.next_header);
    packet.push_back(header.hop_limit);
    append(packet, header.source.bytes);
    append(packet, header.destination.bytes);
    append(packet, payload);
    return packet;
}

std::uint16_t checksum(const Ipv6& source, const Ipv6& destination, std::uint8_t next_header, Bytes message) {
    std::uint64_t sum = sum_of_words(source.bytes) + sum_of_words(destination.bytes) + message.size() +
                        next_header + sum_of_words(message);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

Ipv6 solicited_node_multicast(const Ipv6& address) {
    Ipv6 group = address;
    std::copy(solicited_node_prefix.begin(), solicited_node_prefix.end(), group.bytes.begin());
    return group;
}

bool is_solicited_node_multicast(const Ipv6& address) {
    return solicited_node_multicast(address) == address;
}

Mac multicast_mac(const Ipv6& group) {
    return Mac{{0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]}};
}

}  // namespace buoy::wire
