// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <vector>

#include "buoy/ids.hpp"
#include "buoy/ip.hpp"
#include "service/core/agreed_state.hpp"

namespace buoy::runtime {

/// Addresses that stand in two pools. A start with one is refused; but two that are asked for at the same
/// moment on two nodes know nothing of each other before both are in the order. There the pool that has had
/// members for longer has the address, and nobody opens it for the other: pools are numbered in the order in
/// which they got their first member.
class Taken {
  public:
    /// Those of the pool's addresses that an earlier pool with members has, in order.
    std::vector<IpAddress> of(const core::AgreedState& agreed, const core::Pool& pool);

  private:
    const std::vector<IpAddress>& addresses(const core::Pool& pool);

    std::map<PoolId, std::vector<IpAddress>> addresses_;  ///< as their parameters say, which are long
};

}  // namespace buoy::runtime
