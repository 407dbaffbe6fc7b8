// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace buoy::cli {

/// Rows of cells as text, in columns two spaces apart; the first row is the heading. What is not ASCII in a
/// cell has to be one column wide a character. Lines end without spaces.
std::string table_text(const std::vector<std::vector<std::string>>& rows);

/// Of UTF-8 text, in characters.
std::size_t width_of(std::string_view text);

}  // namespace buoy::cli
