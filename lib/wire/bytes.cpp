// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/bytes.hpp"

namespace buoy::wire {

std::string hex(std::uint16_t value) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "0x";
    for (int shift = 12; shift >= 0; shift -= 4) text += digits[(value >> shift) & 0xf];
    return text;
}

}  // namespace buoy::wire
