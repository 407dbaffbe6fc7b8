// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// What the sweep puts on the wire and reads from it. Deliberately not Buoy's own codecs: the tests would not
/// notice a mistake that both sides share.
namespace buoy::sweep {

using Bytes = std::span<const std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;
/// An IPv6 address, or an IPv4 address mapped into one (RFC 4291 section 2.5.5.2).
using Ip = std::array<std::uint8_t, 16>;

bool is_v4(const Ip& ip);

/// Which request of which address; travels in the payload of an echo, so it comes back with the answer.
struct Token {
    std::uint32_t sequence = 0;
    std::uint16_t address = 0;
    bool operator==(const Token&) const = default;
};

/// An echo request (RFC 792, RFC 4443). The kernel fills in the checksum of ICMPv6, so it is 0 there.
std::vector<std::uint8_t> echo_request(bool v6, std::uint16_t identifier, Token token);

/// A question who has an address, complete with Ethernet header: an ARP request (RFC 826) from
/// 10.77.0.250, or a neighbour solicitation (RFC 4861) from fe80::250.
std::vector<std::uint8_t> question(const Ip& about, const Mac& asker);

/// What a frame says about who has an address.
struct Seen {
    enum class Kind : std::uint8_t {
        echo_reply,    ///< of ours; `token` says to what
        answer,        ///< ARP reply or advertisement, to one host
        announcement,  ///< ARP of either form or advertisement, to everybody
    };
    Kind kind{};
    Ip ip{};
    Mac source{};
    Token token{};
};

/// Reads a frame; nothing if it says nothing, is another's echo reply or is cut short.
std::optional<Seen> read_frame(Bytes frame, std::uint16_t identifier);

}  // namespace buoy::sweep
