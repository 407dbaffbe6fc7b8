// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace buoy::sources {

/// A folder whose code has to be pure: no clock, no randomness, no log, no system (design, section 8).
struct PureFolder {
    std::string path;        ///< from the top of the tree, without a slash at its end
    std::string own_prefix;  ///< how its own headers are included, for example "wire/"
    /// Files that may include one header more, as "path header": each is an exception with a reason beside
    /// it.
    std::vector<std::string> exceptions;
};

/// The pure folders of the tree.
std::vector<PureFolder> pure_folders();

/// `text` with every comment and the inside of every string and character literal blanked. Lines stay lines.
/// Raw string literals are not known.
std::string code_only(std::string_view text);

/// What is wrong with a file of a pure folder, one "line N: …" each; empty where it is pure. `path` is the
/// file's, from the top of the tree.
std::vector<std::string> impurities(const PureFolder& folder, std::string_view path, std::string_view text);

/// Whether a file has to name its licence. Those without comments need not: JSON, pictures, golden data, fuzz
/// seeds, and the licence itself.
bool needs_licence(std::string_view path);

/// Whether one of the first five lines is the project's SPDX line.
bool names_licence(std::string_view text);

}  // namespace buoy::sources
