// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/link.hpp"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <array>
#include <cerrno>

#include "net/attributes.hpp"
#include "net/errors.hpp"

namespace buoy::net {

namespace {

void read_properties(const nlattr* list, std::vector<std::string>& altnames) {
    nlattr* property = nullptr;
    int rest = 0;
    nla_for_each_nested(property, list, rest) {
        if (nla_type(property) == IFLA_ALT_IFNAME) altnames.push_back(text_in(property));
    }
}

std::string kind_in(const nlattr* info) {
    const nlattr* kind = nla_find(static_cast<nlattr*>(nla_data(info)), nla_len(info), IFLA_INFO_KIND);
    return kind == nullptr ? std::string() : text_in(kind);
}

Result<Link> only_link(Netlink& netlink, Request& request, const std::string& what) {
    // Without the statistics the answer is half as long.
    request.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    std::optional<Link> found;
    auto asked = netlink.query(request, what, [&](const nlmsghdr& message) { found = decode_link(message); });
    if (!asked) return tl::unexpected<Error>(asked.error());
    if (!found) return fail_errno(ENODEV, what);
    return *found;
}

}  // namespace

std::optional<Link> decode_link(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK) return std::nullopt;
    std::array<nlattr*, IFLA_MAX + 1> attributes{};
    if (nlmsg_parse(const_cast<nlmsghdr*>(&message), sizeof(ifinfomsg), attributes.data(), IFLA_MAX,
                    nullptr) < 0)
        return std::nullopt;
    const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(&message));
    Link link;
    link.index = header->ifi_index;
    link.ethernet = header->ifi_type == ARPHRD_ETHER;
    link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
    link.up = (header->ifi_flags & IFF_UP) != 0;
    link.carrier = (header->ifi_flags & IFF_LOWER_UP) != 0;
    if (const auto* name = attributes[IFLA_IFNAME]) link.name = text_in(name);
    if (const auto* alias = attributes[IFLA_IFALIAS]) link.alias = text_in(alias);
    if (const auto* mac = attributes[IFLA_ADDRESS]) link.mac = mac_in(mac).value_or(Mac{});
    if (const auto* parent = attributes[IFLA_LINK])
        if (const auto index = u32_in(parent)) link.parent = static_cast<int>(*index);
    if (const auto* list = attributes[IFLA_PROP_LIST]) read_properties(list, link.altnames);
    if (const auto* info = attributes[IFLA_LINKINFO]) link.kind = kind_in(info);
    return link;
}

Result<Link> find_link(Netlink& netlink, const std::string& name) {
    const std::string what = fmt::format("interface {}", name);
    if (name.empty() || name.size() > 127) return fail_errno(ENODEV, what);
    Request request(RTM_GETLINK, 0, ifinfomsg{});
    // The kernel looks up both kinds of name by either attribute, but takes long ones by this one only.
    request.put_string(IFLA_ALT_IFNAME, name);
    return only_link(netlink, request, what);
}

Result<Link> find_link(Netlink& netlink, int index) {
    ifinfomsg header{};
    header.ifi_index = index;
    Request request(RTM_GETLINK, 0, header);
    return only_link(netlink, request, fmt::format("interface number {}", index));
}

Result<std::vector<Link>> links(Netlink& netlink) {
    Request request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
    request.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    std::vector<Link> found;
    auto asked = netlink.query(request, "cannot list interfaces", [&](const nlmsghdr& message) {
        if (auto link = decode_link(message)) found.push_back(std::move(*link));
    });
    if (!asked) return tl::unexpected<Error>(asked.error());
    return found;
}

Request request_to_set_up(int link, int flags) {
    ifinfomsg header{};
    header.ifi_index = link;
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    return {RTM_NEWLINK, flags, header};
}

Request request_to_set_alias(int link, const std::string& alias, int flags) {
    ifinfomsg header{};
    header.ifi_index = link;
    Request request(RTM_SETLINK, flags, header);
    request.put_string(IFLA_IFALIAS, alias);
    return request;
}

Request request_to_set_group(int link, std::uint32_t group, int flags) {
    ifinfomsg header{};
    header.ifi_index = link;
    Request request(RTM_SETLINK, flags, header);
    request.put_u32(IFLA_GROUP, group);
    return request;
}

Request request_to_delete_group(std::uint32_t group, int flags) {
    Request request(RTM_DELLINK, flags, ifinfomsg{});
    request.put_u32(IFLA_GROUP, group);
    return request;
}

Result<void> set_up(Netlink& netlink, const Link& link) {
    return netlink.change(request_to_set_up(link.index, NLM_F_ACK),
                          fmt::format("cannot bring {} up", link.name));
}

Result<void> delete_link(Netlink& netlink, const Link& link) {
    ifinfomsg header{};
    header.ifi_index = link.index;
    return netlink.change(Request(RTM_DELLINK, NLM_F_ACK, header),
                          fmt::format("cannot delete {}", link.name));
}

}  // namespace buoy::net
