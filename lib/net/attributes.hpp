// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <netlink/attr.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"

// Values inside netlink attributes, as our types. An attribute of the wrong size holds nothing.
namespace buoy::net {

inline std::string text_in(const nlattr* attribute) {
    const auto* text = static_cast<const char*>(nla_data(attribute));
    return {text, strnlen(text, static_cast<std::size_t>(nla_len(attribute)))};
}

inline std::optional<Mac> mac_in(const nlattr* attribute) {
    Mac mac;
    if (nla_len(attribute) != static_cast<int>(mac.bytes.size())) return std::nullopt;
    std::memcpy(mac.bytes.data(), nla_data(attribute), mac.bytes.size());
    return mac;
}

inline std::optional<std::uint32_t> u32_in(const nlattr* attribute) {
    if (nla_len(attribute) < static_cast<int>(sizeof(std::uint32_t))) return std::nullopt;
    return nla_get_u32(attribute);
}

/// `family` is AF_INET or AF_INET6; of any other there is no address.
inline std::optional<IpAddress> ip_in(int family, const nlattr* attribute) {
    if (family == AF_INET && nla_len(attribute) == 4) {
        Ipv4 ip;
        std::memcpy(ip.bytes.data(), nla_data(attribute), 4);
        return ip;
    }
    if (family == AF_INET6 && nla_len(attribute) == 16) {
        Ipv6 ip;
        std::memcpy(ip.bytes.data(), nla_data(attribute), 16);
        return ip;
    }
    return std::nullopt;
}

}  // namespace buoy::net
