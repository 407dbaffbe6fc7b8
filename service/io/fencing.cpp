// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/fencing.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "lib/net/errors.hpp"
#include "lib/net/fd.hpp"
#include "service/io/boot_clock.hpp"
#include "service/io/fence_history.hpp"
#include "service/io/fence_reports.hpp"
#include "service/io/wall_clock.hpp"

namespace buoy::io {
namespace {

constexpr long interval_ns = 333'000'000;
// The fencer answers at once or, when it is stopped or gone, never.
constexpr std::chrono::milliseconds patience{3000};
constexpr time_t far_away = 9'000'000'000;  // in the year 2255

// Without --verbose it tells of one event only, the oldest.
std::vector<std::string> history_of(const ClusterNode& node) {
    return {"stonith_admin", "--history=" + node.name, "--verbose", "--output-as=xml"};
}

}  // namespace

struct Fencing::State : std::enable_shared_from_this<Fencing::State> {
    Children* children = nullptr;
    ClusterInfo cluster;
    Callbacks callbacks;
    net::Fd epoll;
    net::Fd ticks;      ///< runs while there is somebody to ask about
    net::Fd clock_set;  ///< expires never, but is readable when the wall clock was set
    std::vector<LostNode> lost;
    std::vector<NodeId> to_ask;
    bool asking = false;
    bool failing = false;
    WallClock clock;
    FenceReports reports;

    Result<void> open();
    Result<void> wait_for_clock();
    void tick();
    void ask();
    void answered(NodeId node, TimePoint asked, const ChildResult& result);
    void confirm(NodeId node, core::FencingAction action, TimePoint told, const ChildResult& result);
    void tell_failure(const ChildResult& result, const Error& error);
};

Result<void> Fencing::State::open() {
    epoll = net::Fd(epoll_create1(EPOLL_CLOEXEC));
    ticks = net::Fd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    clock_set = net::Fd(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!epoll || !ticks || !clock_set) return net::fail_errno(errno, "fencing");
    for (const net::Fd* fd : {&ticks, &clock_set}) {
        epoll_event event{EPOLLIN, {}};
        event.data.fd = fd->get();
        if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd->get(), &event) != 0)
            return net::fail_errno(errno, "fencing: epoll");
    }
    return wait_for_clock();
}

Result<void> Fencing::State::wait_for_clock() {
    clock.observe(ClockPair::now());
    itimerspec never{};
    never.it_value.tv_sec = far_away;
    if (timerfd_settime(clock_set.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) != 0)
        return net::fail_errno(errno, "fencing: a timer on the wall clock");
    return {};
}

void Fencing::State::tick() {
    std::uint64_t times = 0;
    [[maybe_unused]] const ssize_t size = read(ticks.get(), &times, sizeof times);
    if (asking) return;
    to_ask.clear();
    for (const LostNode& node : lost) to_ask.push_back(node.node);
    ask();
}

// One after the other: all of them at once is a burst of processes at the worst of times.
void Fencing::State::ask() {
    asking = false;
    while (!to_ask.empty() && !asking) {
        const NodeId node = to_ask.back();
        to_ask.pop_back();
        const ClusterNode* known = cluster.find(node);
        if (known == nullptr || std::ranges::find(lost, node, &LostNode::node) == lost.end()) continue;
        asking = true;
        children->run(history_of(*known), patience,
                      [weak = weak_from_this(), node, asked = boot_now()](const ChildResult& result) {
                          if (const auto state = weak.lock()) state->answered(node, asked, result);
                      });
    }
}

void Fencing::State::answered(NodeId node, TimePoint asked, const ChildResult& result) {
    const auto events = parse_fence_history(result.output);
    if (events) {
        failing = false;
        clock.observe(ClockPair::now());
        for (const core::FencingReported& report : reports.judge(node, *events, asked, clock))
            callbacks.reported(report);
    } else {
        tell_failure(result, events.error());
    }
    ask();
}

void Fencing::State::confirm(NodeId node, core::FencingAction action, TimePoint told,
                             const ChildResult& result) {
    const auto events = parse_fence_history(result.output);
    if (!events) return tell_failure(result, events.error());
    failing = false;
    clock.observe(ClockPair::now());
    if (const auto report = FenceReports::confirm(node, action, told, *events, clock))
        callbacks.reported(*report);
}

void Fencing::State::tell_failure(const ChildResult& result, const Error& error) {
    if (std::exchange(failing, true)) return;
    // What it printed says more than how it ended, if it printed anything.
    callbacks.warn(result.output.empty() ? "stonith_admin --history: " + result.to_string() : error.message);
}

Fencing::Fencing(std::shared_ptr<State> state) : state_(std::move(state)) {}
Fencing::Fencing(Fencing&&) noexcept = default;
Fencing& Fencing::operator=(Fencing&&) noexcept = default;
Fencing::~Fencing() = default;

Result<Fencing> Fencing::open(Children& children, const ClusterInfo& cluster, Callbacks callbacks) {
    auto state = std::make_shared<State>();
    state->children = &children;
    state->cluster = cluster;
    state->callbacks = std::move(callbacks);
    if (auto done = state->open(); !done) return tl::unexpected(done.error());
    return Fencing(std::move(state));
}

void Fencing::watch(const std::vector<LostNode>& lost) {
    State& state = *state_;
    for (const LostNode& node : state.lost)
        if (std::ranges::find(lost, node.node, &LostNode::node) == lost.end())
            state.reports.forget(node.node);
    for (const LostNode& node : lost) state.reports.watch(node.node, node.since);
    const bool any = !lost.empty();
    if (any == state.lost.empty()) {
        itimerspec every{};
        if (any) every = {{0, interval_ns}, {0, 1}};  // the first at once
        timerfd_settime(state.ticks.get(), 0, &every, nullptr);
    }
    state.lost = lost;
}

void Fencing::told(NodeId node, core::FencingAction action, Duration ended) {
    State& state = *state_;
    state.clock.observe(ClockPair::now());
    const ClusterNode* known = state.cluster.find(node);
    const auto at = state.clock.boot_time_of(ended);
    if (known == nullptr || !at) return;
    state.children->run(history_of(*known), patience,
                        [weak = state.weak_from_this(), node, action, at = *at](const ChildResult& result) {
                            if (const auto state = weak.lock()) state->confirm(node, action, at, result);
                        });
}

void Fencing::set_cluster(const ClusterInfo& cluster) {
    state_->cluster = cluster;
}

int Fencing::fd() const {
    return state_->epoll.get();
}

Result<void> Fencing::dispatch() {
    State& state = *state_;
    std::array<epoll_event, 2> events{};
    const int count = epoll_wait(state.epoll.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        if (events[static_cast<std::size_t>(i)].data.fd == state.ticks.get()) {
            state.tick();
            continue;
        }
        std::uint64_t times = 0;
        [[maybe_unused]] const ssize_t size = read(state.clock_set.get(), &times, sizeof times);
        if (auto done = state.wait_for_clock(); !done) return done;
    }
    return {};
}

}  // namespace buoy::io
