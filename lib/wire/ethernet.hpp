// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "wire/bytes.hpp"

namespace buoy::wire {

// EtherTypes (IEEE 802 numbers registry), in host order.
inline constexpr std::uint16_t ethertype_ipv4 = 0x0800;
inline constexpr std::uint16_t ethertype_arp = 0x0806;
inline constexpr std::uint16_t ethertype_vlan = 0x8100;          ///< IEEE 802.1Q customer tag
inline constexpr std::uint16_t ethertype_service_vlan = 0x88a8;  ///< IEEE 802.1ad service tag
inline constexpr std::uint16_t ethertype_ipv6 = 0x86dd;

/// The shortest frame on the wire, without its check sequence (IEEE 802.3).
inline constexpr std::size_t shortest_frame = 60;

/// The front of an Ethernet II frame.
struct EthernetHeader {
    Mac destination;
    Mac source;
    std::uint16_t ethertype = 0;  ///< of what follows the tags
    bool operator==(const EthernetHeader&) const = default;
};

/// A received frame, taken apart.
struct Ethernet {
    EthernetHeader header;
    std::vector<std::uint16_t> vlans;  ///< VLAN identifiers, outermost first; at most two
    Bytes payload;                     ///< a view into what was decoded, with padding if there was any
};

/// Writes the header, without tags.
void encode(const EthernetHeader& header, Frame& into);

/// Reads header and up to two VLAN tags. Fails when the frame is too short for them.
Result<Ethernet> decode_ethernet(Bytes frame);

}  // namespace buoy::wire
