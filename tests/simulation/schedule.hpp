// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "service/core/event.hpp"
#include "service/core/fault.hpp"

namespace buoy::simulation {

/// True time, in nanoseconds since the schedule began.
using Instant = std::int64_t;
inline constexpr Instant lease = 500'000'000;
inline constexpr Instant beat = 100'000'000;

enum class Kind : std::uint8_t {
    pause,        ///< node a does nothing for `span`; its gate goes on
    stall,        ///< node a stops for `span` before the b-th effect from now
    crash,        ///< node a's daemon dies; the gate goes on; it starts again after `span`
    power_off,    ///< node a dies with its gate; it starts again after `span`
    cut,          ///< beats from a to b are lost for `span`
    configure,    ///< the group breaks up into the nodes in mask a and the rest
    partition,    ///< as configure, and beats between the two are lost for `span`, after which all meet again
    fence,        ///< node a is powered off, and reported so after `span`; it starts again later
    fence_fails,  ///< a failed fencing of node a is reported; a successful one with the fault fence-truth
    fence_on,     ///< a successful "on" of node a is reported
    move,         ///< slot b is asked to move to node a
    drain,        ///< node a is drained for `span`
    weight,       ///< node a's weight becomes b
    restart_pool,  ///< the pool is stopped on node a and started again after `span`
    carrier,       ///< node a's interface has no carrier for `span`
    open_fails,    ///< opens fail on node a for `span`, with an odd b for ever; somebody clears it then, and
                   ///< later
    close_fails,   ///< closes fail on node a for `span`
    lose,          ///< node b orders a Lost for node a, true or not
    leave,         ///< node a shuts down cleanly; it starts again after `span`
    ghost,         ///< node a's daemon dies and stays in the group's member list
    quorum_flap,   ///< node a is told that it is not quorate, and after `span` that it is
    replay,        ///< a Rejoin that node a sent for an earlier outing is ordered once more
    other_lease,   ///< node a's daemon is started again with another lease, and after `span` with the right
                   ///< one
    second_pool,   ///< another pool is started on node a, one in four times otherwise configured, and stopped
                   ///< after `span`
    remove_pool,   ///< that pool is asked to be removed
    pin,           ///< slot b is pinned to node a
    rebalance,     ///< the pool's slots move for balance's sake from now on, or with an odd b no more
    lag,           ///< node a reads nothing of the agreed order for `span`; its beats and all else go on
    count_,
};

struct Action {
    Instant at = 0;
    Kind kind = Kind::pause;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    Instant span = 0;
    bool operator==(const Action&) const = default;
};

/// One run of the simulation, whole: equal schedules give equal runs.
struct Schedule {
    std::uint64_t seed = 1;  ///< of the delays, drifts and losses
    std::uint32_t nodes = 3;
    std::uint32_t slots = 2;
    core::OnLoss on_loss = core::OnLoss::automatic;
    core::Rebalance rebalance = core::Rebalance::automatic;
    bool lenient = false;        ///< every configuration is quorate: only rule 0 stands between two halves
    std::uint32_t slow = 0;      ///< one beat in so many (0: none) is late, by up to 3 leases
    std::uint32_t lossy = 0;     ///< one beat in so many is lost
    std::uint32_t stalls = 0;    ///< one effect in so many waits, for up to a lease
    std::uint32_t sluggish = 0;  ///< the node, counted from 1, that is slow to read the agreed order
    std::uint32_t chaos_beats = 60;  ///< how long things go wrong, in beats
    std::uint32_t portion = 0;       ///< slots that a planned handover moves at once; 0: all
    std::vector<Action> actions;
    bool operator==(const Schedule&) const = default;
};

/// What kind of schedules to make.
struct Mix {
    std::vector<std::uint32_t> nodes{3, 3, 3, 4, 5, 7, 2};
    std::uint32_t max_slots = 40;
    bool dense = false;  ///< several actions a beat, to look for what is rare
};

/// The schedule of a seed.
Schedule make_schedule(std::uint64_t seed, const Mix& mix = {});

/// One line for the parameters, then one per action.
std::string to_text(const Schedule& schedule);
/// The reverse; false when the text makes no sense.
bool from_text(const std::string& text, Schedule& schedule);

const char* name_of(core::Fault fault);
core::Fault fault_named(const std::string& name);

}  // namespace buoy::simulation
