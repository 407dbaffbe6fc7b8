// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/driver.hpp"

#include "service/journal/journal.hpp"
#include "service/runtime/executor.hpp"
#include "service/runtime/journal_file.hpp"

namespace buoy::runtime {

void Driver::take(core::Event event) {
    waiting_.push_back(std::move(event));
    if (acting_) return;
    acting_ = true;
    while (!waiting_.empty()) {
        const core::Event next = std::move(waiting_.front());
        waiting_.pop_front();
        const TimePoint now = clock_();
        const core::Effects effects = ownership_.step(now, next);
        for (std::size_t i = 0; i < effects.size(); ++i) executor_.carry_out(effects[i], ownership_.agreed());
        // Written when the work is done: a handover does not wait for its own record.
        journal_.append(journal::write(now, next));
        for (std::size_t i = 0; i < effects.size(); ++i) journal_.append(journal::write(effects[i]));
        if (journal_.wants_state()) journal_.append_state(ownership_);
    }
    acting_ = false;
}

}  // namespace buoy::runtime
