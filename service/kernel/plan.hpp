// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "buoy/ids.hpp"
#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/time.hpp"
#include "net/announcer.hpp"
#include "net/conflict.hpp"
#include "service/core/effect.hpp"
#include "service/gate/gate.hpp"

namespace buoy::kernel {

/// How frames for shared addresses reach all members: by a group's MAC, or by one that nobody sends from.
enum class Layer2 : std::uint8_t { multicast, flood };

/// What to do about what others claim of addresses that are held here (RFC 5227 section 2.4): "release" is
/// (b), "defend" (c). Not "release" with buckets.
enum class OnConflict : std::uint8_t { defend, report, release };

/// Of a pool whose slots are the buckets of connections to all its addresses.
struct Buckets {
    gate::Division division;
    Layer2 l2 = Layer2::multicast;
};

/// What the kernel's side has to know of a pool that is started on this node.
struct PoolPlan {
    std::string name;
    std::vector<IpAddress> addresses;  ///< in order; by slot, unless there are buckets
    std::optional<Buckets> buckets;
    gate::Attach attach = gate::Attach::tc;
    bool virtual_macs = false;   ///< every address has a MAC of its own; not with buckets
    std::string nic;             ///< empty: the one whose network contains the first address
    std::optional<int> prefix4;  ///< bits; none: as the NIC's network has it
    std::optional<int> prefix6;
    bool ignore_carrier = false;  ///< link_down=ignore
    Duration hold{};              ///< a carrier that was lost has to be back for so long before it is told of
    net::AnnounceForms forms;
    net::AnnounceSchedule schedule = net::default_schedule();
    Duration refresh{};           ///< between announcements of what is held; 0: none after the schedule
    std::vector<IpAddress> told;  ///< neighbours that are told by unicast as well
    OnConflict on_conflict = OnConflict::defend;
    Duration quiet =
        std::chrono::seconds(10);  ///< since the last claim, before a withheld address is asked about
    std::optional<net::ProbeTiming> probes;  ///< of a withheld address; none: RFC 5227's
    std::size_t frames_per_s = 100'000;      ///< announce_pps
};
using Plan = std::shared_ptr<const PoolPlan>;

/// A slot and where it belongs.
struct Placed {
    SlotId slot;
    Plan pool;
    IpAddress ip;  ///< of a bucket any of its pool's
};

// What the driver asks of the kernel's thread. Carried out in order.
struct Watch {
    std::vector<Plan> pools;  ///< all that are started here
};
struct OpenSlots {
    core::EffectId id;
    std::vector<Placed> slots;
};
struct CloseSlots {
    core::EffectId id;
    bool everything = false;  ///< and whatever else of the watched pools is on this node
    std::vector<SlotId> slots;
};
/// Announces them again when nothing has been opened for a little.
struct AnnounceSlots {
    std::vector<SlotId> slots;
};
/// Compares what is held of a pool with what is on the NIC.
struct Check {
    std::uint64_t number = 0;
    std::string pool;
};
/// Reads what went through the gate for every slot of the watched pools.
struct Count {
    std::uint64_t number = 0;
};
using Order = std::variant<Watch, OpenSlots, CloseSlots, AnnounceSlots, Check, Count>;

// What it answers.
struct Done {
    core::EffectId id;
};
struct Failed {
    core::EffectId id;
    std::vector<SlotId> slots;
    std::string reason;
};
struct Carrier {
    std::string pool;
    bool carrier = false;
    std::string why;  ///< when there is none: for people
};
struct Noticed {
    std::string text;  ///< what was put right, or could not be done, for the log
};
struct Checked {
    std::uint64_t number = 0;
    std::string problem;  ///< empty: all is as it should be
};
struct Counted {
    std::uint64_t number = 0;
    TimePoint at;
    std::map<std::string, std::vector<gate::Counters>> pools;  ///< by slot; empty without a gate
};
/// A host outside the pool has claimed an address that is held here, or this node gives it up for that, or
/// takes it back.
struct Claimed {
    std::string pool;
    IpAddress ip;
    Mac mac{};                       ///< the last one
    std::uint64_t count = 0;         ///< since this was last told of the address
    std::optional<bool> withheld{};  ///< whether it is so from now on; none: as before
    std::string text{};              ///< for the log; empty: said often enough
};
using Report = std::variant<Done, Failed, Carrier, Noticed, Checked, Counted, Claimed>;

}  // namespace buoy::kernel
