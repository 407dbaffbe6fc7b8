// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "service/core/event.hpp"
#include "service/io/fence_history.hpp"
#include "service/io/wall_clock.hpp"

namespace buoy::io {

/// Decides which of the history's events are news, and when they were. Pure.
class FenceReports {
  public:
    /// Begins, or goes on, to look for what happens to a node from `since` on.
    void watch(NodeId node, TimePoint since);
    void forget(NodeId node);

    /// A history of the node that was asked for at `asked`: what is to be reported of it.
    std::vector<core::FencingReported> judge(NodeId node, const std::vector<FenceEvent>& events,
                                             TimePoint asked, const WallClock& clock);

    /// Somebody said at `told` that the action had succeeded: what the history knows of that. It may have
    /// ended up to the history's resolution before the time that is reported, and mostly ended when it was
    /// told.
    static std::optional<core::FencingReported> confirm(NodeId node, core::FencingAction action,
                                                        TimePoint told, const std::vector<FenceEvent>& events,
                                                        const WallClock& clock);

  private:
    struct Watched {
        NodeId node;
        TimePoint since;
        std::optional<TimePoint> asked;  ///< when the history that was judged last was asked for
        std::set<std::string> judged;
    };
    std::vector<Watched> watched_;
    std::set<std::string> of_no_time_;  ///< what had a time that had not come yet; for good
};

}  // namespace buoy::io
