// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/outbox.hpp"

#include <cerrno>

#include "service/messages/messages.hpp"

namespace buoy::runtime {

Result<void> Outbox::put(const core::Message& message) {
    for (std::string& part : messages::encode(message, cluster_)) waiting_.push_back(std::move(part));
    return flush();
}

Result<void> Outbox::flush() {
    while (!waiting_.empty()) {
        auto sent = send_(waiting_.front());
        if (!sent && sent.error().code == EAGAIN) return {};
        if (!sent) return sent;
        waiting_.pop_front();
    }
    return {};
}

}  // namespace buoy::runtime
