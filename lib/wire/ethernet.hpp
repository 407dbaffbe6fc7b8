// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "wire/bytes.hpp"

namespace buoy::wire {

/// Ethertypes (IEEE 802 numbers), in host order.
inline constexpr std::uint16_t ethertype_arp = 0x0806;
inline constexpr std::uint16_t ethertype_ipv6 = 0x86dd;
inline constexpr std::uint16_t ethertype_customer_tag = 0x8100;  ///< IEEE 802.1Q
inline constexpr std::uint16_t ethertype_service_tag = 0x88a8;   ///< IEEE 802.1ad, "QinQ"

/// One VLAN tag (IEEE 802.1Q clause 9).
struct VlanTag {
    std::uint16_t protocol = ethertype_customer_tag;  ///< ethertype_customer_tag or ethertype_service_tag
    std::uint16_t control = 0;  ///< priority (3 bits), drop eligible (1 bit), VLAN identifier (12 bits)

    /// The VLAN identifier, 0 to 4095; 0 means that the tag carries a priority only.
    [[nodiscard]] constexpr std::uint16_t vlan() const { return control & 0x0fff; }
    bool operator==(const VlanTag&) const = default;
};

/// What stands in front of an Ethernet II payload (RFC 894, IEEE 802.3 clause 3). The source is a value of
/// its own everywhere in this library: a frame may well come from another MAC than the one it speaks of.
struct EthernetHeader {
    Mac destination;
    Mac source;
    std::uint16_t ethertype = 0;  ///< of the payload, behind all tags
    std::vector<VlanTag> tags;    ///< outermost first; two at most when decoded
    bool operator==(const EthernetHeader&) const = default;
};

/// A decoded frame. The payload points into the bytes it was decoded from, padding included: only what is
/// inside knows its own length.
struct EthernetFrame {
    EthernetHeader header;
    Bytes payload;
};

/// Reads a frame as it comes from a packet socket, without check sequence. Errors: fewer than 14 bytes, a cut
/// tag, more than two tags, and IEEE 802.3 length fields (below 0x0600), which carry LLC and so nothing that
/// this library reads.
Result<EthernetFrame> decode_ethernet(Bytes frame);
/// The payload of a temporary would be gone when it is looked at.
Result<EthernetFrame> decode_ethernet(Frame&& frame) = delete;

/// Header, tags and payload in a row.
///
/// Not padded to Ethernet's least size, 60 bytes: the driver of a NIC that needs it does so, and must, as the
/// kernel's own ARP frames of 42 bytes come to it unpadded as well. Ours then look just like the kernel's.
Frame encode_ethernet(const EthernetHeader& header, Bytes payload);

}  // namespace buoy::wire
