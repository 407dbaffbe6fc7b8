// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace buoy::agent {

/// What Pacemaker hands an agent in its environment (OCF Resource Agent API 1.1, "Environment variables").
class Environment {
  public:
    Environment() = default;
    /// From name and value pairs, for tests.
    explicit Environment(std::map<std::string, std::string, std::less<>> variables)
        : variables_(std::move(variables)) {}
    /// From a process's environment, as in environ(7). Entries without '=' are passed over.
    static Environment read(const char* const* environ);

    /// The parameter `OCF_RESKEY_name`; nothing when it is unset or empty.
    [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
    /// The names of all parameters that are set, without the meta-attributes (`CRM_meta_…`).
    [[nodiscard]] std::vector<std::string> parameter_names() const;
    /// The meta-attribute `OCF_RESKEY_CRM_meta_name`.
    [[nodiscard]] std::optional<std::string> meta(std::string_view name) const;

    /// A monitor with interval 0: the manager asks what is there before it has started anything.
    [[nodiscard]] bool is_probe() const { return meta("interval") == "0"; }
    /// `OCF_CHECK_LEVEL`, the monitor's depth; 0 when unset or no number.
    [[nodiscard]] int check_level() const;

  private:
    [[nodiscard]] std::optional<std::string> variable(const std::string& name) const;
    std::map<std::string, std::string, std::less<>> variables_;
};

}  // namespace buoy::agent
