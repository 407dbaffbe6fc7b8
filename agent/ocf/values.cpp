// SPDX-License-Identifier: GPL-2.0-or-later
#include "ocf/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace buoy::agent {

Outcome<bool> read_boolean(std::string_view name, const std::string& text) {
    std::string word = text;
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
    constexpr std::array yes = {"true", "yes", "on", "1", "y"};
    constexpr std::array no = {"false", "no", "off", "0", "n"};
    if (std::find(yes.begin(), yes.end(), word) != yes.end()) return true;
    if (std::find(no.begin(), no.end(), word) != no.end()) return false;
    return failure(Exit::configured, fmt::format("{}='{}' is neither true nor false", name, text));
}

Outcome<long> read_number(std::string_view name, const std::string& text, long lowest, long highest,
                          std::string_view unit) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < lowest || value > highest)
        return failure(Exit::configured, fmt::format("{}='{}' is not a number from {} to {}{}{}", name, text,
                                                     lowest, highest, unit.empty() ? "" : " ", unit));
    return value;
}

std::vector<std::string> read_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : text) {
        if (c != ' ' && c != ',' && c != '\t') {
            word += c;
        } else if (!word.empty()) {
            words.push_back(std::move(word));
            word.clear();
        }
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

}  // namespace buoy::agent
