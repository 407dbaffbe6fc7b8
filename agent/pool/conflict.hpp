// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "ipc/client.hpp"
#include "ocf/outcome.hpp"
#include "pool/parameters.hpp"

namespace buoy::agent {

/// Looks for hosts that have addresses of a pool which no node has started yet, as its conflict_check says;
/// the failure names the first that answers, with its MAC. Where the pool has members all is well: they have
/// settled it, and answer for the addresses themselves. So is it on a node that would get none of the
/// addresses, for lack of the NIC or its carrier.
Outcome<> check_for_conflicts(const pool::PoolParameters& parameters, ipc::Client& daemon);

}  // namespace buoy::agent
