// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "buoy/result.hpp"
#include "net/fd.hpp"
#include "service/gate/gate.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// Of SCHED_RR (sched(7)). 0, and wherever it is not allowed: ordinary scheduling.
struct Priorities {
    int ordinary = 0;
    int urgent = 0;  ///< while slots are to be opened or closed, which clients wait for
};

/// The thread that talks to the kernel: what it does may take tens of milliseconds, and beats must not wait
/// for it. Orders are carried out one after the other; reports come back in order.
class KernelThread {
  public:
    /// `gate` may be nullptr, and has to outlive this.
    static Result<std::unique_ptr<KernelThread>> start(gate::Gate* gate, Priorities priorities = {});
    /// Carries out what was posted, then ends.
    ~KernelThread();
    KernelThread(const KernelThread&) = delete;
    KernelThread& operator=(const KernelThread&) = delete;

    void post(Order order);
    /// Nothing that is managed is on the NIC past this time. Cheap when it only moves on.
    void set_deadline(TimePoint deadline);
    /// Readable when there are reports.
    [[nodiscard]] int fd() const { return reported_.get(); }
    /// Takes the reports that are there.
    std::vector<Report> reports();

  private:
    struct Loop;
    KernelThread() = default;
    void tell(Report report);
    void wake();
    void carried_out_urgent();

    gate::Gate* gate_ = nullptr;
    Priorities priorities_;
    std::mutex mutex_;
    std::vector<Order> orders_;
    std::size_t urgent_ = 0;  ///< orders that clients wait for, the one that is carried out included
    std::vector<Report> reports_;
    std::atomic<TimePoint> deadline_{TimePoint{}};
    std::atomic<bool> ending_ = false;
    std::atomic<bool> lapsed_ = true;  ///< the thread sleeps without minding the deadline
    net::Fd ordered_;
    net::Fd reported_;
    std::thread thread_;
};

}  // namespace buoy::kernel
