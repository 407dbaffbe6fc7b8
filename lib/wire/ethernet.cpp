// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ethernet.hpp"

#include <string>

namespace buoy::wire {

namespace {

constexpr std::size_t header_size = 14;
constexpr std::size_t tag_size = 4;
constexpr std::size_t most_tags = 2;
constexpr std::uint16_t least_ethertype = 0x0600;  // IEEE 802.3 clause 3.2.6: below, it is a length

constexpr bool is_tag(std::uint16_t ethertype) {
    return ethertype == ethertype_customer_tag || ethertype == ethertype_service_tag;
}

}  // namespace

Result<EthernetFrame> decode_ethernet(Bytes frame) {
    const auto header = head<header_size>(frame, "Ethernet frame");
    if (!header) return tl::unexpected(header.error());
    EthernetFrame decoded;
    decoded.header.destination = address_at<Mac, 0>(*header);
    decoded.header.source = address_at<Mac, 6>(*header);
    decoded.header.ethertype = u16_at<12>(*header);
    decoded.payload = frame.subspan(header_size);
    while (is_tag(decoded.header.ethertype)) {
        if (decoded.header.tags.size() == most_tags)
            return fail("Ethernet frame with more than two VLAN tags");
        const auto tag = head<tag_size>(decoded.payload, "VLAN tag");
        if (!tag) return tl::unexpected(tag.error());
        decoded.header.tags.push_back({decoded.header.ethertype, u16_at<0>(*tag)});
        decoded.header.ethertype = u16_at<2>(*tag);
        decoded.payload = decoded.payload.subspan(tag_size);
    }
    if (decoded.header.ethertype < least_ethertype)
        return fail("Ethernet frame with a length field (" + hex(decoded.header.ethertype) +
                    ") in place of an ethertype");
    return decoded;
}

Frame encode_ethernet(const EthernetHeader& header, Bytes payload) {
    Frame frame;
    frame.reserve(header_size + tag_size * header.tags.size() + payload.size());
    append(frame, header.destination.bytes);
    append(frame, header.source.bytes);
    for (const auto& tag : header.tags) {
        append_u16(frame, tag.protocol);
        append_u16(frame, tag.control);
    }
    append_u16(frame, header.ethertype);
    append(frame, payload);
    return frame;
}

}  // namespace buoy::wire
