// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// The MAC the kernel knows for `ip` on a link (`ip neighbour get`), or nothing if it knows none.
Result<std::optional<Mac>> neighbor(Netlink& netlink, const IpAddress& ip, int link);

/// A neighbour that the kernel has a MAC for (ip-neighbour(8)).
struct Neighbor {
    IpAddress ip;
    Mac mac;
    int link = 0;
    bool router = false;             ///< it said so (RFC 4861 section 4.4)
    std::uint32_t confirmed_cs = 0;  ///< hundredths of a second since it was last known to be there
    bool operator==(const Neighbor&) const = default;
};

/// Reads an RTM_NEWNEIGH message; nothing for other messages, for entries without a MAC or whose neighbour
/// does not answer, for those that stand for a group, and for short messages.
std::optional<Neighbor> decode_neighbor(const nlmsghdr& message);

/// The neighbours on a link, of both families: routers first, then who was last known to be there.
Result<std::vector<Neighbor>> neighbors(Netlink& netlink, int link);

}  // namespace buoy::net
