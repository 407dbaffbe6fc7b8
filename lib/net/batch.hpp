// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "buoy/result.hpp"
#include "net/netlink.hpp"

namespace buoy::net {

/// A change of a batch that the kernel refused.
struct Refused {
    std::size_t index = 0;  ///< into the batch
    int code = 0;           ///< errno
    bool operator==(const Refused&) const = default;
};

/// Sends many changes with as few system calls as they fit in, and waits until the kernel has carried out
/// all of them, in their order; one that it refuses does not keep it from the next. The batch's requests are
/// composed without NLM_F_ACK: only refusals and the end are answered (netlink(7)), so that the answers to a
/// thousand fit the socket's buffer. An error means that the kernel could not be asked, or that its
/// answers were lost; then any part of the batch may have been carried out.
Result<std::vector<Refused>> change_many(Netlink& netlink, std::span<const Request> batch);

}  // namespace buoy::net
