// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

namespace buoy::runtime {

/// `buoyd --replay FILE...`: repeats the files of a journal, given oldest first, and says on standard output
/// what was compared, or on standard error where the core does something else. Returns the exit code.
int replay(const std::vector<std::string>& names);

}  // namespace buoy::runtime
