// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <vector>

#include "address/parameters.hpp"
#include "net/address.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"
#include "ocf/outcome.hpp"

namespace buoy::agent {

/// Where the floating address belongs on this node.
struct Place {
    net::Link nic;          ///< the interface of the `nic` parameter, or the one the routes say
    net::Address address;   ///< as it shall be, on `nic`; a virtual MAC moves it to a device of its own
    bool connected = true;  ///< the NIC has a network of its own that contains the address
};

/// Works out interface, prefix length, broadcast and label from the parameters and, where those leave it
/// open, from the routes: the network on a link that contains the address, the longest prefix first, then the
/// lowest metric. Fails with Exit::installed when the interface does not exist, Exit::generic when no network
/// contains the address, Exit::configured when a label is too long.
Outcome<Place> find_place(net::Netlink& netlink, const AddressParameters& parameters);

/// Where the floating address is now, with whatever prefix length: on the NIC of the parameters or one of
/// its virtual MAC devices; on any link but loopback when they name none. A missing NIC carries nothing.
struct Presence {
    net::Link link;
    net::Address address;
};
Outcome<std::vector<Presence>> find_presence(net::Netlink& netlink, const AddressParameters& parameters);

}  // namespace buoy::agent
