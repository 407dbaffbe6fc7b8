// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/tools/wire.hpp"

#include <algorithm>

namespace buoy::sweep {

namespace {

constexpr std::size_t ethernet_size = 14;
constexpr std::uint16_t type_arp = 0x0806;
constexpr std::uint16_t type_ipv4 = 0x0800;
constexpr std::uint16_t type_ipv6 = 0x86dd;
constexpr std::uint8_t protocol_icmp = 1;
constexpr std::uint8_t protocol_icmp6 = 58;
constexpr std::uint8_t icmp_reply = 0;
constexpr std::uint8_t icmp_request = 8;
constexpr std::uint8_t icmp6_request = 128;
constexpr std::uint8_t icmp6_reply = 129;
constexpr std::uint8_t icmp6_solicitation = 135;
constexpr std::uint8_t icmp6_advertisement = 136;
/// Where the token is in an echo, behind type, code, checksum, identifier and sequence.
constexpr std::size_t token_offset = 8;
constexpr std::size_t echo_size = token_offset + 8;
constexpr std::uint16_t token_mark = 0x5077;
constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::uint16_t get16(Bytes bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::uint32_t get32(Bytes bytes, std::size_t at) {
    return static_cast<std::uint32_t>(get16(bytes, at)) << 16 | get16(bytes, at + 2);
}

void put16(std::vector<std::uint8_t>& out, std::size_t at, std::uint16_t value) {
    out[at] = static_cast<std::uint8_t>(value >> 8);
    out[at + 1] = static_cast<std::uint8_t>(value & 0xff);
}

template <typename Part>
void append(std::vector<std::uint8_t>& out, const Part& part) {
    out.insert(out.end(), std::begin(part), std::end(part));
}

/// The Internet checksum (RFC 1071) of an even number of bytes on top of a sum.
std::uint16_t checksum(Bytes bytes, std::uint32_t sum = 0) {
    for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) sum += get16(bytes, at);
    while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

Ip from_v4(Bytes four) {
    Ip ip{};
    std::ranges::copy(mapped, ip.begin());
    std::ranges::copy(four.first(4), ip.begin() + 12);
    return ip;
}

Ip from_v6(Bytes sixteen) {
    Ip ip{};
    std::ranges::copy(sixteen.first(16), ip.begin());
    return ip;
}

std::vector<std::uint8_t> arp_request(const Ip& about, const Mac& asker) {
    constexpr std::array<std::uint8_t, 10> kind{0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
    constexpr std::array<std::uint8_t, 4> from{10, 77, 0, 250};
    std::vector<std::uint8_t> out(6, 0xff);
    append(out, asker);
    append(out, kind);
    append(out, asker);
    append(out, from);
    out.insert(out.end(), 6, 0);
    out.insert(out.end(), about.begin() + 12, about.end());
    return out;
}

std::vector<std::uint8_t> solicitation(const Ip& about, const Mac& asker) {
    constexpr Ip from{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x50};
    // The solicited-node group of the target (RFC 4291 section 2.7.1) and its MAC (RFC 2464 section 7).
    const Ip to{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, about[13], about[14], about[15]};
    std::vector<std::uint8_t> body{icmp6_solicitation, 0, 0, 0, 0, 0, 0, 0};
    append(body, about);
    body.insert(body.end(), {1, 1});
    append(body, asker);
    std::vector<std::uint8_t> pseudo;
    append(pseudo, from);
    append(pseudo, to);
    pseudo.insert(pseudo.end(), {0, 0, 0, static_cast<std::uint8_t>(body.size()), 0, 0, 0, protocol_icmp6});
    append(pseudo, body);
    put16(body, 2, checksum(pseudo));
    std::vector<std::uint8_t> out{0x33, 0x33, to[12], to[13], to[14], to[15]};
    append(out, asker);
    out.insert(out.end(), {0x86, 0xdd, 0x60, 0, 0, 0, 0, static_cast<std::uint8_t>(body.size())});
    out.insert(out.end(), {protocol_icmp6, 255});
    append(out, from);
    append(out, to);
    append(out, body);
    return out;
}

std::optional<Token> read_echo(Bytes echo, std::uint16_t identifier) {
    if (echo.size() < echo_size || get16(echo, 4) != identifier) return std::nullopt;
    if (get16(echo, token_offset + 6) != token_mark) return std::nullopt;
    return Token{get32(echo, token_offset), get16(echo, token_offset + 4)};
}

std::optional<Seen> read_arp(Bytes arp, bool to_everybody) {
    if (arp.size() < 28 || get16(arp, 0) != 1 || get16(arp, 2) != type_ipv4) return std::nullopt;
    // Requests count as well, gratuitous or not: whoever hears one learns where its sender is.
    return Seen{
        to_everybody ? Seen::Kind::announcement : Seen::Kind::answer, from_v4(arp.subspan(14)), {}, {}};
}

std::optional<Seen> read_ipv4(Bytes packet, std::uint16_t identifier) {
    const std::size_t header = packet.empty() ? 0 : (packet[0] & 0xfU) * 4;
    if (header < 20 || packet.size() < header + 1 || packet[9] != protocol_icmp) return std::nullopt;
    if (packet[header] != icmp_reply) return std::nullopt;
    const auto token = read_echo(packet.subspan(header), identifier);
    if (!token) return std::nullopt;
    return Seen{Seen::Kind::echo_reply, from_v4(packet.subspan(12)), {}, *token};
}

std::optional<Seen> read_ipv6(Bytes packet, std::uint16_t identifier) {
    if (packet.size() < 40 + echo_size || packet[6] != protocol_icmp6) return std::nullopt;
    const Bytes body = packet.subspan(40);
    if (body[0] == icmp6_reply) {
        const auto token = read_echo(body, identifier);
        if (!token) return std::nullopt;
        return Seen{Seen::Kind::echo_reply, from_v6(packet.subspan(8)), {}, *token};
    }
    if (body[0] != icmp6_advertisement || body.size() < 24) return std::nullopt;
    const bool to_everybody = packet[24] == 0xff;
    return Seen{
        to_everybody ? Seen::Kind::announcement : Seen::Kind::answer, from_v6(body.subspan(8)), {}, {}};
}

}  // namespace

bool is_v4(const Ip& ip) {
    return std::equal(mapped.begin(), mapped.end(), ip.begin());
}

std::vector<std::uint8_t> echo_request(bool v6, std::uint16_t identifier, Token token) {
    std::vector<std::uint8_t> out(echo_size, 0);
    out[0] = v6 ? icmp6_request : icmp_request;
    put16(out, 4, identifier);
    put16(out, 6, static_cast<std::uint16_t>(token.sequence & 0xffff));
    put16(out, token_offset, static_cast<std::uint16_t>(token.sequence >> 16));
    put16(out, token_offset + 2, static_cast<std::uint16_t>(token.sequence & 0xffff));
    put16(out, token_offset + 4, token.address);
    put16(out, token_offset + 6, token_mark);
    if (!v6) put16(out, 2, checksum(out));
    return out;
}

std::vector<std::uint8_t> question(const Ip& about, const Mac& asker) {
    return is_v4(about) ? arp_request(about, asker) : solicitation(about, asker);
}

std::optional<Seen> read_frame(Bytes frame, std::uint16_t identifier) {
    if (frame.size() < ethernet_size) return std::nullopt;
    const Bytes packet = frame.subspan(ethernet_size);
    std::optional<Seen> seen;
    switch (get16(frame, 12)) {
        case type_arp:
            seen = read_arp(packet, (frame[0] & 1) != 0);
            break;
        case type_ipv4:
            seen = read_ipv4(packet, identifier);
            break;
        case type_ipv6:
            seen = read_ipv6(packet, identifier);
            break;
        default:
            break;
    }
    if (seen) std::ranges::copy(frame.subspan(6, 6), seen->source.begin());
    return seen;
}

}  // namespace buoy::sweep
