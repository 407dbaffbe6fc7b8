// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/macvlan.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "net/errors.hpp"

namespace buoy::net {

namespace {

/// Without it the kernel gives the device a link-local address as soon as it is up, and tells everybody.
Result<void> disable_address_generation(Netlink& netlink, const Link& device) {
    ifinfomsg header{};
    header.ifi_index = device.index;
    Request request(RTM_SETLINK, NLM_F_ACK, header);
    auto* families = request.begin_nest(IFLA_AF_SPEC);
    auto* v6 = request.begin_nest(AF_INET6);
    request.put_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    request.end_nest(v6);
    request.end_nest(families);
    auto set = netlink.change(request, fmt::format("cannot keep {} from making addresses", device.name));
    // A host without IPv6 makes none.
    if (!set && set.error().code == EAFNOSUPPORT) return {};
    return set;
}

}  // namespace

Result<Link> create_macvlan(Netlink& netlink, const std::string& name, const Link& parent, const Mac& mac) {
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
    auto made = netlink.change(request, fmt::format("cannot create macvlan {} with MAC {} on {}", name,
                                                    mac.to_string(), parent.name));
    if (!made) return tl::unexpected<Error>(made.error());
    auto device = find_link(netlink, name);
    if (!device) return device;
    if (auto silent = disable_address_generation(netlink, *device); !silent) {
        (void)delete_link(netlink, *device);
        return tl::unexpected<Error>(silent.error());
    }
    return device;
}

}  // namespace buoy::net
