// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "pool/parameters.hpp"
#include "pool/words.hpp"
#include "service/core/limits.hpp"

namespace buoy::pool {

namespace {

/// The next higher address. That of the highest is the lowest; callers stop before.
IpAddress successor(const IpAddress& ip) {
    if (ip.is_v4()) return Ipv4::from_value(ip.v4().value() + 1);
    Ipv6 next = ip.v6();
    for (auto byte = next.bytes.rbegin(); byte != next.bytes.rend() && ++*byte == 0; ++byte) continue;
    return next;
}

/// ::/80 and below it: unspecified, loopback, and IPv4 in IPv6's clothes (RFC 4291
/// sections 2.5.2, 2.5.3, 2.5.5).
bool is_special(const Ipv6& ip) {
    return std::ranges::all_of(ip.bytes | std::views::take(10), [](auto byte) { return byte == 0; });
}

bool is_usable(const IpAddress& ip) {
    if (ip.is_v6()) return !ip.v6().is_multicast() && !is_special(ip.v6());
    const auto first = ip.v4().bytes[0];
    return first != 0 && first != 127 && first < 224;
}

tl::unexpected<Error> too_many() {
    return fail(
        fmt::format("addresses are more than {}, and that is all a cluster may have: shorten the ranges",
                    core::max_slots));
}

Result<void> append_range(const std::string& word, const IpAddress& first, const IpAddress& last,
                          std::vector<IpAddress>& into) {
    for (IpAddress ip = first;; ip = successor(ip)) {
        if (!is_usable(ip))
            return fail(
                fmt::format("addresses: {}{} is not a unicast address that a host can have: leave it out",
                            ip.to_string(), first == last ? "" : ", in the range " + word + ","));
        if (into.size() == core::max_slots) return too_many();
        into.push_back(ip);
        if (ip == last) return {};
    }
}

Result<void> append_word(const std::string& word, std::vector<IpAddress>& into) {
    const auto dash = word.find('-');
    const auto first = IpAddress::parse(std::string_view(word).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : IpAddress::parse(std::string_view(word).substr(dash + 1));
    if (!first || !last)
        return fail(
            fmt::format("addresses: '{}' is neither an IP address nor a range of them (wanted 192.0.2.1 or "
                        "192.0.2.1-192.0.2.9)",
                        clipped(word)));
    if (first->is_v4() != last->is_v4())
        return fail(fmt::format(
            "addresses: the range '{}' begins with one family and ends with the other: both ends are "
            "IPv4, or both IPv6",
            word));
    if (*last < *first)
        return fail(fmt::format("addresses: the range '{}' ends before it begins: swap its ends", word));
    return append_range(word, *first, *last, into);
}

}  // namespace

Result<std::vector<IpAddress>> parse_addresses(std::string_view text) {
    std::vector<IpAddress> addresses;
    for (const auto& word : words(text))
        if (auto appended = append_word(word, addresses); !appended)
            return tl::unexpected<Error>(appended.error());
    if (addresses.empty())
        return fail("addresses is not set: it takes addresses and ranges, such as 192.0.2.10-192.0.2.19");
    std::ranges::sort(addresses);
    if (const auto twice = std::ranges::adjacent_find(addresses); twice != addresses.end())
        return fail(fmt::format("addresses: {} is there twice: write it once", twice->to_string()));
    return addresses;
}

std::string addresses_text(const std::vector<IpAddress>& addresses) {
    std::string text;
    for (auto first = addresses.begin(); first != addresses.end();) {
        auto last = first;
        while (std::next(last) != addresses.end() && last->is_v4() == std::next(last)->is_v4() &&
               successor(*last) == *std::next(last))
            ++last;
        if (!text.empty()) text += ' ';
        text += first->to_string();
        // Two are no shorter as a range.
        if (last - first < 2) {
            ++first;
            continue;
        }
        text += '-' + last->to_string();
        first = std::next(last);
    }
    return text;
}

}  // namespace buoy::pool
