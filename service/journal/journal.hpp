// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "buoy/result.hpp"
#include "service/core/effect.hpp"
#include "service/core/event.hpp"

namespace buoy::journal {

/// A line of a journal: an event with its time, or an effect of the event before it.
///
///     > 1500000000 done {effect=7}
///     < gate_deadline {deadline=2000000000}
///
/// Times are nanoseconds of the node's boot clock. Values are whole numbers, quoted texts ("\"", "\\" and
/// \xHH for what is not printable), lists [a b], structs {name=value ...}, and alternatives kind{...}.
struct Line {
    bool is_event = false;
    TimePoint at;  ///< of an event
    core::Event event;
    core::Effect effect;
};

/// The longest line that is read, in bytes: more than a snapshot of the largest state takes.
inline constexpr std::size_t max_line = std::size_t{8} << 20;

std::string write(TimePoint at, const core::Event& event);
std::string write(const core::Effect& effect);

/// Reads one line, without its newline. The error says what was expected, and where.
Result<Line> parse(std::string_view line);

/// Gives a journal's events to a new core and compares what it does with what is written. Empty lines and
/// lines that begin with '#' are skipped. Success is the number of events; the error names the first line
/// that differs.
Result<std::size_t> replay(std::string_view journal);

/// What a line begins with that stands for lines that could not be written.
inline constexpr std::string_view lines_missing = "# missing:";

/// A journal of several files, in order. A file is the work of daemons, one after the other, each of which
/// began with its Started. What comes before the first of those belongs to a run whose beginning is not here,
/// and is passed over.
struct ReplayedFile {
    std::string name;
    std::string text;
};
struct Replayed {
    std::size_t events = 0;
    std::size_t passed_over = 0;  ///< lines before the first beginning, and from a gap to the next
};
/// Fails where an effect differs, with the file's name and the line, and where none of the files has the
/// beginning of a run, which it says how to give.
Result<Replayed> replay_files(const std::vector<ReplayedFile>& files);

}  // namespace buoy::journal
