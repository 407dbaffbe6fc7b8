// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/macvlan.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "net/errors.hpp"

namespace buoy::net {

Result<void> create_macvlan(Netlink& netlink, const std::string& name, const Link& parent, const Mac& mac) {
    Request request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
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
    auto* families = request.begin_nest(IFLA_AF_SPEC);
    auto* v6 = request.begin_nest(AF_INET6);
    request.put_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    request.end_nest(v6);
    request.end_nest(families);
    return netlink.change(request, fmt::format("cannot create macvlan {} with MAC {} on {}", name, mac.to_string(),
                                               parent.name));
}

}  // namespace buoy::net
