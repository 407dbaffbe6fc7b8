// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "buoy/result.hpp"
#include "lib/net/fd.hpp"

namespace buoy::io {

/// A program that runs. The other ends of the pipes, which do not block, are its output.
struct Spawned {
    pid_t pid = -1;
    net::Fd pidfd;
    net::Fd output;
    net::Fd errors;
};

/// Starts a program with no input, no other descriptors, ordinary scheduling and default signals. Takes until
/// the program has been loaded. The error code says what kept it from that, such as ENOENT.
Result<Spawned> spawn(const std::vector<std::string>& argv);

}  // namespace buoy::io
