// SPDX-License-Identifier: GPL-2.0-or-later
#include "ocf/outcome.hpp"

#include <algorithm>
#include <cstdio>

namespace buoy::agent {

namespace {

// Pacemaker keeps reasons in its status section, which all nodes share.
constexpr std::size_t longest_line = 1000;

/// A value from the environment may hold anything. A line break would make a second line, which is lost or
/// misread; a byte that is no character would spoil the XML in which Pacemaker keeps the reason.
std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
    if (text.size() > longest_line) text.replace(longest_line - 3, std::string::npos, "...");
    return text;
}

}  // namespace

void print_exit_reason(const std::string& reason) {
    std::fprintf(stderr, "ocf-exit-reason:%s\n", one_line(reason).c_str());
}

void log(const std::string& line) {
    std::fprintf(stderr, "%s\n", one_line(line).c_str());
}

}  // namespace buoy::agent
