// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "wire/bytes.hpp"

namespace buoy::wire {

/// Next-header value of ICMPv6 (RFC 4443 section 1).
inline constexpr std::uint8_t next_header_icmpv6 = 58;

/// All nodes on the link, ff02::1 (RFC 4291 section 2.7.1).
inline constexpr Ipv6 all_nodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01}};

/// The fixed IPv6 header (RFC 8200 section 3), without the payload's length, which follows from the payload.
struct Ipv6Header {
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0;  ///< 20 bits
    std::uint8_t next_header = 0;
    std::uint8_t hop_limit = 0;
    Ipv6 source;
    Ipv6 destination;
    bool operator==(const Ipv6Header&) const = default;
};

/// A decoded packet. The payload points into the bytes it was decoded from and is as long as the header says.
struct Ipv6Packet {
    Ipv6Header header;
    Bytes payload;
};

/// Reads a packet, without Ethernet header; what follows it (padding) is ignored. Extension headers are left
/// in the payload. Errors: too short for its header or for the length it states, another version than 6, a
/// multicast source (RFC 4291 section 2.7).
Result<Ipv6Packet> decode_ipv6(Bytes packet);
/// The payload of a temporary would be gone when it is looked at.
Result<Ipv6Packet> decode_ipv6(Frame&& packet) = delete;

/// Header and payload in a row. The payload's length has to fit 16 bits; of the flow label 20 bits are used.
Frame encode_ipv6(const Ipv6Header& header, Bytes payload);

/// The Internet checksum over pseudo-header and message (RFC 8200 section 8.1, RFC 1071), in host order. Over
/// a message whose checksum field is zero it is what belongs there; over a whole intact message it is 0.
std::uint16_t checksum(const Ipv6& source, const Ipv6& destination, std::uint8_t next_header, Bytes message);

/// ff02::1:ff and the last 24 bits of the address (RFC 4291 section 2.7.1).
Ipv6 solicited_node_multicast(const Ipv6& address);

/// Whether an address is the solicited-node multicast address of some address.
bool is_solicited_node_multicast(const Ipv6& address);

/// The MAC that a multicast address is sent to: 33:33 and its last 32 bits (RFC 2464 section 7).
Mac multicast_mac(const Ipv6& group);

}  // namespace buoy::wire
