// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "ocf/environment.hpp"
#include "ocf/outcome.hpp"
#include "pool/parameters.hpp"

namespace buoy::agent {

/// The parameters of the pool `name` from the agent's environment.
Outcome<pool::PoolParameters> read_pool(const Environment& environment, const std::string& name);

/// Makes this node a member of the pool. Done when the cluster has agreed.
Outcome<> start(const pool::PoolParameters& parameters);
/// Hands over what this node holds of the pool, then leaves it. With the daemon dead it closes by itself, and
/// starts the daemon again, whose Rejoin tells the others that this node is silent.
Outcome<> stop(const std::string& pool);
/// Member, lease, and kernel against state. `degraded`: a member that can hold nothing at present.
Outcome<> monitor(const std::string& pool, bool probe);
Outcome<> validate(const pool::PoolParameters& parameters);
/// Takes over what may change while the pool runs.
Outcome<> reload(const pool::PoolParameters& parameters);

}  // namespace buoy::agent
