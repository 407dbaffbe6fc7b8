// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>

#include "buoy/ids.hpp"
#include "buoy/result.hpp"

namespace buoy::io {

/// The number of this start of the daemon: greater than that of every start before, also over reboots. It is
/// on the disk, synced, before it is returned.
///
/// It is the wall clock in seconds, or one more than the last number where that is not enough: so a lost
/// file needs the clock to be right, and a clock set back needs the file, but neither alone does harm, and
/// nor does a disk rolled back to an old image.
/// Fails when the directory cannot be written or the file does not hold a number: the daemon must not start
/// then, as its peers and its own promises go by this number.
Result<Incarnation> next_incarnation(const std::filesystem::path& file = "/var/lib/buoy/incarnation");

}  // namespace buoy::io
