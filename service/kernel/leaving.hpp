// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/time.hpp"
#include "net/address.hpp"

namespace buoy::kernel {

/// Addresses for which the gate is shut, and which have yet to go from their NIC. Nobody waits for that, but
/// it takes the kernel's time and its lock from whatever else changes hands; so they go when nothing has been
/// closed for a while, or some have waited for long, a few at a time. The oldest address of a network is its
/// primary one, and removing that makes the kernel look at all others: it goes last.
class Leaving {
  public:
    /// `added` counts additions: the later one is the greater.
    void add(const net::Address& address, std::uint64_t added, TimePoint now);
    [[nodiscard]] bool has(const IpAddress& ip) const { return addresses_.contains(ip); }
    /// Takes the address out, if it is there.
    std::optional<net::Address> take(const IpAddress& ip);
    /// All of them, the newest first.
    std::vector<net::Address> take_all();
    /// Some of those whose time has come, the newest first.
    std::vector<net::Address> take_due(TimePoint now);
    /// When take_due() has something; TimePoint::max() if never.
    [[nodiscard]] TimePoint next() const { return addresses_.empty() ? TimePoint::max() : due_; }

  private:
    std::vector<net::Address> take_newest(std::size_t count);
    struct Added {
        net::Address address;
        std::uint64_t added = 0;
    };
    std::map<IpAddress, Added> addresses_;
    TimePoint since_;  ///< the first of them
    TimePoint due_;
};

}  // namespace buoy::kernel
