// SPDX-License-Identifier: GPL-2.0-or-later
#include "buoy/virtual_mac.hpp"

namespace buoy {

Mac virtual_mac_of(const IpAddress& ip) {
    if (ip.is_v4()) {
        const auto& bytes = ip.v4().bytes;
        return Mac{{0x02, 0xb0, bytes[0], bytes[1], bytes[2], bytes[3]}};
    }
    // FNV-1a, 32 bits: sixteen bytes do not fit, and hosts of one segment differ in few of them.
    std::uint32_t hash = 2166136261U;
    for (const auto byte : ip.v6().bytes) hash = (hash ^ byte) * 16777619U;
    return Mac{{0x02, 0xb6, static_cast<std::uint8_t>(hash >> 24), static_cast<std::uint8_t>(hash >> 16),
                static_cast<std::uint8_t>(hash >> 8), static_cast<std::uint8_t>(hash)}};
}

}  // namespace buoy
