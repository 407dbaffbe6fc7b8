// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/claims.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/icmpv6.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include "net/errors.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv6.hpp"
#include "wire/ndp.hpp"

namespace buoy::kernel {

namespace {

constexpr std::size_t frames_at_once = 256;
constexpr std::size_t longest = 2048;  // bytes: neither message has reason to be longer
constexpr std::uint32_t whole = 0xffffffff;
constexpr std::uint32_t sender_ip_at = 14 + 14;  // of an ARP packet in an Ethernet frame (RFC 826)
constexpr std::uint32_t target_at = 8;           // of an ICMPv6 message
// A filter has 4096 instructions at most (BPF_MAXINSNS), and a row takes three.
constexpr std::size_t most_rows = 1000;

struct Row {
    std::uint32_t first;
    std::uint32_t last;
};

sock_filter statement(int code, std::uint32_t value) {
    return BPF_STMT(static_cast<std::uint16_t>(code), value);
}

sock_filter jump(int code, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    return BPF_JUMP(static_cast<std::uint16_t>(code), value, yes, no);
}

/// The rows that numbers in order make.
std::vector<Row> rows_of(const std::vector<std::uint32_t>& numbers) {
    std::vector<Row> rows;
    for (const std::uint32_t number : numbers) {
        if (!rows.empty() && number - rows.back().last <= 1)
            rows.back().last = number;
        else
            rows.push_back({number, number});
    }
    // Neighbours are joined over the gap between them until the filter can take all.
    while (rows.size() > most_rows) {
        std::vector<Row> joined;
        for (std::size_t i = 0; i < rows.size(); i += 2)
            joined.push_back({rows[i].first, rows[std::min(i + 1, rows.size() - 1)].last});
        rows = std::move(joined);
    }
    return rows;
}

/// Passes a packet whose number that is loaded lies in one of the rows.
void append_rows(std::vector<sock_filter>& filter, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        filter.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, row.first, 0, 2));
        filter.push_back(jump(BPF_JMP | BPF_JGT | BPF_K, row.last, 1, 0));
        filter.push_back(statement(BPF_RET | BPF_K, whole));
    }
}

Result<void> attach(const net::Fd& fd, const std::vector<sock_filter>& filter) {
    const sock_fprog program{static_cast<unsigned short>(filter.size()),
                             const_cast<sock_filter*>(filter.data())};
    if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        return net::fail_errno(errno, "cannot filter what is heard of conflicts");
    return {};
}

std::uint32_t word_of(const Ipv6& ip, std::size_t nth) {
    std::uint32_t word = 0;
    std::memcpy(&word, ip.bytes.data() + 4 * nth, sizeof word);
    return ntohl(word);
}

/// A message without the headers that the kernel has taken off, as the decoder wants it.
std::optional<Claim> claim_in(const sockaddr_in6& from, msghdr& message,
                              std::span<const std::uint8_t> bytes) {
    wire::Ipv6Header header{};
    header.next_header = IPPROTO_ICMPV6;
    std::memcpy(header.source.bytes.data(), &from.sin6_addr, header.source.bytes.size());
    int link = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != IPPROTO_IPV6) continue;
        if (c->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(c), sizeof info);
            std::memcpy(header.destination.bytes.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
            link = static_cast<int>(info.ipi6_ifindex);
        } else if (c->cmsg_type == IPV6_HOPLIMIT) {
            int hops = 0;
            std::memcpy(&hops, CMSG_DATA(c), sizeof hops);
            header.hop_limit = static_cast<std::uint8_t>(hops);
        }
    }
    const auto ndp = wire::decode_ndp_packet(wire::encode_ipv6(header, bytes));
    if (!ndp) return std::nullopt;
    const auto* said = std::get_if<wire::NeighborAdvertisement>(&ndp->message);
    // Without the option it tells nobody where the address would be.
    if (said == nullptr || !said->target_mac) return std::nullopt;
    return Claim{link, said->target, *said->target_mac};
}

}  // namespace

std::vector<sock_filter> arp_filter(const std::vector<Ipv4>& senders) {
    std::vector<std::uint32_t> numbers;
    for (const Ipv4& ip : senders) numbers.push_back(ip.value());
    std::vector<sock_filter> filter{statement(BPF_LD | BPF_W | BPF_ABS, sender_ip_at)};
    append_rows(filter, rows_of(numbers));
    filter.push_back(statement(BPF_RET | BPF_K, 0));
    return filter;
}

std::vector<sock_filter> target_filter(const std::vector<Ipv6>& targets) {
    // By the network, whose 96 bits most pools have in common, and rows of the rest.
    std::map<std::array<std::uint32_t, 3>, std::vector<std::uint32_t>> networks;
    for (const Ipv6& ip : targets)
        networks[{word_of(ip, 0), word_of(ip, 1), word_of(ip, 2)}].push_back(word_of(ip, 3));
    std::vector<sock_filter> filter;
    for (const auto& [network, numbers] : networks) {
        std::vector<sock_filter> part;
        append_rows(part, rows_of(numbers));
        // Loading, comparing and passing over take eleven instructions more.
        if (filter.size() + part.size() + 12 > BPF_MAXINSNS) return {statement(BPF_RET | BPF_K, whole)};
        std::vector<sock_filter> compare;
        for (std::uint32_t i = 0; i < 3; ++i) {
            compare.push_back(statement(BPF_LD | BPF_W | BPF_ABS, target_at + 4 * i));
            compare.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, network[i], 1, 0));
            // Conditional jumps do not reach over all rows; this one does.
            compare.push_back(
                statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(1 + part.size() + 3 * (2 - i))));
        }
        compare.push_back(statement(BPF_LD | BPF_W | BPF_ABS, target_at + 12));
        filter.insert(filter.end(), compare.begin(), compare.end());
        filter.insert(filter.end(), part.begin(), part.end());
    }
    filter.push_back(statement(BPF_RET | BPF_K, 0));
    return filter;
}

Result<Claims> Claims::open() {
    net::Fd any(epoll_create1(EPOLL_CLOEXEC));
    if (!any) return net::fail_errno(errno, "cannot wait for what others claim");
    return Claims(std::move(any));
}

Result<void> Claims::watch(const net::Fd& fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(any_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0)
        return net::fail_errno(errno, "cannot wait for what others claim");
    return {};
}

Result<void> Claims::listen(const std::map<int, std::vector<IpAddress>>& wanted) {
    if (wanted == heard_) return {};
    // What is closed leaves the waiting by itself.
    arp_.clear();
    advertisements_.reset();
    heard_ = wanted;
    Result<void> done;
    for (const auto& [link, addresses] : heard_)
        if (auto one = hear_arp(link, addresses); !one) done = one;
    if (auto all = hear_advertisements(); !all) done = all;
    return done;
}

Result<void> Claims::hear_arp(int link, const std::vector<IpAddress>& addresses) {
    std::vector<Ipv4> senders;
    for (const IpAddress& ip : addresses)
        if (ip.is_v4()) senders.push_back(ip.v4());
    if (senders.empty()) return {};
    // Without a protocol until it has filter and link: else it would collect everything meanwhile.
    net::Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return net::fail_errno(errno, "cannot open a packet socket");
    if (auto filtered = attach(fd, arp_filter(senders)); !filtered) return filtered;
    const int on = 1;
    setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_protocol = htons(wire::ethertype_arp);
    where.sll_ifindex = link;
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
        return net::fail_errno(errno, fmt::format("cannot listen for conflicts on link {}", link));
    if (auto watched = watch(fd); !watched) return watched;
    arp_.insert_or_assign(link, std::move(fd));
    return {};
}

Result<void> Claims::hear_advertisements() {
    std::vector<Ipv6> targets;
    for (const auto& [link, addresses] : heard_)
        for (const IpAddress& ip : addresses)
            if (ip.is_v6()) targets.push_back(ip.v6());
    if (targets.empty()) return {};
    std::ranges::sort(targets);
    // Unlike a packet socket for IPv6, which would make the kernel copy every packet's head.
    net::Fd fd(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6));
    if (!fd) return net::fail_errno(errno, "cannot open a socket for neighbour advertisements");
    std::array<std::uint32_t, 8> blocked{};  // icmpv6(7): a bit for each type
    blocked.fill(whole);
    constexpr unsigned advertisement = 136;
    blocked[advertisement / 32] &= ~(1U << advertisement % 32);
    const int on = 1;
    if (setsockopt(fd.get(), IPPROTO_ICMPV6, ICMPV6_FILTER, blocked.data(), sizeof blocked) != 0 ||
        setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) != 0 ||
        setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on) != 0)
        return net::fail_errno(errno, "cannot listen for neighbour advertisements");
    if (auto filtered = attach(fd, target_filter(targets)); !filtered) return filtered;
    if (auto watched = watch(fd); !watched) return watched;
    advertisements_ = std::move(fd);
    return {};
}

void Claims::take_arp(int link, int fd, std::vector<Claim>& claims) const {
    std::array<std::uint8_t, longest> bytes{};
    for (std::size_t i = 0; i < frames_at_once; ++i) {
        const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
        if (got < 0) return;
        const auto arp = wire::decode_arp({bytes.data(), static_cast<std::size_t>(got)});
        if (arp) claims.push_back({link, arp->sender_ip, arp->sender_mac});
    }
}

void Claims::take_advertisements(std::vector<Claim>& claims) const {
    std::array<std::uint8_t, longest> bytes{};
    for (std::size_t i = 0; i < frames_at_once; ++i) {
        alignas(cmsghdr) std::array<char, 256> control{};
        sockaddr_in6 from{};
        iovec piece{bytes.data(), bytes.size()};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t got = recvmsg(advertisements_.get(), &message, 0);
        if (got < 0) return;
        const auto claim = claim_in(from, message, {bytes.data(), static_cast<std::size_t>(got)});
        if (claim && heard_.contains(claim->link)) claims.push_back(*claim);
    }
}

std::vector<Claim> Claims::take() {
    std::vector<Claim> claims;
    epoll_event ready{};
    if (heard_.empty() || epoll_wait(any_.get(), &ready, 1, 0) <= 0) return claims;
    for (const auto& [link, fd] : arp_) take_arp(link, fd.get(), claims);
    if (advertisements_) take_advertisements(claims);
    return claims;
}

}  // namespace buoy::kernel
