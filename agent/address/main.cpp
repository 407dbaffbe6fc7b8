// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string_view>

#include "address/actions.hpp"
#include "address/metadata.hpp"
#include "net/netns.hpp"
#include "ocf/environment.hpp"

// ocf:buoy:address, as Pacemaker calls it: one argument, the action; everything else in the environment.
namespace buoy::agent {

namespace {

constexpr std::string_view usage =
    "usage: address start|stop|monitor|status|validate-all|reload-agent|meta-data\n"
    "An OCF resource agent: parameters come as OCF_RESKEY_NAME in the environment (see meta-data).\n";

enum class Action { start, stop, monitor, validate, reload };

std::optional<Action> action_of(std::string_view word) {
    if (word == "start") return Action::start;
    if (word == "stop") return Action::stop;
    if (word == "monitor" || word == "status") return Action::monitor;
    if (word == "validate-all") return Action::validate;
    if (word == "reload-agent") return Action::reload;
    return std::nullopt;
}

/// Wrong parameters are wrong on every node, and Exit::configured says so. But from a monitor of a running
/// resource it would stop it everywhere, for good, so there they are a failure like any other.
Outcome<AddressParameters> parameters_for(Action action, const Environment& environment) {
    if (action == Action::stop) return read_parameters_for_stop(environment);
    auto parameters = read_parameters(environment);
    if (!parameters && action == Action::monitor && !environment.is_probe())
        return failure(Exit::generic, parameters.error().reason);
    return parameters;
}

Outcome<> run(Action action, const AddressParameters& parameters, const Environment& environment) {
    switch (action) {
        case Action::start:
            return start(parameters);
        case Action::stop:
            return stop(parameters);
        case Action::monitor:
            return monitor(parameters, {environment.is_probe(), environment.check_level()});
        case Action::validate:
            return validate(parameters);
        case Action::reload:
            return reload(parameters);
    }
    return failure(Exit::unimplemented, "");
}

/// What the parameter names is not there, or is no network namespace. Anything else that keeps the agent from
/// entering it says nothing about what is inside.
bool is_no_namespace(const Error& error) {
    constexpr std::array codes = {ENOENT, ENOTDIR, EINVAL, ENAMETOOLONG, ELOOP, ENXIO, ENODEV};
    return std::find(codes.begin(), codes.end(), error.code) != codes.end();
}

/// A namespace that is not there holds no address: nothing to stop, nothing running.
Outcome<> without_namespace(Action action, const Error& error) {
    if (error.code == EPERM || error.code == EACCES) return failure(Exit::perm, error);
    if (!is_no_namespace(error)) return failure(Exit::generic, "network_namespace: " + error.message);
    if (action == Action::stop) return {};
    if (action == Action::monitor) return failure(Exit::not_running, "");
    return failure(Exit::installed, "network_namespace: " + error.message);
}

Outcome<> perform(Action action, const Environment& environment) {
    const bool changes = action == Action::start || action == Action::stop || action == Action::reload;
    if (changes && geteuid() != 0)
        return failure(Exit::perm, "this needs root: let the cluster manager run it, or use sudo");
    const auto parameters = parameters_for(action, environment);
    // What could never have been started need not be stopped.
    if (!parameters && action == Action::stop) {
        log("nothing to stop: " + parameters.error().reason);
        return {};
    }
    if (!parameters) return tl::unexpected<Failure>(parameters.error());
    if (action == Action::start || action == Action::validate)
        for (const auto& note : parameter_notes(environment)) log(note);
    if (!parameters->network_namespace) return run(action, *parameters, environment);
    const auto inside = net::NetnsScope::enter(*parameters->network_namespace);
    if (!inside) return without_namespace(action, inside.error());
    return run(action, *parameters, environment);
}

/// The interface of the parameters is not on this node: a probe finds nothing there, and says so.
Exit exit_code(Action action, const Environment& environment, const Failure& failed) {
    if (action == Action::monitor && failed.code == Exit::installed) return Exit::not_running;
    if (action == Action::monitor && failed.code == Exit::configured && !environment.is_probe())
        return Exit::generic;
    return failed.code;
}

/// A full disk or a closed pipe must not pass for a short answer.
int print(std::string_view text) {
    const bool written =
        std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    return static_cast<int>(written ? Exit::success : Exit::generic);
}

/// Leaves standard input, output and error, and nothing else of the caller's: the announcing process outlives
/// the action, and whoever waits for the end of one of the caller's pipes must not wait for it. A missing one
/// of the three is made up for, so that no socket takes its number.
bool settle_descriptors() {
    int descriptor = 0;
    do descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    return fcntl(STDERR_FILENO, F_GETFD) >= 0;
}

int agent_main(int argc, char** argv, char** environ) {
    if (!settle_descriptors()) return static_cast<int>(Exit::generic);
    const std::string_view word = argc == 2 ? argv[1] : "";
    if (word == "meta-data") return print(address_metadata);
    if (word == "usage" || word == "help" || word == "--help") return print(usage);
    const auto action = action_of(word);
    if (!action) {
        std::fwrite(usage.data(), 1, usage.size(), stderr);
        return static_cast<int>(word.empty() ? Exit::args : Exit::unimplemented);
    }
    const auto environment = Environment::read(environ);
    const auto outcome = perform(*action, environment);
    if (outcome) return 0;
    if (!outcome.error().reason.empty()) print_exit_reason(outcome.error().reason);
    return static_cast<int>(exit_code(*action, environment, outcome.error()));
}

}  // namespace

}  // namespace buoy::agent

int main(int argc, char** argv, char** environ) {
    return buoy::agent::agent_main(argc, argv, environ);
}
