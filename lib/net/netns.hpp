// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <string_view>

#include "buoy/result.hpp"
#include "net/fd.hpp"

namespace buoy::net {

/// Moves the calling thread into a network namespace for as long as the object lives, then back.
/// Nothing is executed anew: sockets opened and /proc/sys/net read inside belong to that namespace,
/// and sockets keep belonging to it afterwards (setns(2)).
class NetnsScope {
  public:
    /// Enters the namespace `where`: a name as in `ip netns list`, or a path to a namespace file.
    /// Fails with ENOENT when there is none, EPERM without the right, EINVAL when the file is no
    /// network namespace.
    static Result<NetnsScope> enter(std::string_view where);

    NetnsScope(NetnsScope&&) = default;
    NetnsScope& operator=(NetnsScope&&) = delete;
    NetnsScope(const NetnsScope&) = delete;
    NetnsScope& operator=(const NetnsScope&) = delete;
    ~NetnsScope();

  private:
    explicit NetnsScope(Fd before) : before_(std::move(before)) {}
    Fd before_;
};

/// Serialises processes that change shared settings of one network namespace. The lock is on the
/// namespace itself, so it needs no file and is gone with the process that held it.
class NetnsLock {
  public:
    /// Waits for the lock of the calling thread's namespace, but not for ever: any user of the machine may
    /// hold it, and must not keep a node from stopping a resource. After that the caller goes on without.
    static Result<NetnsLock> take(std::chrono::milliseconds patience = std::chrono::seconds(5));

  private:
    explicit NetnsLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace buoy::net
