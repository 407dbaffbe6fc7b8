// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "lib/net/fd.hpp"

namespace buoy::io {

/// An address and a port as the kernel wants them, and how long that is.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    static SocketAddress of(const IpAddress& address, std::uint16_t port);
    /// The address and the port in it.
    static IpAddress address_in(const sockaddr_storage& storage);
    static std::uint16_t port_in(const sockaddr_storage& storage);
};

/// A UDP socket for beats on one of our addresses, which need not be up yet: non-blocking, marked as network
/// control (DSCP CS6, RFC 4594 section 3.2), with kernel receive timestamps.
Result<net::Fd> open_beat_socket(const IpAddress& address, std::uint16_t port);

}  // namespace buoy::io
