// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/batch.hpp"

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "net/errors.hpp"

namespace buoy::net {

namespace {

// Should all be refused, the answers are to fit the smallest socket buffer: they take it more than a kilobyte
// each.
constexpr std::size_t messages_at_once = 64;

Result<void> send_part(Netlink& netlink, std::span<const Request> part, std::uint32_t& first) {
    std::array<iovec, messages_at_once> pieces{};
    for (std::size_t i = 0; i < part.size(); ++i) {
        nlmsghdr* header = nlmsg_hdr(part[i].message());
        header->nlmsg_seq = nl_socket_use_seq(netlink.socket());
        header->nlmsg_pid = 0;
        header->nlmsg_flags |= NLM_F_REQUEST;
        if (i == 0) first = header->nlmsg_seq;
        if (i + 1 == part.size()) header->nlmsg_flags |= NLM_F_ACK;
        // Inside one datagram every message begins aligned.
        pieces[i] = {header, NLMSG_ALIGN(header->nlmsg_len)};
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    msghdr message{};
    message.msg_name = &kernel;
    message.msg_namelen = sizeof kernel;
    message.msg_iov = pieces.data();
    message.msg_iovlen = part.size();
    ssize_t sent = 0;
    do sent = sendmsg(nl_socket_get_fd(netlink.socket()), &message, 0);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return fail_errno(errno, "cannot send a batch to the kernel");
    return {};
}

/// Reads answers until that to the part's last message.
Result<void> answers(Netlink& netlink, std::uint32_t first, std::size_t count, std::size_t offset,
                     std::vector<Refused>& refused) {
    alignas(nlmsghdr) std::array<char, 32768> buffer{};
    while (true) {
        const ssize_t got = recv(nl_socket_get_fd(netlink.socket()), buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == ENOBUFS) {
            // The rest must not be taken for answers to what is asked next.
            while (recv(nl_socket_get_fd(netlink.socket()), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0)
                continue;
            return fail_errno(ENOBUFS, "cannot read what the kernel says to a batch");
        }
        if (got < 0) return fail_errno(errno, "cannot read what the kernel says to a batch");
        int left = static_cast<int>(got);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left)) {
            const std::uint32_t index = header->nlmsg_seq - first;
            if (header->nlmsg_type != NLMSG_ERROR || index >= count) continue;
            const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(header));
            if (error->error != 0) refused.push_back({offset + index, -error->error});
            if (index + 1 == count) return {};
        }
    }
}

}  // namespace

Result<std::vector<Refused>> change_many(Netlink& netlink, std::span<const Request> batch) {
    std::vector<Refused> refused;
    for (std::size_t offset = 0; offset < batch.size(); offset += messages_at_once) {
        const auto part = batch.subspan(offset, std::min(messages_at_once, batch.size() - offset));
        std::uint32_t first = 0;
        if (auto sent = send_part(netlink, part, first); !sent) return tl::unexpected<Error>(sent.error());
        if (auto answered = answers(netlink, first, part.size(), offset, refused); !answered)
            return tl::unexpected<Error>(answered.error());
    }
    return refused;
}

}  // namespace buoy::net
