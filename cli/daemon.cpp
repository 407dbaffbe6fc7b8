// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/daemon.hpp"

#include <cerrno>
#include <chrono>

#include "ipc/client.hpp"
#include "pool/stored.hpp"

namespace buoy::cli {

namespace {

using nlohmann::json;

/// A change waits until it has been ordered, which takes as long as the cluster needs to settle.
constexpr std::chrono::seconds patience{60};

}  // namespace

Answer<json> ask(const json& request) {
    auto client = ipc::Client::connect();
    if (!client) return tl::unexpected<Refusal>(Refusal{client.error()});
    auto reply = client->request(request, patience);
    if (!reply) return tl::unexpected<Refusal>(Refusal{reply.error()});
    if (const auto ok = reply->find("ok"); ok != reply->end() && *ok == true) return std::move(*reply);
    const auto error = reply->find("error");
    const bool said = error != reply->end() && error->is_string();
    return tl::unexpected<Refusal>(Refusal{
        {said ? error->get<std::string>() : "buoyd refused without saying why: see its log", EREMOTEIO},
        reply->dump()});
}

Answer<Status> ask_status() {
    const auto reply = ask({{"request", "status"}});
    if (!reply) return tl::unexpected<Refusal>(reply.error());
    return read_status(*reply);
}

bool is_down(const Error& error) {
    return error.code == ECONNREFUSED || error.code == ECONNRESET || error.code == ETIMEDOUT;
}

Left left_pools() {
    auto stored = pool::stored_pools();
    Left left{{}, std::move(stored.problems)};
    auto netlink = net::Netlink::open();
    if (!netlink) left.problems.push_back(netlink.error().message);
    for (const auto& parameters : stored.pools) {
        LeftPool pool{parameters.name, parameters.addresses.size(), {}};
        const auto carried = netlink ? pool::carried(*netlink, parameters) : std::vector<pool::Carried>();
        if (!carried) left.problems.push_back(carried.error().message);
        if (carried)
            for (const auto& [ip, link] : *carried) pool.carried.emplace_back(ip.to_string(), link);
        left.pools.push_back(std::move(pool));
    }
    return left;
}

}  // namespace buoy::cli
