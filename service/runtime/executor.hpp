// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <string>

#include "service/core/agreed_state.hpp"
#include "service/core/effect.hpp"
#include "service/kernel/plan.hpp"
#include "service/runtime/taken.hpp"

namespace buoy::runtime {

/// Where effects go. Nothing here may block, and nothing may call the driver back before it returns, other
/// than through Driver::take(), which waits.
struct Outlets {
    std::function<void(const core::Message&)> multicast;
    std::function<void(const core::Beat&)> beat;
    std::function<void(kernel::Order)> kernel;
    std::function<void(TimePoint)> deadline;
    std::function<void(TimePoint)> timer;
    std::function<void(RequestId, core::Outcome)> reply;
    std::function<void(const core::Status&)> status;
    /// A pool that is started here, by name; nullptr if there is none.
    std::function<kernel::Plan(const std::string&)> plan;
};

/// Interprets effects: the one place that knows what each of them means outside the core.
class Executor {
  public:
    explicit Executor(Outlets outlets) : out_(std::move(outlets)) {}

    /// `agreed` is the state in which the effect was asked for: it knows the pools by number.
    void carry_out(const core::Effect& effect, const core::AgreedState& agreed);

  private:
    void on(const core::ArmTimer& effect, const core::AgreedState& agreed);
    void on(const core::SetGateDeadline& effect, const core::AgreedState& agreed);
    void on(const core::Reply& effect, const core::AgreedState& agreed);
    void on(const core::Close& effect, const core::AgreedState& agreed);
    void on(const core::Open& effect, const core::AgreedState& agreed);
    void on(const core::Announce& effect, const core::AgreedState& agreed);
    void on(const core::Multicast& effect, const core::AgreedState& agreed);
    void on(const core::SendBeat& effect, const core::AgreedState& agreed);
    void on(const core::PublishStatus& effect, const core::AgreedState& agreed);

    Outlets out_;
    Taken taken_;
};

}  // namespace buoy::runtime
