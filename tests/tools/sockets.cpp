// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/tools/sockets.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace buoy::sweep {

namespace {

constexpr int icmp_filter_option = 1;
constexpr int send_buffer = 128 << 20;
constexpr int receive_buffer = 16 << 20;
constexpr std::size_t batch = 64;
/// Enough for every frame that is looked at; longer ones are cut, and of no interest.
constexpr std::size_t frame_size = 128;

/// Classic BPF: ARP, echo replies and neighbour advertisements. All else, Corosync's traffic above all, is
/// not worth being copied.
const std::array filter{
    sock_filter{BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 9, 0, ETHERTYPE_ARP},
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 4, ETHERTYPE_IP},
    sock_filter{BPF_LD | BPF_B | BPF_ABS, 0, 0, 23},  // protocol
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 7, IPPROTO_ICMP},
    sock_filter{BPF_LD | BPF_B | BPF_ABS, 0, 0, 34},  // type, as there are no options
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 4, 5, 0},
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 4, ETHERTYPE_IPV6},
    sock_filter{BPF_LD | BPF_B | BPF_ABS, 0, 0, 54},  // type, if it is ICMPv6, which is looked at later
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 129},
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 136},
    sock_filter{BPF_RET | BPF_K, 0, 0, frame_size},
    sock_filter{BPF_RET | BPF_K, 0, 0, 0},
};

/// TCP, without extension headers.
const std::array tcp_filter{
    sock_filter{BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 2, ETHERTYPE_IP},
    sock_filter{BPF_LD | BPF_B | BPF_ABS, 0, 0, 23},
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 3, 4, IPPROTO_TCP},
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 3, ETHERTYPE_IPV6},
    sock_filter{BPF_LD | BPF_B | BPF_ABS, 0, 0, 20},
    sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, IPPROTO_TCP},
    sock_filter{BPF_RET | BPF_K, 0, 0, frame_size},
    sock_filter{BPF_RET | BPF_K, 0, 0, 0},
};

int checked(int result, const std::string& what) {
    if (result < 0) give_up(what);
    return result;
}

template <typename Value>
void set(int fd, int level, int option, const Value& value, const char* what) {
    checked(setsockopt(fd, level, option, &value, sizeof value), what);
}

std::int64_t nanoseconds(const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// What to add to the kernel's time stamps, which are of the wall clock.
std::int64_t wall_to_monotonic() {
    timespec wall{};
    timespec monotonic{};
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    return nanoseconds(monotonic) - nanoseconds(wall);
}

std::int64_t stamp(msghdr& message) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec time{};
        std::memcpy(&time, CMSG_DATA(part), sizeof time);
        return nanoseconds(time);
    }
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}

ifreq request_for(const std::string& device) {
    ifreq request{};
    std::copy_n(device.begin(), std::min<std::size_t>(device.size(), IFNAMSIZ - 1), request.ifr_name);
    return request;
}

}  // namespace

void give_up(const std::string& what) {
    std::fprintf(stderr, "sweep: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(1);
}

void enter_netns(const std::string& name) {
    const int there = checked(open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC), name);
    checked(setns(there, CLONE_NEWNET), "enter " + name);
    close(there);
}

EchoSender::EchoSender(bool v6)
    : v6_(v6),
      fd_(checked(socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP)),
                  "a raw socket")) {
    if (v6) {
        icmp6_filter nothing{};
        ICMP6_FILTER_SETBLOCKALL(&nothing);
        set(fd_, IPPROTO_ICMPV6, ICMP6_FILTER, nothing, "ICMP6_FILTER");
    } else {
        set(fd_, SOL_RAW, icmp_filter_option, std::uint32_t{0xffffffff}, "ICMP_FILTER");
    }
    // What waits for neighbours that do not answer must not keep the others' requests from being sent.
    set(fd_, SOL_SOCKET, SO_SNDBUFFORCE, send_buffer, "SO_SNDBUFFORCE");
}

void EchoSender::send(const Ip& to, Bytes packet) const {
    if (v6_) {
        sockaddr_in6 target{};
        target.sin6_family = AF_INET6;
        std::memcpy(&target.sin6_addr, to.data(), to.size());
        (void)sendto(fd_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&target),
                     sizeof target);
    } else {
        sockaddr_in target{};
        target.sin_family = AF_INET;
        std::memcpy(&target.sin_addr, to.data() + 12, 4);
        (void)sendto(fd_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&target),
                     sizeof target);
    }
}

Tap::Tap(const std::string& device, What what)
    : fd_(checked(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "a packet socket")),
      memory_(batch * frame_size) {
    std::vector<sock_filter> instructions(filter.begin(), filter.end());
    if (what == What::tcp) instructions.assign(tcp_filter.begin(), tcp_filter.end());
    const sock_fprog program{static_cast<unsigned short>(instructions.size()), instructions.data()};
    set(fd_, SOL_SOCKET, SO_ATTACH_FILTER, program, "SO_ATTACH_FILTER");
    set(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
    set(fd_, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
    set(fd_, SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer, "SO_RCVBUFFORCE");
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_protocol = htons(ETH_P_ALL);
    if (!device.empty()) {
        ifreq request = request_for(device);
        checked(ioctl(fd_, SIOCGIFINDEX, &request), device);
        where.sll_ifindex = request.ifr_ifindex;
    }
    checked(bind(fd_, reinterpret_cast<sockaddr*>(&where), sizeof where), "bind a packet socket");
}

const std::vector<Frame>& Tap::receive() {
    struct Ancillary {
        alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(timespec))> bytes;
    };
    std::array<mmsghdr, batch> messages{};
    std::array<iovec, batch> parts{};
    std::array<sockaddr_ll, batch> sources{};
    std::array<Ancillary, batch> ancillary{};
    for (std::size_t i = 0; i < batch; ++i) {
        parts[i] = {memory_.data() + i * frame_size, frame_size};
        msghdr& header = messages[i].msg_hdr;
        header.msg_name = &sources[i];
        header.msg_namelen = sizeof sources[i];
        header.msg_iov = &parts[i];
        header.msg_iovlen = 1;
        header.msg_control = ancillary[i].bytes.data();
        header.msg_controllen = ancillary[i].bytes.size();
    }
    frames_.clear();
    const int count = recvmmsg(fd_, messages.data(), batch, MSG_DONTWAIT, nullptr);
    const std::int64_t offset_ns = count > 0 ? wall_to_monotonic() : 0;
    for (int i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const Bytes data{memory_.data() + at * frame_size, messages[at].msg_len};
        frames_.push_back({stamp(messages[at].msg_hdr) + offset_ns, sources[at].sll_ifindex, data});
    }
    return frames_;
}

std::uint32_t Tap::dropped() const {
    tpacket_stats statistics{};
    socklen_t size = sizeof statistics;
    checked(getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &statistics, &size), "PACKET_STATISTICS");
    return statistics.tp_drops;
}

Ports::Ports()
    : events_(checked(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), "netlink")),
      sender_(checked(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "a packet socket")) {
    sockaddr_nl group{};
    group.nl_family = AF_NETLINK;
    group.nl_groups = RTMGRP_LINK;
    checked(bind(events_, reinterpret_cast<sockaddr*>(&group), sizeof group), "bind a netlink socket");
    look();
}

const std::vector<Port>& Ports::now() {
    std::array<std::uint8_t, 8192> told{};
    bool changed = false;
    // An overflow (ENOBUFS) is a change as well.
    while (recv(events_, told.data(), told.size(), MSG_DONTWAIT) >= 0 || errno == ENOBUFS) changed = true;
    if (changed) look();
    return ports_;
}

void Ports::look() {
    struct if_nameindex* links = if_nameindex();
    if (links == nullptr) give_up("list the switch's ports");
    ports_.clear();
    for (const auto* link = links; link->if_index != 0; ++link) {
        const std::string name = link->if_name;
        const auto dash = name.find('-');
        if (dash == std::string::npos || name.substr(dash) != "-lan") continue;
        Port port{static_cast<int>(link->if_index), {}, name.substr(0, dash)};
        hosts_[port.link] = port.host;
        ifreq request = request_for(name);
        if (ioctl(sender_, SIOCGIFHWADDR, &request) != 0) continue;
        std::memcpy(port.mac.data(), request.ifr_hwaddr.sa_data, port.mac.size());
        ports_.push_back(port);
    }
    if_freenameindex(links);
}

const std::string& Ports::host(int link) {
    static const std::string nobody;
    if (const auto known = hosts_.find(link); known != hosts_.end()) return known->second;
    look();
    // What is no host's cable is asked for once only, too.
    return hosts_.emplace(link, nobody).first->second;
}

void Ports::send(const Port& port, Bytes frame) const {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = port.link;
    to.sll_halen = 6;
    (void)sendto(sender_, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
}

}  // namespace buoy::sweep
