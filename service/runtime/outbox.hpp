// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "buoy/result.hpp"
#include "service/core/messages.hpp"

namespace buoy::runtime {

/// Messages on their way to the group. Corosync takes only so many at a time; the rest waits here, in order.
class Outbox {
  public:
    /// `send` fails with EAGAIN when it has to be tried again later.
    Outbox(std::uint64_t cluster, std::function<Result<void>(std::string_view)> send)
        : cluster_(cluster), send_(std::move(send)) {}

    /// An error is the group's: it is gone.
    Result<void> put(const core::Message& message);
    /// Sends what waits, as far as it is taken now.
    Result<void> flush();
    [[nodiscard]] bool empty() const { return waiting_.empty(); }

  private:
    std::uint64_t cluster_;
    std::function<Result<void>(std::string_view)> send_;
    std::deque<std::string> waiting_;
};

}  // namespace buoy::runtime
