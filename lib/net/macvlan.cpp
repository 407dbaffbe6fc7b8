// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/macvlan.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace buoy::net {

Request request_to_create_macvlan(const std::string& name, const Link& parent, const Mac& mac, int flags) {
    Request request(RTM_NEWLINK, flags | NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
    request.put_string(IFLA_IFNAME, name);
    request.put_u32(IFLA_LINK, static_cast<std::uint32_t>(parent.index));
    request.put_bytes(IFLA_ADDRESS, mac.bytes);
    auto* info = request.begin_nest(IFLA_LINKINFO);
    request.put_string(IFLA_INFO_KIND, "macvlan");
    auto* data = request.begin_nest(IFLA_INFO_DATA);
    // Bridge mode: macvlan devices of containers on the same parent can reach the address too.
    request.put_u32(IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
    request.end_nest(data);
    request.end_nest(info);
    return request;
}

Request request_to_make_no_addresses(int link, int flags) {
    ifinfomsg header{};
    header.ifi_index = link;
    Request request(RTM_SETLINK, flags, header);
    auto* families = request.begin_nest(IFLA_AF_SPEC);
    auto* v6 = request.begin_nest(AF_INET6);
    request.put_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    request.end_nest(v6);
    request.end_nest(families);
    return request;
}

Request request_to_set_ipv4(int link, std::span<const std::pair<int, std::uint32_t>> settings, int flags) {
    ifinfomsg header{};
    header.ifi_index = link;
    Request request(RTM_SETLINK, flags, header);
    auto* families = request.begin_nest(IFLA_AF_SPEC);
    auto* v4 = request.begin_nest(AF_INET);
    auto* values = request.begin_nest(IFLA_INET_CONF);
    for (const auto& [which, value] : settings) request.put_u32(which, value);
    request.end_nest(values);
    request.end_nest(v4);
    request.end_nest(families);
    return request;
}

}  // namespace buoy::net
