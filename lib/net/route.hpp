// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// One unicast route with one next hop (RTM_NEWROUTE, rtnetlink(7)).
struct Route {
    Prefix destination;
    int link = 0;                      ///< index of the link it leaves by
    std::optional<IpAddress> gateway;  ///< none: the destination is on the link
    std::uint32_t metric = 0;          ///< the lowest wins among equal destinations
    std::uint32_t table = 254;         ///< RT_TABLE_MAIN
    std::optional<IpAddress> source;   ///< preferred source address
    bool operator==(const Route&) const = default;
};

/// Reads an RTM_NEWROUTE message; nothing for other types of message or route, for those with several next
/// hops or none, and for short messages.
std::optional<Route> decode_route(const nlmsghdr& message);

/// The unicast routes of one table, without multipath ones. `family` is AF_INET or AF_INET6.
Result<std::vector<Route>> routes(Netlink& netlink, int family, std::uint32_t table = 254);

/// Of routes whose destination is on the link itself, the one that contains `ip` with the longest prefix,
/// and among these the one with the lowest metric; on `link` only, when it is not 0.
const Route* on_link_route(const std::vector<Route>& routes, const IpAddress& ip, int link = 0);

/// The gateway of the default route with the lowest metric, on `link` only, when it is not 0.
std::optional<IpAddress> default_gateway(const std::vector<Route>& routes, int link = 0);

/// Adds the route, or replaces the one of equal destination, metric and table. Its gateway is taken to be on
/// the link; for IPv6 a route to it by that link has to be in the table, unless the main table has none at
/// all.
Result<void> replace_route(Netlink& netlink, const Route& route);
/// The first message of it, for change_many(): a few IPv6 routes by gateways take another, so one that is
/// refused goes to replace_route().
Request request_to_replace(const Route& route, int flags = 0);
Result<void> remove_route(Netlink& netlink, const Route& route);

/// A policy rule: packets from `source` look into `table` first (ip-rule(8)).
struct SourceRule {
    IpAddress source;
    std::uint32_t table = 0;
    std::uint32_t priority = 0;
    bool operator==(const SourceRule&) const = default;
};

/// Reads an RTM_NEWRULE message; nothing for rules that do not match on one source address, and for short
/// messages.
std::optional<SourceRule> decode_source_rule(const nlmsghdr& message);

/// The rules of `family` that match on one single source address and nothing else.
Result<std::vector<SourceRule>> source_rules(Netlink& netlink, int family);
/// The messages that add or remove a rule, for change_many().
Request request_to_add(const SourceRule& rule, int flags = 0);
Request request_to_remove(const SourceRule& rule, int flags = 0);
/// Adds the rule. Error code EEXIST when it is there.
Result<void> add_rule(Netlink& netlink, const SourceRule& rule);
/// Removes the rule. Error code ENOENT when it is not there.
Result<void> remove_rule(Netlink& netlink, const SourceRule& rule);

}  // namespace buoy::net
