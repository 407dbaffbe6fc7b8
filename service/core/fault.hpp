// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

namespace buoy::core {

/// Rules that the simulation removes on purpose, to see that it notices (tests/simulation). The names up to
/// `outing` are those of the model; the daemon is built without any of this.
enum class Fault : std::uint8_t {
    none,
    primary,
    echo_primary,
    echo_ring,
    echo_entry,
    persist,
    same_entry,
    order,
    barrier,
    wait,
    close,
    mute,
    mute_wait,
    forget,
    one_at_a_time,
    conf_barrier,
    overtaken,
    recount,
    fence_truth,
    remember,
    hold,
    newborn,
    outing,
    close_unacknowledged,
    stale_snapshot,
    ignore_carrier,
    non_voter_echo,
    lease_from_arrival,
    on_is_fencing,
    two_node_unfenced,
    any_lease,
    short_hold,
    few_voters,
    count_,
};

#ifdef BUOY_FAULTS
extern constinit thread_local Fault injected_fault;
inline bool fault(Fault which) {
    return injected_fault == which;
}
#else
constexpr bool fault(Fault) {
    return false;
}
#endif

}  // namespace buoy::core
