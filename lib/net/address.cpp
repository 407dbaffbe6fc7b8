// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/address.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <array>

#include "net/attributes.hpp"
#include "net/errors.hpp"

namespace buoy::net {

namespace {

ifaddrmsg header_of(const Address& address) {
    ifaddrmsg header{};
    header.ifa_family = address.ip.is_v4() ? AF_INET : AF_INET6;
    header.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix_length);
    header.ifa_index = static_cast<unsigned>(address.link);
    if (address.ip.is_v4() && address.ip.v4().bytes[0] == 127) header.ifa_scope = RT_SCOPE_HOST;
    return header;
}

}  // namespace

std::optional<Address> decode_address(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWADDR && message.nlmsg_type != RTM_DELADDR) return std::nullopt;
    std::array<nlattr*, IFA_MAX + 1> attributes{};
    if (nlmsg_parse(const_cast<nlmsghdr*>(&message), sizeof(ifaddrmsg), attributes.data(), IFA_MAX, nullptr) <
        0)
        return std::nullopt;
    const auto* header = static_cast<const ifaddrmsg*>(nlmsg_data(&message));
    // On a point-to-point link IFA_ADDRESS is the peer's; IFA_LOCAL is ours wherever it is present.
    const nlattr* ours = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
    if (ours == nullptr) return std::nullopt;
    const auto ip = ip_in(header->ifa_family, ours);
    if (!ip) return std::nullopt;
    Address address;
    address.ip = *ip;
    address.prefix_length = header->ifa_prefixlen;
    address.link = static_cast<int>(header->ifa_index);
    if (const auto* label = attributes[IFA_LABEL]) address.label = text_in(label);
    if (const auto* broadcast = attributes[IFA_BROADCAST])
        if (const auto value = ip_in(header->ifa_family, broadcast); value && value->is_v4())
            address.broadcast = value->v4();
    const std::uint32_t flags = attributes[IFA_FLAGS] != nullptr && nla_len(attributes[IFA_FLAGS]) >= 4
                                    ? nla_get_u32(attributes[IFA_FLAGS])
                                    : header->ifa_flags;
    address.no_dad = (flags & IFA_F_NODAD) != 0;
    address.optimistic = (flags & IFA_F_OPTIMISTIC) != 0;
    address.no_prefix_route = (flags & IFA_F_NOPREFIXROUTE) != 0;
    address.tentative = (flags & IFA_F_TENTATIVE) != 0;
    address.duplicate = (flags & IFA_F_DADFAILED) != 0;
    if (const auto* lifetimes = attributes[IFA_CACHEINFO];
        lifetimes != nullptr && nla_len(lifetimes) >= static_cast<int>(sizeof(ifa_cacheinfo)))
        address.preferred_lifetime_s = static_cast<const ifa_cacheinfo*>(nla_data(lifetimes))->ifa_prefered;
    return address;
}

Result<std::vector<Address>> addresses(Netlink& netlink, int family, int link) {
    ifaddrmsg header{};
    header.ifa_family = static_cast<std::uint8_t>(family);
    header.ifa_index = static_cast<unsigned>(link);
    std::vector<Address> found;
    auto asked = netlink.query(Request(RTM_GETADDR, NLM_F_DUMP, header), "cannot list addresses",
                               [&](const nlmsghdr& message) {
                                   auto address = decode_address(message);
                                   // Kernels before 4.20 ignore the link in the request.
                                   if (address && (link == 0 || address->link == link))
                                       found.push_back(std::move(*address));
                               });
    if (!asked) return tl::unexpected<Error>(asked.error());
    return found;
}

Request request_to_add(const Address& address, int flags) {
    Request request(RTM_NEWADDR, flags | NLM_F_CREATE | NLM_F_EXCL, header_of(address));
    request.put_address(IFA_LOCAL, address.ip);
    request.put_address(IFA_ADDRESS, address.ip);
    if (address.broadcast) request.put_address(IFA_BROADCAST, *address.broadcast);
    if (!address.label.empty()) request.put_string(IFA_LABEL, address.label);
    std::uint32_t marks = 0;
    if (address.no_dad) marks |= IFA_F_NODAD;
    if (address.optimistic) marks |= IFA_F_OPTIMISTIC;
    if (address.no_prefix_route) marks |= IFA_F_NOPREFIXROUTE;
    if (marks != 0) request.put_u32(IFA_FLAGS, marks);
    if (address.preferred_lifetime_s != forever) {
        ifa_cacheinfo lifetimes{};
        lifetimes.ifa_prefered = address.preferred_lifetime_s;
        lifetimes.ifa_valid = forever;
        request.put_value(IFA_CACHEINFO, lifetimes);
    }
    return request;
}

Request request_to_remove(const Address& address, int flags) {
    Request request(RTM_DELADDR, flags, header_of(address));
    request.put_address(IFA_LOCAL, address.ip);
    request.put_address(IFA_ADDRESS, address.ip);
    // Without the label the kernel might take another entry for the same address and prefix length.
    if (!address.label.empty()) request.put_string(IFA_LABEL, address.label);
    return request;
}

Result<void> add_address(Netlink& netlink, const Address& address) {
    return netlink.change(request_to_add(address, NLM_F_ACK),
                          fmt::format("cannot add {}/{}", address.ip.to_string(), address.prefix_length));
}

Result<void> remove_address(Netlink& netlink, const Address& address) {
    return netlink.change(request_to_remove(address, NLM_F_ACK),
                          fmt::format("cannot remove {}/{}", address.ip.to_string(), address.prefix_length));
}

}  // namespace buoy::net
