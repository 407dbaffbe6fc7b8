// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/neighbor.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "net/attributes.hpp"
#include "net/errors.hpp"

namespace buoy::net {

Result<std::optional<Mac>> neighbor(Netlink& netlink, const IpAddress& ip, int link) {
    ndmsg header{};
    header.ndm_family = ip.is_v4() ? AF_INET : AF_INET6;
    header.ndm_ifindex = link;
    Request request(RTM_GETNEIGH, 0, header);
    request.put_address(NDA_DST, ip);
    std::optional<Mac> found;
    auto asked =
        netlink.query(request, fmt::format("neighbour {}", ip.to_string()), [&](const nlmsghdr& message) {
            auto* mac = nlmsg_find_attr(const_cast<nlmsghdr*>(&message), sizeof(ndmsg), NDA_LLADDR);
            if (message.nlmsg_type != RTM_NEWNEIGH || mac == nullptr) return;
            found = mac_in(mac);
        });
    if (!asked && asked.error().code != ENOENT) return tl::unexpected<Error>(asked.error());
    return found;
}

std::optional<Neighbor> decode_neighbor(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWNEIGH || message.nlmsg_len < NLMSG_LENGTH(sizeof(ndmsg)))
        return std::nullopt;
    const auto& header = *static_cast<const ndmsg*>(NLMSG_DATA(&message));
    constexpr int answers = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
    if ((header.ndm_family != AF_INET && header.ndm_family != AF_INET6) || (header.ndm_state & answers) == 0)
        return std::nullopt;
    const auto find = [&](int attribute) {
        return nlmsg_find_attr(const_cast<nlmsghdr*>(&message), sizeof(ndmsg), attribute);
    };
    const auto* ip = find(NDA_DST);
    const auto* mac = find(NDA_LLADDR);
    const auto address = ip == nullptr ? std::nullopt : ip_in(header.ndm_family, ip);
    const auto at = mac == nullptr ? std::nullopt : mac_in(mac);
    if (!address || !at || at->is_group() || at->is_zero()) return std::nullopt;
    Neighbor found{*address, *at, header.ndm_ifindex, (header.ndm_flags & NTF_ROUTER) != 0};
    const auto* times = find(NDA_CACHEINFO);
    if (times != nullptr && nla_len(times) >= static_cast<int>(sizeof(nda_cacheinfo)))
        found.confirmed_cs = static_cast<const nda_cacheinfo*>(nla_data(times))->ndm_confirmed;
    return found;
}

Result<std::vector<Neighbor>> neighbors(Netlink& netlink, int link) {
    Request request(RTM_GETNEIGH, NLM_F_DUMP, ndmsg{});
    request.put_u32(NDA_IFINDEX, static_cast<std::uint32_t>(link));
    std::vector<Neighbor> found;
    auto asked = netlink.query(request, "neighbours", [&](const nlmsghdr& message) {
        auto one = decode_neighbor(message);
        if (one && one->link == link) found.push_back(*one);
    });
    if (!asked) return tl::unexpected<Error>(asked.error());
    std::ranges::stable_sort(found, {},
                             [](const Neighbor& n) { return std::tuple(!n.router, n.confirmed_cs); });
    return found;
}

}  // namespace buoy::net
