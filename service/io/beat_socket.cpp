// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/beat_socket.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "lib/net/errors.hpp"

namespace buoy::io {
namespace {

constexpr int class_selector_6 = 0xc0;   // in the byte of IPv4's TOS and IPv6's traffic class
constexpr int interactive_priority = 6;  // TC_PRIO_INTERACTIVE, the highest that needs no capability

bool set(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

}  // namespace

SocketAddress SocketAddress::of(const IpAddress& address, std::uint16_t port) {
    SocketAddress out;
    if (address.is_v4()) {
        auto& in = reinterpret_cast<sockaddr_in&>(out.storage);
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, address.data(), address.size());
        out.size = sizeof in;
    } else {
        auto& in = reinterpret_cast<sockaddr_in6&>(out.storage);
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        std::memcpy(&in.sin6_addr, address.data(), address.size());
        out.size = sizeof in;
    }
    return out;
}

IpAddress SocketAddress::address_in(const sockaddr_storage& storage) {
    if (storage.ss_family == AF_INET) {
        Ipv4 address;
        std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
        return address;
    }
    Ipv6 address;
    std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, 16);
    return address;
}

std::uint16_t SocketAddress::port_in(const sockaddr_storage& storage) {
    return ntohs(storage.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(storage).sin_port
                                              : reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
}

Result<net::Fd> open_beat_socket(const IpAddress& address, std::uint16_t port) {
    const auto failed = [&] {
        return net::fail_errno(errno, fmt::format("beats on {}, UDP port {}", address.to_string(), port));
    };
    net::Fd fd(socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return failed();
    if (address.is_v6() && !set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) return failed();
    // A link that is down at the moment has no addresses.
    if (!set(fd.get(), IPPROTO_IP, IP_FREEBIND, 1) || !set(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, 1))
        return failed();
    // Marks are for the better; and IP_TOS sets the priority too, so that comes after it.
    if (address.is_v4())
        set(fd.get(), IPPROTO_IP, IP_TOS, class_selector_6);
    else
        set(fd.get(), IPPROTO_IPV6, IPV6_TCLASS, class_selector_6);
    set(fd.get(), SOL_SOCKET, SO_PRIORITY, interactive_priority);
    const SocketAddress own = SocketAddress::of(address, port);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&own.storage), own.size) != 0) {
        if (errno != EADDRINUSE) return failed();
        return fail(fmt::format("beats on {}: UDP port {} is taken; find by whom with `ss -ulpn sport = {}`",
                                address.to_string(), port, port),
                    EADDRINUSE);
    }
    return fd;
}

}  // namespace buoy::io
