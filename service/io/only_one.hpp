// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>

#include "buoy/result.hpp"
#include "net/fd.hpp"

namespace buoy::io {

/// Takes a lock that the kernel gives back when the process ends, however that comes. EBUSY where another
/// process has it: two daemons on one node would close each other's slots.
Result<net::Fd> be_the_only_one(const std::filesystem::path& lock);

}  // namespace buoy::io
