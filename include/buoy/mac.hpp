// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "buoy/result.hpp"

namespace buoy {

/// A 48-bit Ethernet address (IEEE 802), in the order of transmission.
struct Mac {
    std::array<std::uint8_t, 6> bytes{};

    /// The group bit: the frame goes to more than one station. True for broadcast too.
    [[nodiscard]] constexpr bool is_group() const { return (bytes[0] & 0x01) != 0; }
    /// The U/L bit: the address was given out by an administrator, not by a manufacturer.
    [[nodiscard]] constexpr bool is_local() const { return (bytes[0] & 0x02) != 0; }
    [[nodiscard]] constexpr bool is_zero() const { return *this == Mac{}; }

    /// Six pairs of hexadecimal digits, all joined by ':' or all by '-'. The error says what was read.
    static Result<Mac> parse(std::string_view text);
    /// Lower-case hexadecimal pairs joined by ':'.
    [[nodiscard]] std::string to_string() const;

    constexpr auto operator<=>(const Mac&) const = default;
};

inline constexpr Mac broadcast_mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

}  // namespace buoy
