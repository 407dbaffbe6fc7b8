// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/arp.hpp"

#include <string>

#include "wire/ethernet.hpp"

namespace buoy::wire {

namespace {

// RFC 826, "Packet format"; the numbers are from IANA's ARP parameters.
constexpr std::uint16_t hardware_ethernet = 1;
constexpr std::uint16_t protocol_ipv4 = 0x0800;
constexpr std::uint8_t mac_size = 6;
constexpr std::uint8_t ipv4_size = 4;

}  // namespace

Result<Arp> decode_arp_packet(Bytes packet) {
    const auto header = head<arp_size>(packet, "ARP packet");
    if (!header) return tl::unexpected(header.error());
    if (const auto hardware = u16_at<0>(*header); hardware != hardware_ethernet)
        return fail("ARP packet for hardware type " + std::to_string(hardware) + ", not Ethernet (1)");
    if (const auto protocol = u16_at<2>(*header); protocol != protocol_ipv4)
        return fail("ARP packet for protocol " + hex(protocol) + ", not IPv4 (0x0800)");
    if ((*header)[4] != mac_size || (*header)[5] != ipv4_size)
        return fail("ARP packet with addresses of " + std::to_string((*header)[4]) + " and " +
                    std::to_string((*header)[5]) + " bytes, not 6 and 4");
    const auto operation = static_cast<Arp::Operation>(u16_at<6>(*header));
    if (operation != Arp::Operation::request && operation != Arp::Operation::reply)
        return fail("ARP operation " + std::to_string(u16_at<6>(*header)) +
                    " is neither request (1) nor reply (2)");
    return Arp{operation, address_at<Mac, 8>(*header), address_at<Ipv4, 14>(*header),
               address_at<Mac, 18>(*header), address_at<Ipv4, 24>(*header)};
}

Result<Arp> decode_arp(Bytes frame) {
    const auto ethernet = decode_ethernet(frame);
    if (!ethernet) return tl::unexpected(ethernet.error());
    if (ethernet->header.ethertype != ethertype_arp)
        return fail("Ethernet frame of type " + hex(ethernet->header.ethertype) + ", not ARP (0x0806)");
    return decode_arp_packet(ethernet->payload);
}

Frame encode_arp_packet(const Arp& arp) {
    Frame packet;
    packet.reserve(arp_size);
    append_u16(packet, hardware_ethernet);
    append_u16(packet, protocol_ipv4);
    packet.push_back(mac_size);
    packet.push_back(ipv4_size);
    append_u16(packet, static_cast<std::uint16_t>(arp.operation));
    append(packet, arp.sender_mac.bytes);
    append(packet, arp.sender_ip.bytes);
    append(packet, arp.target_mac.bytes);
    append(packet, arp.target_ip.bytes);
    return packet;
}

Frame encode_arp(const Mac& destination, const Mac& source, const Arp& arp) {
    return encode_ethernet({destination, source, ethertype_arp, {}}, encode_arp_packet(arp));
}

Frame request(const Mac& mac, const Ipv4& ip, const Ipv4& target) {
    return encode_arp(broadcast_mac, mac, {Arp::Operation::request, mac, ip, Mac{}, target});
}

Frame unicast_reply(const Mac& to_mac, const Ipv4& to_ip, const Mac& mac, const Ipv4& ip) {
    return encode_arp(to_mac, mac, {Arp::Operation::reply, mac, ip, to_mac, to_ip});
}

Frame probe(const Mac& mac, const Ipv4& ip) {
    return request(mac, Ipv4{}, ip);
}

Frame announcement(const Mac& mac, const Ipv4& ip) {
    return request(mac, ip, ip);
}

Frame gratuitous_request(const Mac& mac, const Ipv4& ip) {
    return request(mac, ip, ip);
}

Frame gratuitous_reply(const Mac& mac, const Ipv4& ip) {
    return encode_arp(broadcast_mac, mac, {Arp::Operation::reply, mac, ip, mac, ip});
}

}  // namespace buoy::wire
