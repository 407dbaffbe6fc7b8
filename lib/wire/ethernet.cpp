// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ethernet.hpp"

#include <string>

namespace buoy::wire {

namespace {

constexpr std::size_t most_tags = 2;
constexpr std::uint16_t vlan_identifier_mask =
    0x0fff;  // the rest of the tag is priority and DEI (802.1Q 9.6)

bool is_tag(std::uint16_t ethertype) {
    return ethertype == ethertype_vlan || ethertype == ethertype_service_vlan;
}

}  // namespace

void encode(const EthernetHeader& header, Frame& into) {
    Writer(into).address(header.destination).address(header.source).u16(header.ethertype);
}

Result<Ethernet> decode_ethernet(Bytes frame) {
    Reader reader(frame);
    Ethernet ethernet;
    ethernet.header.destination = reader.address<Mac>();
    ethernet.header.source = reader.address<Mac>();
    ethernet.header.ethertype = reader.u16();
    while (is_tag(ethernet.header.ethertype) && ethernet.vlans.size() < most_tags) {
        ethernet.vlans.push_back(reader.u16() & vlan_identifier_mask);
        ethernet.header.ethertype = reader.u16();
    }
    if (!reader.ok())
        return fail("a frame of " + std::to_string(frame.size()) +
                    " bytes is too short for its Ethernet header");
    ethernet.payload = reader.rest();
    return ethernet;
}

}  // namespace buoy::wire
