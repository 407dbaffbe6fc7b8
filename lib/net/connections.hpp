// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "buoy/ip.hpp"
#include "buoy/result.hpp"

namespace buoy::net {

/// Ends every TCP connection of this host whose local address is `ip`, with a reset to the peer, so that
/// neither side waits for the other after the address has gone (SOCK_DESTROY, sock_diag(7)). Listening
/// sockets stay. Gives the number ended. Error code EOPNOTSUPP where the kernel cannot.
Result<int> kill_connections(const IpAddress& ip);

}  // namespace buoy::net
