// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "wire/bytes.hpp"

namespace buoy::wire {

/// An ARP packet for IPv4 over Ethernet (RFC 826).
struct Arp {
    enum class Operation : std::uint16_t { request = 1, reply = 2 };
    Operation operation = Operation::request;
    Mac sender_mac;
    Ipv4 sender_ip;
    Mac target_mac;
    Ipv4 target_ip;
    bool operator==(const Arp&) const = default;
};

/// The packet in a frame of its own, padded to the shortest Ethernet frame so that no driver pads it with
/// what it finds in memory. The frame's source is usually the sender's MAC, but a virtual or group MAC in the
/// packet may travel in a frame from the NIC's own.
Frame encode(const Arp& arp, const Mac& destination, const Mac& source);

/// Reads the ARP packet of a frame, tagged or not; what follows it is padding. Fails on another EtherType, a
/// short packet, address kinds other than IPv4 over Ethernet, and operations other than request and reply.
Result<Arp> decode_arp(Bytes frame);

// The packets of a floating address's life, each as a whole frame from `mac`.

/// Gratuitous ARP as a request: "who has IP, tell IP". RFC 5227 section 3 calls it the announcement and
/// prefers it; the target MAC is unknown by form, so zero.
Frame gratuitous_request(const Mac& mac, const Ipv4& ip);
/// Gratuitous ARP as a reply, for what listens to replies only. The target MAC repeats the sender's, since
/// RFC 5944 section 4.6 leaves the field open and some switches drop zeros there.
Frame gratuitous_reply(const Mac& mac, const Ipv4& ip);
/// ARP probe: asks for `ip` from 0.0.0.0, so that nobody's cache changes (RFC 5227 section 1.1).
Frame probe(const Mac& mac, const Ipv4& ip);
/// An ordinary broadcast request for `target`, from `ip`.
Frame request(const Mac& mac, const Ipv4& ip, const Ipv4& target);
/// Tells one neighbour alone where `ip` is.
Frame unicast_reply(const Mac& neighbor_mac, const Ipv4& neighbor_ip, const Mac& mac, const Ipv4& ip);

}  // namespace buoy::wire
