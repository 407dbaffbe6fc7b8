// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "buoy/result.hpp"

namespace buoy {

/// An IPv4 address in network byte order.
struct Ipv4 {
    std::array<std::uint8_t, 4> bytes{};
    /// Dotted quad, four decimal numbers without leading zeros (inet_pton(3)).
    static Result<Ipv4> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;
    /// The address as a number, most significant byte first.
    [[nodiscard]] constexpr std::uint32_t value() const {
        return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
               std::uint32_t{bytes[3]};
    }
    static constexpr Ipv4 from_value(std::uint32_t value) {
        return Ipv4{{static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
                     static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)}};
    }
    constexpr auto operator<=>(const Ipv4&) const = default;
};

/// An IPv6 address in network byte order.
struct Ipv6 {
    std::array<std::uint8_t, 16> bytes{};
    /// Any textual form of RFC 4291 section 2.2, without a zone.
    static Result<Ipv6> parse(std::string_view text);
    /// The canonical form of RFC 5952.
    [[nodiscard]] std::string to_string() const;
    /// fe80::/10 (RFC 4291 section 2.5.6).
    [[nodiscard]] constexpr bool is_link_local() const {
        return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
    }
    [[nodiscard]] constexpr bool is_multicast() const { return bytes[0] == 0xff; }
    constexpr auto operator<=>(const Ipv6&) const = default;
};

/// Either family. Compared by value, so every spelling of one address is equal.
class IpAddress {
  public:
    IpAddress() = default;
    constexpr IpAddress(Ipv4 address) : address_(address) {}  // NOLINT(google-explicit-constructor)
    constexpr IpAddress(Ipv6 address) : address_(address) {}  // NOLINT(google-explicit-constructor)

    static Result<IpAddress> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;

    [[nodiscard]] constexpr bool is_v4() const { return std::holds_alternative<Ipv4>(address_); }
    [[nodiscard]] constexpr bool is_v6() const { return !is_v4(); }
    /// The IPv4 address; only when is_v4().
    [[nodiscard]] constexpr const Ipv4& v4() const { return *std::get_if<Ipv4>(&address_); }
    [[nodiscard]] constexpr const Ipv6& v6() const { return *std::get_if<Ipv6>(&address_); }
    /// Length of the address in bits: 32 or 128.
    [[nodiscard]] constexpr int bits() const { return is_v4() ? 32 : 128; }
    /// The bytes in network order; 4 or 16 of them.
    [[nodiscard]] const std::uint8_t* data() const { return is_v4() ? v4().bytes.data() : v6().bytes.data(); }
    [[nodiscard]] std::size_t size() const { return is_v4() ? 4 : 16; }

    constexpr auto operator<=>(const IpAddress&) const = default;

  private:
    std::variant<Ipv4, Ipv6> address_;
};

/// An address or network with its prefix length in bits (RFC 4632, RFC 4291 section 2.3).
struct Prefix {
    IpAddress address;
    int length = 0;
    /// True when `other` is of the same family and its first `length` bits are ours.
    [[nodiscard]] bool contains(const IpAddress& other) const;
    [[nodiscard]] std::string to_string() const;
    bool operator==(const Prefix&) const = default;
};

}  // namespace buoy
