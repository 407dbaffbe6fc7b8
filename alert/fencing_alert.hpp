// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace buoy::alert {

/// Gives the value of an environment variable, or null.
using Environment = std::function<const char*(const char* name)>;

/// The request for buoyd that an alert of Pacemaker's amounts to (Pacemaker Explained, "Alerts"); none for
/// alerts that are not of fencing, or of fencing that failed.
std::optional<nlohmann::json> request_for(const Environment& environment);

}  // namespace buoy::alert
