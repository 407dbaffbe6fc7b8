// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>

#include "buoy/result.hpp"
#include "net/fd.hpp"

namespace buoy::net {

/// Word that something of a kind has changed in the namespace, without saying what: the reader looks anew.
class Events {
  public:
    /// `group` is an RTNLGRP_* of <linux/rtnetlink.h>.
    static Result<Events> open(unsigned group);

    /// Waits for a change. False when none came in time. Changes that came together are one.
    Result<bool> wait(std::chrono::milliseconds patience);

  private:
    explicit Events(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace buoy::net
