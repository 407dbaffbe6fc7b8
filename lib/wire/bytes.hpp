// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "buoy/result.hpp"

/// Ethernet, ARP and neighbour discovery: bytes to values and back, without a socket, a clock or a log.
/// A decoder takes any bytes at all and gives a value or an error that says what was wrong with them. An
/// encoder writes what it is given, also what its decoder would refuse: tests and the gate's own checks need
/// malformed frames too.
namespace buoy::wire {

/// Bytes as they came from the wire; not owned.
using Bytes = std::span<const std::uint8_t>;

/// Bytes to send: a frame from the Ethernet destination on, without preamble and check sequence, or what goes
/// into one.
using Frame = std::vector<std::uint8_t>;

/// The first `Size` bytes, as a span whose size the compiler knows, so that a field beyond it does not
/// compile. An error where there are fewer; `what` names the thing that should have been there.
template <std::size_t Size>
Result<std::span<const std::uint8_t, Size>> head(Bytes bytes, std::string_view what) {
    if (bytes.size() < Size)
        return fail(std::string(what) + " of " + std::to_string(bytes.size()) +
                    " bytes is too short (wanted " + std::to_string(Size) + ")");
    return bytes.first<Size>();
}

/// The 16-bit number at `Offset`, most significant byte first.
template <std::size_t Offset, std::size_t Size>
constexpr std::uint16_t u16_at(std::span<const std::uint8_t, Size> header) {
    static_assert(Size != std::dynamic_extent && Offset + 2 <= Size);
    return static_cast<std::uint16_t>(header[Offset] << 8 | header[Offset + 1]);
}

/// The Mac, Ipv4 or Ipv6 at `Offset`.
template <typename Address, std::size_t Offset, std::size_t Size>
constexpr Address address_at(std::span<const std::uint8_t, Size> header) {
    Address address;
    static_assert(Size != std::dynamic_extent && Offset + address.bytes.size() <= Size);
    for (std::size_t i = 0; i < address.bytes.size(); ++i) address.bytes[i] = header[Offset + i];
    return address;
}

/// Appends a number, most significant byte first.
inline void append_u16(Frame& frame, std::uint16_t value) {
    frame.push_back(static_cast<std::uint8_t>(value >> 8));
    frame.push_back(static_cast<std::uint8_t>(value));
}

/// Appends bytes as they are.
inline void append(Frame& frame, Bytes bytes) {
    frame.insert(frame.end(), bytes.begin(), bytes.end());
}

/// "0x" and four hexadecimal digits, as ethertypes are written.
std::string hex(std::uint16_t value);

}  // namespace buoy::wire
