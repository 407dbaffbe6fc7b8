// SPDX-License-Identifier: GPL-2.0-or-later
#include "buoy/mac.hpp"

#include <fmt/format.h>

#include <charconv>

namespace buoy {

Result<Mac> Mac::parse(std::string_view text) {
    auto wrong = [&] {
        return fail(fmt::format("'{}' is not a MAC address (wanted 02:00:5e:00:00:01)", text));
    };
    if (text.size() != 17 || (text[2] != ':' && text[2] != '-')) return wrong();
    Mac mac;
    for (std::size_t i = 0; i < 6; ++i) {
        const char* pair = text.data() + 3 * i;
        auto [end, error] = std::from_chars(pair, pair + 2, mac.bytes[i], 16);
        if (error != std::errc{} || end != pair + 2) return wrong();
        if (i < 5 && pair[2] != text[2]) return wrong();
    }
    return mac;
}

std::string Mac::to_string() const {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3],
                       bytes[4], bytes[5]);
}

}  // namespace buoy
