// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/children.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "lib/net/errors.hpp"
#include "service/io/boot_clock.hpp"
#include "service/io/pipe.hpp"
#include "service/io/spawn.hpp"

namespace buoy::io {
namespace {

constexpr std::size_t pointer_size = sizeof(void*);
constexpr std::size_t most_output = std::size_t{1} << 20;
constexpr std::size_t most_errors = 4096;
constexpr std::size_t thread_stack = std::size_t{128} * 1024;  // small, as it may be locked into memory

// What has become ready, by the number epoll gives back: 0 the starter, 1 the timer, then 4 for each child.
enum class Source : std::uint64_t { process, output, errors };
constexpr std::uint64_t starter_ready = 0;
constexpr std::uint64_t timer_ready = 1;
constexpr std::uint64_t key_of(std::uint64_t child, Source source) {
    return child * 4 + static_cast<std::uint64_t>(source);
}

int send_kill(const net::Fd& pidfd) {
    return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0));
}

// For those nobody waits for any more. What can be killed is gone within milliseconds.
void kill_and_reap(const net::Fd& pidfd) {
    send_kill(pidfd);
    pollfd gone{pidfd.get(), POLLIN, 0};
    poll(&gone, 1, 200);
    siginfo_t info{};
    waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG);
}

// Takes what there is, within reason, and keeps what it may. False at the end.
bool drain(const net::Fd& pipe, std::string& kept, std::size_t most) {
    std::array<char, 16384> buffer{};
    for (int left = 64; left > 0; --left) {
        const ssize_t size = read(pipe.get(), buffer.data(), buffer.size());
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        if (size == 0) return false;
        kept.append(buffer.data(), std::min(static_cast<std::size_t>(size), most - kept.size()));
    }
    return true;
}

// The thread that starts programs, one after the other. What is wanted and what has been started goes through
// pipes, as pointers: no lock that a real-time thread could wait for while an ordinary one has it.
class Starter {
  public:
    struct Order {
        std::uint64_t child = 0;
        std::vector<std::string> argv;
        Result<Spawned> spawned = fail("not started yet", EAGAIN);
    };

    Starter() = default;
    Starter(const Starter&) = delete;
    Starter& operator=(const Starter&) = delete;
    ~Starter();

    Result<void> begin();
    /// Readable when something was started.
    [[nodiscard]] const net::Fd& fd() const { return started_.read; }
    /// False when there are more orders than anyone can want.
    bool start(std::uint64_t child, std::vector<std::string> argv);
    /// One that was started, or failed to; none when there is none.
    std::unique_ptr<Order> take();

  private:
    void work();

    Pipe wanted_;
    Pipe started_;
    std::atomic<bool> stop_ = false;
    std::optional<pthread_t> thread_;
};

Result<void> Starter::begin() {
    if (!wanted_.open() || !started_.open() || fcntl(wanted_.write.get(), F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(started_.read.get(), F_SETFL, O_NONBLOCK) != 0)
        return net::fail_errno(errno, "children: pipes");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, thread_stack);
    // Signals are for the thread that has the loop.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread{};
    const int error = pthread_create(
        &thread, &attributes,
        [](void* starter) -> void* {
            static_cast<Starter*>(starter)->work();
            return nullptr;
        },
        this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    if (error != 0) return net::fail_errno(error, "children: a thread to start them");
    thread_ = thread;
    return {};
}

Starter::~Starter() {
    if (!thread_) return;
    stop_ = true;
    wanted_.write.reset();
    pthread_join(*thread_, nullptr);
    // Nobody will come for those.
    while (const auto order = take())
        if (order->spawned) kill_and_reap(order->spawned->pidfd);
}

bool Starter::start(std::uint64_t child, std::vector<std::string> argv) {
    auto order = std::make_unique<Order>();
    order->child = child;
    order->argv = std::move(argv);
    Order* const pointer = order.get();
    if (write(wanted_.write.get(), &pointer, pointer_size) != pointer_size) return false;
    static_cast<void>(order.release());
    return true;
}

std::unique_ptr<Starter::Order> Starter::take() {
    Order* pointer = nullptr;
    if (read(started_.read.get(), &pointer, pointer_size) != pointer_size) return nullptr;
    return std::unique_ptr<Order>(pointer);
}

void Starter::work() {
    // The one that made us may be a real-time one.
    const sched_param ordinary{};
    sched_setscheduler(0, SCHED_OTHER, &ordinary);
    Order* order = nullptr;
    while (read(wanted_.read.get(), &order, pointer_size) == pointer_size) {
        if (!stop_) order->spawned = spawn(order->argv);
        if (write(started_.write.get(), &order, pointer_size) != pointer_size) return;
    }
}

}  // namespace

std::string ChildResult::to_string() const {
    switch (end) {
        case End::exited: {
            // The first line says most.
            const std::string line = errors.substr(0, errors.find('\n'));
            return fmt::format("exit code {}{}{}", status, line.empty() ? "" : ": ", line);
        }
        case End::signalled:
            return fmt::format("ended by signal {}", status);
        case End::timed_out:
            return "not done in time";
        case End::not_started:
            return fmt::format("not started: {}", std::strerror(status));
        case End::unknown:
            return fmt::format("ended, and nobody knows how: {}", std::strerror(status));
    }
    return {};
}

struct Children::State {
    struct Child {
        Done done;  ///< empty when it has been called
        TimePoint deadline;
        std::optional<Spawned> spawned;
        bool given_up = false;
        ChildResult result;
    };

    net::Fd epoll;
    net::Fd timer;
    Starter starter;
    std::uint64_t numbers = 0;
    std::map<std::uint64_t, Child> children;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        for (auto& [number, child] : children)
            if (child.spawned) kill_and_reap(child.spawned->pidfd);
    }

    Result<void> open();
    bool watch(const net::Fd& fd, std::uint64_t key) const {
        epoll_event event{EPOLLIN, {}};
        event.data.u64 = key;
        return epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event) == 0;
    }
    void arm() const;
    void begin(Starter::Order order);
    void end(std::uint64_t number);
    void read_pipe(net::Fd Spawned::*pipe, std::string ChildResult::*kept, std::size_t most,
                   std::uint64_t number);
    void give_up();
    void finish(std::uint64_t number);
};

Result<void> Children::State::open() {
    epoll = net::Fd(epoll_create1(EPOLL_CLOEXEC));
    timer = net::Fd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!epoll || !timer) return net::fail_errno(errno, "children");
    if (auto done = starter.begin(); !done) return done;
    if (!watch(starter.fd(), starter_ready) || !watch(timer, timer_ready))
        return net::fail_errno(errno, "children: epoll");
    return {};
}

void Children::State::arm() const {
    std::optional<TimePoint> next;
    for (const auto& [number, child] : children)
        if (!child.given_up) next = std::min(next.value_or(child.deadline), child.deadline);
    itimerspec when{};
    if (next) {
        const auto since_boot = next->time_since_epoch().count();
        when.it_value = {since_boot / 1'000'000'000, since_boot % 1'000'000'000};
    }
    timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Children::State::begin(Starter::Order order) {
    const auto found = children.find(order.child);
    Child& child = found->second;
    if (!order.spawned) {
        child.result.end = ChildResult::End::not_started;
        child.result.status = order.spawned.error().code;
        return finish(order.child);
    }
    child.spawned = std::move(*order.spawned);
    watch(child.spawned->output, key_of(order.child, Source::output));
    watch(child.spawned->errors, key_of(order.child, Source::errors));
    watch(child.spawned->pidfd, key_of(order.child, Source::process));
    if (child.given_up) send_kill(child.spawned->pidfd);
}

void Children::State::read_pipe(net::Fd Spawned::*pipe, std::string ChildResult::*kept, std::size_t most,
                                std::uint64_t number) {
    const auto found = children.find(number);
    if (found == children.end()) return;
    net::Fd& fd = *found->second.spawned.*pipe;
    if (fd && !drain(fd, found->second.result.*kept, most)) fd.reset();
}

void Children::State::end(std::uint64_t number) {
    const auto found = children.find(number);
    if (found == children.end()) return;
    Child& child = found->second;
    siginfo_t info{};
    const int waited =
        waitid(P_PIDFD, static_cast<id_t>(child.spawned->pidfd.get()), &info, WEXITED | WNOHANG);
    const int error = errno;
    if (waited == 0 && info.si_pid == 0) return;
    read_pipe(&Spawned::output, &ChildResult::output, most_output, number);
    read_pipe(&Spawned::errors, &ChildResult::errors, most_errors, number);
    child.result.end = info.si_code == CLD_EXITED ? ChildResult::End::exited : ChildResult::End::signalled;
    child.result.status = info.si_status;
    // Somebody else took it: its descriptor would stay readable, and we would ask for ever.
    if (waited != 0) {
        child.result.end = ChildResult::End::unknown;
        child.result.status = error;
    }
    finish(number);
}

// What cannot even be killed (it waits for a disk) must not be waited for.
void Children::State::give_up() {
    std::uint64_t times = 0;
    [[maybe_unused]] const ssize_t size = read(timer.get(), &times, sizeof times);
    const TimePoint now = boot_now();
    std::vector<Done> over;
    for (auto& [number, child] : children) {
        if (child.given_up || child.deadline > now) continue;
        child.given_up = true;
        if (child.spawned) send_kill(child.spawned->pidfd);
        over.push_back(std::exchange(child.done, nullptr));
    }
    arm();
    for (const Done& done : over) {
        ChildResult result;
        result.end = ChildResult::End::timed_out;
        done(std::move(result));
    }
}

void Children::State::finish(std::uint64_t number) {
    Child child = std::move(children.at(number));
    children.erase(number);
    arm();
    if (child.done) child.done(std::move(child.result));
}

Children::Children(std::unique_ptr<State> state) : state_(std::move(state)) {}
Children::Children(Children&&) noexcept = default;
Children& Children::operator=(Children&&) noexcept = default;
Children::~Children() = default;

Result<Children> Children::open() {
    auto state = std::make_unique<State>();
    if (auto done = state->open(); !done) return tl::unexpected(done.error());
    return Children(std::move(state));
}

void Children::run(std::vector<std::string> argv, std::chrono::milliseconds timeout, Done done) {
    const std::uint64_t number = ++state_->numbers;
    state_->children.emplace(number, State::Child{std::move(done), boot_now() + timeout, {}, false, {}});
    state_->arm();
    // Should the starter hang, this one is among those that are not done in time.
    state_->starter.start(number, std::move(argv));
}

int Children::fd() const {
    return state_->epoll.get();
}

Result<void> Children::dispatch() {
    State& state = *state_;
    std::array<epoll_event, 16> events{};
    const int count = epoll_wait(state.epoll.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const std::uint64_t key = events[static_cast<std::size_t>(i)].data.u64;
        if (key == starter_ready) {
            while (auto order = state.starter.take()) state.begin(std::move(*order));
        } else if (key == timer_ready) {
            state.give_up();
        } else if (key % 4 == static_cast<std::uint64_t>(Source::process)) {
            state.end(key / 4);
        } else if (key % 4 == static_cast<std::uint64_t>(Source::output)) {
            state.read_pipe(&Spawned::output, &ChildResult::output, most_output, key / 4);
        } else {
            state.read_pipe(&Spawned::errors, &ChildResult::errors, most_errors, key / 4);
        }
    }
    return {};
}

}  // namespace buoy::io
