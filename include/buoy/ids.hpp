// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <compare>
#include <cstdint>

namespace buoy {

/// A node, by Corosync's nodeid. 0 is no node.
struct NodeId {
    std::uint32_t value = 0;
    constexpr auto operator<=>(const NodeId&) const = default;
};

/// A pool, by the number the agreed state gave it when it was made; never used twice in one state. 0 is no
/// pool.
struct PoolId {
    std::uint32_t value = 0;
    constexpr auto operator<=>(const PoolId&) const = default;
};

/// A slot: the unit of ownership.
struct SlotId {
    PoolId pool;
    std::uint32_t index = 0;
    constexpr auto operator<=>(const SlotId&) const = default;
};

/// Corosync's ring id. `seq` grows with every ring a node is in; `node` is the ring's representative.
struct CorosyncRing {
    std::uint64_t seq = 0;
    NodeId node;
    constexpr auto operator<=>(const CorosyncRing&) const = default;
};

/// One configuration of the daemons' group: the ring, and which of the group's changes within that ring,
/// since daemons come and go on a ring that stays. Changes are numbered from where the first member's
/// incarnation says, so that a group whose members have all forgotten the ring does not number them alike.
/// All zero is no configuration.
struct RingId {
    CorosyncRing ring;
    std::uint64_t change = 0;
    constexpr auto operator<=>(const RingId&) const = default;
};

/// How far a node is: the last primary configuration, and the entries applied in it. A greater tag is a newer
/// state.
struct Tag {
    RingId ring;
    std::uint64_t entries = 0;
    constexpr auto operator<=>(const Tag&) const = default;
};

/// One run of a daemon. Grows with every start of the daemon on a node, over reboots too.
struct Incarnation {
    std::uint64_t value = 0;
    constexpr auto operator<=>(const Incarnation&) const = default;
};

/// One time that a node was out of the agreed order (design 4.2, rule 6). Grows over restarts.
struct Outing {
    Incarnation incarnation;
    std::uint32_t count = 0;
    constexpr auto operator<=>(const Outing&) const = default;
};

/// A request of an agent or of the CLI, numbered by the daemon that took it. 0 is no request.
struct RequestId {
    std::uint64_t value = 0;
    constexpr auto operator<=>(const RequestId&) const = default;
};

}  // namespace buoy
