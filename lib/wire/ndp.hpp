// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <variant>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "wire/bytes.hpp"

namespace buoy::wire {

/// "Who has this address?" (RFC 4861 section 4.3). Without link-layer address when it asks for a duplicate.
struct NeighborSolicitation {
    Ipv6 target;
    std::optional<Mac> source_mac{};  ///< the source link-layer address option
    bool operator==(const NeighborSolicitation&) const = default;
};

/// "This address is here" (RFC 4861 section 4.4).
struct NeighborAdvertisement {
    Ipv6 target;
    bool router = false;
    bool solicited = false;
    bool override = false;            ///< the receiver is to replace the link-layer address it has
    std::optional<Mac> target_mac{};  ///< the target link-layer address option
    bool operator==(const NeighborAdvertisement&) const = default;
};

/// One of the two messages and the addresses of the IPv6 header that it came in.
struct Ndp {
    Ipv6 source;
    Ipv6 destination;
    std::variant<NeighborSolicitation, NeighborAdvertisement> message;
    bool operator==(const Ndp&) const = default;
};

/// Reads an IPv6 packet, without Ethernet header; what follows it (padding) is ignored. Errors: all that
/// decode_ipv6() has, another next header than ICMPv6 (so also a packet with extension headers, which no
/// host sends here and RFC 6980 forbids where they are fragments), another ICMPv6 type, and all that RFC 4861
/// sections 7.1.1 and 7.1.2 tell a host to discard: hop limit other than 255, wrong checksum, code other than
/// 0, too short, an option of length 0 or beyond the end, a multicast target; a solicitation from :: that has
/// a link-layer address or does not go to a solicited-node address; a solicited advertisement to a multicast
/// address. Also a link-layer address option that is not Ethernet's 8 bytes (RFC 2464 section 6). Other
/// options are skipped; of two alike the first counts, as in the kernel.
Result<Ndp> decode_ndp_packet(Bytes packet);

/// The same from a whole Ethernet frame, with up to two VLAN tags. Also an error: another ethertype. That the
/// destination MAC fits the IPv6 destination is not checked; no standard asks for it.
Result<Ndp> decode_ndp(Bytes frame);

/// decode_ndp() for those who want solicitations only: an advertisement is an error.
Result<NeighborSolicitation> decode_neighbor_solicitation(Bytes frame);

/// decode_ndp() for those who want advertisements only: a solicitation is an error.
Result<NeighborAdvertisement> decode_neighbor_advertisement(Bytes frame);

/// The IPv6 packet alone: hop limit 255, checksum, and the option where there is a MAC for it.
Frame encode_ndp_packet(const Ndp& ndp);

/// The packet in an untagged Ethernet frame. The Ethernet source need not be the MAC in the option.
Frame encode_ndp(const Mac& destination, const Mac& source, const Ndp& ndp);

/// Asks who has `target`, as the station `mac` with the address `ip`: to the solicited-node multicast
/// address, with the source link-layer address option (RFC 4861 section 7.2.2).
Frame solicitation(const Mac& mac, const Ipv6& ip, const Ipv6& target);

/// Asks whether anybody has `ip`, without claiming it: from ::, to the solicited-node multicast address,
/// without the option (RFC 4862 section 5.4.2).
Frame dad_probe(const Mac& mac, const Ipv6& ip);

/// Answers the station `to_mac` with the address `to_ip`: `ip` is at `mac`, solicited and override set
/// (RFC 4861 section 7.2.4). A question from :: is answered to all nodes: unsolicited_advertisement().
Frame solicited_advertisement(const Mac& to_mac, const Ipv6& to_ip, const Mac& mac, const Ipv6& ip,
                              bool router = false);

/// Tells all nodes, unasked, that `ip` is at `mac`: to ff02::1, override set, with the target link-layer
/// address option (RFC 4861 section 7.2.6). `router` says whether the node forwards packets; saying no makes
/// hosts forget it as a router. Not for an address that is still optimistic: RFC 4429 section 3.3 wants
/// override clear then.
Frame unsolicited_advertisement(const Mac& mac, const Ipv6& ip, bool router = false);

/// Tells one station the same, unasked: for those that heed no multicast.
Frame unicast_advertisement(const Mac& to_mac, const Ipv6& to_ip, const Mac& mac, const Ipv6& ip,
                            bool router = false);

}  // namespace buoy::wire
