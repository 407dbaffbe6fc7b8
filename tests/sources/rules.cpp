// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sources/rules.hpp"

#include <algorithm>
#include <array>
#include <regex>
#include <sstream>

namespace buoy::sources {

namespace {

// Of the standard library, what neither reads nor writes anything outside the program. <chrono> is here for
// its durations; its clocks are banned by name below.
constexpr std::string_view pure_headers =
    " algorithm any array bit bitset cassert cctype cerrno charconv chrono climits cmath compare"
    " concepts cstddef cstdint cstdlib cstring deque exception expected format forward_list functional"
    " iomanip initializer_list iterator limits list map memory memory_resource new numbers numeric"
    " optional queue ranges ratio set source_location span sstream stack stdexcept string string_view"
    " tuple type_traits typeindex typeinfo unordered_map unordered_set utility variant vector version"
    " ";

constexpr const char* draws = "draws a random number";
constexpr const char* writes = "writes or logs";

struct Ban {
    std::regex pattern;
    std::string reason;
};

const std::array bans{
    Ban{std::regex(R"(::\s*now\s*\()"), "reads a clock"},
    Ban{std::regex(R"(\b[sdlm]?rand(48)?(_r)?\s*\(|\bstd\s*::\s*rand\b|\brandom\s*\()"), draws},
    Ban{std::regex(R"(\brandom_device\b|\bmt19937)"), draws},
    Ban{std::regex(R"(\b(clock_gettime|gettimeofday|time|clock|localtime|gmtime)\s*\()"), "reads a clock"},
    Ban{std::regex(
            R"(\b[fd]?printf\s*\(|\bf?puts\s*\(|\bstd\s*::\s*(cout|cerr|clog)\b|\bv?syslog\s*\(|\bqb_log)"),
        writes},
    Ban{std::regex(R"(\b(secure_)?getenv\s*\(|\bsystem\s*\()"), "asks the system"},
    Ban{std::regex(R"(\bfmt\s*::)"), "uses {fmt}, which the folder does not link"},
};

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> beginnings) {
    return std::ranges::any_of(beginnings, [&](auto beginning) { return text.starts_with(beginning); });
}

bool may_include(const PureFolder& folder, std::string_view path, std::string_view quoted) {
    const std::string_view name = quoted.substr(1, quoted.size() - 2);
    if (std::ranges::count(folder.exceptions, std::string(path) + " " + std::string(name)) != 0) return true;
    if (name.find("..") != std::string_view::npos) return false;
    if (quoted.front() == '<')
        return pure_headers.find(" " + std::string(name) + " ") != std::string_view::npos;
    return starts_with_any(name, {"buoy/", folder.own_prefix});
}

void append_include_faults(const PureFolder& folder, std::string_view path, const std::string& line,
                           const std::string& where, std::vector<std::string>& found) {
    static const std::regex include(R"(^\s*#\s*include\b\s*(.*\S)?)");
    static const std::regex named(R"(^(<[^>]+>|"[^"]+"))");
    std::smatch match;
    if (!std::regex_search(line, match, include)) return;
    const std::string rest = match[1];
    if (!std::regex_search(rest, match, named))
        found.push_back(where + "includes what only the preprocessor knows: " + rest);
    else if (const std::string quoted = match[1]; !may_include(folder, path, quoted))
        found.push_back(where + "includes " + quoted +
                        ", which is neither pure standard library, nor \"buoy/…\", nor \"" +
                        folder.own_prefix + "…\"");
}

/// Blanks comments and literals, one character at a time.
class Blanking {
  public:
    explicit Blanking(std::string_view text) : text_(text) {}

    std::string run() {
        while (at_ < text_.size()) step();
        return std::move(code_);
    }

  private:
    void step() {
        const std::string_view rest = text_.substr(at_);
        if (rest.starts_with("//"))
            blank_until("\n", 0);
        else if (rest.starts_with("/*"))
            blank_until("*/", 2);
        else if (rest.front() == '"')
            blank_literal('"');
        else if (rest.front() == '\'' && !between_digits())
            blank_literal('\'');
        else
            code_ += text_[at_++];
    }

    /// A quote in a number such as 1'000 begins no literal.
    [[nodiscard]] bool between_digits() const {
        return at_ > 0 && std::isxdigit(static_cast<unsigned char>(text_[at_ - 1])) != 0;
    }

    void blank_until(std::string_view end, std::size_t end_size) {
        const auto found = text_.find(end, at_ + 2);
        const auto stop = found == std::string_view::npos ? text_.size() : found + end_size;
        for (; at_ < stop; ++at_) code_ += text_[at_] == '\n' ? '\n' : ' ';
    }

    void blank_literal(char quote) {
        code_ += text_[at_++];
        while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n') {
            const std::size_t width = text_[at_] == '\\' && at_ + 1 < text_.size() ? 2 : 1;
            code_.append(width, ' ');
            at_ += width;
        }
        if (at_ < text_.size()) code_ += text_[at_++];
    }

    std::string_view text_;
    std::string code_;
    std::size_t at_ = 0;
};

}  // namespace

std::vector<PureFolder> pure_folders() {
    return {
        {"lib/wire", "wire/", {}},
        // A broken invariant ends the process, and its name is all that is left of it.
        {"service/core", "service/core/", {"service/core/check.cpp cstdio"}},
    };
}

std::string code_only(std::string_view text) {
    return Blanking(text).run();
}

std::vector<std::string> impurities(const PureFolder& folder, std::string_view path, std::string_view text) {
    std::vector<std::string> found;
    // Includes are read with their literals, everything else without.
    std::istringstream lines{std::string(text)};
    std::istringstream code_lines{code_only(text)};
    std::string line;
    std::string code;
    // Whoever may include <cstdio> may write with it; the header is what the exception was granted for.
    const bool may_write = std::ranges::count(folder.exceptions, std::string(path) + " cstdio") != 0;
    for (int number = 1; std::getline(lines, line) && std::getline(code_lines, code); ++number) {
        const std::string where = "line " + std::to_string(number) + ": ";
        if (code.find('#') != std::string::npos) append_include_faults(folder, path, line, where, found);
        for (const auto& ban : bans) {
            if (may_write && ban.reason == writes) continue;
            std::smatch match;
            if (std::regex_search(code, match, ban.pattern))
                found.push_back(where + ban.reason + ": " + match.str());
        }
    }
    return found;
}

bool needs_licence(std::string_view path) {
    if (path == "COPYING" || path.ends_with(".json") || path.ends_with(".svg") || path.ends_with(".png"))
        return false;
    return !starts_with_any(path, {"tests/fuzz/seeds/"}) && path.find("/golden/") == std::string_view::npos;
}

bool names_licence(std::string_view text) {
    std::istringstream lines{std::string(text)};
    std::string line;
    for (int number = 0; number < 5 && std::getline(lines, line); ++number)
        if (line.find("SPDX-License-Identifier: GPL-2.0-or-later") != std::string::npos) return true;
    return false;
}

}  // namespace buoy::sources
