// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/kernel_thread.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <iterator>

#include "net/errors.hpp"
#include "service/kernel/holder.hpp"

namespace buoy::kernel {

namespace {

constexpr int events_buffer =
    32 << 20;  // bytes: word of some ten thousand addresses, or two thousand devices

TimePoint boot_now() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

Result<net::Fd> event_fd() {
    net::Fd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) return net::fail_errno(errno, "cannot make an event descriptor");
    return fd;
}

void signal_fd(const net::Fd& fd) {
    // Full is readable as well.
    if (eventfd_write(fd.get(), 1) != 0 && errno != EAGAIN) std::abort();
}

void drain_fd(const net::Fd& fd) {
    eventfd_t ignored = 0;
    eventfd_read(fd.get(), &ignored);
}

/// Of neighbours nothing but the removal of a MAC that a link received: the rest is a host's whole life. The
/// kernel's words are in host order, and the filter's in network order.
Result<void> pass_over_neighbours(const net::Fd& fd) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNEIGH), 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEIGH), 0, 2),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, sizeof(nlmsghdr) + offsetof(ndmsg, ndm_family)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, ~0U),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const sock_fprog filter{std::size(code), code};
    if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        return net::fail_errno(errno, "cannot filter netlink events");
    return {};
}

Result<net::Fd> subscribe() {
    net::Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!fd) return net::fail_errno(errno, "cannot open a netlink socket");
    sockaddr_nl here{};
    here.nl_family = AF_NETLINK;
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
        return net::fail_errno(errno, "cannot listen for netlink events");
    // A smaller buffer overflows sooner, which is noticed and mended.
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &events_buffer, sizeof events_buffer);
    if (auto filtered = pass_over_neighbours(fd); !filtered) return tl::unexpected<Error>(filtered.error());
    for (const unsigned group : {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR})
        if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            return net::fail_errno(errno, "cannot listen for netlink events");
    return fd;
}

/// Best effort: where it is not allowed things take a little longer.
void schedule(pthread_t thread, int priority) {
    sched_param how{};
    how.sched_priority = priority;
    if (priority > 0) pthread_setschedparam(thread, SCHED_RR, &how);
}

bool is_urgent(const Order& order) {
    return std::holds_alternative<OpenSlots>(order) || std::holds_alternative<CloseSlots>(order);
}

}  // namespace

struct KernelThread::Loop {
    KernelThread& owner;
    net::Fd events;
    std::unique_ptr<Holder> holder;

    void run() {
        while (true) {
            std::vector<Order> orders;
            const bool ending = owner.ending_;
            {
                const std::lock_guard lock(owner.mutex_);
                orders.swap(owner.orders_);
            }
            for (const Order& order : orders) {
                // The deadline first: what is opened past it must not show. And what was said of an address
                // before it is opened here was said by whoever had it then: it is heard now, as nobody's.
                holder->run(boot_now(), owner.deadline_);
                carry_out(order);
            }
            hear();
            holder->run(boot_now(), owner.deadline_);
            if (ending) return holder->finish();
            sleep();
        }
    }

    void carry_out(const Order& order) {
        holder->carry_out(order, boot_now());
        if (is_urgent(order)) owner.carried_out_urgent();
    }

    void hear() {
        alignas(nlmsghdr) std::array<char, 65536> buffer{};
        while (true) {
            const ssize_t got = recv(events.get(), buffer.data(), buffer.size(), 0);
            if (got < 0 && errno == ENOBUFS) {
                holder->look_again();
                continue;
            }
            if (got <= 0) return;
            auto left = static_cast<unsigned>(got);
            for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
                 header = NLMSG_NEXT(header, left))
                holder->heard(*header);
        }
    }

    void sleep() {
        const TimePoint deadline = owner.deadline_;
        const TimePoint next = holder->next(deadline);
        owner.lapsed_ = boot_now() >= deadline;
        // Between the look at the deadline and the mark it may have moved on.
        if (owner.lapsed_ && owner.deadline_.load() != deadline) return;
        std::array<pollfd, 3> waiting{
            {{owner.ordered_.get(), POLLIN, 0}, {events.get(), POLLIN, 0}, {holder->claims_fd(), POLLIN, 0}}};
        timespec patience{};
        if (next != TimePoint::max()) {
            const auto left = std::max(Duration{}, next - boot_now());
            patience.tv_sec = left.count() / 1'000'000'000;
            patience.tv_nsec = left.count() % 1'000'000'000;
        }
        ppoll(waiting.data(), waiting.size(), next == TimePoint::max() ? nullptr : &patience, nullptr);
        drain_fd(owner.ordered_);
    }
};

Result<std::unique_ptr<KernelThread>> KernelThread::start(gate::Gate* gate, Priorities priorities) {
    std::unique_ptr<KernelThread> made(new KernelThread);
    made->gate_ = gate;
    made->priorities_ = priorities;
    for (net::Fd* fd : {&made->ordered_, &made->reported_}) {
        auto opened = event_fd();
        if (!opened) return tl::unexpected<Error>(opened.error());
        *fd = std::move(*opened);
    }
    auto events = subscribe();
    if (!events) return tl::unexpected<Error>(events.error());
    auto holder = Holder::open(gate, [owner = made.get()](Report report) { owner->tell(std::move(report)); });
    if (!holder) return tl::unexpected<Error>(holder.error());
    auto loop = std::make_shared<Loop>(Loop{*made, std::move(*events), std::move(*holder)});
    made->thread_ = std::thread([loop] { loop->run(); });
    pthread_setname_np(made->thread_.native_handle(), "buoyd-kernel");
    schedule(made->thread_.native_handle(), priorities.ordinary);
    return made;
}

KernelThread::~KernelThread() {
    if (!thread_.joinable()) return;
    ending_ = true;
    wake();
    thread_.join();
}

void KernelThread::post(Order order) {
    {
        const std::lock_guard lock(mutex_);
        // At once, for it may be at something that nobody waits for, and kept from a core by others.
        if (is_urgent(order) && urgent_++ == 0) schedule(thread_.native_handle(), priorities_.urgent);
        orders_.push_back(std::move(order));
    }
    wake();
}

void KernelThread::carried_out_urgent() {
    const std::lock_guard lock(mutex_);
    if (--urgent_ == 0) schedule(thread_.native_handle(), priorities_.ordinary);
}

void KernelThread::set_deadline(TimePoint deadline) {
    if (gate_ != nullptr) {
        deadline_ = deadline;
        return gate_->set_deadline(deadline);
    }
    const TimePoint before = deadline_.exchange(deadline);
    if (deadline < before || lapsed_.exchange(false)) wake();
}

void KernelThread::tell(Report report) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(std::move(report));
    signal_fd(reported_);
}

void KernelThread::wake() {
    signal_fd(ordered_);
}

std::vector<Report> KernelThread::reports() {
    drain_fd(reported_);
    const std::lock_guard lock(mutex_);
    return std::exchange(reports_, {});
}

}  // namespace buoy::kernel
