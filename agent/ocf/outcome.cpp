// SPDX-License-Identifier: GPL-2.0-or-later
#include "ocf/outcome.hpp"

#include <algorithm>
#include <cstdio>

namespace buoy::agent {

namespace {

/// A value from the environment may hold line breaks; a second line would be lost or misread.
std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
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
