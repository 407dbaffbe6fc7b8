// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <linux/netlink.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "buoy/result.hpp"
#include "net/netlink.hpp"
#include "service/gate/gate.hpp"
#include "service/kernel/announcements.hpp"
#include "service/kernel/claims.hpp"
#include "service/kernel/conflicts.hpp"
#include "service/kernel/leaving.hpp"
#include "service/kernel/place.hpp"
#include "service/kernel/plan.hpp"
#include "service/kernel/shared_addresses.hpp"
#include "service/kernel/virtual_macs.hpp"
#include "service/kernel/withheld.hpp"

namespace buoy::kernel {

/// Makes this node answer for slots: puts their addresses on the NIC, announces them, and takes them away
/// again. Nothing is on the NIC past the deadline, and what is changed behind its back is put right.
///
/// Addresses of bucket pools are another matter: shared_addresses.hpp. With mac=auto the NIC receives the MAC
/// of each address that is held: virtual_macs.hpp.
///
/// A slot whose address another host claims is withheld where its pool has on_conflict=release: as if it were
/// shut, until nobody answers for it any more. Its owner stays this node, so that it is not tried in vain by
/// one after the other.
///
/// With a gate the deadline is the gate's, and a slot is closed as soon as the gate is shut for it; the
/// address goes a little later (leaving.hpp). Without one the deadline is only as good as this thread
/// (design 4.4). Not thread-safe.
class Holder {
  public:
    using Tell = std::function<void(Report)>;
    /// `gate` may be nullptr, and has to outlive this.
    static Result<std::unique_ptr<Holder>> open(gate::Gate* gate, Tell tell);
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

    void carry_out(const Order& order, TimePoint now);
    /// To be called when the deadline may have changed, when words were heard, and when next() has come.
    void run(TimePoint now, TimePoint deadline);
    /// To be called before the end: what is closed goes from the NICs.
    void finish() { remove(leaving_.take_all()); }
    [[nodiscard]] TimePoint next(TimePoint deadline) const;
    /// Readable when others have claimed something that run() is to hear of.
    [[nodiscard]] int claims_fd() const { return claims_.fd(); }
    /// Word from the kernel (RTNLGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR, rtnetlink(7)), and of MACs that were
    /// taken off a link (RTM_DELNEIGH of AF_BRIDGE).
    void heard(const nlmsghdr& message);
    /// Words were lost (ENOBUFS): looks at everything.
    void look_again();

  private:
    struct Watched {
        Plan plan;
        std::optional<Place> place;
        std::string why;  ///< there is no place, or no carrier
        bool carrier = false;
        bool told = false;
        TimePoint back_at = TimePoint::max();  ///< when a carrier that has come back is to be told of
    };
    struct Open {
        Plan pool;
        IpAddress ip;
        int nic = 0;              ///< whose gate is open for it
        net::Address address;     ///< as it is on the NIC, or was last
        std::uint64_t added = 0;  ///< counts additions: the later one is the greater
    };

    Holder(net::Netlink netlink, gate::Gate* gate, Claims claims, Tell tell);
    void on(const Watch& order);
    void on(const OpenSlots& order);
    void on(const CloseSlots& order);
    void on(const AnnounceSlots& order);
    void on(const Check& order);
    void on(const Count& order);
    void look_at(Watched& watched);
    /// Listens where pools have addresses, for those and no others.
    void listen();
    /// What others have claimed by now of what is held here is answered as the pool's on_conflict says.
    void hear_claims();
    /// Stops to answer for slots whose addresses others have; `claims` says who, by slot.
    void withhold(const std::map<SlotId, Claim>& claims);
    /// Asks about what is withheld when it is time, and takes back what nobody has any more.
    void ask_about_withheld();
    void take_back(const std::vector<SlotId>& slots, const char* why);
    /// Those whose pools do not have on_conflict=release any more.
    void take_back_what_is_kept();
    /// The slot is closed, or begins anew.
    void forget_withheld(SlotId slot);
    /// The slot here whose announcements name the address.
    [[nodiscard]] std::optional<SlotId> announcing(const IpAddress& ip) const;
    /// Puts the gate on the links of pools and nowhere else, and has it manage their addresses and no others.
    void guard();
    /// Takes the gate of an earlier daemon off links that have none of the pools' addresses.
    void clear_links_before();
    /// The same as guard() for one pool, with its shared addresses if it has such.
    Result<void> guard(const Watched& pool);
    void mend_group(const Watched& pool);
    /// What is announced of a slot; nothing while it is withheld.
    [[nodiscard]] std::optional<Announcements::Held> held(SlotId slot);
    /// The same, withheld or not.
    [[nodiscard]] std::optional<Announcements::Held> described(SlotId slot);
    /// Whom this node knows on a link: the gateways of its routes by it, then its neighbours.
    std::vector<Announcements::Told> around(const net::Link& link);
    const std::set<IpAddress>& gateways(int link);
    [[nodiscard]] Watched* watched(const std::string& pool);
    /// Adds addresses and announces them, in pieces, so that the first are heard of before the last are
    /// added.
    /// What could not be done, with the error number.
    using Failures = std::vector<std::pair<SlotId, int>>;
    Failures show(std::vector<SlotId> slots);  // but what is withheld
    Failures hide(std::vector<SlotId> slots);
    /// Takes addresses of closed slots off their NICs, with the virtual MACs of those that have some.
    void remove(const std::vector<net::Address>& addresses);
    /// Has the NIC receive the virtual MACs of those slots that have some. What fails is taken out of
    /// `slots`.
    void receive(std::vector<SlotId>& slots, Failures& failures);
    /// Ends that. Of others there is nothing to end.
    void leave(const std::vector<SlotId>& slots);
    /// Where the slots cannot be announced they are hidden again, and taken out of `slots`.
    void announce(std::vector<SlotId>& slots, Announcements::Part part, Failures& failures);
    [[nodiscard]] std::vector<SlotId> all_open() const;
    void remove_strays();
    /// Removes an address of a watched pool that is not held here. Whether it did.
    bool remove_stray(const net::Address& address);
    void appeared(const net::Address& address);
    void vanished(const net::Address& address);
    /// Word of a link: whether it was of a device with a virtual MAC, which is no pool's NIC.
    bool heard_of_device(const nlmsghdr& message);
    /// Removes what there was word of, if its MAC is of a pool's address.
    void look_at_devices();
    [[nodiscard]] std::vector<VirtualMacs::Stray> stray_devices(const std::vector<net::Link>& links) const;

    net::Netlink netlink_;
    gate::Gate* gate_;
    Tell tell_;
    std::vector<Watched> pools_;
    std::map<SlotId, Open> open_;
    std::map<IpAddress, SlotId> by_ip_;      ///< of open_
    std::map<IpAddress, std::string> ours_;  ///< every address of the watched pools, and its pool
    std::map<Mac, IpAddress> by_mac_;  ///< of ours_ that are slots: by the virtual MAC, whether in use or not
    std::uint64_t additions_ = 0;
    struct Guarded {
        Mac mac;  ///< of the link as the gate knows it
        gate::Attach attach = gate::Attach::tc;
        bool operator==(const Guarded&) const = default;
    };
    std::map<int, Guarded> guarded_;  ///< links that have the gate
    SharedAddresses shared_;
    VirtualMacs macs_;
    struct Gateways {
        TimePoint read;
        std::set<IpAddress> gateways;
    };
    std::map<int, Gateways> gateways_;  ///< of routes, by link
    bool link_changed_ = false;         ///< there was word of another link
    std::set<int> suspects_;            ///< devices that there was word of
    bool passing_ = false;  ///< what is open is on the NIC: always with a gate, else before the deadline
    TimePoint now_;
    Announcements announcements_;
    Claims claims_;
    Conflicts conflicts_;
    Withheld withheld_;
    Leaving leaving_;     ///< only with a gate, and none of open_
    TimePoint deadline_;  ///< as of the last run()
};

}  // namespace buoy::kernel
