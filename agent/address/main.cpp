// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <unistd.h>

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

/// A namespace that is not there holds no address: nothing to stop, nothing running.
Outcome<> without_namespace(Action action, const Error& error) {
    if (error.code == EPERM || error.code == EACCES) return failure(Exit::perm, error);
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

int agent_main(int argc, char** argv, char** environ) {
    const std::string_view word = argc == 2 ? argv[1] : "";
    if (word == "meta-data") {
        std::fwrite(address_metadata.data(), 1, address_metadata.size(), stdout);
        return std::fflush(stdout) == 0 ? 0 : static_cast<int>(Exit::generic);
    }
    if (word == "usage" || word == "help" || word == "--help") {
        std::fwrite(usage.data(), 1, usage.size(), stdout);
        return 0;
    }
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
