// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>

#include "buoy/time.hpp"

namespace buoy::core {

/// What a cluster may hold. Messages are bounded by these, so that a bad one cannot make a daemon grow.
inline constexpr std::size_t max_nodes = 32;
inline constexpr std::size_t max_pools = 64;
inline constexpr std::uint32_t max_slots = 16384;    ///< over all pools
inline constexpr std::size_t max_name = 64;          ///< bytes of a pool's name
inline constexpr std::size_t max_text = 256;         ///< bytes of a user's name or of a reason
inline constexpr std::size_t max_parameters = 8192;  ///< bytes of a pool's parameters as text
inline constexpr std::size_t max_requests = 256;     ///< requests waiting in one daemon
inline constexpr std::uint32_t max_weight = 1000;
inline constexpr Duration max_lease = std::chrono::seconds(60);

/// A node's place in the agreed state's table of voters, and a set of such places.
using NodeIndex = std::uint8_t;
using NodeMask = std::uint32_t;
static_assert(max_nodes <= 8 * sizeof(NodeMask));
inline constexpr NodeIndex no_index = 0xff;

constexpr NodeMask bit(NodeIndex i) {
    return NodeMask{1} << i;
}
constexpr bool has(NodeMask mask, NodeIndex i) {
    return (mask >> i & 1) != 0;
}

}  // namespace buoy::core
