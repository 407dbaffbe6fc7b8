// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
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

    /// Asks whether anybody has the target address, without claiming it (RFC 5227 section 1.1).
    [[nodiscard]] constexpr bool is_probe() const {
        return operation == Operation::request && sender_ip == Ipv4{} && target_ip != Ipv4{};
    }
    /// Says unasked who has an address, in either form (RFC 5944 section 4.6, RFC 5227 section 3).
    [[nodiscard]] constexpr bool is_gratuitous() const {
        return sender_ip == target_ip && sender_ip != Ipv4{};
    }
    bool operator==(const Arp&) const = default;
};

/// The size of a packet in bytes.
inline constexpr std::size_t arp_size = 28;

/// Reads a packet, without Ethernet header; what follows it (padding) is ignored. Errors: too short, hardware
/// other than Ethernet (1), protocol other than IPv4 (0x0800), address lengths other than 6 and 4, operations
/// other than request and reply. A group or zero sender MAC is no error (RFC 1812 section 3.3.2 would have a
/// router refuse the former, but an address shared by multicast is answered with one).
Result<Arp> decode_arp_packet(Bytes packet);

/// The same from a whole Ethernet frame, with up to two VLAN tags. Also an error: another ethertype.
Result<Arp> decode_arp(Bytes frame);

/// The 28 bytes of the packet alone.
Frame encode_arp_packet(const Arp& arp);

/// The packet in an untagged Ethernet frame. The Ethernet source need not be the sender MAC in the packet.
Frame encode_arp(const Mac& destination, const Mac& source, const Arp& arp);

/// Asks all stations who has `target`, as the station `mac` with the address `ip` (RFC 826). It also tells
/// them where `ip` is, and the target MAC is zero, as the kernel has it.
Frame request(const Mac& mac, const Ipv4& ip, const Ipv4& target);

/// Tells one station, `to_mac` with the address `to_ip`, that `ip` is at `mac`: the answer of RFC 826.
Frame unicast_reply(const Mac& to_mac, const Ipv4& to_ip, const Mac& mac, const Ipv4& ip);

/// Asks all stations whether any of them has `ip`, without telling them anything (RFC 5227 section 2.1.1:
/// the sender address is 0.0.0.0 so that no cache is touched, the target MAC should be zero).
Frame probe(const Mac& mac, const Ipv4& ip);

/// Claims `ip` after probing (RFC 5227 section 2.3): the probe with the sender address filled in. These are
/// the bytes of gratuitous_request(), under the standard's name.
Frame announcement(const Mac& mac, const Ipv4& ip);

/// Gratuitous ARP, request form, to all stations: sender and target address are both `ip`. The target MAC is
/// zero: RFC 5227 sections 2.1.1 and 2.3 recommend it, the kernel's arp_notify sends it, nobody reads it (RFC
/// 5944 section 4.6). `arping -U` has ff:ff:ff:ff:ff:ff there.
Frame gratuitous_request(const Mac& mac, const Ipv4& ip);

/// Gratuitous ARP, reply form, to all stations: sender and target address are both `ip`. The target MAC is
/// `mac`, as RFC 5944 section 4.6 demands of this form and `arping -A` sends it.
Frame gratuitous_reply(const Mac& mac, const Ipv4& ip);

}  // namespace buoy::wire
