// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "buoy/ids.hpp"
#include "service/core/event.hpp"

namespace buoy::io {

/// Why a process came or went, as cpg says. `node_up` and `node_down` come with a new ring only.
enum class CpgReason : std::uint8_t { join, leave, node_down, node_up, process_down, other };
struct CpgChange {
    core::Member member;
    CpgReason reason = CpgReason::other;
};

/// Puts together what cpg tells in several callbacks: one configuration for every ring, and one for every
/// daemon that comes or goes on a ring that stays. Pure.
///
/// With a new ring Corosync tells of the processes that left, then of those that joined, then of the ring,
/// all in one go; any of the first two may be missing. Between rings there is one call per process. Who joins
/// is told the ring at the first change of any group, which can be before it is a member. And who does so
/// while a ring is being formed is told that ring twice, the first time too early.
class Configurations {
  public:
    using Change = std::optional<core::ConfigurationChanged>;

    explicit Configurations(core::Member self) : self_(self) {}

    /// cpg's callback for the group.
    Change members(std::vector<core::Member> members, const std::vector<CpgChange>& left,
                   const std::vector<CpgChange>& joined);
    /// cpg's callback for the ring.
    Change ring(CorosyncRing ring);

  private:
    [[nodiscard]] bool tellable() const;
    core::ConfigurationChanged tell(bool anew);

    core::Member self_;
    std::optional<CorosyncRing> ring_;  ///< the last that was named
    bool ring_due_ = false;             ///< its successor will be named next
    std::vector<core::Member> members_;
    std::optional<CorosyncRing> told_ring_;
    std::vector<core::Member> told_;
    std::vector<CpgChange> left_;  ///< since then
};

}  // namespace buoy::io
