// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmac/nic.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>

#include "net/route.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::vmac {

Result<net::Link> find_nic(net::Netlink& netlink, const std::string& name, const IpAddress& first) {
    if (!name.empty()) {
        auto nic = net::find_link(netlink, name);
        if (!nic && nic.error().code == ENODEV)
            return fail(fmt::format("nic={}: there is no such interface on this node", name), ENODEV);
        return nic;
    }
    const auto routes = net::routes(netlink, first.is_v4() ? AF_INET : AF_INET6);
    if (!routes) return tl::unexpected<Error>(routes.error());
    const net::Route* route = net::on_link_route(*routes, first);
    if (route == nullptr)
        return fail(fmt::format("no interface of this node has a network that contains {}: set nic, and "
                                "cidr_netmask",
                                first.to_string()),
                    ENODEV);
    auto nic = net::find_link(netlink, route->link);
    // A device of an address outside every network of its NIC, which comes and goes.
    if (nic && is_device(*nic)) return net::find_link(netlink, *nic->parent);
    return nic;
}

}  // namespace buoy::vmac
