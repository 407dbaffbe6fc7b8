// SPDX-License-Identifier: GPL-2.0-or-later
#include "pool/daemon.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace buoy::agent {

namespace {

using namespace std::chrono_literals;

constexpr const char* daemon_program = BUOY_DAEMON;
constexpr const char* daemon_log = "/var/log/buoy/buoyd.log";
constexpr const char* settings_file = "/run/buoy/buoyd.env";
constexpr auto between_tries = 20ms;

/// What the unit's EnvironmentFile brings to a daemon that systemd starts.
Result<void> write_settings(const pool::PoolParameters& parameters) {
    std::error_code failed;
    std::filesystem::create_directories("/run/buoy", failed);
    std::ofstream file(settings_file, std::ios::trunc);
    file << "BUOY_LEASE_MS=" << parameters.lease.count() << "\nBUOY_BEAT_MS=" << parameters.beat.count()
         << '\n';
    file.close();
    if (!file) return fail(fmt::format("cannot write {}: {}", settings_file, std::strerror(errno)), errno);
    return {};
}

Result<void> start_by_systemd() {
    // Not waited for: the job may have to wait for one that waits for us.
    const char* command[] = {"systemctl", "start", "--no-block", "buoyd.service", nullptr};
    pid_t child = 0;
    const int spawned =
        posix_spawnp(&child, command[0], nullptr, nullptr, const_cast<char**>(command), environ);
    if (spawned != 0) return fail(fmt::format("cannot run systemctl: {}", std::strerror(spawned)), spawned);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return fail("systemd could not start buoyd.service; `systemctl status buoyd` says why");
}

bool under_systemd() {
    return std::filesystem::exists("/run/systemd/system");
}

/// In the child: becomes a daemon that nobody waits for.
[[noreturn]] void become_daemon(const pool::PoolParameters& parameters) {
    setsid();
    // Its parent is gone at once, so that whoever reaps the agent's children is not asked to reap this.
    if (fork() != 0) _exit(0);
    mkdir("/var/log/buoy", 0755);
    const int null = open("/dev/null", O_RDONLY);
    const int log = open(daemon_log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (null >= 0) dup2(null, STDIN_FILENO);
    if (log >= 0) {
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
    }
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    setenv("BUOY_LEASE_MS", std::to_string(parameters.lease.count()).c_str(), 1);
    setenv("BUOY_BEAT_MS", std::to_string(parameters.beat.count()).c_str(), 1);
    if (chdir("/") == 0) execl(daemon_program, "buoyd", "--stderr", nullptr);
    _exit(127);
}

Result<void> start_by_ourselves(const pool::PoolParameters& parameters) {
    if (access(daemon_program, X_OK) != 0)
        return fail(fmt::format("{} is not installed on this node", daemon_program), ENOENT);
    const pid_t child = fork();
    if (child < 0)
        return fail(fmt::format("cannot start {}: {}", daemon_program, std::strerror(errno)), errno);
    if (child == 0) become_daemon(parameters);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return {};
}

}  // namespace

Result<void> start_daemon(const pool::PoolParameters& parameters) {
    if (auto written = write_settings(parameters); !written) return written;
    return under_systemd() ? start_by_systemd() : start_by_ourselves(parameters);
}

Result<ipc::Client> reach_daemon(const pool::PoolParameters& parameters, std::chrono::milliseconds patience) {
    auto client = ipc::Client::connect();
    if (client || client.error().code != ECONNREFUSED) return client;
    if (auto started = start_daemon(parameters); !started) return tl::unexpected<Error>(started.error());
    const auto until = std::chrono::steady_clock::now() + patience;
    do {
        // Nobody tells when the daemon's socket is there.
        std::this_thread::sleep_for(between_tries);
        client = ipc::Client::connect();
    } while (!client && client.error().code == ECONNREFUSED && std::chrono::steady_clock::now() < until);
    if (client) return client;
    return fail(
        fmt::format("buoyd does not come up: {}", under_systemd() ? "`journalctl -u buoyd` says why"
                                                                  : fmt::format("{} says why", daemon_log)),
        client.error().code);
}

}  // namespace buoy::agent
