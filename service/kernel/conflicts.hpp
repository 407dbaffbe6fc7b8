// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/time.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// RFC 5227 section 2.4: how long a host that has defended an address does not do it again.
inline constexpr std::chrono::seconds defend_interval{10};

/// What others claim of addresses that are held here: counted, told in batches, and answered as the pool
/// wants it. RFC 5227 section 2.4 (c) is what "defend" is: the address is kept, and announced again, but not
/// more often than the interval, or two hosts that both defend it would flood the segment.
class Conflicts {
  public:
    /// Whether the address is to be announced again now.
    bool heard(const std::string& pool, bool defended, const IpAddress& ip, const Mac& mac, TimePoint now);
    /// When run() is due; TimePoint::max() if never.
    [[nodiscard]] TimePoint next() const { return told_.empty() ? TimePoint::max() : due_; }
    /// What is to be told by now: at most once in 100 ms, however much is claimed.
    std::vector<Claimed> run(TimePoint now);

  private:
    std::map<IpAddress, TimePoint> quiet_until_;  ///< neither defended nor logged again before
    std::map<IpAddress, Claimed> told_;           ///< yet to be told
    TimePoint due_;
};

}  // namespace buoy::kernel
