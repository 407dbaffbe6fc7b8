// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "buoy/result.hpp"
#include "buoy/time.hpp"
#include "service/core/event.hpp"

namespace buoy::io {

/// An action of Pacemaker's fencer, as its history tells it.
struct FenceEvent {
    std::string target;
    core::FencingAction action = core::FencingAction::other;
    bool succeeded = false;
    /// Since the Unix epoch, by the fencer's wall clock; none while the action has not ended.
    std::optional<Duration> completed;
    /// What `completed` is rounded down to: a second, or less with newer Pacemakers.
    Duration resolution = std::chrono::seconds(1);
    std::string identity;  ///< everything that is said of it, to know it again by
    bool operator==(const FenceEvent&) const = default;
};

/// Reads what `stonith_admin --history NODE --verbose --output-as=xml` prints, of Pacemaker 2.0 to 3.0.
/// Fails where that says that it failed. Without --verbose it prints only one event of several, the oldest
/// that succeeded.
Result<std::vector<FenceEvent>> parse_fence_history(std::string_view xml);

/// Reads "2026-11-21 06:20:13Z", "2026-11-21 07:20:13.123456 +01:00".
std::optional<Duration> parse_pacemaker_time(std::string_view text);

/// "off", "reboot" or "on", by Pacemaker's names.
core::FencingAction fencing_action(std::string_view name);

}  // namespace buoy::io
