// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "lib/net/fd.hpp"

namespace buoy::io {

/// Both ends of a pipe that no program started here inherits (pipe(7)).
struct Pipe {
    net::Fd read;
    net::Fd write;

    /// False with errno set when there are no descriptors left.
    bool open() {
        std::array<int, 2> ends{-1, -1};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
        read = net::Fd(ends[0]);
        write = net::Fd(ends[1]);
        return true;
    }
};

}  // namespace buoy::io
