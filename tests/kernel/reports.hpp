// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <vector>

#include "service/kernel/kernel_thread.hpp"

namespace buoy::kernel {

/// What the thread has reported, to be waited for.
class Reports {
  public:
    /// The next of this kind; those of others are passed over.
    template <typename R>
    R wait(KernelThread& thread) {
        while (true) {
            while (!reports_.empty()) {
                const Report report = reports_.front();
                reports_.erase(reports_.begin());
                if (const auto* wanted = std::get_if<R>(&report)) return *wanted;
            }
            pollfd waiting{thread.fd(), POLLIN, 0};
            if (poll(&waiting, 1, 20'000) != 1) {
                ADD_FAILURE() << "no such report within 20 s";
                return {};
            }
            reports_ = thread.reports();
        }
    }

  private:
    std::vector<Report> reports_;
};

}  // namespace buoy::kernel
