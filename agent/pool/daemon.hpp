// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>

#include "buoy/result.hpp"
#include "ipc/client.hpp"
#include "pool/parameters.hpp"

namespace buoy::agent {

/// A conversation with this node's buoyd, which is started first where it does not run: by systemd where that
/// runs, else as a process of its own that outlives the agent and logs to /var/log/buoy/buoyd.log. The
/// parameters' lease and beat are what a daemon that is started gets; one that runs keeps its own.
Result<ipc::Client> reach_daemon(const pool::PoolParameters& parameters, std::chrono::milliseconds patience);

/// Has the daemon started, and does not wait for it: for a stop that comes without one. systemd may be
/// waiting for Pacemaker, and with it for this agent, before it starts anything.
Result<void> start_daemon(const pool::PoolParameters& parameters);

}  // namespace buoy::agent
