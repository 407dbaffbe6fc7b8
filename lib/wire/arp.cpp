// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/arp.hpp"

#include <string>

#include "wire/ethernet.hpp"

namespace buoy::wire {

namespace {

constexpr std::uint16_t hardware_ethernet = 1;  // IANA ARP parameters
constexpr std::uint8_t mac_length = 6;
constexpr std::uint8_t ipv4_length = 4;

}  // namespace

Frame encode(const Arp& arp, const Mac& destination, const Mac& source) {
    Frame frame;
    frame.reserve(shortest_frame);
    encode({destination, source, ethertype_arp}, frame);
    Writer writer(frame);
    writer.u16(hardware_ethernet).u16(ethertype_ipv4).u8(mac_length).u8(ipv4_length);
    writer.u16(static_cast<std::uint16_t>(arp.operation));
    writer.address(arp.sender_mac).address(arp.sender_ip).address(arp.target_mac).address(arp.target_ip);
    frame.resize(shortest_frame);
    return frame;
}

Result<Arp> decode_arp(Bytes frame) {
    const auto ethernet = decode_ethernet(frame);
    if (!ethernet) return tl::unexpected<Error>(ethernet.error());
    if (ethernet->header.ethertype != ethertype_arp) return fail("the frame holds no ARP packet");
    Reader reader(ethernet->payload);
    const bool ethernet_ipv4 = reader.u16() == hardware_ethernet && reader.u16() == ethertype_ipv4 &&
                               reader.u8() == mac_length && reader.u8() == ipv4_length;
    if (reader.ok() && !ethernet_ipv4) return fail("the ARP packet is not about IPv4 over Ethernet");
    const auto operation = reader.u16();
    Arp arp;
    arp.sender_mac = reader.address<Mac>();
    arp.sender_ip = reader.address<Ipv4>();
    arp.target_mac = reader.address<Mac>();
    arp.target_ip = reader.address<Ipv4>();
    if (!reader.ok())
        return fail("an ARP packet of " + std::to_string(ethernet->payload.size()) +
                    " bytes is too short (wanted 28)");
    arp.operation = static_cast<Arp::Operation>(operation);
    if (arp.operation != Arp::Operation::request && arp.operation != Arp::Operation::reply)
        return fail("ARP operation " + std::to_string(operation) + " is neither request nor reply");
    return arp;
}

Frame gratuitous_request(const Mac& mac, const Ipv4& ip) {
    return encode(Arp{Arp::Operation::request, mac, ip, Mac{}, ip}, broadcast_mac, mac);
}

Frame gratuitous_reply(const Mac& mac, const Ipv4& ip) {
    return encode(Arp{Arp::Operation::reply, mac, ip, mac, ip}, broadcast_mac, mac);
}

Frame probe(const Mac& mac, const Ipv4& ip) {
    return encode(Arp{Arp::Operation::request, mac, Ipv4{}, Mac{}, ip}, broadcast_mac, mac);
}

Frame request(const Mac& mac, const Ipv4& ip, const Ipv4& target) {
    return encode(Arp{Arp::Operation::request, mac, ip, Mac{}, target}, broadcast_mac, mac);
}

Frame unicast_reply(const Mac& neighbor_mac, const Ipv4& neighbor_ip, const Mac& mac, const Ipv4& ip) {
    return encode(Arp{Arp::Operation::reply, mac, ip, neighbor_mac, neighbor_ip}, neighbor_mac, mac);
}

}  // namespace buoy::wire
