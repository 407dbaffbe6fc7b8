// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <vector>

#include "service/core/event.hpp"
#include "service/core/messages.hpp"
#include "service/core/recorded.hpp"

namespace buoy::core {

/// What the members of a configuration have decided together (rule 0), each for itself from the same Hellos.
struct Decision {
    RingId ring;
    std::vector<NodeId> members;  ///< those with the lease that counts; the others take no part
    NodeId keeper;                ///< the lowest id that has the newest state; it sends the snapshot
    bool cold = false;            ///< nobody has a state: the keeper begins with an empty one
    bool hold = false;            ///< nobody opens anything for LM of `hold_lease`
    bool snapshot = false;        ///< somebody needs it, so the configuration begins with it
    Duration hold_lease{};        ///< the longest that somebody may still have who is not here
    Tag newest;
    std::uint64_t hash = 0;
    std::vector<NodeId> silent;  ///< voters to take out first
    bool operator==(const Decision&) const = default;
};

/// Rule 0: who is in the configuration, what each brings, and whether it is primary. Fed in the agreed order,
/// so that every member comes to the same decision at the same place in it.
class Exchange {
  public:
    /// A new configuration: begins anew. `self` is among its members.
    void begin(const ConfigurationChanged& event, NodeId self, Incarnation incarnation);
    /// The quorum service's word. It counts once it is about the same ring.
    void quorum(const QuorumChanged& event) { quorum_ = event; }

    [[nodiscard]] bool begun() const { return !members_.empty(); }
    /// Whether the group and the quorum service speak of the same ring.
    [[nodiscard]] bool in_step() const { return begun() && quorum_.ring == ring_; }
    [[nodiscard]] bool quorate() const { return in_step() && quorum_.quorate; }
    [[nodiscard]] const QuorumChanged& last_quorum() const { return quorum_; }
    /// Group members that are nodes of the ring too; only when in_step().
    [[nodiscard]] bool is_member(NodeId node) const;
    [[nodiscard]] std::vector<NodeId> members() const;
    [[nodiscard]] const CorosyncRing& ring() const { return ring_; }
    [[nodiscard]] std::uint64_t change() const { return change_; }
    [[nodiscard]] const std::vector<Together>& together() const { return members_; }

    /// Whether a message was sent in this configuration, seen from its sender.
    [[nodiscard]] bool fresh(NodeId sender, const CorosyncRing& ring,
                             const std::vector<Together>& together) const;
    /// Why a message that is not fresh is dropped: nobody of that name is in this configuration, or it is an
    /// earlier one's.
    [[nodiscard]] Refusal why_not_fresh(NodeId sender, const CorosyncRing& ring) const;
    /// Takes a Hello in. False when it is from another configuration or no member.
    bool take(const Hello& hello);
    /// Decides when every member's Hello is in and the configuration is primary. Once made a decision stays.
    [[nodiscard]] const std::optional<Decision>& decide();
    [[nodiscard]] const std::optional<Decision>& decision() const { return decision_; }
    /// Whether the configuration was decided to be primary, and with this node.
    [[nodiscard]] bool takes_part(NodeId node) const;
    /// Every member has said Hello, and still the configuration is not primary.
    [[nodiscard]] bool complete_without_primary() const { return complete() && !decision_; }
    /// Members that have said to have another lease than this one.
    [[nodiscard]] std::vector<OtherLease> other_leases(Duration lease) const;

  private:
    template <typename T>
    friend struct journal::Fields;
    [[nodiscard]] bool complete() const;
    [[nodiscard]] const Hello* hello_of(NodeId node) const;
    [[nodiscard]] std::size_t expected() const;
    [[nodiscard]] const Hello* newest_of(const std::vector<NodeId>& nodes) const;
    [[nodiscard]] std::vector<NodeId> with_one_lease() const;
    [[nodiscard]] bool may_begin(const Decision& decision) const {
        return 2 * decision.members.size() > expected();
    }
    [[nodiscard]] std::optional<Decision> cold_start(Decision decision) const;
    [[nodiscard]] std::optional<Decision> go_on(Decision decision, const Hello& newest) const;

    NodeId self_;
    CorosyncRing ring_;
    std::uint64_t change_ = 0;
    std::vector<Together> members_;
    QuorumChanged quorum_;
    std::vector<Hello> hellos_;
    std::optional<Decision> decision_;
};

}  // namespace buoy::core
