// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/fence_reports.hpp"

#include <algorithm>

namespace buoy::io {

void FenceReports::watch(NodeId node, TimePoint since) {
    const auto known = std::ranges::find(watched_, node, &Watched::node);
    if (known != watched_.end() && known->since == since) return;
    forget(node);
    watched_.push_back({node, since, std::nullopt, {}});
}

void FenceReports::forget(NodeId node) {
    std::erase_if(watched_, [&](const Watched& watched) { return watched.node == node; });
}

std::vector<core::FencingReported> FenceReports::judge(NodeId node, const std::vector<FenceEvent>& events,
                                                       TimePoint asked, const WallClock& clock) {
    std::vector<core::FencingReported> out;
    const auto watched = std::ranges::find(watched_, node, &Watched::node);
    if (watched == watched_.end()) return out;
    for (const FenceEvent& event : events) {
        if (!event.succeeded || !event.completed || of_no_time_.contains(event.identity)) continue;
        auto at = clock.boot_time_of(*event.completed);
        if (!at) {
            // Of a clock that was set back since, or of another node's: no less wrong when that time comes.
            of_no_time_.insert(event.identity);
            continue;
        }
        if (!watched->judged.insert(event.identity).second) continue;
        // It was not there when last asked for: within what was rounded off, that is closer.
        if (watched->asked) at = std::max(*at, std::min(*watched->asked, *at + event.resolution));
        if (*at > watched->since) out.push_back({node, event.action, true, *at});
    }
    watched->asked = asked;
    return out;
}

std::optional<core::FencingReported> FenceReports::confirm(NodeId node, core::FencingAction action,
                                                           TimePoint told,
                                                           const std::vector<FenceEvent>& events,
                                                           const WallClock& clock) {
    std::optional<core::FencingReported> newest;
    for (const FenceEvent& event : events) {
        if (!event.succeeded || !event.completed || event.action != action) continue;
        const auto at = clock.boot_time_of(*event.completed);
        // Whoever told it may have been held up; the history has not.
        if (!at || *at > told) continue;
        const TimePoint by_then = std::min(told, *at + event.resolution);
        if (!newest || by_then > newest->at) newest = core::FencingReported{node, action, true, by_then};
    }
    return newest;
}

}  // namespace buoy::io
