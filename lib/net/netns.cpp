// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/netns.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "net/errors.hpp"

namespace buoy::net {

namespace {

constexpr std::chrono::milliseconds step{1};

// The thread's, not the process's: a daemon's other threads stay where they are.
constexpr const char* own_namespace = "/proc/thread-self/ns/net";

}  // namespace

Result<NetnsScope> NetnsScope::enter(std::string_view where) {
    if (where.empty()) return fail("the network namespace has no name", EINVAL);
    const std::string path =
        where.find('/') == std::string_view::npos ? "/run/netns/" + std::string(where) : std::string(where);
    // A pipe in its place must not be waited for.
    Fd target(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!target) return fail_errno(errno, fmt::format("cannot open network namespace {}", path));
    Fd before(open(own_namespace, O_RDONLY | O_CLOEXEC));
    if (!before) return fail_errno(errno, "cannot open the current network namespace");
    if (setns(target.get(), CLONE_NEWNET) != 0)
        return fail_errno(errno, fmt::format("cannot enter network namespace {}", path));
    return NetnsScope(std::move(before));
}

NetnsScope::~NetnsScope() {
    // Carrying on in the wrong namespace would configure the wrong host.
    if (before_ && setns(before_.get(), CLONE_NEWNET) != 0) std::abort();
}

Result<NetnsLock> NetnsLock::take(std::chrono::milliseconds patience) {
    Fd fd(open(own_namespace, O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "cannot open the current network namespace");
    const auto end = std::chrono::steady_clock::now() + patience;
    while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return fail_errno(errno, "cannot lock the current network namespace");
        if (std::chrono::steady_clock::now() >= end) break;
        std::this_thread::sleep_for(step);
    }
    return NetnsLock(std::move(fd));
}

}  // namespace buoy::net
