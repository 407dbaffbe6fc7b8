// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ndp.hpp"

#include <string>

#include "wire/ethernet.hpp"

namespace buoy::wire {

namespace {

constexpr std::uint8_t next_header_icmpv6 = 58;
// Nothing that a router has forwarded can have it, which proves a sender on the link (RFC 4861 section 3.1).
constexpr std::uint8_t hop_limit = 255;
constexpr std::uint8_t type_solicitation = 135;
constexpr std::uint8_t type_advertisement = 136;
constexpr std::uint8_t option_source_mac = 1;
constexpr std::uint8_t option_target_mac = 2;
constexpr std::uint8_t flag_router = 0x80;
constexpr std::uint8_t flag_solicited = 0x40;
constexpr std::uint8_t flag_override = 0x20;
constexpr std::size_t ethernet_length = 14;
constexpr std::size_t ipv6_length = 40;
constexpr std::size_t option_unit = 8;  // option lengths count units of eight bytes (RFC 4861 section 4.6)
constexpr Ipv6 all_nodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01}};

/// What both messages have in common once the frame is known to be a sound one.
struct Message {
    Ipv6 source;
    Ipv6 destination;
    std::uint8_t flags = 0;
    Ipv6 target;
    std::optional<Mac> mac;
};

/// The Internet checksum over pseudo-header and message (RFC 8200 section 8.1, RFC 1071). Over a message that
/// carries its right checksum it is 0.
std::uint16_t checksum(const Ipv6& source, const Ipv6& destination, Bytes message) {
    std::uint32_t sum = next_header_icmpv6 + static_cast<std::uint32_t>(message.size());
    auto add = [&sum](Bytes bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i)
            sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
    };
    add(source.bytes);
    add(destination.bytes);
    add(message);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

Frame encode_message(std::uint8_t type, const Message& content, std::uint8_t option, const Mac& destination,
                     const Mac& source) {
    Frame message;
    Writer writer(message);
    writer.u8(type).u8(0).u16(0).u8(content.flags).u8(0).u16(0).address(content.target);
    if (content.mac) writer.u8(option).u8(1).address(*content.mac);
    const auto sum = checksum(content.source, content.destination, message);
    message[2] = static_cast<std::uint8_t>(sum >> 8);
    message[3] = static_cast<std::uint8_t>(sum);
    Frame frame;
    frame.reserve(ethernet_length + ipv6_length + message.size());
    encode({destination, source, ethertype_ipv6}, frame);
    Writer header(frame);
    header.u16(0x6000).u16(0).u16(static_cast<std::uint16_t>(message.size()));
    header.u8(next_header_icmpv6).u8(hop_limit).address(content.source).address(content.destination);
    frame.insert(frame.end(), message.begin(), message.end());
    return frame;
}

/// The options: each has a length, none of them zero (RFC 4861 section 4.6).
Result<std::optional<Mac>> read_options(Bytes options, std::uint8_t wanted) {
    std::optional<Mac> mac;
    while (!options.empty()) {
        const std::size_t length = options.size() < 2 ? 0 : options[1] * option_unit;
        if (length == 0 || length > options.size())
            return fail("an option has no length, or runs past the end");
        if (options[0] == wanted && length == option_unit) mac = Reader(options.subspan(2)).address<Mac>();
        options = options.subspan(length);
    }
    return mac;
}

/// The ICMPv6 message of a frame, and between whom.
struct Carried {
    Ipv6 source;
    Ipv6 destination;
    Bytes message;
};

Result<Carried> carried_in(Bytes frame) {
    const auto ethernet = decode_ethernet(frame);
    if (!ethernet) return tl::unexpected<Error>(ethernet.error());
    if (ethernet->header.ethertype != ethertype_ipv6) return fail("the frame holds no IPv6 packet");
    Reader reader(ethernet->payload);
    const bool version_6 = reader.u8() >> 4 == 6;
    reader.skip(3);
    const std::size_t length = reader.u16();
    const auto next_header = reader.u8();
    const auto hops = reader.u8();
    const auto source = reader.address<Ipv6>();
    const auto destination = reader.address<Ipv6>();
    if (!reader.ok() || reader.rest().size() < length) return fail("the IPv6 packet is cut short");
    if (!version_6 || next_header != next_header_icmpv6) return fail("the packet holds no ICMPv6 message");
    if (hops != hop_limit) return fail("the hop limit is " + std::to_string(hops) + ", not 255");
    return Carried{source, destination, reader.rest().first(length)};
}

Result<Message> decode_message(Bytes frame, std::uint8_t type, std::uint8_t option) {
    const auto carried = carried_in(frame);
    if (!carried) return tl::unexpected<Error>(carried.error());
    Reader reader(carried->message);
    const auto found_type = reader.u8();
    const auto code = reader.u8();
    reader.skip(2);
    Message content{carried->source, carried->destination, reader.u8(), {}, {}};
    reader.skip(3);
    content.target = reader.address<Ipv6>();
    if (!reader.ok()) return fail("the neighbour discovery message is cut short (wanted 24 bytes)");
    if (found_type != type) return fail("the message is ICMPv6 type " + std::to_string(found_type));
    if (code != 0) return fail("the code is " + std::to_string(code) + ", not 0");
    if (checksum(carried->source, carried->destination, carried->message) != 0)
        return fail("the checksum is wrong");
    if (content.target.is_multicast()) return fail("the target is a multicast address");
    const auto mac = read_options(reader.rest(), option);
    if (!mac) return tl::unexpected<Error>(mac.error());
    content.mac = *mac;
    return content;
}

bool is_solicited_node_group(const Ipv6& ip) {
    return solicited_node_group(ip) == ip;
}

}  // namespace

Frame encode(const NeighborSolicitation& solicitation, const Mac& destination, const Mac& source) {
    const Message content{solicitation.source, solicitation.destination, 0, solicitation.target,
                          solicitation.source_mac};
    return encode_message(type_solicitation, content, option_source_mac, destination, source);
}

Frame encode(const NeighborAdvertisement& advertisement, const Mac& destination, const Mac& source) {
    const auto flags = static_cast<std::uint8_t>((advertisement.router ? flag_router : 0) |
                                                 (advertisement.solicited ? flag_solicited : 0) |
                                                 (advertisement.override_cache ? flag_override : 0));
    const Message content{advertisement.source, advertisement.destination, flags, advertisement.target,
                          advertisement.target_mac};
    return encode_message(type_advertisement, content, option_target_mac, destination, source);
}

Result<NeighborSolicitation> decode_neighbor_solicitation(Bytes frame) {
    const auto message = decode_message(frame, type_solicitation, option_source_mac);
    if (!message) return tl::unexpected<Error>(message.error());
    if (message->source == Ipv6{} && !is_solicited_node_group(message->destination))
        return fail("a solicitation from :: is not to a solicited-node group");
    if (message->source == Ipv6{} && message->mac) return fail("a solicitation from :: names a MAC");
    return NeighborSolicitation{message->source, message->destination, message->target, message->mac};
}

Result<NeighborAdvertisement> decode_neighbor_advertisement(Bytes frame) {
    const auto message = decode_message(frame, type_advertisement, option_target_mac);
    if (!message) return tl::unexpected<Error>(message.error());
    const bool solicited = (message->flags & flag_solicited) != 0;
    if (solicited && message->destination.is_multicast())
        return fail("an advertisement to a group claims to be solicited");
    return NeighborAdvertisement{message->source,
                                 message->destination,
                                 (message->flags & flag_router) != 0,
                                 solicited,
                                 (message->flags & flag_override) != 0,
                                 message->target,
                                 message->mac};
}

Ipv6 solicited_node_group(const Ipv6& ip) {
    return {{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, ip.bytes[13], ip.bytes[14], ip.bytes[15]}};
}

Mac group_mac(const Ipv6& group) {
    return {{0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]}};
}

Frame unsolicited_advertisement(const Mac& mac, const Ipv6& ip, bool router) {
    return encode(NeighborAdvertisement{ip, all_nodes, router, false, true, ip, mac}, group_mac(all_nodes),
                  mac);
}

Frame unicast_advertisement(const Mac& neighbor_mac, const Ipv6& neighbor, const Mac& mac, const Ipv6& ip) {
    return encode(NeighborAdvertisement{ip, neighbor, false, false, true, ip, mac}, neighbor_mac, mac);
}

Frame solicitation(const Mac& mac, const Ipv6& ip, const Ipv6& target) {
    const Ipv6 group = solicited_node_group(target);
    return encode(NeighborSolicitation{ip, group, target, mac}, group_mac(group), mac);
}

Frame duplicate_probe(const Mac& mac, const Ipv6& ip) {
    const Ipv6 group = solicited_node_group(ip);
    return encode(NeighborSolicitation{Ipv6{}, group, ip, std::nullopt}, group_mac(group), mac);
}

}  // namespace buoy::wire
