// SPDX-License-Identifier: GPL-2.0-or-later
// buoy: what an administrator asks of buoyd.
#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/commands.hpp"

namespace buoy::cli {

namespace {

namespace options = boost::program_options;

constexpr int wrong_usage = 2;

std::string general_help() {
    std::size_t longest = 0;
    for (const auto& command : commands())
        longest = std::max(longest, command.name.size() + command.parameters.size() + 1);
    std::string text = "usage: buoy COMMAND\n\n";
    for (const auto& command : commands())
        text += fmt::format("  {:<{}}  {}\n", fmt::format("{} {}", command.name, command.parameters), longest,
                            command.summary);
    return text +
           "\n`buoy COMMAND --help` says more; --json makes the answer one for programs.\n"
           "Has to be run by root or a member of the group haclient. Exit code 1: it could not be done, 2: "
           "the command line is wrong.\n";
}

options::options_description options_of(const Command& command) {
    options::options_description description("options");
    command.add_options(description);
    description.add_options()("json", "the answer as JSON")("help,h", "shows this");
    return description;
}

std::string help_for(const Command& command) {
    std::ostringstream text;
    text << fmt::format("usage: buoy {}{}{} [options]\n\nbuoy {}: {}.\n", command.name,
                        command.parameters.empty() ? "" : " ", command.parameters, command.name,
                        command.summary);
    if (!command.details.empty()) text << command.details << '\n';
    text << '\n' << options_of(command);
    return text.str();
}

std::size_t words_in(std::string_view text) {
    if (text.empty()) return 0;
    return static_cast<std::size_t>(std::ranges::count(text, ' ')) + 1;
}

/// The command that the words begin with.
const Command* command_in(const std::vector<std::string>& words) {
    for (const auto& command : commands()) {
        const bool two = words_in(command.name) == 2;
        if (words.size() < (two ? 2U : 1U)) continue;
        if (command.name == (two ? words[0] + ' ' + words[1] : words[0])) return &command;
    }
    return nullptr;
}

Arguments read(const Command& command, std::vector<std::string> words) {
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(words_in(command.name)));
    auto all = options_of(command);
    options::options_description hidden;
    hidden.add_options()("words", options::value<std::vector<std::string>>());
    all.add(hidden);
    options::positional_options_description positions;
    positions.add("words", -1);
    Arguments arguments;
    options::store(options::command_line_parser(words).options(all).positional(positions).run(),
                   arguments.options);
    options::notify(arguments.options);
    if (arguments.has("words")) arguments.words = arguments.options["words"].as<std::vector<std::string>>();
    const auto wanted = words_in(command.parameters);
    if (!arguments.has("help") && arguments.words.size() != wanted)
        throw options::error(wanted == 0 ? fmt::format("{} takes nothing but options", command.name)
                                         : fmt::format("{} takes {}", command.name, command.parameters));
    return arguments;
}

int say(const Arguments& arguments, const Refusal& refusal) {
    const bool down = is_down(refusal.error);
    if (arguments.json()) {
        print(refusal.reply.empty()
                  ? left_json(refusal.error.message, down ? left_pools() : Left()).dump() + '\n'
                  : refusal.reply + '\n');
        return 1;
    }
    std::cerr << "buoy: " << refusal.error.message << '\n';
    if (down) std::cerr << left_text(left_pools());
    return 1;
}

int run(const std::vector<std::string>& words) {
    if (words.empty()) {
        std::cerr << general_help();
        return wrong_usage;
    }
    if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
        print(general_help());
        return 0;
    }
    if (words[0] == "--version") {
        print("buoy " BUOY_VERSION "\n");
        return 0;
    }
    const auto* command = command_in(words);
    if (command == nullptr)
        throw options::error(
            fmt::format("there is no command '{}'",
                        fmt::join(words.begin(), std::min(words.end(), words.begin() + 2), " ")));
    const auto arguments = read(*command, words);
    if (arguments.has("help")) {
        print(help_for(*command));
        return 0;
    }
    const auto done = command->run(arguments);
    return done ? *done : say(arguments, done.error());
}

}  // namespace

}  // namespace buoy::cli

int main(int argc, char** argv) {
    try {
        return buoy::cli::run({argv + 1, argv + argc});
    } catch (const boost::program_options::error& error) {
        std::cerr << "buoy: " << error.what() << "; `buoy --help` shows the commands\n";
        return buoy::cli::wrong_usage;
    } catch (const nlohmann::json::exception& error) {
        std::cerr << "buoy: buoyd's answer makes no sense (" << error.what()
                  << "): do `buoy` and `buoyd` have the same version?\n";
        return 1;
    }
}
