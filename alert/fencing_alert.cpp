// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing_alert.hpp"

#include <charconv>
#include <cstdint>
#include <string_view>

namespace buoy::alert {
namespace {

std::string_view value(const Environment& environment, const char* name) {
    const char* found = environment(name);
    return found == nullptr ? std::string_view{} : std::string_view(found);
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return out;
}

// Pacemaker 2 and 3 name the action in the description alone: "Operation off of n3 by n1 for ...: OK (...)".
std::string_view action_of(std::string_view description) {
    constexpr std::string_view before = "Operation ";
    if (!description.starts_with(before)) return {};
    description.remove_prefix(before.size());
    return description.substr(0, description.find(' '));
}

}  // namespace

std::optional<nlohmann::json> request_for(const Environment& environment) {
    if (value(environment, "CRM_alert_kind") != "fencing") return std::nullopt;
    if (value(environment, "CRM_alert_rc") != "0") return std::nullopt;
    const std::string_view node = value(environment, "CRM_alert_node");
    const std::string_view action = action_of(value(environment, "CRM_alert_desc"));
    const auto seconds = number(value(environment, "CRM_alert_timestamp_epoch"));
    if (node.empty() || action.empty() || !seconds) return std::nullopt;
    // A double tells times of this century to less than a microsecond.
    const double ended =
        static_cast<double>(*seconds) +
        static_cast<double>(number(value(environment, "CRM_alert_timestamp_usec")).value_or(0)) / 1e6;
    return nlohmann::json{
        {"request", "fencing"}, {"node", node}, {"action", action}, {"succeeded", true}, {"ended", ended}};
}

}  // namespace buoy::alert
