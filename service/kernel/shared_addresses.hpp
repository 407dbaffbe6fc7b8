// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "buoy/result.hpp"
#include "net/address.hpp"
#include "net/netlink.hpp"
#include "service/gate/gate.hpp"
#include "service/kernel/group.hpp"
#include "service/kernel/place.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// The addresses of bucket pools: on the NIC of every member for as long as the pool is watched, whoever has
/// which bucket. The gate says what gets through, so opening and closing a bucket is one store. If the daemon
/// dies they stay, and the gate's deadline silences them.
class SharedAddresses {
  public:
    using Tell = std::function<void(Report)>;
    SharedAddresses(net::Netlink& netlink, gate::Gate* gate, Tell tell)
        : netlink_(netlink), gate_(gate), tell_(std::move(tell)) {}

    /// Has the gate divide what is for the pool's addresses, all of it shut. Comes before the addresses.
    Result<void> divide(const PoolPlan& plan);
    /// Joins the pool's group on the NIC and puts the addresses on it. Where it stands already only the
    /// group is looked after.
    Result<void> stand(const Plan& plan, const Place& place);
    /// Takes the addresses off the NIC again. The gate still has them, to be forgotten after.
    void leave(const std::string& pool);
    /// Leaves all but those.
    void leave_others(const std::vector<Plan>& pools);
    [[nodiscard]] bool stands(const std::string& pool) const { return standing_.contains(pool); }

    void open(const SlotId& slot, const PoolPlan& plan);
    /// Whether it was a bucket, and open.
    bool shut(const SlotId& slot);
    [[nodiscard]] std::vector<SlotId> all_open() const;
    /// The pool of an open bucket that announces its pool: one is enough, and it is the first.
    [[nodiscard]] Plan announces(const SlotId& slot) const;

    /// Those with shared addresses, by index.
    [[nodiscard]] std::set<int> links() const;
    /// Whether the address is one of a pool that stands.
    [[nodiscard]] bool has(const IpAddress& ip) const;
    /// Word of a removal: puts it back if it was one of these. Whether it was.
    bool vanished(const net::Address& address);
    /// Puts back whatever address is missing.
    void put_back();
    /// Joins the pool's group again where its NIC has lost the group's MACs. For a NIC that is up and has a
    /// carrier: without, the kernel takes them off by itself.
    void mend_group(const std::string& pool);
    /// What is missing of the pool among `there`; empty if nothing is.
    [[nodiscard]] std::string missing(const std::string& pool, const std::vector<net::Address>& there) const;

  private:
    struct Standing {
        Plan plan;
        std::vector<net::Address> addresses;
        Membership membership;
        std::vector<Mac> received;  ///< of the group's MACs those that the NIC was seen to receive
    };
    Result<void> add(const std::vector<net::Address>& addresses);

    net::Netlink& netlink_;
    gate::Gate* gate_;
    Tell tell_;
    std::map<std::string, Standing> standing_;
    std::map<SlotId, Plan> open_;
};

}  // namespace buoy::kernel
