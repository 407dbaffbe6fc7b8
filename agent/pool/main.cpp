// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ocf/environment.hpp"
#include "pool/actions.hpp"
#include "pool/metadata.hpp"

// ocf:buoy:pool, as Pacemaker calls it: one argument, the action; everything else in the environment.
namespace buoy::agent {

namespace {

constexpr std::string_view usage =
    "usage: pool start|stop|monitor|status|validate-all|reload-agent|meta-data\n"
    "An OCF resource agent: parameters come as OCF_RESKEY_NAME in the environment (see meta-data).\n";

Outcome<> perform(std::string_view action, const Environment& environment) {
    const char* variable = std::getenv("OCF_RESOURCE_INSTANCE");
    const std::string_view instance = variable == nullptr ? "" : variable;
    if (instance.empty())
        return failure(
            Exit::args,
            "OCF_RESOURCE_INSTANCE is not set: it names the pool, and the cluster manager sets it");
    // Without the number of the clone's instance, where there is one.
    const std::string name(instance.substr(0, instance.find(':')));
    if (action == "monitor" || action == "status") {
        // Wrong parameters are found by the start; a monitor that said so would stop the pool everywhere.
        if (auto parameters = read_pool(environment, name); !parameters && environment.is_probe())
            return tl::unexpected<Failure>(parameters.error());
        return monitor(name, environment.is_probe());
    }
    if (geteuid() != 0 && action != "validate-all")
        return failure(Exit::perm, "this needs root: let the cluster manager run it, or use sudo");
    if (action == "stop") return stop(name);
    auto parameters = read_pool(environment, name);
    if (!parameters) return tl::unexpected<Failure>(parameters.error());
    if (action == "start") return start(*parameters);
    if (action == "reload-agent") return reload(*parameters);
    if (action == "validate-all") return validate(*parameters);
    return failure(Exit::unimplemented, "there is no action '" + std::string(action) + "'");
}

int print(std::string_view text) {
    const bool written =
        std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    return static_cast<int>(written ? Exit::success : Exit::generic);
}

int agent_main(int argc, char** argv, char** variables) {
    const std::string_view action = argc == 2 ? argv[1] : "";
    if (action == "meta-data") return print(pool_metadata);
    if (action == "usage" || action == "help" || action == "--help") return print(usage);
    if (action.empty()) {
        std::fwrite(usage.data(), 1, usage.size(), stderr);
        return static_cast<int>(Exit::args);
    }
    const auto outcome = perform(action, Environment::read(variables));
    if (outcome) return 0;
    if (!outcome.error().reason.empty()) print_exit_reason(outcome.error().reason);
    return static_cast<int>(outcome.error().code);
}

}  // namespace

}  // namespace buoy::agent

int main(int argc, char** argv, char** environ) {
    return buoy::agent::agent_main(argc, argv, environ);
}
