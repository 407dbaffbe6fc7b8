// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/fd.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// Addresses with virtual MACs are on the NIC like any others, and the gate puts the MAC into what leaves
/// from them. What is left to do is that the NIC receives what is sent to the MACs of those that are held
/// here, or were until a moment ago, and of no others: what is behind the NIC - a switch in a card, a
/// hypervisor - may go by what it was told to receive. Where the device cannot filter by so many the kernel
/// makes it take all (packet(7)). Ends with the object, and with the daemon.
class VirtualMacs {
  public:
    using Tell = std::function<void(Report)>;
    VirtualMacs(net::Netlink& netlink, Tell tell) : netlink_(netlink), tell_(std::move(tell)) {}

    /// Has the NIC receive the addresses' MACs; it may already. The outcomes, in order.
    std::vector<Result<void>> receive(const net::Link& nic, const std::vector<IpAddress>& ips);
    /// What was received for the addresses is not any more.
    void leave(const std::vector<IpAddress>& ips);

    /// Word of a MAC that was taken off a link (RTM_DELNEIGH of AF_BRIDGE): puts it back if it was one of
    /// these.
    void lost(const nlmsghdr& message);
    /// Puts back what a link does not receive any more, as far as it shows what it does. What it put back;
    /// empty if nothing was missing.
    std::string mend(int nic);

    /// A macvlan device with the MAC of a pool's address (lib/vmac). Such a device has no business here.
    struct Stray {
        IpAddress ip;
        net::Link device;
    };
    /// Removes what somebody has made, with what is on it and routes by it.
    Result<void> remove(const std::vector<Stray>& strays);

  private:
    struct Nic {
        net::Fd memberships;
        std::set<Mac> macs;
    };
    Result<void> join(Nic& nic, int link, const Mac& mac);
    void part(Nic& nic, int link, const Mac& mac);
    /// Once more, for the kernel counts members and takes this for one. What to say of it.
    std::string join_again(Nic& nic, int link, const Mac& mac);

    net::Netlink& netlink_;
    Tell tell_;
    std::map<int, Nic> nics_;          ///< by the link's index
    std::map<IpAddress, int> joined_;  ///< the link that receives an address's MAC
};

}  // namespace buoy::kernel
