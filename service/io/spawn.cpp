// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/spawn.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "lib/net/errors.hpp"
#include "service/io/pipe.hpp"

namespace buoy::io {
namespace {

// Our end does not block. The other one does: a program may take it amiss to find its output non-blocking.
bool open_output(Pipe& pipe) {
    return pipe.open() && fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) == 0;
}

// What posix_spawn is to do on its way, with the memory that takes.
class Plan {
  public:
    Plan() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
    ~Plan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    /// 0, or what went wrong.
    int prepare(int output, int errors) {
        sigset_t signals;
        sched_param ordinary{};
        sigfillset(&signals);
        int error = posix_spawnattr_setsigdefault(&attributes_, &signals);
        sigemptyset(&signals);
        if (error == 0) error = posix_spawnattr_setsigmask(&attributes_, &signals);
        if (error == 0) error = posix_spawnattr_setschedpolicy(&attributes_, SCHED_OTHER);
        if (error == 0) error = posix_spawnattr_setschedparam(&attributes_, &ordinary);
        if (error == 0)
            error = posix_spawnattr_setflags(
                &attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSCHEDULER);
        if (error == 0)
            error = posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (error == 0) error = posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
        if (error == 0) error = posix_spawn_file_actions_adddup2(&actions_, errors, STDERR_FILENO);
        if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
        return error;
    }
    int start(pid_t& pid, const std::vector<std::string>& argv) {
        std::vector<char*> words;
        words.reserve(argv.size() + 1);
        for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
        words.push_back(nullptr);
        return posix_spawnp(&pid, words[0], &actions_, &attributes_, words.data(), environ);
    }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

}  // namespace

Result<Spawned> spawn(const std::vector<std::string>& argv) {
    if (argv.empty()) return fail("no program to start", EINVAL);
    const auto failed = [&](int error) {
        return net::fail_errno(error, fmt::format("starting {}", argv[0]));
    };
    Pipe output;
    Pipe errors;
    if (!open_output(output) || !open_output(errors)) return failed(errno);
    Plan plan;
    Spawned child;
    int error = plan.prepare(output.write.get(), errors.write.get());
    if (error == 0) error = plan.start(child.pid, argv);
    if (error != 0) return failed(error);
    // Nobody else waits for it, so its number is its own until we do.
    child.pidfd = net::Fd(static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)));
    if (!child.pidfd) {
        error = errno;
        kill(child.pid, SIGKILL);
        waitpid(child.pid, nullptr, 0);
        return failed(error);
    }
    child.output = std::move(output.read);
    child.errors = std::move(errors.read);
    return child;
}

}  // namespace buoy::io
