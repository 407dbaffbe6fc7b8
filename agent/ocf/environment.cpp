// SPDX-License-Identifier: GPL-2.0-or-later
#include "ocf/environment.hpp"

#include <charconv>

namespace buoy::agent {

namespace {

constexpr std::string_view parameter_prefix = "OCF_RESKEY_";
constexpr std::string_view meta_prefix = "CRM_meta_";

}  // namespace

Environment Environment::read(const char* const* environ) {
    Environment environment;
    for (; environ != nullptr && *environ != nullptr; ++environ) {
        const std::string_view entry = *environ;
        if (const auto equals = entry.find('='); equals != std::string_view::npos)
            environment.variables_.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
    return environment;
}

std::optional<std::string> Environment::variable(const std::string& name) const {
    const auto found = variables_.find(name);
    if (found == variables_.end() || found->second.empty()) return std::nullopt;
    return found->second;
}

std::optional<std::string> Environment::parameter(std::string_view name) const {
    return variable(std::string(parameter_prefix) + std::string(name));
}

std::optional<std::string> Environment::meta(std::string_view name) const {
    return variable(std::string(parameter_prefix) + std::string(meta_prefix) + std::string(name));
}

std::vector<std::string> Environment::parameter_names() const {
    std::vector<std::string> names;
    for (const auto& [name, value] : variables_) {
        if (!name.starts_with(parameter_prefix)) continue;
        const auto parameter = name.substr(parameter_prefix.size());
        if (!parameter.starts_with(meta_prefix)) names.push_back(parameter);
    }
    return names;
}

int Environment::check_level() const {
    const auto text = variable("OCF_CHECK_LEVEL").value_or("0");
    int level = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
    return error == std::errc{} && end == text.data() + text.size() ? level : 0;
}

}  // namespace buoy::agent
