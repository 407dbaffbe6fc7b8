// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/loop.hpp"

#include <qb/qbloop.h>
#include <sys/poll.h>
#include <sys/timerfd.h>

#include <cerrno>

#include "net/errors.hpp"

namespace buoy::runtime {

Result<std::unique_ptr<Loop>> Loop::create() {
    qb_loop_t* loop = qb_loop_create();
    if (loop == nullptr) return fail("cannot make a main loop", ENOMEM);
    return std::unique_ptr<Loop>(new Loop(loop));
}

Loop::~Loop() {
    qb_loop_destroy(loop_);
}

int Loop::dispatch(int, int, void* source) {
    auto* self = static_cast<Source*>(source);
    auto handled = self->handler();
    if (handled) return 0;
    // The first error is the one that matters: others follow from it.
    if (self->owner->ended_) self->owner->ended_ = tl::unexpected<Error>(handled.error());
    self->owner->stop();
    return -1;  // no longer served
}

Result<void> Loop::add(int fd, bool urgent, Handler handler) {
    sources_.push_back(std::make_unique<Source>(Source{this, std::move(handler)}));
    const int added = qb_loop_poll_add(loop_, urgent ? QB_LOOP_HIGH : QB_LOOP_MED, fd, POLLIN,
                                       sources_.back().get(), &Loop::dispatch);
    if (added != 0) return net::fail_errno(-added, "cannot watch a descriptor");
    return {};
}

Result<std::size_t> Loop::add_timer(Handler handler) {
    net::Fd fd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!fd) return net::fail_errno(errno, "cannot make a timer");
    const int raw = fd.get();
    auto added = add(raw, true, [raw, handler = std::move(handler)]() -> Result<void> {
        std::uint64_t times = 0;
        // Re-armed meanwhile: it has not run out after all.
        if (read(raw, &times, sizeof times) != sizeof times) return {};
        return handler();
    });
    if (!added) return tl::unexpected<Error>(added.error());
    timers_.push_back(std::move(fd));
    return timers_.size() - 1;
}

void Loop::arm(std::size_t timer, TimePoint at) {
    // All zero would disarm it.
    const std::int64_t ns = std::max<std::int64_t>(at.time_since_epoch().count(), 1);
    itimerspec when{};
    when.it_value.tv_sec = ns / 1'000'000'000;
    when.it_value.tv_nsec = ns % 1'000'000'000;
    timerfd_settime(timers_[timer].get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

Result<void> Loop::run() {
    qb_loop_run(loop_);
    return ended_;
}

void Loop::stop() {
    qb_loop_stop(loop_);
}

}  // namespace buoy::runtime
