// SPDX-License-Identifier: GPL-2.0-or-later
#include "pool/conflict.hpp"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "net/conflict.hpp"
#include "ocf/environment.hpp"
#include "vmac/nic.hpp"

namespace buoy::agent {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

constexpr auto reply_patience = 5s;
// A node that has just booted knows what the cluster has agreed on after Corosync has found the others.
constexpr auto joining_patience = 30s;
constexpr auto between_looks = 100ms;
// For a member's addresses to be heard of before our own daemon has heard of the member.
constexpr auto member_patience = 2s;

/// What the daemon knows of the pool.
struct Known {
    bool primary = false;  ///< it knows what the cluster has agreed on
    bool has_members = false;
};

Outcome<Known> look(ipc::Client& daemon, const std::string& name) {
    auto reply = daemon.request({{"request", "check-pool"}, {"name", name}}, reply_patience);
    if (!reply) return failure(Exit::generic, reply.error());
    return Known{reply->value("primary", false),
                 reply->value("members", 0) > 0 || reply->value("started", false)};
}

/// Until the daemon says that the pool has members, or by the end of the patience that it has none.
Outcome<bool> has_members(ipc::Client& daemon, const std::string& name, std::chrono::milliseconds patience,
                          bool none_at_once) {
    const auto until = steady_clock::now() + patience;
    while (true) {
        const auto known = look(daemon, name);
        if (!known) return tl::unexpected<Failure>(known.error());
        if (known->has_members) return true;
        if (known->primary && none_at_once) return false;
        if (steady_clock::now() > until) {
            if (known->primary) return false;
            return failure(
                Exit::generic,
                fmt::format("whether the addresses are a member's, and so no conflict (conflict_check), "
                            "is not known: this node has been in no primary configuration for {} s",
                            std::chrono::seconds(joining_patience).count()));
        }
        std::this_thread::sleep_for(between_looks);
    }
}

net::ProbeTiming timing_of(pool::ConflictCheck check) {
    if (check == pool::ConflictCheck::fast) return net::fast_timing();
    std::random_device device;
    return net::rfc5227_timing([&] { return std::uniform_real_distribution<>(0, 1)(device); });
}

}  // namespace

Outcome<> check_for_conflicts(const pool::PoolParameters& parameters, ipc::Client& daemon) {
    if (parameters.conflict_check == pool::ConflictCheck::off) return {};
    const auto before = has_members(daemon, parameters.name, joining_patience, true);
    if (!before) return tl::unexpected<Failure>(before.error());
    if (*before) return {};
    auto netlink = net::Netlink::open();
    if (!netlink) return failure(Exit::generic, netlink.error());
    const auto nic = vmac::find_nic(*netlink, parameters.nic, parameters.addresses.front());
    if (!nic || !nic->up || !nic->carrier || !nic->ethernet) return {};
    const auto rival = net::probe_many(*nic, parameters.addresses, timing_of(parameters.conflict_check));
    if (!rival) return failure(Exit::generic, rival.error());
    if (!*rival) return {};
    // It may be that of a node which has become a member meanwhile.
    const auto since = has_members(daemon, parameters.name, member_patience + 2 * parameters.lease, false);
    if (!since) return tl::unexpected<Failure>(since.error());
    if (*since) return {};
    return failure(
        Exit::generic,
        fmt::format("{} is in use already, by the host with MAC {} on {}: free it there, or take it out "
                    "of addresses",
                    (*rival)->ip.to_string(), (*rival)->mac.to_string(), nic->name));
}

}  // namespace buoy::agent
