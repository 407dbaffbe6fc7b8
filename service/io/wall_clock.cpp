// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/wall_clock.hpp"

#include <algorithm>

namespace buoy::io {
namespace {

using namespace std::chrono_literals;

// Both clocks are slewed as one, so what is between them changes when the wall clock is set, and otherwise
// only seems to, by what passes between reading the one and the other.
constexpr Duration noise = 5ms;
constexpr std::size_t most_stretches = 64;

}  // namespace

void WallClock::observe(ClockPair now) {
    const Duration ahead = now.wall - now.boot.time_since_epoch();
    if (!stretches_.empty() && std::chrono::abs(stretches_.back().ahead - ahead) <= noise) {
        stretches_.back().until = now.boot;
        return;
    }
    // It was set at some time since the last look: until now for all we know.
    if (!stretches_.empty()) stretches_.back().until = now.boot;
    stretches_.push_back({ahead, now.boot});
    // A clock that is set all the time: the oldest are the least likely to matter.
    if (stretches_.size() > most_stretches) stretches_.erase(stretches_.begin());
}

std::optional<TimePoint> WallClock::boot_time_of(Duration wall) const {
    for (const Stretch& stretch : stretches_) {
        const TimePoint then = TimePoint(wall - stretch.ahead - noise);
        if (then <= stretch.until) return then;
    }
    return std::nullopt;
}

}  // namespace buoy::io
