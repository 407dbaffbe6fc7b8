// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>

#include "buoy/result.hpp"
#include "buoy/time.hpp"

namespace buoy::runtime {

/// The longest lease that somebody may still hold who was agreed with (core::Status), kept over restarts of
/// the daemon and the machine. Zero where none was kept; a file that does not hold a number is an error,
/// since the daemon must not begin with a shorter lease than others still have.
Result<Duration> kept_lease(const std::filesystem::path& file = "/var/lib/buoy/longest_lease");
/// Written whole or not at all, and synced.
Result<void> keep_lease(Duration lease, const std::filesystem::path& file = "/var/lib/buoy/longest_lease");

}  // namespace buoy::runtime
