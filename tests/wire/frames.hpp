// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "wire/bytes.hpp"

namespace buoy::wire::test {

/// Bytes from hexadecimal digits as tcpdump -xx prints them; white space is ignored.
inline Frame bytes(std::string_view text) {
    std::string digits;
    for (const char c : text)
        if (c != ' ' && c != '\n') digits += c;
    EXPECT_EQ(digits.size() % 2, 0U) << text;
    Frame frame;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        frame.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    return frame;
}

inline Mac mac(std::string_view text) {
    return Mac::parse(text).value();
}
inline Ipv4 ip4(std::string_view text) {
    return Ipv4::parse(text).value();
}
inline Ipv6 ip6(std::string_view text) {
    return Ipv6::parse(text).value();
}

/// The message of a failed Result; empty where it did not fail.
template <typename T>
std::string error_of(const Result<T>& result) {
    return result ? std::string() : result.error().message;
}

/// `frame` with one byte changed.
inline Frame with(Frame frame, std::size_t offset, std::uint8_t value) {
    frame.at(offset) = value;
    return frame;
}

/// `frame` with VLAN tags between its addresses and its ethertype; `tags` are their bytes.
inline Frame tagged(Frame frame, const Frame& tags) {
    frame.insert(frame.begin() + 12, tags.begin(), tags.end());
    return frame;
}

/// Expects an error of every beginning of `frame` that is not all of it.
template <typename Decode>
void expect_every_truncation_fails(const Frame& frame, const Decode& decode) {
    ASSERT_TRUE(decode(Bytes(frame))) << error_of(decode(Bytes(frame)));
    for (std::size_t size = 0; size < frame.size(); ++size) {
        // A copy of exactly that size, so that a sanitizer sees a read beyond it.
        const Frame cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(decode(Bytes(cut))) << "with " << size << " of " << frame.size() << " bytes";
    }
}

}  // namespace buoy::wire::test
