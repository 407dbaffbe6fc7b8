// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/group.hpp"

#include <fmt/format.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "net/errors.hpp"

namespace buoy::kernel {

namespace {

/// FNV-1a, 32 bits.
std::uint32_t hash_of(std::string_view text) {
    std::uint32_t hash = 2166136261U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    return hash;
}

constexpr std::uint8_t byte(std::uint32_t number, int at) {
    return static_cast<std::uint8_t>(number >> 8 * at);
}

bool has_family(const PoolPlan& plan, bool v4) {
    return std::ranges::any_of(plan.addresses, [v4](const auto& ip) { return ip.is_v4() == v4; });
}

/// The socket that has the option set is the membership.
template <typename Value>
Result<net::Fd> member(int family, int type, int level, int option, const Value& value, const char* what) {
    net::Fd fd(socket(family, type | SOCK_CLOEXEC, 0));
    if (!fd) return net::fail_errno(errno, "cannot open a socket");
    if (setsockopt(fd.get(), level, option, &value, sizeof value) != 0)
        return net::fail_errno(errno, fmt::format("cannot {}", what));
    return fd;
}

}  // namespace

Group group_of(const PoolPlan& plan) {
    const std::uint32_t h = hash_of(plan.name + ' ' + plan.addresses.front().to_string());
    Group group;
    group.ip6.bytes = {0xff, 0x15};
    // 32 bits for the group's number, and the upper half of the numbers for those that nobody registers.
    const std::uint8_t number6[] = {static_cast<std::uint8_t>(byte(h, 3) | 0x80), byte(h, 2), byte(h, 1),
                                    byte(h, 0)};
    std::ranges::copy(number6, group.ip6.bytes.begin() + 12);
    // The lower 23 bits are the MAC's. Those of 224.0.0.0/24 are taken: switches flood them, joined or not.
    std::uint32_t number4 = h & 0xffffff;
    if ((number4 & 0x7fff00) == 0) number4 |= 0x400000;
    group.ip4.bytes = {239, byte(number4, 2), byte(number4, 1), byte(number4, 0)};
    if (plan.buckets && plan.buckets->l2 == Layer2::flood) {
        group.mac4 = group.mac6 = Mac{{0x06, 0xb0, byte(h, 3), byte(h, 2), byte(h, 1), byte(h, 0)}};
    } else {
        group.mac4 = Mac{{0x01, 0x00, 0x5e, static_cast<std::uint8_t>(byte(number4, 2) & 0x7f),
                          byte(number4, 1), byte(number4, 0)}};
        group.mac6 = Mac{{0x33, 0x33, number6[0], number6[1], number6[2], number6[3]}};
    }
    return group;
}

std::vector<Mac> macs_of(const PoolPlan& plan) {
    const Group group = group_of(plan);
    std::vector<Mac> macs;
    if (has_family(plan, true)) macs.push_back(group.mac4);
    if (has_family(plan, false) && (macs.empty() || group.mac6 != group.mac4)) macs.push_back(group.mac6);
    return macs;
}

Result<Membership> Membership::join(const PoolPlan& plan, int link) {
    Membership membership;
    for (const Mac& mac : macs_of(plan))
        if (auto joined = membership.join_again(plan, link, mac); !joined)
            return tl::unexpected<Error>(joined.error());
    return membership;
}

Result<void> Membership::join_again(const PoolPlan& plan, int link, const Mac& mac) {
    const Group group = group_of(plan);
    Result<net::Fd> made;
    const bool flood = plan.buckets && plan.buckets->l2 == Layer2::flood;
    net::Fd& held = flood ? flood_ : mac == group.mac4 ? v4_ : v6_;
    // Left first: the kernel adds the MAC when it has its first member.
    held.reset();
    if (flood) {
        // Where the device cannot filter by several MACs the kernel makes it take all (packet(7)).
        packet_mreq request{};
        request.mr_ifindex = link;
        request.mr_type = PACKET_MR_UNICAST;
        request.mr_alen = static_cast<unsigned short>(mac.bytes.size());
        std::ranges::copy(mac.bytes, request.mr_address);
        made = member(AF_PACKET, SOCK_RAW, SOL_PACKET, PACKET_ADD_MEMBERSHIP, request,
                      "have the pool's MAC received");
    } else if (mac == group.mac4) {
        ip_mreqn request{};
        std::ranges::copy(group.ip4.bytes, reinterpret_cast<std::uint8_t*>(&request.imr_multiaddr));
        request.imr_ifindex = link;
        made =
            member(AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_ADD_MEMBERSHIP, request, "join the pool's IPv4 group");
    } else {
        ipv6_mreq request{};
        std::ranges::copy(group.ip6.bytes, request.ipv6mr_multiaddr.s6_addr);
        request.ipv6mr_interface = static_cast<unsigned>(link);
        made = member(AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_JOIN_GROUP, request,
                      "join the pool's IPv6 group");
    }
    if (!made) return tl::unexpected<Error>(made.error());
    held = std::move(*made);
    return {};
}

}  // namespace buoy::kernel
