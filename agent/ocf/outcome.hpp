// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>

#include "buoy/result.hpp"

namespace buoy::agent {

/// What an action tells the cluster manager (OCF Resource Agent API 1.1, "Return codes").
enum class Exit {
    success = 0,
    generic = 1,        ///< try again, here or elsewhere
    args = 2,           ///< called wrongly
    unimplemented = 3,  ///< no such action
    perm = 4,           ///< not allowed to, on this node
    installed = 5,      ///< something this node should have is missing
    configured = 6,     ///< the parameters are wrong, on whatever node
    not_running = 7,    ///< cleanly stopped
    degraded = 190,     ///< running, and not as it should (OCF 1.1, "degraded")
};

/// Why an action failed: the code for the cluster manager, and one line for the administrator that says
/// what is wrong and what would be right. An empty reason prints nothing.
struct Failure {
    Exit code = Exit::generic;
    std::string reason;
};

template <typename T = void>
using Outcome = tl::expected<T, Failure>;

inline tl::unexpected<Failure> failure(Exit code, std::string reason) {
    return tl::unexpected<Failure>(Failure{code, std::move(reason)});
}

/// A failed operation as a failed action. One that was not allowed is Exit::perm where it would be
/// Exit::generic: trying again here does not help.
inline tl::unexpected<Failure> failure(Exit code, const Error& error) {
    return failure(code == Exit::generic && error.code == EPERM ? Exit::perm : code, error.message);
}

/// Prints `ocf-exit-reason:TEXT` on standard error, where Pacemaker picks it up for its status display.
void print_exit_reason(const std::string& reason);

/// A line for the cluster's log: standard error, which Pacemaker's executor writes there.
void log(const std::string& line);

}  // namespace buoy::agent
