// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/events.hpp"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "net/errors.hpp"

namespace buoy::net {

Result<Events> Events::open(unsigned group) {
    Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!fd) return fail_errno(errno, "cannot open a netlink socket for events");
    sockaddr_nl name{};
    name.nl_family = AF_NETLINK;
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
        setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        return fail_errno(errno, "cannot listen for netlink events");
    return Events(std::move(fd));
}

Result<bool> Events::wait(std::chrono::milliseconds patience) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(patience.count()));
    if (ready == 0 || (ready < 0 && errno == EINTR)) return false;
    if (ready < 0) return fail_errno(errno, "cannot wait for netlink events");
    std::array<char, 8192> unread{};
    // An overrun (ENOBUFS) is a change like any other.
    while (recv(fd_.get(), unread.data(), unread.size(), 0) > 0 || errno == ENOBUFS) errno = 0;
    return true;
}

}  // namespace buoy::net
