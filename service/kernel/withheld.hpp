// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <vector>

#include "buoy/ids.hpp"
#include "buoy/time.hpp"
#include "net/conflict.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// Slots that are given to this node and that it does not answer for, because a host outside the pool claims
/// their addresses (RFC 5227 section 2.4 (b), on_conflict=release): when to ask whether anybody still has
/// them (section 2.1.1; RFC 4862 section 5.4 for IPv6), and when all have been silent. Nobody else answers
/// for them meanwhile, for their owner is this node as before.
class Withheld {
  public:
    /// The pool's `quiet` begins. Once more for a slot that is withheld already.
    void add(SlotId slot, Plan pool, TimePoint now);
    [[nodiscard]] bool has(SlotId slot) const { return slots_.contains(slot); }
    [[nodiscard]] bool empty() const { return slots_.empty(); }
    [[nodiscard]] std::vector<SlotId> all() const;
    /// Somebody has the address, or it cannot be asked about: the quiet begins anew.
    void put_off(SlotId slot, TimePoint now);
    /// Whether it was withheld.
    bool forget(SlotId slot) { return slots_.erase(slot) > 0; }

    /// When run() is due; TimePoint::max() if never.
    [[nodiscard]] TimePoint next() const;
    struct Due {
        std::vector<SlotId> asked;   ///< to be probed for now
        std::vector<SlotId> silent;  ///< nobody has answered; asked about anew unless they are forgotten
    };
    Due run(TimePoint now);

  private:
    struct Slot {
        Plan pool;
        TimePoint due;
        net::ProbeTiming timing;
        std::size_t probes = 0;  ///< sent since the quiet
        bool asking = false;
    };
    std::map<SlotId, Slot> slots_;
};

}  // namespace buoy::kernel
