// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "wire/bytes.hpp"

// Neighbour discovery for IPv6 (RFC 4861) over Ethernet (RFC 2464).
namespace buoy::wire {

/// "Who has TARGET?" (RFC 4861 section 4.3)
struct NeighborSolicitation {
    Ipv6 source;       ///< "::" while duplicates are looked for (RFC 4862 section 5.4.2)
    Ipv6 destination;  ///< the target's solicited-node group, or the target itself
    Ipv6 target;
    std::optional<Mac> source_mac;  ///< source link-layer address option; never with source "::"
    bool operator==(const NeighborSolicitation&) const = default;
};

/// "TARGET is at TARGET_MAC" (RFC 4861 section 4.4)
struct NeighborAdvertisement {
    Ipv6 source;
    Ipv6 destination;
    bool router = false;
    bool solicited = false;
    bool override_cache = false;  ///< the O flag: replace what the neighbour has cached
    Ipv6 target;
    std::optional<Mac> target_mac;  ///< target link-layer address option
    bool operator==(const NeighborAdvertisement&) const = default;
};

/// The message in a frame of its own, hop limit 255, checksum computed.
Frame encode(const NeighborSolicitation& solicitation, const Mac& destination, const Mac& source);
Frame encode(const NeighborAdvertisement& advertisement, const Mac& destination, const Mac& source);

/// Reads the message of a frame, tagged or not, and applies every check of RFC 4861 section 7.1.1 and 7.1.2.
/// The failure names the check. Unknown options are passed over.
Result<NeighborSolicitation> decode_neighbor_solicitation(Bytes frame);
Result<NeighborAdvertisement> decode_neighbor_advertisement(Bytes frame);

/// ff02::1:ffXX:XXXX of an address (RFC 4291 section 2.7.1).
Ipv6 solicited_node_group(const Ipv6& ip);
/// 33:33 and the group's last four bytes (RFC 2464 section 7).
Mac group_mac(const Ipv6& group);

// The messages of a floating address's life, each as a whole frame from `mac`.

/// Tells everybody on the link that `ip` is at `mac`, overriding what they have (RFC 4861 section 7.2.6).
Frame unsolicited_advertisement(const Mac& mac, const Ipv6& ip, bool router = false);
/// Tells one neighbour alone.
Frame unicast_advertisement(const Mac& neighbor_mac, const Ipv6& neighbor, const Mac& mac, const Ipv6& ip);
/// Asks for `target`, from `ip`.
Frame solicitation(const Mac& mac, const Ipv6& ip, const Ipv6& target);
/// Asks whether anybody has `ip`, without claiming it (RFC 4862 section 5.4.2).
Frame duplicate_probe(const Mac& mac, const Ipv6& ip);

}  // namespace buoy::wire
