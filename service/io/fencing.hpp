// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "buoy/result.hpp"
#include "buoy/time.hpp"
#include "service/core/event.hpp"
#include "service/io/children.hpp"
#include "service/io/cluster.hpp"

namespace buoy::io {

/// A node to be asked about.
struct LostNode {
    NodeId node;
    TimePoint since;  ///< when it was last heard: fencing that ended before this is not reported
    bool operator==(const LostNode&) const = default;
};

/// What Pacemaker's fencer has done to lost nodes, by `stonith_admin --history`, about three times a second
/// for as long as there are any. A person's `stonith_admin --confirm` counts as an `off` there, and here.
class Fencing {
  public:
    struct Callbacks {
        /// Once for every action that succeeded after the loss. `at` is rounded down to a second of the wall
        /// clock by Pacemaker 2.1.5, so an action that ends within a second of the loss may go unreported:
        /// buoy-alert, see told(), is for those.
        std::function<void(const core::FencingReported&)> reported;
        /// The fencer could not be asked; told when that begins, not each time.
        std::function<void(const std::string&)> warn;
    };

    /// `children` has to outlive it.
    static Result<Fencing> open(Children& children, const ClusterInfo& cluster, Callbacks callbacks);
    Fencing(Fencing&&) noexcept;
    Fencing& operator=(Fencing&&) noexcept;
    ~Fencing();

    /// Asks about these nodes from now on, and about no others.
    void watch(const std::vector<LostNode>& lost);
    /// What buoy-alert tells: an action on a node, lost or not, that succeeded shortly before the wall clock
    /// said `ended`. The history is asked at once, and what it confirms is reported with a time that is not
    /// rounded down: of the two times the earlier, but for the rounding.
    void told(NodeId node, core::FencingAction action, Duration ended);
    /// The nodelist has changed.
    void set_cluster(const ClusterInfo& cluster);

    [[nodiscard]] int fd() const;
    /// To be called when fd() is readable.
    Result<void> dispatch();

  private:
    struct State;
    explicit Fencing(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace buoy::io
