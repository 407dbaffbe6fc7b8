// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "buoy/ids.hpp"
#include "buoy/ip.hpp"
#include "buoy/result.hpp"

namespace buoy::io {

/// A node of corosync.conf's nodelist, running or not.
struct ClusterNode {
    NodeId id;
    std::string name;                  ///< as Pacemaker calls it too; its id where it has none
    std::vector<IpAddress> addresses;  ///< of Corosync's links, lowest link first
    std::vector<std::uint8_t> links;   ///< the link of each address: 0 for ring0_addr
    bool operator==(const ClusterNode&) const = default;
};

/// What Corosync's configuration says of the cluster.
struct ClusterInfo {
    NodeId self;
    std::string name;
    std::uint64_t id = 0;  ///< a hash of the name, the same on every node; see messages::encode
    std::vector<ClusterNode> nodes;
    bool two_node = false;  ///< votequorum's two_node is in force: each half of two is quorate
    /// The cluster's shared secret: totem.key, or the file totem.keyfile names, or /etc/corosync/authkey.
    std::optional<std::string> authkey;

    [[nodiscard]] const ClusterNode* find(NodeId node) const;
    bool operator==(const ClusterInfo&) const = default;
};

/// The hash of a cluster's name that tells clusters apart.
std::uint64_t cluster_id(std::string_view name);

/// Reads it once and goes. Blocks while Corosync does, and for looking up names. Fails when Corosync does not
/// run here, has no nodelist, or has a secret that cannot be read.
Result<ClusterInfo> read_cluster();

/// The same, told again whenever Corosync's configuration has been changed (`corosync-cfgtool -R`).
class ClusterWatch {
  public:
    using Changed = std::function<void(const ClusterInfo&)>;

    /// Blocks as read_cluster() does; nothing after it blocks. `changed` is not called for what info() says
    /// then. Names are looked up here only: the address of a node added later under a name is learned when
    /// that node joins.
    static Result<ClusterWatch> open(Changed changed);

    ClusterWatch(ClusterWatch&&) noexcept;
    ClusterWatch& operator=(ClusterWatch&&) noexcept;
    ~ClusterWatch();

    [[nodiscard]] const ClusterInfo& info() const;
    [[nodiscard]] int fd() const;
    /// To be called when fd() is readable. Fails when Corosync is gone.
    Result<void> dispatch();

  private:
    friend Result<ClusterInfo> read_cluster();
    struct State;
    explicit ClusterWatch(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace buoy::io
