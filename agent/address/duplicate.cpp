// SPDX-License-Identifier: GPL-2.0-or-later
#include "address/duplicate.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "net/conflict.hpp"
#include "net/events.hpp"
#include "net/sysctl.hpp"

namespace buoy::agent {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds fast_patience{300};
// One second for each of the solicitations the kernel sends (dad_transmits, 1 by default), and some to spare.
constexpr milliseconds full_patience{5000};

enum class Verdict { pending, unique, duplicate };

Result<Verdict> verdict_on(net::Netlink& netlink, const net::Link& link, const IpAddress& ip) {
    const auto there = net::addresses(netlink, AF_INET6, link.index);
    if (!there) return tl::unexpected<Error>(there.error());
    const auto found =
        std::find_if(there->begin(), there->end(), [&](const net::Address& a) { return a.ip == ip; });
    // Some kernels take a duplicate away where others only mark it.
    if (found == there->end() || found->duplicate) return Verdict::duplicate;
    return found->tentative ? Verdict::pending : Verdict::unique;
}

Failure taken(const IpAddress& ip, const net::Link& link) {
    return {Exit::generic, fmt::format("{} is in use already by another host on {} (IPv6 duplicate address "
                                       "detection): free it there, or choose another ip",
                                       ip.to_string(), link.name)};
}

}  // namespace

Result<void> add_watched(const net::NetnsLock& /*lock*/, net::Netlink& netlink, const net::Link& link,
                         net::Address address, ConflictCheck check) {
    if (address.ip.is_v4()) return net::add_address(netlink, address);
    if (check == ConflictCheck::off) {
        address.no_dad = true;
        return net::add_address(netlink, address);
    }
    address.optimistic = true;
    // The kernel heeds the flag only while the link allows it.
    const auto setting = net::Sysctl::ipv6(link.name, "optimistic_dad");
    const auto before = setting.get();
    const bool change = before && *before == 0;
    const auto allowed = change ? setting.set(1) : Result<void>();
    if (!allowed)
        log(fmt::format("{} is used only once duplicate detection is over: {}", address.ip.to_string(),
                        allowed.error().message));
    auto added = net::add_address(netlink, address);
    if (change && allowed) (void)setting.set(0);
    return added;
}

Outcome<> ask_from_nic(net::Netlink& netlink, const net::Link& nic, const IpAddress& ip,
                       ConflictCheck check) {
    if (ip.is_v4() || check == ConflictCheck::off) return {};
    const auto own = net::addresses(netlink, AF_INET6, nic.index);
    if (!own) return failure(Exit::generic, own.error());
    const auto from = std::find_if(own->begin(), own->end(),
                                   [](const net::Address& a) { return !a.tentative && !a.duplicate; });
    if (from == own->end()) return {};
    const auto answered = net::answers(nic, from->ip, ip, check == ConflictCheck::fast ? 1 : 3);
    if (!answered) return failure(Exit::generic, answered.error());
    if (*answered) return tl::unexpected<Failure>(taken(ip, nic));
    return {};
}

Outcome<> await_verdict(net::Netlink& netlink, const net::Link& link, const IpAddress& ip,
                        ConflictCheck check) {
    if (ip.is_v4() || check == ConflictCheck::off) return {};
    // Listening begins before looking, so that no change falls between.
    auto events = net::Events::open(RTNLGRP_IPV6_IFADDR);
    if (!events) return failure(Exit::generic, events.error());
    const auto end = steady_clock::now() + (check == ConflictCheck::fast ? fast_patience : full_patience);
    for (;;) {
        const auto verdict = verdict_on(netlink, link, ip);
        if (!verdict) return failure(Exit::generic, verdict.error());
        if (*verdict == Verdict::unique) return {};
        if (*verdict == Verdict::duplicate) return tl::unexpected<Failure>(taken(ip, link));
        const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
        if (left <= milliseconds(0)) return {};
        if (auto waited = events->wait(left); !waited) return failure(Exit::generic, waited.error());
    }
}

}  // namespace buoy::agent
