// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "buoy/result.hpp"
#include "buoy/time.hpp"
#include "net/fd.hpp"

struct qb_loop;

namespace buoy::runtime {

/// The daemon's one loop (libqb's), with descriptors and one timer of the boot clock.
class Loop {
  public:
    /// Handlers are called when their descriptor is readable. An error ends the loop.
    using Handler = std::function<Result<void>()>;

    static Result<std::unique_ptr<Loop>> create();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// `fd` has to stay open for as long as the loop. `urgent` descriptors are served before others.
    Result<void> add(int fd, bool urgent, Handler handler);
    /// A timer: returns its number. Its handler is called once each time it was armed and its time has come.
    Result<std::size_t> add_timer(Handler handler);
    void arm(std::size_t timer, TimePoint at);

    /// Runs until stop() or an error, which it returns.
    Result<void> run();
    void stop();
    [[nodiscard]] qb_loop* handle() const { return loop_; }

  private:
    struct Source {
        Loop* owner = nullptr;
        Handler handler;
    };
    explicit Loop(qb_loop* loop) : loop_(loop) {}
    static int dispatch(int fd, int events, void* source);

    qb_loop* loop_;
    std::vector<std::unique_ptr<Source>> sources_;
    std::vector<net::Fd> timers_;
    Result<void> ended_;
};

}  // namespace buoy::runtime
