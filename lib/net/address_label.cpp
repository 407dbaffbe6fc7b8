// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/address_label.hpp"

#include <linux/if_addrlabel.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "net/errors.hpp"

namespace buoy::net {

namespace {

Result<void> change_label(Netlink& netlink, int type, int flags, const Ipv6& ip, std::uint32_t label,
                          int harmless, std::string_view what) {
    ifaddrlblmsg header{};
    header.ifal_family = AF_INET6;
    header.ifal_prefixlen = 128;
    Request request(type, NLM_F_ACK | flags, header);
    request.put_address(IFAL_ADDRESS, ip);
    request.put_u32(IFAL_LABEL, label);
    auto changed =
        netlink.change(request, fmt::format("cannot {} the address label of {}", what, ip.to_string()));
    if (!changed && changed.error().code == harmless) return {};
    return changed;
}

}  // namespace

Result<void> add_address_label(Netlink& netlink, const Ipv6& ip, std::uint32_t label) {
    return change_label(netlink, RTM_NEWADDRLABEL, NLM_F_CREATE | NLM_F_EXCL, ip, label, EEXIST, "add");
}

Result<void> remove_address_label(Netlink& netlink, const Ipv6& ip, std::uint32_t label) {
    return change_label(netlink, RTM_DELADDRLABEL, 0, ip, label, ESRCH, "remove");
}

}  // namespace buoy::net
