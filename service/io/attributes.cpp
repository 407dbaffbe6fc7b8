// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/attributes.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "lib/net/errors.hpp"
#include "lib/net/fd.hpp"
#include "service/io/boot_clock.hpp"

namespace buoy::io {
namespace {

using namespace std::chrono_literals;

constexpr Duration between = 500ms;  // two changes of one attribute
// A child takes a core from what changes hands, of which there is more where there is something to be told.
constexpr Duration settled = 100ms;
constexpr std::chrono::milliseconds patience = 5s;

struct Attribute {
    std::optional<std::string> wanted;  ///< none: deleted
    bool due = false;                   ///< still to be given to attrd
    bool given = false;                 ///< attrd has been given it, or is being
    TimePoint not_before;
};

}  // namespace

struct Attributes::State : std::enable_shared_from_this<Attributes::State> {
    Children* children = nullptr;
    Failed failed;
    net::Fd timer;
    std::map<std::string, Attribute, std::less<>> attributes;
    bool running = false;

    void want(std::string_view pool, std::optional<std::string> value);
    void go_on();
    void start(const std::string& pool, Attribute& attribute);
    void done(const std::string& pool, const ChildResult& result);
    void arm(TimePoint at) const;
};

void Attributes::State::want(std::string_view pool, std::optional<std::string> value) {
    const auto found = attributes.try_emplace(std::string(pool)).first;
    if (found->second.wanted == value && (found->second.due || found->second.given)) return;
    found->second.wanted = std::move(value);
    if (!std::exchange(found->second.due, true))
        found->second.not_before = std::max(found->second.not_before, boot_now() + settled);
    go_on();
}

// Starts the one that has waited longest, or sees to it that it is called when one may be started.
void Attributes::State::go_on() {
    if (running) return;
    auto next = attributes.end();
    for (auto i = attributes.begin(); i != attributes.end(); ++i)
        if (i->second.due && (next == attributes.end() || i->second.not_before < next->second.not_before))
            next = i;
    if (next == attributes.end()) return;
    if (next->second.not_before > boot_now()) return arm(next->second.not_before);
    start(next->first, next->second);
}

void Attributes::State::start(const std::string& pool, Attribute& attribute) {
    running = true;
    attribute.due = false;
    attribute.given = true;
    attribute.not_before = boot_now() + between;
    std::vector<std::string> command{"attrd_updater", "--name=buoy-" + pool};
    command.push_back(attribute.wanted ? "--update=" + *attribute.wanted : "--delete");
    children->run(std::move(command), patience, [weak = weak_from_this(), pool](const ChildResult& result) {
        if (const auto state = weak.lock()) state->done(pool, result);
    });
}

void Attributes::State::done(const std::string& pool, const ChildResult& result) {
    running = false;
    const auto found = attributes.find(pool);
    if (!result.succeeded()) {
        found->second.given = false;
        failed(pool, "attrd_updater: " + result.to_string());
    } else if (!found->second.due && !found->second.wanted) {
        attributes.erase(found);
    }
    go_on();
}

void Attributes::State::arm(TimePoint at) const {
    const auto since_boot = at.time_since_epoch().count();
    const itimerspec once{{0, 0}, {since_boot / 1'000'000'000, since_boot % 1'000'000'000}};
    timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &once, nullptr);
}

Attributes::Attributes(std::shared_ptr<State> state) : state_(std::move(state)) {}
Attributes::Attributes(Attributes&&) noexcept = default;
Attributes& Attributes::operator=(Attributes&&) noexcept = default;
Attributes::~Attributes() = default;

Result<Attributes> Attributes::open(Children& children, Failed failed) {
    auto state = std::make_shared<State>();
    state->children = &children;
    state->failed = std::move(failed);
    state->timer = net::Fd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!state->timer) return net::fail_errno(errno, "attributes: a timer");
    return Attributes(std::move(state));
}

void Attributes::set(std::string_view pool, std::string value) {
    state_->want(pool, std::move(value));
}

void Attributes::erase(std::string_view pool) {
    state_->want(pool, std::nullopt);
}

void Attributes::resend() {
    for (auto& [pool, attribute] : state_->attributes) attribute.due = true;
    state_->go_on();
}

int Attributes::fd() const {
    return state_->timer.get();
}

Result<void> Attributes::dispatch() {
    std::uint64_t times = 0;
    [[maybe_unused]] const ssize_t size = read(state_->timer.get(), &times, sizeof times);
    state_->go_on();
    return {};
}

}  // namespace buoy::io
