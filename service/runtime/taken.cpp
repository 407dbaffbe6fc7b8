// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/taken.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "service/runtime/pools.hpp"

namespace buoy::runtime {

namespace {

/// Whether the last members left the other pool when this one had some: they may have yet to close it, and
/// what this one's slots wait for before they are opened does not tell.
bool has_left_since(const core::Pool& other, const core::Pool& pool) {
    // Of this one a slot is to be opened, so that it has some; the other's state came from outside.
    const std::uint32_t begun = std::ranges::min(pool.changed);
    return std::ranges::any_of(other.changed, [&](std::uint32_t entry) { return entry > begun; });
}

}  // namespace

std::vector<IpAddress> Taken::of(const core::AgreedState& agreed, const core::Pool& pool) {
    std::erase_if(addresses_, [&](const auto& known) { return agreed.pool(known.first) == nullptr; });
    std::vector<IpAddress> taken;
    for (const core::Pool& other : agreed.pools)
        if (other.id < pool.id && (other.members != 0 || has_left_since(other, pool)))
            std::ranges::set_intersection(addresses(pool), addresses(other), std::back_inserter(taken));
    std::ranges::sort(taken);
    return taken;
}

const std::vector<IpAddress>& Taken::addresses(const core::Pool& pool) {
    const auto [known, is_new] = addresses_.try_emplace(pool.id);
    if (is_new)
        if (auto parameters = parameters_of(pool.config)) known->second = std::move(parameters->addresses);
    return known->second;
}

}  // namespace buoy::runtime
