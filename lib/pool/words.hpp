// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace buoy::pool {

/// The words of a list separated by spaces, commas, tabs or line breaks.
std::vector<std::string> words(std::string_view text);

/// As much of a value as a message can take and still say what would be right.
std::string clipped(std::string_view text);

}  // namespace buoy::pool
