// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "buoy/result.hpp"
#include "net/address.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// Where a pool's addresses go on this node.
struct Place {
    net::Link nic;
    int prefix4 = 32;  ///< bits
    int prefix6 = 128;

    /// The address as it is put on the NIC. Ownership has been settled by the cluster, so IPv6 does not look
    /// for duplicates, and the NIC's own prefix route serves.
    [[nodiscard]] net::Address address(const IpAddress& ip) const;
};

/// Finds the NIC by the name in the plan, or else by the route to the pool's first address, and the prefix
/// lengths that the plan leaves open. Errors name the parameter that would help.
Result<Place> find_place(net::Netlink& netlink, const PoolPlan& plan);

}  // namespace buoy::kernel
