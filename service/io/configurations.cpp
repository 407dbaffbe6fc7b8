// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/configurations.hpp"

#include <algorithm>
#include <utility>

namespace buoy::io {
namespace {

bool contains(const std::vector<core::Member>& members, const core::Member& member) {
    return std::ranges::find(members, member) != members.end();
}

bool before(const core::Member& a, const core::Member& b) {
    return std::pair(a.node, a.process) < std::pair(b.node, b.process);
}

core::Departed departed(CpgReason reason) {
    switch (reason) {
        case CpgReason::leave:
            return core::Departed::left;
        case CpgReason::process_down:
            return core::Departed::process_down;
        case CpgReason::node_down:
            return core::Departed::node_down;
        default:
            return core::Departed::process_gone;
    }
}

}  // namespace

Configurations::Change Configurations::members(std::vector<core::Member> members,
                                               const std::vector<CpgChange>& left,
                                               const std::vector<CpgChange>& joined) {
    members_ = std::move(members);
    std::ranges::sort(members_, before);
    for (const CpgChange& change : left) {
        left_.push_back(change);
        if (change.reason == CpgReason::node_down) ring_due_ = true;
    }
    for (const CpgChange& change : joined)
        if (change.reason == CpgReason::node_up) ring_due_ = true;
    if (!ring_ || ring_due_ || !tellable()) return std::nullopt;
    return tell(false);
}

Configurations::Change Configurations::ring(CorosyncRing ring) {
    ring_ = ring;
    ring_due_ = false;
    if (!tellable()) return std::nullopt;
    return tell(told_ring_ == ring);
}

// Two daemons of one node are the one that is dying and its successor. The rest of the service tells daemons
// apart by their nodes, so it is not told before there is one.
bool Configurations::tellable() const {
    const auto same_node = [](const core::Member& a, const core::Member& b) { return a.node == b.node; };
    return contains(members_, self_) && std::ranges::adjacent_find(members_, same_node) == members_.end();
}

// `anew`: what was told of this ring was told too early, so nobody else has counted it; whoever is a member
// now has just come together.
core::ConfigurationChanged Configurations::tell(bool anew) {
    core::ConfigurationChanged event;
    event.ring = *ring_;
    event.members = members_;
    const auto went = [&](const core::Member& member) {
        return std::ranges::find(left_, member, &CpgChange::member) != left_.end();
    };
    const auto stayed = [&](const core::Member& member) {
        return !anew && contains(told_, member) && contains(members_, member) && !went(member);
    };
    for (const core::Member& member : members_)
        if (!stayed(member)) event.joined.push_back(member.node);
    for (const core::Member& member : told_) {
        if (stayed(member)) continue;
        const auto change = std::ranges::find(left_, member, &CpgChange::member);
        event.left.push_back(
            {member.node, departed(change == left_.end() ? CpgReason::other : change->reason)});
    }
    told_ring_ = ring_;
    told_ = members_;
    left_.clear();
    return event;
}

}  // namespace buoy::io
