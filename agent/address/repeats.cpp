// SPDX-License-Identifier: GPL-2.0-or-later
#include "address/repeats.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "net/errors.hpp"
#include "net/fd.hpp"

namespace buoy::agent {

namespace {

using std::chrono::milliseconds;

// A process that is stopped itself (SIGSTOP) cannot end in time; it looks at the address before each burst,
// so it does no harm when it goes on later.
constexpr int patience_ms = 1000;

std::pair<sockaddr_un, socklen_t> socket_name(const net::Link& link, const IpAddress& ip) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const std::string text = fmt::format("buoy/announce/{}/{}", link.index, ip.to_string());
    // The leading NUL makes it abstract: of the network namespace, and gone with its last user.
    std::memcpy(name.sun_path + 1, text.data(), text.size());
    return {name, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size())};
}

Result<net::Fd> claim_name(const net::Link& link, const IpAddress& ip) {
    net::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto [name, length] = socket_name(link, ip);
    if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0 ||
        listen(fd.get(), 8) != 0)
        return net::fail_errno(errno, "cannot claim the name of the announcing process");
    return fd;
}

milliseconds now() {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    return milliseconds(time.tv_sec * 1000 + time.tv_nsec / 1000000);
}

/// Waits until the moment has come. True when somebody asks for the end instead.
bool asked_to_end(int ending, milliseconds moment) {
    for (;;) {
        const auto left = moment - now();
        if (left <= milliseconds(0)) return false;
        pollfd waiting{ending, POLLIN, 0};
        const int ready = poll(&waiting, 1, static_cast<int>(left.count()));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return true;
    }
}

bool is_still_here(const net::Link& link, const IpAddress& ip) {
    auto netlink = net::Netlink::open();
    if (!netlink) return false;
    const auto there = net::addresses(*netlink, ip.is_v4() ? AF_INET : AF_INET6, link.index);
    return there &&
           std::any_of(there->begin(), there->end(), [&](const net::Address& a) { return a.ip == ip; });
}

/// Nothing may keep the descriptors open by which Pacemaker waits for the agent's output.
void detach() {
    setsid();
    if (chdir("/") != 0) _exit(1);
    const int null = open("/dev/null", O_RDWR);
    if (null < 0) _exit(1);
    for (const int standard : {0, 1, 2}) dup2(null, standard);
    if (null > 2) close(null);
}

/// Returns when the child has let go of its end of the pipe, or is dead.
void await_detached(net::Fd detached) {
    char nothing = 0;
    while (read(detached.get(), &nothing, 1) < 0 && errno == EINTR) {
    }
}

}  // namespace

Outcome<> repeat_here(net::Announcer& announcer, const net::AnnounceSchedule& schedule) {
    const auto begin = now();
    for (const auto after : schedule) {
        if (after <= milliseconds(0)) continue;
        (void)asked_to_end(-1, begin + after);
        if (auto sent = announcer.burst(); !sent) return failure(Exit::generic, sent.error());
    }
    return {};
}

Outcome<> repeat_in_background(net::Announcer announcer, const net::AnnounceSchedule& schedule,
                               const net::Link& link, const IpAddress& ip) {
    end_repeats(link, ip);
    if (schedule.empty() || schedule.back() <= milliseconds(0)) return {};
    // Claimed before the fork: a stop that comes right after the start finds it.
    const auto ending = claim_name(link, ip);
    if (!ending) {
        // Nothing could end it. The address is up and its first announcement out, which is what counts.
        log(fmt::format("{} is announced once only: {}", ip.to_string(), ending.error().message));
        return {};
    }
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        return failure(Exit::generic, net::system_error(errno, "cannot start the announcing process"));
    net::Fd detached(ends[0]);
    net::Fd detaching(ends[1]);
    const auto begin = now();
    const pid_t child = fork();
    if (child < 0)
        return failure(Exit::generic, net::system_error(errno, "cannot start the announcing process"));
    if (child > 0) {
        detaching.reset();
        await_detached(std::move(detached));
        return {};
    }
    detach();
    detaching.reset();
    for (const auto after : schedule) {
        if (after <= milliseconds(0)) continue;
        if (asked_to_end(ending->get(), begin + after) || !is_still_here(link, ip)) break;
        (void)announcer.burst();
    }
    _exit(0);
}

void end_repeats(const net::Link& link, const IpAddress& ip) {
    // Non-blocking: a process that does not run does not empty its queue either, and would hold us up in it.
    const net::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto [name, length] = socket_name(link, ip);
    // Connecting is the request; that nobody listens means there is no such process.
    if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0) return;
    pollfd ended{fd.get(), POLLIN, 0};
    (void)poll(&ended, 1, patience_ms);
}

}  // namespace buoy::agent
