// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "buoy/result.hpp"
#include "service/core/effect.hpp"
#include "service/core/event.hpp"
#include "service/core/ownership.hpp"

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

/// What a line begins with that has a node's whole state: all that the events before it have left behind, so
/// that a replay can begin there.
inline constexpr std::string_view state_here = "= ";
std::string write(const core::Ownership& node);
/// Reads such a line, without its newline. Fails also where the state breaks an invariant of the core's.
Result<core::Ownership> parse_state(std::string_view line);

/// Reads one line of an event or an effect, without its newline. The error says what was expected, and where.
Result<Line> parse(std::string_view line);

/// Gives a journal's events to a new core, or to the one whose state the journal begins with, and compares
/// what it does with what is written, and the states that follow with those it comes to. Empty lines and
/// lines that begin with '#' are skipped. Success is the number of events; the error names the first line
/// that differs.
Result<std::size_t> replay(std::string_view journal);

/// What a line begins with that stands for lines that could not be written.
inline constexpr std::string_view lines_missing = "# missing:";

/// A journal of several files, in order. Each begins with a daemon's Started, or with the state that the file
/// before it has ended with, and can be repeated by itself. In between, Started is another daemon's
/// beginning. What comes after lines that are missing is passed over, up to the next beginning or state.
struct ReplayedFile {
    std::string name;
    std::string text;
};
struct Replayed {
    std::size_t events = 0;
    std::size_t states = 0;       ///< that were reached by the events before them, as they are written
    std::size_t passed_over = 0;  ///< lines before the first beginning, and from a gap to the next
};
/// Fails where an effect or a state differs, with the file's name and the line, and where none of the files
/// has anything to begin with.
Result<Replayed> replay_files(const std::vector<ReplayedFile>& files);

}  // namespace buoy::journal
