// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <deque>
#include <functional>

#include "service/core/ownership.hpp"

namespace buoy::runtime {

class Executor;
class JournalFile;

/// Feeds the core: the one place that stamps events with the time, writes them and their effects to the
/// journal, and hands the effects on. All adapters bring their events here, on one thread.
class Driver {
  public:
    Driver(Executor& executor, std::function<TimePoint()> clock, JournalFile& journal)
        : executor_(executor), clock_(std::move(clock)), journal_(journal) {}

    /// One event. Those that come while another is being acted upon wait for it.
    void take(core::Event event);

    [[nodiscard]] const core::Ownership& ownership() const { return ownership_; }

  private:
    core::Ownership ownership_;
    Executor& executor_;
    std::function<TimePoint()> clock_;
    JournalFile& journal_;
    std::deque<core::Event> waiting_;
    bool acting_ = false;
};

}  // namespace buoy::runtime
