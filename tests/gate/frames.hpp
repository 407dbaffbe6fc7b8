// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"

/// Frames of all kinds, put together from the inside out. Checksums are left 0: the gate looks at none.
namespace buoy::gate {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint8_t protocol_icmp = 1, protocol_tcp = 6, protocol_udp = 17, protocol_icmpv6 = 58,
                              protocol_sctp = 132;
inline constexpr Mac mac_a{{2, 0, 0, 0, 0, 1}};
inline constexpr Mac mac_b{{2, 0, 0, 0, 0, 2}};

inline void append_number(Bytes& bytes, std::size_t value) {
    bytes.push_back(static_cast<std::uint8_t>(value >> 8));
    bytes.push_back(static_cast<std::uint8_t>(value));
}

inline Bytes operator+(Bytes head, const Bytes& tail) {
    head.insert(head.end(), tail.begin(), tail.end());
    return head;
}

inline Bytes ethernet(std::uint16_t type, const Bytes& payload, const Mac& to = mac_b) {
    Bytes frame(to.bytes.begin(), to.bytes.end());
    frame.insert(frame.end(), mac_a.bytes.begin(), mac_a.bytes.end());
    append_number(frame, type);
    return frame + payload;
}

inline Bytes tagged(Bytes frame, int tags) {
    for (int i = 0; i < tags; ++i) {
        const Bytes tag{0x81, 0x00, 0x00, 0x07};
        frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    }
    return frame;
}

/// The first 8 bytes of UDP, TCP and SCTP are ports and something.
inline Bytes ports(std::uint16_t from, std::uint16_t to) {
    Bytes bytes;
    append_number(bytes, from);
    append_number(bytes, to);
    bytes.resize(8);
    return bytes;
}

struct Ipv4Extra {
    std::size_t options = 0;     ///< bytes
    std::uint16_t fragment = 0;  ///< flags and offset (RFC 791 section 3.1)
};

inline Bytes ipv4_packet(const Ipv4& from, const Ipv4& to, std::uint8_t protocol, const Bytes& payload,
                         Ipv4Extra extra = {}) {
    Bytes packet{static_cast<std::uint8_t>(0x45 + extra.options / 4), 0};
    append_number(packet, 20 + extra.options + payload.size());
    append_number(packet, 77);
    append_number(packet, extra.fragment);
    packet.insert(packet.end(), {64, protocol, 0, 0});
    packet.insert(packet.end(), from.bytes.begin(), from.bytes.end());
    packet.insert(packet.end(), to.bytes.begin(), to.bytes.end());
    packet.resize(20 + extra.options, 1);
    return packet + payload;
}

inline Bytes ipv6_packet(const Ipv6& from, const Ipv6& to, std::uint8_t next, const Bytes& payload) {
    Bytes packet{0x60, 0, 0, 0};
    append_number(packet, payload.size());
    packet.insert(packet.end(), {next, 255});
    packet.insert(packet.end(), from.bytes.begin(), from.bytes.end());
    packet.insert(packet.end(), to.bytes.begin(), to.bytes.end());
    return packet + payload;
}

inline Bytes ipv4_frame(const Bytes& packet, const Mac& to = mac_b) {
    return ethernet(0x0800, packet, to);
}
inline Bytes ipv6_frame(const Bytes& packet, const Mac& to = mac_b) {
    return ethernet(0x86dd, packet, to);
}

/// Hop-by-hop options (0), routing (43), destination options (60), in units of 8 bytes (RFC 8200 section 4).
inline Bytes extension(std::uint8_t next, std::uint8_t units, const Bytes& payload) {
    Bytes header(std::size_t{8} * units);
    header[0] = next;
    header[1] = static_cast<std::uint8_t>(units - 1);
    return header + payload;
}
/// Fragment header (44); the offset in bytes.
inline Bytes fragment(std::uint8_t next, std::uint16_t offset, bool more, const Bytes& payload) {
    Bytes header{next, 0};
    append_number(header, static_cast<std::size_t>(offset & 0xfff8) | (more ? 1U : 0U));
    header.resize(8);
    return header + payload;
}
/// Authentication header (51) with 12 bytes of check value (RFC 4302 section 2).
inline Bytes authentication(std::uint8_t next, const Bytes& payload) {
    Bytes header(24);
    header[0] = next;
    header[1] = 4;
    return header + payload;
}
/// ICMP and ICMPv6 begin alike.
inline Bytes icmp(std::uint8_t type, const Bytes& payload) {
    Bytes header(8);
    header[0] = type;
    return header + payload;
}

inline Bytes cut(Bytes bytes, std::size_t by) {
    bytes.resize(bytes.size() - by);
    return bytes;
}

}  // namespace buoy::gate
