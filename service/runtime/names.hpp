// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "buoy/ids.hpp"

namespace buoy::runtime {

/// Corosync's names of nodes, for people.
class Names {
  public:
    /// Those that are in it no more keep their names, by which they can be forgotten.
    void set(std::map<NodeId, std::string> names) {
        names_.merge(gone_);
        gone_ = std::exchange(names_, std::move(names));
        std::erase_if(gone_, [this](const auto& gone) {
            return std::ranges::any_of(names_, [&](const auto& now) {
                return now.first == gone.first || now.second == gone.second;
            });
        });
    }

    /// The node's name; its id where it has none.
    [[nodiscard]] std::string of(NodeId node) const {
        for (const auto* names : {&names_, &gone_})
            if (const auto found = names->find(node); found != names->end() && !found->second.empty())
                return found->second;
        return std::to_string(node.value);
    }
    /// The node of this name or id, if the cluster's configuration has one or had it.
    [[nodiscard]] std::optional<NodeId> find(const std::string& text) const {
        for (const auto* names : {&names_, &gone_})
            for (const auto& [id, name] : *names)
                if (name == text || std::to_string(id.value) == text) return id;
        return std::nullopt;
    }
    [[nodiscard]] const std::map<NodeId, std::string>& all() const { return names_; }

  private:
    std::map<NodeId, std::string> names_;
    std::map<NodeId, std::string> gone_;
};

}  // namespace buoy::runtime
