// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ocf/outcome.hpp"

// Parameter values as text, read into types. Every failure is Exit::configured and names the parameter,
// what it holds and what it may hold.
namespace buoy::agent {

/// The words Pacemaker itself takes for a boolean: true/false, yes/no, on/off, 1/0, in any case.
Outcome<bool> read_boolean(std::string_view name, const std::string& text);

/// A decimal number from `lowest` to `highest`. `unit` goes into the message ("ms", "bits", or empty).
Outcome<long> read_number(std::string_view name, const std::string& text, long lowest, long highest,
                          std::string_view unit = {});

/// The words of a list separated by spaces or commas.
std::vector<std::string> read_words(std::string_view text);

}  // namespace buoy::agent
