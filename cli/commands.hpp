// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/daemon.hpp"

namespace buoy::cli {

/// What a command line said after the command's name.
struct Arguments {
    std::vector<std::string> words;
    boost::program_options::variables_map options;

    [[nodiscard]] bool has(const char* option) const { return options.contains(option); }
    [[nodiscard]] bool json() const { return has("json"); }
};

/// One command. `run` prints what it has to say, and gives the exit code; what it could not do is the error.
struct Command {
    std::string_view name;        ///< "pool show"
    std::string_view parameters;  ///< as the help shows them: "SLOT NODE"; one word each
    std::string_view summary;
    std::string_view details;
    void (*add_options)(boost::program_options::options_description&);
    Answer<int> (*run)(const Arguments&);
};

std::span<const Command> commands();

/// `buoy watch`
Answer<int> watch(const Arguments& arguments);

/// How to print on standard output: in colour on a terminal, unless NO_COLOR is set.
Style style_of_output();
/// Writes all of it, or ends the program: a full disk or a closed pipe must not pass for a short answer.
void print(std::string_view text);

}  // namespace buoy::cli
