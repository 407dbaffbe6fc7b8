// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "net/batch.hpp"
#include "net/errors.hpp"
#include "net/route.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::vmac {

namespace {

// Above the tables that people number by hand; the device's index is added, so that devices share none.
constexpr std::uint32_t table_base = 0x62000000;
// Between the local table (0) and main (32766), with room on both sides for an administrator's own.
constexpr std::uint32_t rule_priority = 5000;

std::uint32_t table_of(int device) {
    return table_base + static_cast<std::uint32_t>(device);
}

int family_of(const IpAddress& ip) {
    return ip.is_v4() ? AF_INET : AF_INET6;
}

/// An address and the index of its device.
struct Routed {
    IpAddress ip;
    int device = 0;
};

/// By address; none: it is to have no rule.
using Tables = std::map<IpAddress, std::optional<std::uint32_t>>;

/// The rules that are ours for one of the addresses, but for those that the addresses shall have; these are
/// taken out of `wanted`.
Result<std::vector<net::SourceRule>> left_over(net::Netlink& netlink, int family, Tables& wanted) {
    auto rules = net::source_rules(netlink, family);
    if (!rules) return rules;
    std::set<IpAddress> there;
    std::erase_if(*rules, [&](const net::SourceRule& rule) {
        if (rule.priority != rule_priority || rule.table < table_base) return true;
        const auto found = wanted.find(rule.source);
        if (found == wanted.end()) return true;
        if (found->second == rule.table) there.insert(rule.source);
        return found->second == rule.table;
    });
    for (const IpAddress& ip : there) wanted.erase(ip);
    return rules;
}

Result<void> remove_rules(net::Netlink& netlink, const std::vector<net::SourceRule>& rules) {
    std::vector<net::Request> batch;
    for (const auto& rule : rules) batch.push_back(net::request_to_remove(rule));
    const auto refused = net::change_many(netlink, batch);
    if (!refused) return tl::unexpected<Error>(refused.error());
    for (const auto& [index, code] : *refused)
        if (code != ENOENT)
            return net::fail_errno(
                code, fmt::format("cannot remove the policy rule for {}", rules[index].source.to_string()));
    return {};
}

/// What has to change for the devices' tables to say what the NIC's routes do.
struct Changes {
    std::vector<net::Route> on_link;  ///< first: the kernel wants to see how a gateway is reached
    std::vector<net::Route> by_gateway;
    std::vector<net::Route> to_go;
};

Result<Changes> compare(net::Netlink& netlink, const net::Link& nic, int family,
                        std::span<const Routed> addresses) {
    auto model = net::routes(netlink, family);
    if (!model) return tl::unexpected<Error>(model.error());
    std::erase_if(*model, [&](const net::Route& route) { return route.link != nic.index; });
    Changes changes;
    for (const auto& [ip, device] : addresses) {
        if (family_of(ip) != family) continue;
        auto present = net::routes(netlink, family, table_of(device));
        if (!present) return tl::unexpected<Error>(present.error());
        for (net::Route route : *model) {
            route.link = device;
            route.table = table_of(device);
            route.source.reset();
            if (std::erase(*present, route) == 0)
                (route.gateway ? changes.by_gateway : changes.on_link).push_back(std::move(route));
        }
        changes.to_go.insert(changes.to_go.end(), present->begin(), present->end());
    }
    return changes;
}

Result<void> replace(net::Netlink& netlink, const std::vector<net::Route>& routes) {
    std::vector<net::Request> batch;
    for (const auto& route : routes) batch.push_back(net::request_to_replace(route));
    const auto refused = net::change_many(netlink, batch);
    if (!refused) return tl::unexpected<Error>(refused.error());
    for (const auto& [index, code] : *refused)
        if (auto added = net::replace_route(netlink, routes[index]); !added) return added;
    return {};
}

Result<void> mirror(net::Netlink& netlink, const net::Link& nic, int family,
                    std::span<const Routed> addresses) {
    const auto changes = compare(netlink, nic, family, addresses);
    if (!changes) return tl::unexpected<Error>(changes.error());
    if (auto added = replace(netlink, changes->on_link); !added) return added;
    if (auto added = replace(netlink, changes->by_gateway); !added) return added;
    for (const auto& route : changes->to_go)
        if (auto gone = net::remove_route(netlink, route); !gone && gone.error().code != ESRCH) return gone;
    return {};
}

Result<void> point(net::Netlink& netlink, int family, std::span<const Routed> addresses) {
    Tables missing;
    for (const auto& [ip, device] : addresses)
        if (family_of(ip) == family) missing[ip] = table_of(device);
    // Left over are those for devices that have gone.
    const auto old = left_over(netlink, family, missing);
    if (!old) return tl::unexpected<Error>(old.error());
    std::vector<net::Request> batch;
    std::vector<IpAddress> ips;
    for (const auto& [ip, table] : missing) {
        batch.push_back(net::request_to_add({ip, *table, rule_priority}));
        ips.push_back(ip);
    }
    const auto refused = net::change_many(netlink, batch);
    if (!refused) return tl::unexpected<Error>(refused.error());
    for (const auto& [index, code] : *refused)
        if (code != EEXIST)
            return net::fail_errno(code,
                                   fmt::format("cannot add the policy rule for {}", ips[index].to_string()));
    return remove_rules(netlink, *old);
}

}  // namespace

Result<void> route(net::Netlink& netlink, const net::Link& nic, const net::Link& device,
                   const IpAddress& ip) {
    const Routed one{ip, device.index};
    if (auto done = mirror(netlink, nic, family_of(ip), {&one, 1}); !done) return done;
    return point(netlink, family_of(ip), {&one, 1});
}

Result<void> unroute(net::Netlink& netlink, std::span<const IpAddress> ips) {
    for (const int family : {AF_INET, AF_INET6}) {
        Tables tables;
        for (const IpAddress& ip : ips)
            if (family_of(ip) == family) tables.emplace(ip, std::nullopt);
        if (tables.empty()) continue;
        const auto rules = left_over(netlink, family, tables);
        if (!rules) return tl::unexpected<Error>(rules.error());
        if (auto gone = remove_rules(netlink, *rules); !gone) return gone;
    }
    return {};
}

}  // namespace buoy::vmac
