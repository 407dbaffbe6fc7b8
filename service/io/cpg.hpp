// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "buoy/ids.hpp"
#include "buoy/result.hpp"
#include "service/core/event.hpp"

namespace buoy::io {

/// The daemons' group: a closed process group of Corosync's.
///
/// Not to be destroyed from within a callback. dispatch() takes a stack frame of 1.05 MB (libcpg's).
class Group {
  public:
    struct Callbacks {
        /// See core::ConfigurationChanged. The first comes once this daemon is a member.
        std::function<void(const core::ConfigurationChanged&)> changed;
        /// A message, from this node too, in the agreed order.
        std::function<void(NodeId sender, std::string_view bytes)> delivered;
    };
    /// How many of our own messages may be on their way: libcpg's send would spin at some 278.
    static constexpr unsigned most_undelivered = 64;

    /// Blocks while Corosync does. Fails when Corosync does not run here, or stays busy for 10 s.
    static Result<Group> join(std::string_view group_name, Callbacks callbacks);

    Group(Group&&) noexcept;
    Group& operator=(Group&&) noexcept;
    /// Leaves, without waiting for Corosync.
    ~Group();

    /// Sends to every member, this one too. That it was sent means nothing: a message counts when it is
    /// delivered. Error codes: EAGAIN when there is no room now (the caller keeps it, and its place in the
    /// order, and tries again after a delivery or some milliseconds), EMSGSIZE above max_size(), ENOTCONN
    /// when Corosync is gone.
    Result<void> send(std::string_view bytes);
    /// What goes in one piece, in bytes: 1 MiB less 1 KiB with Corosync 3.1.
    [[nodiscard]] std::size_t max_size() const;
    /// Own messages that have not come back.
    [[nodiscard]] unsigned undelivered() const;

    [[nodiscard]] int fd() const;
    /// To be called when fd() is readable. Calls back for what is there, but not for ever: what is left makes
    /// fd() readable again. Fails when Corosync is gone.
    Result<void> dispatch();

  private:
    struct State;
    explicit Group(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace buoy::io
