// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// How long an address may be used as a source, in seconds; `forever` is the kernel's infinity.
inline constexpr std::uint32_t forever = 0xffffffff;

/// Of an address label, in characters: IFNAMSIZ without its NUL (netdevice(7)).
inline constexpr std::size_t longest_label = 15;

/// One address on one link (RTM_NEWADDR, rtnetlink(7)).
struct Address {
    IpAddress ip;
    int prefix_length = 0;  ///< bits
    int link = 0;           ///< index of the link that carries it
    std::string label;      ///< IPv4 only: the link's name, or "NAME:LABEL"
    std::optional<Ipv4> broadcast;
    bool no_dad = false;           ///< IFA_F_NODAD
    bool optimistic = false;       ///< IFA_F_OPTIMISTIC: usable while duplicates are looked for (RFC 4429)
    bool no_prefix_route = false;  ///< IFA_F_NOPREFIXROUTE
    bool tentative = false;        ///< IFA_F_TENTATIVE: duplicates are still being looked for
    bool duplicate = false;        ///< IFA_F_DADFAILED: somebody else has it
    std::uint32_t preferred_lifetime_s = forever;
    bool operator==(const Address&) const = default;
};

/// Reads an RTM_NEWADDR or RTM_DELADDR message; nothing for other types, families or short messages.
std::optional<Address> decode_address(const nlmsghdr& message);

/// The addresses of `family` (AF_INET, AF_INET6 or AF_UNSPEC); of one link when `link` is not 0.
Result<std::vector<Address>> addresses(Netlink& netlink, int family, int link = 0);

/// The messages that add or remove an address, for change_many() or with NLM_F_ACK as `flags` for a
/// conversation about one.
Request request_to_add(const Address& address, int flags = 0);
Request request_to_remove(const Address& address, int flags = 0);

/// Adds the address to the link it names. Error code EEXIST when it is there already with this prefix
/// length. An address in 127.0.0.0/8 gets host scope, as ip-address(8) does it.
Result<void> add_address(Netlink& netlink, const Address& address);

/// Removes exactly this address with this prefix length from its link. Error code EADDRNOTAVAIL when
/// it is not there.
Result<void> remove_address(Netlink& netlink, const Address& address);

}  // namespace buoy::net
