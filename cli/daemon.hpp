// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "buoy/result.hpp"
#include "cli/format.hpp"
#include "cli/status.hpp"

namespace buoy::cli {

/// Why a command ends without having done its work. Error code EREMOTEIO: the daemon refused, and what it
/// said is in `reply`.
struct Refusal {
    Error error;
    std::string reply{};  ///< JSON; empty when there was no answer
};
template <typename T>
using Answer = tl::expected<T, Refusal>;

/// Sends a request to this node's daemon.
Answer<nlohmann::json> ask(const nlohmann::json& request);
/// How the daemon sees the cluster.
Answer<Status> ask_status();

/// True when the error means that no daemon runs, so that left_pools() says what there is.
bool is_down(const Error& error);
/// What was started here and what the kernel has of it, for the time that the daemon is not there.
Left left_pools();

}  // namespace buoy::cli
