// SPDX-License-Identifier: GPL-2.0-or-later
#include "buoy/ip.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

namespace buoy {

namespace {

template <typename Address>
bool read(int family, std::string_view text, Address& into) {
    // A string with a NUL inside would be read only up to it.
    return text.find('\0') == std::string_view::npos &&
           inet_pton(family, std::string(text).c_str(), into.bytes.data()) == 1;
}

template <typename Address>
std::string write(int family, const Address& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(family, address.bytes.data(), text.data(), text.size());
    return text.data();
}

}  // namespace

Result<Ipv4> Ipv4::parse(std::string_view text) {
    Ipv4 address;
    if (!read(AF_INET, text, address))
        return fail(fmt::format("'{}' is not an IPv4 address (wanted 192.0.2.1)", text));
    return address;
}

std::string Ipv4::to_string() const {
    return write(AF_INET, *this);
}

Result<Ipv6> Ipv6::parse(std::string_view text) {
    Ipv6 address;
    if (!read(AF_INET6, text, address))
        return fail(fmt::format("'{}' is not an IPv6 address (wanted 2001:db8::1)", text));
    return address;
}

std::string Ipv6::to_string() const {
    return write(AF_INET6, *this);
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
    if (auto v4 = Ipv4::parse(text)) return IpAddress(*v4);
    if (auto v6 = Ipv6::parse(text)) return IpAddress(*v6);
    return fail(fmt::format("'{}' is not an IP address (wanted 192.0.2.1 or 2001:db8::1)", text));
}

std::string IpAddress::to_string() const {
    return is_v4() ? v4().to_string() : v6().to_string();
}

bool Prefix::contains(const IpAddress& other) const {
    if (other.is_v4() != address.is_v4()) return false;
    const auto whole = static_cast<std::size_t>(length / 8);
    if (!std::equal(address.data(), address.data() + whole, other.data())) return false;
    const int rest = length % 8;
    return rest == 0 || ((address.data()[whole] ^ other.data()[whole]) >> (8 - rest)) == 0;
}

std::string Prefix::to_string() const {
    return fmt::format("{}/{}", address.to_string(), length);
}

}  // namespace buoy
