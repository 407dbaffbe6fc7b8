// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/status.hpp"

// What goes through the gate, as pure functions: `buoy top`, and a part of `buoy watch`.
namespace buoy::cli {

/// What went through this node's gate for one slot, a second.
struct Load {
    std::string pool;
    std::string slot;  ///< its address, or POOL/INDEX
    std::string owner;
    double packets = 0;
    double bytes = 0;
    double dropped = 0;
    bool operator==(const Load&) const = default;
};

/// Between two statuses with counters, the busiest slot first: by what passed, then by what was dropped, then
/// in the pools' order. A counter that began anew in between counts from 0.
std::vector<Load> loads_between(const Status& before, const Status& now);

/// The sums of pools, in their order.
std::vector<Load> pool_loads_between(const Status& before, const Status& now);
/// "20.0 k packets/s, 1.2 M bytes/s, 0 dropped/s"
std::string load_text(const Load& load);

/// The first `most` slots that had any traffic, and the sum of all.
std::string top_text(const Status& now, const std::vector<Load>& loads, std::size_t most);
nlohmann::json top_json(const Status& now, const std::vector<Load>& loads);

}  // namespace buoy::cli
