// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "address/parameters.hpp"
#include "ocf/outcome.hpp"

// The actions of ocf:buoy:address, run in the network namespace of the resource (OCF Resource Agent API 1.1).
namespace buoy::agent {

/// Makes this node answer for the address and tells the segment, before it returns; the announcement's
/// repeats are left to a process of their own. Doing it twice is doing it once. A start that fails leaves
/// nothing behind.
Outcome<> start(const AddressParameters& parameters);

/// Ends the announcements, the connections and the address, wherever on the NIC it is. That there is nothing
/// to stop is success.
Outcome<> stop(const AddressParameters& parameters);

/// How a monitor is asked for.
struct MonitorRequest {
    bool probe = false;  ///< before anything was started
    int depth = 0;       ///< OCF_CHECK_LEVEL; from 10 on the gateway is asked
};
/// Success when the address is here as the parameters want it and its link works; Exit::not_running when it
/// is not here or its link is down; Exit::generic when it is here but not as it should be.
Outcome<> monitor(const AddressParameters& parameters, MonitorRequest request);

/// Applies changed announcement parameters to an address that is up, by announcing it with them.
Outcome<> reload(const AddressParameters& parameters);

/// Whether these parameters could be started on this node.
Outcome<> validate(const AddressParameters& parameters);

}  // namespace buoy::agent
