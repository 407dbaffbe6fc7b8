// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/top.hpp"

namespace buoy::cli {

namespace {

using nlohmann::json;
namespace options = boost::program_options;

tl::unexpected<Refusal> refuse(std::string message) {
    return tl::unexpected<Refusal>(Refusal{{std::move(message)}});
}

/// A read: the answer as it is, or as text.
template <typename Text>
Answer<int> show(const Arguments& arguments, const json& request, Text text) {
    const auto reply = ask(request);
    if (!reply) return tl::unexpected<Refusal>(reply.error());
    print(arguments.json() ? reply->dump() + '\n' : text(*reply));
    return 0;
}

/// A change, with what to say when it was made.
Answer<int> change(const Arguments& arguments, const json& request, const std::string& done) {
    const auto reply = ask(request);
    if (!reply) return tl::unexpected<Refusal>(reply.error());
    const bool was_so = reply->value("outcome", "") == "unchanged";
    print(arguments.json() ? reply->dump() + '\n'
                           : (was_so ? "Nothing to do: it is so already\n" : done + '\n'));
    return 0;
}

Answer<SlotName> slot_named(const std::string& text) {
    const auto status = ask_status();
    if (!status) return tl::unexpected<Refusal>(status.error());
    auto slot = find_slot(*status, text);
    if (!slot) return tl::unexpected<Refusal>(Refusal{slot.error()});
    return std::move(*slot);
}

Answer<int> run_status(const Arguments& arguments) {
    json request{{"request", "status"}};
    if (arguments.json()) request["counters"] = true;
    return show(arguments, request,
                [](const json& reply) { return status_text(read_status(reply), style_of_output()); });
}

Answer<int> run_pool_list(const Arguments& arguments) {
    const auto reply = ask({{"request", "status"}});
    if (!reply) return tl::unexpected<Refusal>(reply.error());
    if (arguments.json()) {
        json pools = reply->value("pools", json::array());
        for (auto& pool : pools) pool.erase("table");
        print(json{{"ok", true}, {"pools", pools}}.dump() + '\n');
    } else {
        print(pools_text(read_status(*reply)));
    }
    return 0;
}

Answer<int> run_pool_show(const Arguments& arguments) {
    const auto& name = arguments.words[0];
    const auto reply = ask({{"request", "status"}});
    if (!reply) return tl::unexpected<Refusal>(reply.error());
    const auto status = read_status(*reply);
    const auto* pool = status.pool(name);
    if (pool == nullptr)
        return refuse(fmt::format("there is no pool '{}'; `buoy pool list` shows those there are", name));
    if (!arguments.json()) {
        print(pool_text(status, *pool));
        return 0;
    }
    for (const auto& object : reply->at("pools"))
        if (object.value("name", "") == name) print(json{{"ok", true}, {"pool", object}}.dump() + '\n');
    return 0;
}

Answer<int> run_pool_cleanup(const Arguments& arguments) {
    const auto& name = arguments.words[0];
    return change(arguments, {{"request", "cleanup"}, {"pool", name}},
                  fmt::format("Pool {} is tried again on this node", name));
}

Answer<int> run_pool_remove(const Arguments& arguments) {
    const auto& name = arguments.words[0];
    return change(arguments, {{"request", "remove-pool"}, {"pool", name}},
                  fmt::format("Pool {} is removed", name));
}

Answer<int> run_pool_rebalance(const Arguments& arguments) {
    return change(arguments,
                  {{"request", "rebalance"}, {"pool", arguments.words[0]}, {"mode", arguments.words[1]}},
                  fmt::format("Pool {} has rebalance={} until its resource is started anew",
                              arguments.words[0], arguments.words[1]));
}

Answer<Status> counted_status() {
    const auto reply = ask({{"request", "status"}, {"counters", true}});
    if (!reply) return tl::unexpected<Refusal>(reply.error());
    return read_status(*reply);
}

Answer<int> run_top(const Arguments& arguments) {
    const bool terminal = isatty(STDOUT_FILENO) != 0 && !arguments.json();
    const auto interval =
        std::chrono::milliseconds(std::clamp(arguments.options["interval"].as<unsigned>(), 10U, 60'000U));
    const auto most = arguments.options["lines"].as<unsigned>();
    auto before = counted_status();
    if (!before) return tl::unexpected<Refusal>(before.error());
    do {
        std::this_thread::sleep_for(interval);
        auto now = counted_status();
        if (!now) return tl::unexpected<Refusal>(now.error());
        const auto loads = loads_between(*before, *now);
        print(arguments.json() ? top_json(*now, loads).dump() + '\n'
                               : (terminal ? "\x1b[H\x1b[J" : "") + top_text(*now, loads, most));
        before = std::move(now);
    } while (terminal);
    return 0;
}

Answer<int> run_move(const Arguments& arguments) {
    const auto slot = slot_named(arguments.words[0]);
    if (!slot) return tl::unexpected<Refusal>(slot.error());
    const auto& node = arguments.words[1];
    return change(arguments,
                  {{"request", "move"}, {"pool", slot->pool}, {"slot", slot->index}, {"node", node}},
                  fmt::format("{} goes to {}", slot->shown, node));
}

Answer<int> run_pin(const Arguments& arguments) {
    const auto slot = slot_named(arguments.words[0]);
    if (!slot) return tl::unexpected<Refusal>(slot.error());
    const auto& node = arguments.words[1];
    return change(arguments,
                  {{"request", "pin"}, {"pool", slot->pool}, {"slot", slot->index}, {"node", node}},
                  fmt::format("{} is pinned to {}", slot->shown, node));
}

Answer<int> run_unpin(const Arguments& arguments) {
    const auto slot = slot_named(arguments.words[0]);
    if (!slot) return tl::unexpected<Refusal>(slot.error());
    return change(arguments, {{"request", "unpin"}, {"pool", slot->pool}, {"slot", slot->index}},
                  fmt::format("{} is no longer pinned", slot->shown));
}

Answer<int> run_drain(const Arguments& arguments) {
    const auto& node = arguments.words[0];
    return change(
        arguments, {{"request", "drain"}, {"node", node}},
        fmt::format("{} is drained: the others take its slots until `buoy undrain {}`", node, node));
}

Answer<int> run_undrain(const Arguments& arguments) {
    const auto& node = arguments.words[0];
    return change(arguments, {{"request", "undrain"}, {"node", node}},
                  fmt::format("{} gets slots again", node));
}

/// Who asks, for the log: behind sudo the one who called it.
std::string user_name() {
    if (const char* sudo = std::getenv("SUDO_USER"); sudo != nullptr && *sudo != '\0' && geteuid() == 0)
        return sudo;
    const passwd* user = getpwuid(getuid());
    return user == nullptr ? std::to_string(getuid()) : user->pw_name;
}

bool is_agreed(const Arguments& arguments, const std::string& question) {
    if (arguments.has("yes")) return true;
    if (isatty(STDIN_FILENO) == 0) return false;
    std::cerr << question << " Type yes if so: " << std::flush;
    std::string answer;
    return std::getline(std::cin, answer) && answer == "yes";
}

Answer<int> vouch(const Arguments& arguments, const char* request, const std::string& done) {
    const auto& node = arguments.words[0];
    const bool agreed = is_agreed(
        arguments,
        fmt::format("Is {} off, or cut off from every client, for certain? If it is not, two nodes will "
                    "answer for its addresses.",
                    node));
    if (!agreed)
        return refuse(fmt::format("nothing was done: say yes, or --yes, once {} is off for certain", node));
    return change(arguments, {{"request", request}, {"node", node}, {"user", user_name()}}, done);
}

Answer<int> run_confirm_down(const Arguments& arguments) {
    return vouch(arguments, "confirm-down",
                 fmt::format("{} counts as down, by the word of {}", arguments.words[0], user_name()));
}

Answer<int> run_forget(const Arguments& arguments) {
    return vouch(arguments, "forget",
                 fmt::format("{} no longer counts, by the word of {}; it may come back", arguments.words[0],
                             user_name()));
}

Answer<int> run_weight(const Arguments& arguments) {
    const auto& text = arguments.words[2];
    const bool number = !text.empty() && text.size() <= 4 &&
                        std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    if (!number || std::stoi(text) > 1000)
        return refuse(fmt::format("weight '{}' is not a number from 0 to 1000", text));
    return change(arguments,
                  {{"request", "weight"},
                   {"pool", arguments.words[0]},
                   {"node", arguments.words[1]},
                   {"weight", std::stoi(text)}},
                  fmt::format("{} has the weight {} in pool {} until its resource is started anew",
                              arguments.words[1], text, arguments.words[0]));
}

Answer<int> run_journal(const Arguments& arguments) {
    return show(arguments, {{"request", "journal"}, {"lines", arguments.options["lines"].as<unsigned>()}},
                [](const json& reply) { return reply.value("text", ""); });
}

Answer<int> run_metrics(const Arguments& arguments) {
    return show(arguments, {{"request", "metrics"}},
                [](const json& reply) { return reply.value("text", ""); });
}

Answer<int> run_explain(const Arguments& arguments) {
    const auto slot = slot_named(arguments.words[0]);
    if (!slot) return tl::unexpected<Refusal>(slot.error());
    return show(arguments, {{"request", "explain"}, {"pool", slot->pool}, {"slot", slot->index}},
                explain_text);
}

void no_options(options::options_description&) {}

void yes_option(options::options_description& description) {
    description.add_options()("yes,y", "do not ask");
}

void journal_options(options::options_description& description) {
    description.add_options()("lines,n", options::value<unsigned>()->default_value(1000)->value_name("N"),
                              "how many of the last lines");
}

void top_options(options::options_description& description) {
    description.add_options()("interval,i", options::value<unsigned>()->default_value(1000)->value_name("MS"),
                              "between two readings")(
        "lines,n", options::value<unsigned>()->default_value(20)->value_name("N"), "how many slots");
}

void watch_options(options::options_description& description) {
    description.add_options()("interval,i", options::value<unsigned>()->default_value(500)->value_name("MS"),
                              "how often to look");
}

constexpr std::string_view about_slots =
    "SLOT is an address of a pool, or POOL/INDEX as `buoy pool show` lists them.";

constexpr std::array all_commands = {
    Command{"status", "", "the cluster, its nodes, who owns what, and what is wrong", "", no_options,
            run_status},
    Command{
        "watch", "", "the same as a picture that follows every change",
        "On a terminal a picture that is drawn anew; elsewhere a line for every change. Ends with Ctrl-C.",
        watch_options, watch},
    Command{"top", "", "the slots with the most traffic on this node",
            "Rates between two readings of this node's gate. On a terminal again and again until Ctrl-C.",
            top_options, run_top},
    Command{"pool list", "", "the pools", "", no_options, run_pool_list},
    Command{"pool show", "NAME", "every slot of a pool", "", no_options, run_pool_show},
    Command{"pool cleanup", "NAME", "tries again what failed on this node",
            "After an address could not be added here the node gets no slots of the pool until this is asked "
            "for.",
            no_options, run_pool_cleanup},
    Command{"pool rebalance", "NAME MODE", "whether slots move for balance's sake: auto or never",
            "Counts until the resource is started anew; for good, change its parameter rebalance.",
            no_options, run_pool_rebalance},
    Command{"pool remove", "NAME", "forgets a pool that is started nowhere", "", no_options, run_pool_remove},
    Command{"move", "SLOT NODE", "hands a slot over to a node", about_slots, no_options, run_move},
    Command{"pin", "SLOT NODE", "binds a slot to a node while that can serve it", about_slots, no_options,
            run_pin},
    Command{"unpin", "SLOT", "frees a pinned slot", about_slots, no_options, run_unpin},
    Command{"drain", "NODE", "hands over everything a node has, and gives it nothing", "", no_options,
            run_drain},
    Command{"undrain", "NODE", "gives a drained node slots again", "", no_options, run_undrain},
    Command{"weight", "POOL NODE WEIGHT", "a node's share of a pool, 0 to 1000; 100 is usual",
            "Counts until the resource is started anew; for good, change its parameter weight.", no_options,
            run_weight},
    Command{"confirm-down", "NODE", "vouches for a lost node being off",
            "Where a pool waits for fencing that cannot succeed, this stands in for it. If the node is not "
            "off, two nodes will answer for its addresses. Logged with your name.",
            yes_option, run_confirm_down},
    Command{"forget", "NODE", "takes a node that will not come back out of the count",
            "The same proof as confirm-down: the node has to be off. It may come back later. Logged with "
            "your name.",
            yes_option, run_forget},
    Command{"explain", "SLOT", "why a slot is where it is", about_slots, no_options, run_explain},
    Command{"journal", "", "what the daemon has seen and done", "`buoyd --replay FILE` repeats it.",
            journal_options, run_journal},
    Command{"metrics", "", "figures for monitoring (OpenMetrics)", "", no_options, run_metrics},
};

}  // namespace

std::span<const Command> commands() {
    return all_commands;
}

Style style_of_output() {
    Style style;
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    const char* no_colour = std::getenv("NO_COLOR");
    style.colour = terminal && (no_colour == nullptr || *no_colour == '\0');
    winsize size{};
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        style.width = size.ws_col;
    return style;
}

void print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
    std::perror("buoy: standard output");
    std::_Exit(1);
}

}  // namespace buoy::cli
