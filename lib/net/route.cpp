// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/route.hpp"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <array>
#include <cerrno>

#include "net/attributes.hpp"
#include "net/errors.hpp"

namespace buoy::net {

namespace {

IpAddress any(int family) {
    return family == AF_INET ? IpAddress(Ipv4{}) : IpAddress(Ipv6{});
}

}  // namespace

std::optional<Route> decode_route(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWROUTE) return std::nullopt;
    std::array<nlattr*, RTA_MAX + 1> attributes{};
    if (nlmsg_parse(const_cast<nlmsghdr*>(&message), sizeof(rtmsg), attributes.data(), RTA_MAX, nullptr) < 0)
        return std::nullopt;
    const auto* header = static_cast<const rtmsg*>(nlmsg_data(&message));
    const int family = header->rtm_family;
    // Cached IPv6 routes are copies the kernel made for single destinations.
    if (header->rtm_type != RTN_UNICAST || (header->rtm_flags & RTM_F_CLONED) != 0 ||
        attributes[RTA_OIF] == nullptr)
        return std::nullopt;
    Route route;
    route.destination = {any(family), header->rtm_dst_len};
    if (attributes[RTA_DST] != nullptr) {
        const auto ip = ip_in(family, attributes[RTA_DST]);
        if (!ip) return std::nullopt;
        route.destination.address = *ip;
    }
    auto number = [&](int type, std::uint32_t otherwise) {
        return attributes[type] == nullptr ? otherwise : u32_in(attributes[type]).value_or(otherwise);
    };
    route.link = static_cast<int>(number(RTA_OIF, 0));
    if (attributes[RTA_GATEWAY] != nullptr) route.gateway = ip_in(family, attributes[RTA_GATEWAY]);
    route.metric = number(RTA_PRIORITY, 0);
    if (attributes[RTA_PREFSRC] != nullptr) route.source = ip_in(family, attributes[RTA_PREFSRC]);
    route.table = number(RTA_TABLE, header->rtm_table);
    return route;
}

std::optional<SourceRule> decode_source_rule(const nlmsghdr& message) {
    std::array<nlattr*, FRA_MAX + 1> attributes{};
    if (message.nlmsg_type != RTM_NEWRULE ||
        nlmsg_parse(const_cast<nlmsghdr*>(&message), sizeof(fib_rule_hdr), attributes.data(), FRA_MAX,
                    nullptr) < 0)
        return std::nullopt;
    const auto* header = static_cast<const fib_rule_hdr*>(nlmsg_data(&message));
    if (header->action != FR_ACT_TO_TBL || attributes[FRA_SRC] == nullptr ||
        attributes[FRA_PRIORITY] == nullptr)
        return std::nullopt;
    const auto source = ip_in(header->family, attributes[FRA_SRC]);
    const auto priority = u32_in(attributes[FRA_PRIORITY]);
    if (!source || header->src_len != source->bits() || !priority) return std::nullopt;
    const auto table = attributes[FRA_TABLE] != nullptr ? u32_in(attributes[FRA_TABLE]) : std::nullopt;
    return SourceRule{*source, table.value_or(header->table), *priority};
}

namespace {

rtmsg route_header(const Route& route) {
    rtmsg header{};
    header.rtm_family = route.destination.address.is_v4() ? AF_INET : AF_INET6;
    header.rtm_dst_len = static_cast<std::uint8_t>(route.destination.length);
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_type = RTN_UNICAST;
    header.rtm_scope =
        route.gateway || !route.destination.address.is_v4() ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    return header;
}

void put_route(Request& request, const Route& route) {
    request.put_u32(RTA_TABLE, route.table);
    request.put_u32(RTA_OIF, static_cast<std::uint32_t>(route.link));
    if (route.destination.length > 0) request.put_address(RTA_DST, route.destination.address);
    if (route.gateway) request.put_address(RTA_GATEWAY, *route.gateway);
    if (route.metric != 0) request.put_u32(RTA_PRIORITY, route.metric);
    if (route.source) request.put_address(RTA_PREFSRC, *route.source);
}

Request request_to_replace(const Route& route, int flags, bool on_link) {
    auto header = route_header(route);
    if (on_link) header.rtm_flags = RTNH_F_ONLINK;
    Request request(RTM_NEWROUTE, flags | NLM_F_CREATE | NLM_F_REPLACE, header);
    put_route(request, route);
    return request;
}

fib_rule_hdr rule_header(const SourceRule& rule) {
    fib_rule_hdr header{};
    header.family = rule.source.is_v4() ? AF_INET : AF_INET6;
    header.src_len = static_cast<std::uint8_t>(rule.source.bits());
    header.action = FR_ACT_TO_TBL;
    return header;
}

Request rule_request(int type, int flags, const SourceRule& rule) {
    Request request(type, flags, rule_header(rule));
    request.put_address(FRA_SRC, rule.source);
    request.put_u32(FRA_TABLE, rule.table);
    request.put_u32(FRA_PRIORITY, rule.priority);
    return request;
}

}  // namespace

Result<std::vector<Route>> routes(Netlink& netlink, int family, std::uint32_t table) {
    rtmsg header{};
    header.rtm_family = static_cast<std::uint8_t>(family);
    Request request(RTM_GETROUTE, NLM_F_DUMP, header);
    request.put_u32(RTA_TABLE, table);
    std::vector<Route> found;
    auto asked = netlink.query(request, "cannot list routes", [&](const nlmsghdr& message) {
        if (auto route = decode_route(message); route && route->table == table) found.push_back(*route);
    });
    // A table that has never held a route does not exist yet.
    if (!asked && asked.error().code != ENOENT) return tl::unexpected<Error>(asked.error());
    return found;
}

const Route* on_link_route(const std::vector<Route>& routes, const IpAddress& ip, int link) {
    const Route* best = nullptr;
    for (const Route& route : routes) {
        if (route.gateway || route.destination.length == 0 || !route.destination.contains(ip)) continue;
        if (link != 0 && route.link != link) continue;
        if (best == nullptr || route.destination.length > best->destination.length ||
            (route.destination.length == best->destination.length && route.metric < best->metric))
            best = &route;
    }
    return best;
}

std::optional<IpAddress> default_gateway(const std::vector<Route>& routes, int link) {
    const Route* best = nullptr;
    for (const Route& route : routes) {
        if (!route.gateway || route.destination.length != 0 || (link != 0 && route.link != link)) continue;
        if (best == nullptr || route.metric < best->metric) best = &route;
    }
    return best == nullptr ? std::nullopt : best->gateway;
}

Request request_to_replace(const Route& route, int flags) {
    // The gateway is on this link because the caller says so; the kernel would look for it in the main table.
    // For IPv6 it looks there all the same, and refuses what it finds on another link; but without the flag
    // it begins with the route's own table.
    return request_to_replace(route, flags, route.gateway && route.gateway->is_v4());
}

Result<void> replace_route(Netlink& netlink, const Route& route) {
    const auto replace = [&](const Request& request) {
        return netlink.change(request,
                              fmt::format("cannot add the route to {}", route.destination.to_string()));
    };
    auto replaced = replace(request_to_replace(route, NLM_F_ACK));
    const bool another_way = route.gateway && route.gateway->is_v6();
    if (!replaced && another_way && replace(request_to_replace(route, NLM_F_ACK, true))) return {};
    return replaced;
}

Result<void> remove_route(Netlink& netlink, const Route& route) {
    Request request(RTM_DELROUTE, NLM_F_ACK, route_header(route));
    put_route(request, route);
    return netlink.change(request,
                          fmt::format("cannot remove the route to {}", route.destination.to_string()));
}

Result<std::vector<SourceRule>> source_rules(Netlink& netlink, int family) {
    fib_rule_hdr header{};
    header.family = static_cast<std::uint8_t>(family);
    std::vector<SourceRule> found;
    auto asked = netlink.query(Request(RTM_GETRULE, NLM_F_DUMP, header), "cannot list policy rules",
                               [&](const nlmsghdr& message) {
                                   if (const auto rule = decode_source_rule(message)) found.push_back(*rule);
                               });
    if (!asked) return tl::unexpected<Error>(asked.error());
    return found;
}

Request request_to_add(const SourceRule& rule, int flags) {
    return rule_request(RTM_NEWRULE, flags | NLM_F_CREATE | NLM_F_EXCL, rule);
}

Request request_to_remove(const SourceRule& rule, int flags) {
    return rule_request(RTM_DELRULE, flags, rule);
}

Result<void> add_rule(Netlink& netlink, const SourceRule& rule) {
    return netlink.change(request_to_add(rule, NLM_F_ACK),
                          fmt::format("cannot add the policy rule for {}", rule.source.to_string()));
}

Result<void> remove_rule(Netlink& netlink, const SourceRule& rule) {
    return netlink.change(request_to_remove(rule, NLM_F_ACK),
                          fmt::format("cannot remove the policy rule for {}", rule.source.to_string()));
}

}  // namespace buoy::net
