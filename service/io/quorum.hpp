// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>

#include "buoy/result.hpp"
#include "service/core/event.hpp"
#include "service/io/cluster.hpp"

namespace buoy::io {

/// Corosync's quorum service. Ring, nodes and flag come in one notification of its, so they belong together;
/// two_node and the number of nodes come from the configuration, as asking votequorum for them could block.
class Quorum {
  public:
    using Changed = std::function<void(const core::QuorumChanged&)>;

    /// Blocks while Corosync does. The first call of `changed` comes with the first dispatch(). Fails when
    /// Corosync does not run here or has no quorum provider.
    static Result<Quorum> open(const ClusterInfo& cluster, Changed changed);

    Quorum(Quorum&&) noexcept;
    Quorum& operator=(Quorum&&) noexcept;
    ~Quorum();

    /// The configuration has changed; tells it with the last notification's view if it matters here.
    void set_cluster(const ClusterInfo& cluster);

    [[nodiscard]] int fd() const;
    /// To be called when fd() is readable. Fails when Corosync is gone.
    Result<void> dispatch();

  private:
    struct State;
    explicit Quorum(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace buoy::io
