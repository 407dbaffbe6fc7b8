// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// The devices of addresses with virtual MACs (lib/vmac): there for as long as the address is held here, and
/// no longer, for what is heard from a MAC tells switches where it is.
class VirtualMacs {
  public:
    using Tell = std::function<void(Report)>;
    VirtualMacs(net::Netlink& netlink, Tell tell) : netlink_(netlink), tell_(std::move(tell)) {}

    /// Makes the addresses' devices on the NIC and routes by them; the address itself is for the caller to
    /// add. The devices' indexes, in order. What is there already stays.
    std::vector<Result<int>> stand(const net::Link& nic, const std::vector<IpAddress>& ips);
    /// Removes the devices, and with them the addresses.
    Result<void> leave(const std::vector<IpAddress>& ips);
    /// Routes may have changed on the NIC: the devices' follow.
    Result<void> follow_routes(const net::Link& nic, const std::vector<IpAddress>& ips);

    /// Whose device it is; nullptr for a link that is none of these.
    [[nodiscard]] const IpAddress* whose(int device) const;
    /// What is wrong with an address's device among `links`; empty if nothing is.
    [[nodiscard]] std::string wrong(const IpAddress& ip, const std::vector<net::Link>& links) const;

    /// A device of an address that is not held here.
    struct Stray {
        IpAddress ip;
        net::Link device;
    };
    /// Removes what an earlier daemon has left of these addresses, or somebody has made.
    Result<void> remove(const std::vector<Stray>& strays);

  private:
    [[nodiscard]] bool any_on(int nic) const;
    /// Removes devices that are not among `standing_` any more.
    Result<void> remove_devices(const std::vector<net::Link>& devices);

    net::Netlink& netlink_;
    Tell tell_;
    std::map<IpAddress, net::Link> standing_;
    std::map<int, IpAddress> by_index_;  ///< of standing_
};

}  // namespace buoy::kernel
