// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "buoy/result.hpp"

namespace buoy::gate {

/// Where a node's gate has its pins.
inline constexpr const char* pins_directory = "/sys/fs/bpf/buoy";

/// Shuts what a daemon left in `pins`, of whatever layout: from here on nothing passes for any address that
/// it managed. Where there is nothing, nothing is open, and that is no error. For those who come after the
/// daemon and do not load programs; a living one opens again with its next renewal of the lease.
Result<void> silence(const std::string& pins = pins_directory);

}  // namespace buoy::gate
