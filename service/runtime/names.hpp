// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <optional>
#include <string>

#include "buoy/ids.hpp"

namespace buoy::runtime {

/// Corosync's names of nodes, for people.
class Names {
  public:
    void set(std::map<NodeId, std::string> names) { names_ = std::move(names); }

    /// The node's name; its id where it has none.
    [[nodiscard]] std::string of(NodeId node) const {
        const auto found = names_.find(node);
        return found == names_.end() || found->second.empty() ? std::to_string(node.value) : found->second;
    }
    /// The node of this name or id, if the cluster's configuration has one.
    [[nodiscard]] std::optional<NodeId> find(const std::string& text) const {
        for (const auto& [id, name] : names_)
            if (name == text || std::to_string(id.value) == text) return id;
        return std::nullopt;
    }
    [[nodiscard]] const std::map<NodeId, std::string>& all() const { return names_; }

  private:
    std::map<NodeId, std::string> names_;
};

}  // namespace buoy::runtime
