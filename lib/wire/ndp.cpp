// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ndp.hpp"

#include <string>
#include <utility>

#include "wire/ethernet.hpp"
#include "wire/ipv6.hpp"

namespace buoy::wire {

namespace {

// RFC 4861 sections 4.3, 4.4 and 4.6.1, and section 7.1 for the hop limit: it proves that no router forwarded
// it.
constexpr std::uint8_t type_solicitation = 135;
constexpr std::uint8_t type_advertisement = 136;
constexpr std::uint8_t option_source_mac = 1;
constexpr std::uint8_t option_target_mac = 2;
constexpr std::uint8_t flag_router = 0x80;
constexpr std::uint8_t flag_solicited = 0x40;
constexpr std::uint8_t flag_override = 0x20;
constexpr std::uint8_t hop_limit = 255;
constexpr std::size_t message_size = 24;
constexpr std::size_t option_unit = 8;
constexpr std::size_t checksum_offset = 2;

/// Walks all options, so that a malformed one behind the wanted one is found as well.
Result<std::optional<Mac>> mac_option(Bytes options, std::uint8_t wanted) {
    std::optional<Mac> found;
    while (!options.empty()) {
        const auto option = head<2>(options, "neighbour discovery option");
        if (!option) return tl::unexpected(option.error());
        const std::uint8_t type = (*option)[0];
        const std::size_t size = option_unit * (*option)[1];
        if (size == 0) return fail("neighbour discovery option " + std::to_string(type) + " of length 0");
        if (size > options.size())
            return fail("neighbour discovery option " + std::to_string(type) + " with " +
                        std::to_string(options.size()) + " of its " + std::to_string(size) + " bytes");
        if (type == wanted) {
            if (size != option_unit)
                return fail("link-layer address option of " + std::to_string(size) +
                            " bytes, not Ethernet's 8");
            if (!found) found = address_at<Mac, 2>(options.first<option_unit>());
        }
        options = options.subspan(size);
    }
    return found;
}

Result<NeighborSolicitation> decode_solicitation(const Ipv6Header& header, const Ipv6& target,
                                                 Bytes options) {
    const auto mac = mac_option(options, option_source_mac);
    if (!mac) return tl::unexpected(mac.error());
    if (header.source == Ipv6{}) {
        if (!is_solicited_node_multicast(header.destination))
            return fail("neighbour solicitation from :: to " + header.destination.to_string() +
                        ", which is no solicited-node address");
        if (*mac) return fail("neighbour solicitation from :: with a source link-layer address");
    }
    return NeighborSolicitation{target, *mac};
}

Result<NeighborAdvertisement> decode_advertisement(const Ipv6Header& header, const Ipv6& target,
                                                   std::uint8_t flags, Bytes options) {
    const auto mac = mac_option(options, option_target_mac);
    if (!mac) return tl::unexpected(mac.error());
    const bool solicited = (flags & flag_solicited) != 0;
    if (solicited && header.destination.is_multicast())
        return fail("solicited neighbour advertisement to the multicast address " +
                    header.destination.to_string());
    return NeighborAdvertisement{target, (flags & flag_router) != 0, solicited, (flags & flag_override) != 0,
                                 *mac};
}

Frame message_bytes(std::uint8_t type, std::uint8_t flags, const Ipv6& target, std::uint8_t option,
                    const std::optional<Mac>& mac) {
    Frame bytes{type, 0, 0, 0, flags, 0, 0, 0};
    append(bytes, target.bytes);
    if (mac) {
        bytes.push_back(option);
        bytes.push_back(1);
        append(bytes, mac->bytes);
    }
    return bytes;
}

Frame message_bytes(const NeighborSolicitation& message) {
    return message_bytes(type_solicitation, 0, message.target, option_source_mac, message.source_mac);
}

Frame message_bytes(const NeighborAdvertisement& message) {
    const int flags = (message.router ? flag_router : 0) | (message.solicited ? flag_solicited : 0) |
                      (message.override ? flag_override : 0);
    return message_bytes(type_advertisement, static_cast<std::uint8_t>(flags), message.target,
                         option_target_mac, message.target_mac);
}

template <typename Message>
Result<Message> decode_only(Bytes frame, const char* other) {
    auto ndp = decode_ndp(frame);
    if (!ndp) return tl::unexpected(std::move(ndp).error());
    if (const auto* message = std::get_if<Message>(&ndp->message)) return *message;
    return fail(other);
}

Frame to_group(const Mac& mac, const Ndp& ndp) {
    return encode_ndp(multicast_mac(ndp.destination), mac, ndp);
}

NeighborAdvertisement claim(const Mac& mac, const Ipv6& ip, bool router, bool solicited) {
    return {.target = ip, .router = router, .solicited = solicited, .override = true, .target_mac = mac};
}

}  // namespace

Result<Ndp> decode_ndp_packet(Bytes packet) {
    const auto ip = decode_ipv6(packet);
    if (!ip) return tl::unexpected(ip.error());
    const auto& header = ip->header;
    if (header.next_header != next_header_icmpv6)
        return fail("IPv6 packet with next header " + std::to_string(header.next_header) +
                    ", not ICMPv6 (58)");
    const auto message = head<message_size>(ip->payload, "neighbour discovery message");
    if (!message) return tl::unexpected(message.error());
    const std::uint8_t type = (*message)[0];
    if (type != type_solicitation && type != type_advertisement)
        return fail("ICMPv6 message of type " + std::to_string(type) +
                    " is neither neighbour solicitation (135) nor advertisement (136)");
    if (header.hop_limit != hop_limit)
        return fail("neighbour discovery message with hop limit " + std::to_string(header.hop_limit) +
                    ", not 255");
    if (checksum(header.source, header.destination, next_header_icmpv6, ip->payload) != 0)
        return fail("neighbour discovery message with a wrong checksum");
    if ((*message)[1] != 0)
        return fail("neighbour discovery message with code " + std::to_string((*message)[1]) + ", not 0");
    const auto target = address_at<Ipv6, 8>(*message);
    if (target.is_multicast())
        return fail("neighbour discovery message about the multicast address " + target.to_string());
    const Bytes options = ip->payload.subspan(message_size);
    const auto whole = [&](auto decoded) -> Result<Ndp> {
        if (!decoded) return tl::unexpected(std::move(decoded).error());
        return Ndp{header.source, header.destination, *decoded};
    };
    if (type == type_solicitation) return whole(decode_solicitation(header, target, options));
    return whole(decode_advertisement(header, target, (*message)[4], options));
}

Result<Ndp> decode_ndp(Bytes frame) {
    const auto ethernet = decode_ethernet(frame);
    if (!ethernet) return tl::unexpected(ethernet.error());
    if (ethernet->header.ethertype != ethertype_ipv6)
        return fail("Ethernet frame of type " + hex(ethernet->header.ethertype) + ", not IPv6 (0x86dd)");
    return decode_ndp_packet(ethernet->payload);
}

Result<NeighborSolicitation> decode_neighbor_solicitation(Bytes frame) {
    return decode_only<NeighborSolicitation>(frame, "neighbour advertisement, not a solicitation");
}

Result<NeighborAdvertisement> decode_neighbor_advertisement(Bytes frame) {
    return decode_only<NeighborAdvertisement>(frame, "neighbour solicitation, not an advertisement");
}

Frame encode_ndp_packet(const Ndp& ndp) {
    auto message = std::visit([](const auto& value) { return message_bytes(value); }, ndp.message);
    const auto sum = checksum(ndp.source, ndp.destination, next_header_icmpv6, message);
    message[checksum_offset] = static_cast<std::uint8_t>(sum >> 8);
    message[checksum_offset + 1] = static_cast<std::uint8_t>(sum);
    return encode_ipv6({.next_header = next_header_icmpv6,
                        .hop_limit = hop_limit,
                        .source = ndp.source,
                        .destination = ndp.destination},
                       message);
}

Frame encode_ndp(const Mac& destination, const Mac& source, const Ndp& ndp) {
    return encode_ethernet({destination, source, ethertype_ipv6, {}}, encode_ndp_packet(ndp));
}

Frame solicitation(const Mac& mac, const Ipv6& ip, const Ipv6& target) {
    return to_group(mac, {ip, solicited_node_multicast(target), NeighborSolicitation{target, mac}});
}

Frame dad_probe(const Mac& mac, const Ipv6& ip) {
    return to_group(mac, {Ipv6{}, solicited_node_multicast(ip), NeighborSolicitation{ip, std::nullopt}});
}

Frame solicited_advertisement(const Mac& to_mac, const Ipv6& to_ip, const Mac& mac, const Ipv6& ip,
                              bool router) {
    return encode_ndp(to_mac, mac, {ip, to_ip, claim(mac, ip, router, true)});
}

Frame unsolicited_advertisement(const Mac& mac, const Ipv6& ip, bool router) {
    return to_group(mac, {ip, all_nodes, claim(mac, ip, router, false)});
}

Frame unicast_advertisement(const Mac& to_mac, const Ipv6& to_ip, const Mac& mac, const Ipv6& ip,
                            bool router) {
    return encode_ndp(to_mac, mac, {ip, to_ip, claim(mac, ip, router, false)});
}

}  // namespace buoy::wire
