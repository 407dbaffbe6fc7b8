// SPDX-License-Identifier: GPL-2.0-or-later
#include "pool/actions.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "ipc/client.hpp"
#include "net/link.hpp"
#include "pool/conflict.hpp"
#include "pool/daemon.hpp"
#include "pool/stored.hpp"
#include "service/gate/silence.hpp"

namespace buoy::agent {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto daemon_patience = 15s;
// Joining waits for a configuration, and leaving for handovers; Pacemaker's own time-outs end both earlier if
// an administrator wants that.
constexpr auto change_patience = 50s;
constexpr auto read_patience = 5s;
// Between configurations of the cluster a member is not ready for some hundred milliseconds, which is no
// failure.
constexpr auto settle_patience = 5s;
constexpr auto between_checks = 100ms;

Outcome<json> taken(json reply) {
    if (reply.value("ok", false)) return reply;
    return failure(Exit::generic, reply.value("error", "buoyd refused without a reason"));
}

Outcome<json> ask(ipc::Client& client, const json& request, std::chrono::milliseconds patience) {
    auto reply = client.request(request, patience);
    if (!reply) return failure(Exit::generic, reply.error());
    return taken(std::move(*reply));
}

const pool::PoolParameters* find(const pool::StoredPools& stored, const std::string& name) {
    const auto found = std::ranges::find(stored.pools, name, &pool::PoolParameters::name);
    return found == stored.pools.end() ? nullptr : &*found;
}

/// What the kernel still has of a pool that was started here.
Result<std::vector<pool::Carried>> left_over(const std::string& name) {
    const auto stored = pool::stored_pools();
    const auto* parameters = find(stored, name);
    if (parameters == nullptr) return std::vector<pool::Carried>{};
    auto netlink = net::Netlink::open();
    if (!netlink) return tl::unexpected<Error>(netlink.error());
    return pool::carried(*netlink, *parameters);
}

Outcome<> stop_without_daemon(const std::string& name) {
    const auto stored = pool::stored_pools();
    const auto* parameters = find(stored, name);
    if (parameters == nullptr) return {};  // it was never started here, or has been stopped
    // At once, and whatever becomes of the addresses: the lease may last a while yet. Other pools are silent
    // with it, which nobody renews the lease for either.
    if (auto silent = gate::silence(); !silent) log(silent.error().message);
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    auto closed = pool::close_all(*netlink, *parameters);
    if (!closed) return failure(Exit::generic, closed.error());
    log(fmt::format("buoyd does not run: {} addresses of pool {} were removed without it", closed->size(),
                    name));
    if (auto forgotten = pool::forget(name); !forgotten) return failure(Exit::generic, forgotten.error());
    // It says so to the others, and takes the gate off the NIC if this was the last pool. Where there is no
    // cluster any more there is nobody to tell; the gate goes all the same.
    if (auto started = start_daemon(*parameters); !started) log(started.error().message);
    return {};
}

Outcome<> monitor_without_daemon(const std::string& name) {
    const auto left = left_over(name);
    if (!left) return failure(Exit::generic, left.error());
    if (left->empty()) return failure(Exit::not_running, "");
    return failure(
        Exit::generic,
        fmt::format("buoyd does not run, and {} addresses of the pool are still on this node", left->size()));
}

}  // namespace

Outcome<pool::PoolParameters> read_pool(const Environment& environment, const std::string& name) {
    pool::ParameterTexts texts;
    for (const auto& info : pool::pool_parameters)
        if (auto text = environment.parameter(info.name)) texts.emplace(info.name, *text);
    auto parameters = pool::parse(name, texts);
    if (!parameters) return failure(Exit::configured, parameters.error().message);
    return *parameters;
}

Outcome<> start(const pool::PoolParameters& parameters) {
    auto client = reach_daemon(parameters, daemon_patience);
    if (!client && client.error().code == ENOENT) return failure(Exit::installed, client.error());
    if (!client) return failure(Exit::generic, client.error());
    if (auto alone = check_for_conflicts(parameters, *client); !alone) return alone;
    auto reply =
        client->request({{"request", "start-pool"}, {"pool", parameters.to_json()}}, change_patience);
    if (!reply) {
        // It would go on by itself when it can, long after this start has failed.
        if (const auto stopped = stop(parameters.name); !stopped) log(stopped.error().reason);
        return failure(Exit::generic, reply.error());
    }
    auto started = taken(std::move(*reply));
    if (!started) return tl::unexpected<Failure>(started.error());
    if (const std::string note = started->value("note", ""); !note.empty()) log(note);
    return {};
}

Outcome<> stop(const std::string& name) {
    auto client = ipc::Client::connect();
    // Reset: it died while we came in.
    if (!client && (client.error().code == ECONNREFUSED || client.error().code == ECONNRESET))
        return stop_without_daemon(name);
    if (!client) return failure(Exit::generic, client.error());
    auto reply = client->request({{"request", "stop-pool"}, {"name", name}}, change_patience);
    // It died over it: what it has left is removed without it.
    if (!reply && reply.error().code == ECONNRESET) return stop_without_daemon(name);
    if (!reply) return failure(Exit::generic, reply.error());
    if (!reply->value("ok", false)) return failure(Exit::generic, reply->value("error", ""));
    return {};
}

Outcome<> monitor(const std::string& name, bool probe) {
    const auto until = std::chrono::steady_clock::now() + settle_patience;
    while (true) {
        auto client = ipc::Client::connect();
        if (!client && client.error().code == ECONNREFUSED) return monitor_without_daemon(name);
        if (!client) return failure(Exit::generic, client.error());
        auto found = ask(*client, {{"request", "check-pool"}, {"name", name}}, read_patience);
        if (!found) return tl::unexpected<Failure>(found.error());
        if (!found->value("started", false)) return failure(Exit::not_running, "");
        const std::string problem = found->value("problem", "");
        if (found->value("ready", false))
            return problem.empty() ? Outcome<>() : Outcome<>(failure(Exit::degraded, problem));
        if (probe || std::chrono::steady_clock::now() > until)
            return failure(found->value("waiting", false) ? Exit::degraded : Exit::generic, problem);
        std::this_thread::sleep_for(between_checks);
    }
}

Outcome<> validate(const pool::PoolParameters& parameters) {
    if (parameters.nic.empty()) return {};
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    const auto nic = net::find_link(*netlink, parameters.nic);
    // Not wrong everywhere: this node does without, and the others serve.
    if (!nic) return failure(Exit::installed, "nic=" + parameters.nic + ": " + nic.error().message);
    return {};
}

Outcome<> reload(const pool::PoolParameters& parameters) {
    auto client = ipc::Client::connect();
    if (!client) return failure(Exit::generic, client.error());
    auto done = ask(*client, {{"request", "reload-pool"}, {"pool", parameters.to_json()}}, change_patience);
    if (!done) return tl::unexpected<Failure>(done.error());
    return {};
}

}  // namespace buoy::agent
