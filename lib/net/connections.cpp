// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/connections.hpp"

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/msg.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "net/errors.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

namespace {

bool is_at(const inet_diag_sockid& id, const IpAddress& ip) {
    return std::memcmp(id.idiag_src, ip.data(), ip.size()) == 0;
}

/// An IPv4 connection of a socket opened for both families is listed under IPv6, as ::ffff:a.b.c.d.
bool is_mapped(const inet_diag_sockid& id, const IpAddress& ip) {
    constexpr std::uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const auto* source = reinterpret_cast<const std::uint8_t*>(id.idiag_src);
    return std::memcmp(source, prefix, sizeof prefix) == 0 && std::memcmp(source + 12, ip.data(), 4) == 0;
}

Result<std::vector<inet_diag_req_v2>> connections_at(Netlink& netlink, const IpAddress& ip, int family) {
    inet_diag_req_v2 request{};
    request.sdiag_family = static_cast<std::uint8_t>(family);
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = ~(1U << TCP_LISTEN | 1U << TCP_CLOSE | 1U << TCP_TIME_WAIT);
    std::vector<inet_diag_req_v2> found;
    const bool mapped = ip.is_v4() && family == AF_INET6;
    auto asked = netlink.query(Request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request), "cannot list connections",
                               [&](const nlmsghdr& message) {
                                   if (message.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
                                       nlmsg_datalen(&message) < static_cast<int>(sizeof(inet_diag_msg)))
                                       return;
                                   const auto* socket =
                                       static_cast<const inet_diag_msg*>(nlmsg_data(&message));
                                   if (!(mapped ? is_mapped(socket->id, ip) : is_at(socket->id, ip))) return;
                                   auto one = request;
                                   one.id = socket->id;
                                   found.push_back(one);
                               });
    if (!asked) return tl::unexpected<Error>(asked.error());
    return found;
}

}  // namespace

Result<int> kill_connections(const IpAddress& ip) {
    auto netlink = Netlink::open(NETLINK_SOCK_DIAG);
    if (!netlink) return tl::unexpected<Error>(netlink.error());
    int ended = 0;
    for (const int family : {AF_INET, AF_INET6}) {
        if (family == AF_INET && ip.is_v6()) continue;
        auto found = connections_at(*netlink, ip, family);
        if (!found) return tl::unexpected<Error>(found.error());
        for (const auto& connection : *found) {
            auto killed =
                netlink->change(Request(SOCK_DESTROY, NLM_F_ACK, connection), "cannot end a connection");
            // One that ended by itself in the meantime is as good.
            if (!killed && killed.error().code != ENOENT) return tl::unexpected<Error>(killed.error());
            ended += killed ? 1 : 0;
        }
    }
    return ended;
}

}  // namespace buoy::net
