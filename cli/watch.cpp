// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <boost/program_options.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "net/fd.hpp"

namespace buoy::cli {

namespace {

using nlohmann::json;

constexpr std::string_view begin_screen = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view end_screen = "\x1b[?25h\x1b[?1049l";

// A reading of some thousand slots is no trifle to the daemon.
constexpr auto between_countings = std::chrono::seconds(1);

/// Without what changes all the time by itself.
json settled(json reply) {
    for (const char* name : {"lease_left_ms", "counters"}) reply.erase(name);
    for (auto& node : reply["nodes"]) node.erase("heard_ms");
    return reply;
}

json without_counters(json status) {
    status.erase("counted_ms");
    for (auto& pool : status["pools"])
        for (auto& slot : pool["table"])
            for (const char* name : {"packets", "bytes", "dropped"}) slot.erase(name);
    return status;
}

json with_counters() {
    return {{"request", "status"}, {"counters", true}};
}

std::string drawn(const std::string& text) {
    std::string screen = "\x1b[H";
    for (const char c : text) screen += c == '\n' ? std::string("\x1b[K\r\n") : std::string(1, c);
    return screen + "\x1b[J";
}

std::string time_text() {
    const auto now = std::chrono::system_clock::now();
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
    return fmt::format("{:%H:%M:%S}.{:03} ", fmt::localtime(std::chrono::system_clock::to_time_t(now)), ms);
}

/// The three ways to show what there is now. Each call gives what to print, empty when nothing has changed.
class Watcher {
  public:
    enum class How { picture, lines, json };
    explicit Watcher(How how) : how_(how) {}

    std::string look() {
        const bool counted = counts();
        const auto reply = ask(counted ? with_counters() : json{{"request", "status"}});
        if (!reply) return changed(failed(reply.error()));
        if (how_ == How::json) return counted_if_changed(settled(*reply));
        const auto status = read_status(*reply);
        if (counted) count(status);
        if (how_ == How::picture) return drawn_if_changed(watch_picture(status, style_of_output(), loads_));
        std::string text;
        for (const auto& line : watch_lines(before_ ? &*before_ : nullptr, status))
            text += time_text() + line + '\n';
        before_ = status;
        last_.clear();
        return text;
    }

  private:
    std::string failed(const Refusal& refusal) {
        const auto& message = refusal.error.message;
        before_.reset();
        counted_.reset();
        loads_.clear();
        if (how_ == How::json) return left_json(message, left_pools()).dump() + '\n';
        if (how_ == How::lines) return message + '\n';
        return drawn(message + "\n\n" + (is_down(refusal.error) ? left_text(left_pools()) : ""));
    }
    /// Whether it is time to read what went through the gate.
    [[nodiscard]] bool counts() const {
        return how_ == How::picture && std::chrono::steady_clock::now() >= counted_at_ + between_countings;
    }
    void count(const Status& status) {
        if (counted_) loads_ = pool_loads_between(*counted_, status);
        counted_ = status;
        counted_at_ = std::chrono::steady_clock::now();
    }
    std::string counted_if_changed(const json& status) {
        const std::string text = changed(without_counters(status).dump() + '\n');
        if (text.empty()) return {};
        const auto reply = ask(with_counters());
        return reply ? settled(*reply).dump() + '\n' : text;
    }
    std::string drawn_if_changed(const std::string& text) { return changed(drawn(text)); }
    std::string changed(std::string text) {
        if (text == last_) return {};
        last_ = std::move(text);
        return how_ == How::lines ? time_text() + last_ : last_;
    }

    How how_;
    std::optional<Status> before_;
    std::optional<Status> counted_;  ///< the last with counters
    std::chrono::steady_clock::time_point counted_at_{};
    std::vector<Load> loads_;  ///< of pools
    std::string last_;
};

}  // namespace

Answer<int> watch(const Arguments& arguments) {
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    const auto how = arguments.json() ? Watcher::How::json
                     : terminal       ? Watcher::How::picture
                                      : Watcher::How::lines;
    const bool screen = how == Watcher::How::picture;
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&signals, signal);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    const net::Fd signalled(signalfd(-1, &signals, SFD_CLOEXEC));
    const int interval =
        static_cast<int>(std::clamp(arguments.options["interval"].as<unsigned>(), 10U, 60'000U));
    Watcher watcher(how);
    if (screen) print(begin_screen);
    for (;;) {
        print(watcher.look());
        std::array waiting{pollfd{signalled.get(), POLLIN, 0}, pollfd{STDOUT_FILENO, 0, 0}};
        if (poll(waiting.data(), waiting.size(), interval) <= 0) continue;
        // Whoever read has had enough, which the next line would tell; but it may be long in coming.
        if (waiting[1].revents != 0) break;
        signalfd_siginfo what{};
        if (read(signalled.get(), &what, sizeof what) != sizeof what || what.ssi_signo != SIGWINCH) break;
    }
    if (screen) print(end_screen);
    return 0;
}

}  // namespace buoy::cli
