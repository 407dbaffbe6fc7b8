// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "buoy/ids.hpp"
#include "buoy/time.hpp"
#include "service/core/agreed_state.hpp"
#include "service/core/entry.hpp"
#include "service/core/fixed_list.hpp"
#include "service/core/limits.hpp"

namespace buoy::core {

/// In how many configurations of this ring, the present one included, the sender has been together with this
/// daemon. Both count from the later one's joining, so that equal numbers mean the same configuration: a
/// message sent before a change and delivered after it shows by this.
struct Together {
    NodeId node;
    std::uint32_t process = 0;  ///< the daemon's process id, as the group tells it
    std::uint32_t configurations = 0;
    bool operator==(const Together&) const = default;
};

/// A voter, with the outing of its last Rejoin.
struct VoterSeen {
    NodeId node;
    Outing outing;
    bool operator==(const VoterSeen&) const = default;
};

/// What a node brings into a new configuration (rule 0).
struct Hello {
    NodeId sender;
    Incarnation incarnation;
    CorosyncRing ring;
    std::uint64_t change = 0;  ///< the group's changes in this ring, as far as the sender knows
    std::vector<Together> together;
    bool quorate = false;
    std::uint32_t expected = 0;  ///< nodes that the cluster is made of, whether they run or not
    bool has_state = false;
    bool holding = false;  ///< the sender opens nothing yet, for LM since its state was begun or picked up
    Duration lease{};      ///< the sender's; whoever has another one than the rest takes no part
    Duration
        longest_lease{};  ///< that anybody may hold to whom the sender's present or last state was agreed
    Tag tag;
    std::uint64_t hash = 0;
    std::vector<VoterSeen> voters;
    std::vector<VoterSeen> silent;  ///< proven silent since that Rejoin
    std::string unknown;
    bool operator==(const Hello&) const = default;
};

/// The agreed state, for those who have none or an older one.
struct Snapshot {
    NodeId sender;
    CorosyncRing ring;
    std::vector<Together> together;
    NodeId to;  ///< one node that asked within a configuration; 0: everyone, to begin the configuration with
    bool hold = false;  ///< nobody opens anything for LM
    AgreedState state;
    std::string unknown;
    bool operator==(const Snapshot&) const = default;
};

/// The newest beat of `node` that the sender of a beat vouches for (rule 1), in `node`'s own time.
struct Echo {
    NodeId node;
    Incarnation incarnation;
    TimePoint created;
    bool operator==(const Echo&) const = default;
};

/// Sent outside the agreed order, often. Times are the sender's own.
struct Beat {
    NodeId sender;
    Incarnation incarnation;
    Tag tag;  ///< ring 0 where the sender is in no primary configuration
    std::uint64_t hash = 0;
    TimePoint created;
    FixedList<Echo, max_nodes> echoes;
    FixedList<NodeId, max_nodes> condemned;
    /// Those of them whose beats come in again. They are not echoed before their Rejoin, and could not tell
    /// otherwise that they are heard.
    FixedList<NodeId, max_nodes> heard{};
    /// Slots that were moved to the sender in a portion and that it has not opened yet.
    std::uint32_t owed = 0;
    bool operator==(const Beat&) const = default;
};

using Message = std::variant<Entry, Hello, Snapshot>;

}  // namespace buoy::core
