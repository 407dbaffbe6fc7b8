// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/packet_socket.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "net/errors.hpp"

namespace buoy::net {

namespace {

constexpr std::size_t longest_frame = 65536;

}  // namespace

Result<PacketSocket> PacketSocket::open(const Link& link, std::uint16_t ethertype) {
    // Bound before it gets a protocol: a socket with one and no link would collect every link's frames.
    Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "cannot open a packet socket");
    // Best effort: without it our own frames come back and have to be told apart by their source.
    const int on = 1;
    setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_protocol = htons(ethertype);
    where.sll_ifindex = link.index;
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
        return fail_errno(errno, fmt::format("cannot listen for frames on {}", link.name));
    return PacketSocket(std::move(fd), link.name);
}

void PacketSocket::hear_advertisements_only() {
    constexpr unsigned header = 14;  // of Ethernet
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, header + 6),  // next header
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, header + 40),  // type
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, ~0U),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const sock_fprog filter{std::size(code), code};
    setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

Result<void> PacketSocket::send(std::span<const std::uint8_t> frame) {
    ssize_t sent = 0;
    do sent = ::send(fd_.get(), frame.data(), frame.size(), 0);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return fail_errno(errno, fmt::format("cannot send on {}", link_));
    return {};
}

Result<std::optional<std::vector<std::uint8_t>>> PacketSocket::receive(std::chrono::milliseconds patience) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(patience.count(), 0)));
    if (ready == 0 || (ready < 0 && errno == EINTR)) return std::nullopt;
    if (ready < 0) return fail_errno(errno, fmt::format("cannot wait for frames on {}", link_));
    std::vector<std::uint8_t> frame(longest_frame);
    const auto length = recv(fd_.get(), frame.data(), frame.size(), 0);
    if (length < 0) return fail_errno(errno, fmt::format("cannot receive on {}", link_));
    frame.resize(static_cast<std::size_t>(length));
    return frame;
}

}  // namespace buoy::net
