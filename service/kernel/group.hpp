// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/fd.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// Where all members of a bucket pool are reached at once: the same on every node, from the pool's name and
/// its first address. No two pools of a network have the same first address.
struct Group {
    Ipv4 ip4;  ///< 239.0.0.0/8 (RFC 2365), joined with l2=multicast
    Ipv6 ip6;  ///< ff15::/16, transient (RFC 4291 section 2.7, RFC 3307 section 4.3), likewise
    Mac mac4;  ///< what ARP answers name
    Mac mac6;  ///< what neighbour advertisements name

    [[nodiscard]] const Mac& mac(const IpAddress& ip) const { return ip.is_v4() ? mac4 : mac6; }
    bool operator==(const Group&) const = default;
};

/// With multicast the groups' MACs (RFC 1112 section 6.4, RFC 2464 section 7); with flood one that is
/// unicast and locally administered, which nobody ever sends from.
Group group_of(const PoolPlan& plan);

/// Those of the families that the pool has addresses of.
std::vector<Mac> macs_of(const PoolPlan& plan);

/// A NIC's taking part in a group: it receives what is sent to the group's MACs, and with multicast switches
/// and routers are told by IGMP and MLD. Ends with the object, and with the daemon.
class Membership {
  public:
    /// Of the families that the pool has addresses of. Errors say what the kernel refused.
    static Result<Membership> join(const PoolPlan& plan, int link);
    /// For one of the MACs, which the NIC has lost.
    Result<void> join_again(const PoolPlan& plan, int link, const Mac& mac);

  private:
    net::Fd v4_;
    net::Fd v6_;
    net::Fd flood_;
};

}  // namespace buoy::kernel
