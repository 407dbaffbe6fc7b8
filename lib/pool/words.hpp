// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace buoy::pool {

/// The words of a list separated by spaces, commas, tabs or line breaks.
std::vector<std::string> words(std::string_view text);

}  // namespace buoy::pool
