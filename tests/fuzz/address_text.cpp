// SPDX-License-Identifier: GPL-2.0-or-later
#include <string_view>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "tests/fuzz/require.hpp"

using namespace buoy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto mac = Mac::parse(text))
        fuzz::require(Mac::parse(mac->to_string()) == mac, "a MAC is what it is written as");
    if (const auto ip = IpAddress::parse(text))
        fuzz::require(IpAddress::parse(ip->to_string()) == ip, "an address is what it is written as");
    if (const auto ip = Ipv4::parse(text))
        fuzz::require(ip->to_string() == text, "an IPv4 address has one spelling");
    return 0;
}
