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
/// Hosts announce in several forms, one after the other. What follows within this time of a first claim
/// belongs to it, and is no answer to its defence; no host that keeps to RFC 5227 repeats an announcement
/// sooner than 2 s (section 2.3).
inline constexpr std::chrono::milliseconds one_claim{100};

/// What others claim of addresses that are held here: counted, told in batches, and answered as the pool
/// wants it. RFC 5227 section 2.4 (c) is what "defend" is: the address is kept, and announced again, but not
/// more often than the interval, or two hosts that both defend it would flood the segment. "release" is (b):
/// the same, but who claims it again within the interval gets it.
class Conflicts {
  public:
    enum class Answer : std::uint8_t { none, announce, release };
    /// What to do now.
    Answer heard(const std::string& pool, OnConflict how, const IpAddress& ip, const Mac& mac, TimePoint now);
    /// A claim of an address that has been given up: it counts, and that is all.
    void heard_of_released(const std::string& pool, const IpAddress& ip, const Mac& mac);
    /// When run() is due; TimePoint::max() if never.
    [[nodiscard]] TimePoint next() const { return told_.empty() ? TimePoint::max() : due_; }
    /// What is to be told by now: at most once in 100 ms, however much is claimed.
    std::vector<Claimed> run(TimePoint now);

  private:
    /// What is to be told of the address, with this claim.
    Claimed& count(const std::string& pool, const IpAddress& ip, const Mac& mac);

    std::map<IpAddress, TimePoint> quiet_until_;  ///< neither defended nor logged again before
    std::map<IpAddress, Claimed> told_;           ///< yet to be told
    TimePoint due_;
};

}  // namespace buoy::kernel
