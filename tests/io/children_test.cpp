// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/children.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>

namespace buoy::io {
namespace {

using namespace std::chrono_literals;
using End = ChildResult::End;

class ChildrenTest : public testing::Test {
  protected:
    ChildrenTest() { children_.emplace(Children::open().value()); }

    // Dispatches until so many children are done.
    void wait_for(std::size_t done) {
        while (results_.size() < done) {
            pollfd readable{children_->fd(), POLLIN, 0};
            ASSERT_EQ(poll(&readable, 1, 20'000), 1) << "no child came to its end";
            ASSERT_TRUE(children_->dispatch());
        }
    }
    void start(std::vector<std::string> argv, std::chrono::milliseconds timeout = 20s) {
        children_->run(std::move(argv), timeout,
                       [this](ChildResult result) { results_.push_back(std::move(result)); });
    }
    ChildResult run(std::vector<std::string> argv, std::chrono::milliseconds timeout = 20s) {
        results_.clear();
        start(std::move(argv), timeout);
        wait_for(1);
        return results_.empty() ? ChildResult{} : results_.back();
    }
    ChildResult shell(const std::string& script) { return run({"sh", "-c", script}); }

    std::optional<Children> children_;
    std::vector<ChildResult> results_;
};

TEST_F(ChildrenTest, output_errors_and_code_are_told) {
    const ChildResult result = shell("echo out; echo no such node >&2; exit 3");
    EXPECT_EQ(result.end, End::exited);
    EXPECT_EQ(result.status, 3);
    EXPECT_FALSE(result.succeeded());
    EXPECT_EQ(result.output, "out\n");
    EXPECT_EQ(result.errors, "no such node\n");
    EXPECT_EQ(result.to_string(), "exit code 3: no such node");
    EXPECT_TRUE(shell("true").succeeded());
}

TEST_F(ChildrenTest, an_end_that_somebody_else_took_is_told_and_is_no_success) {
    const std::string gone_on = testing::TempDir() + "children_test." + std::to_string(getpid());
    start({"sh", "-c", "until [ -e " + gone_on + " ]; do sleep 0.01; done; echo out"});
    pollfd readable{children_->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&readable, 1, 20'000), 1);
    ASSERT_TRUE(children_->dispatch());  // it has been started
    signal(SIGCHLD, SIG_IGN);            // so the kernel takes it itself
    const int file = open(gone_on.c_str(), O_CREAT | O_CLOEXEC, 0600);
    wait_for(1);
    signal(SIGCHLD, SIG_DFL);
    close(file);
    unlink(gone_on.c_str());
    ASSERT_EQ(results_.size(), 1U);
    const ChildResult& result = results_[0];
    EXPECT_EQ(result.end, End::unknown);
    EXPECT_EQ(result.status, ECHILD);
    EXPECT_FALSE(result.succeeded());
    EXPECT_EQ(result.output, "out\n");
    EXPECT_EQ(result.to_string(), "ended, and nobody knows how: No child processes");
}

TEST_F(ChildrenTest, a_program_that_is_not_there_is_told) {
    const ChildResult result = run({"/no/such/program"});
    EXPECT_EQ(result.end, End::not_started);
    EXPECT_EQ(result.status, ENOENT);
    EXPECT_EQ(result.to_string(), "not started: No such file or directory");
}

TEST_F(ChildrenTest, a_signal_is_told) {
    const ChildResult result = shell("kill -TERM $$");
    EXPECT_EQ(result.end, End::signalled);
    EXPECT_EQ(result.status, SIGTERM);
}

TEST_F(ChildrenTest, too_much_output_is_cut_and_does_not_hold_the_child_up) {
    const ChildResult result = shell("head -c 3000000 /dev/zero; head -c 10000 /dev/zero >&2; exit 7");
    EXPECT_EQ(result.status, 7);
    EXPECT_EQ(result.output.size(), std::size_t{1} << 20);
    EXPECT_EQ(result.errors.size(), 4096U);
}

TEST_F(ChildrenTest, a_child_has_no_input_and_no_descriptors_of_ours) {
    std::array<int, 2> ours{};
    ASSERT_EQ(pipe(ours.data()), 0);  // without close-on-exec
    const ChildResult result = shell("cat; ls /proc/self/fd | wc -w");
    EXPECT_EQ(result.output, "4\n") << "three and the one that ls reads the directory by";
    close(ours[0]);
    close(ours[1]);
}

TEST_F(ChildrenTest, a_child_has_default_signals) {
    struct sigaction ignore {};
    struct sigaction before {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGUSR1, &ignore, &before);
    sigset_t blocked;
    sigset_t mask;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask);
    EXPECT_EQ(shell("kill -USR1 $$").status, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(ChildrenTest, a_child_of_a_real_time_thread_is_an_ordinary_one) {
    const sched_param high{5};
    const sched_param none{};
    if (sched_setscheduler(0, SCHED_RR, &high) != 0) GTEST_SKIP() << "real-time scheduling is not allowed";
    children_.emplace(Children::open().value());
    const ChildResult result = shell("chrt -p $$ | head -1");
    sched_setscheduler(0, SCHED_OTHER, &none);
    EXPECT_NE(result.output.find("SCHED_OTHER"), std::string::npos) << result.output << result.errors;
}

TEST_F(ChildrenTest, what_takes_too_long_is_killed) {
    std::array<int, 2> fifo{};
    ASSERT_EQ(pipe2(fifo.data(), O_CLOEXEC), 0);
    const std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fifo[1]);
    const ChildResult result = run({"sh", "-c", "exec > " + path + "; echo began; exec sleep 1000"}, 500ms);
    EXPECT_EQ(result.end, End::timed_out);
    std::array<char, 16> word{};
    EXPECT_EQ(read(fifo[0], word.data(), word.size()), 6) << "it had no time to begin";
    close(fifo[1]);
    EXPECT_EQ(read(fifo[0], word.data(), word.size()), 0) << "it still has the other end";
    close(fifo[0]);
    // Its end is taken notice of, so that nothing is left of it.
    const std::string count = "ps -o stat= --ppid " + std::to_string(getpid()) + " | grep -c Z";
    for (int i = 0; i < 100 && shell(count).output != "0\n"; ++i) {
    }
    EXPECT_EQ(shell(count).output, "0\n");
}

TEST_F(ChildrenTest, a_grandchild_that_keeps_the_output_open_is_not_waited_for) {
    const ChildResult result = shell("sleep 1000 & echo $!");
    EXPECT_EQ(result.end, End::exited);
    const int grandchild = std::stoi(result.output);
    EXPECT_EQ(kill(grandchild, SIGKILL), 0);
}

TEST_F(ChildrenTest, many_run_at_a_time) {
    for (int i = 0; i < 20; ++i) start({"sh", "-c", "exit " + std::to_string(i)});
    wait_for(20);
    int sum = 0;
    for (const ChildResult& result : results_) sum += result.status;
    EXPECT_EQ(sum, 190);
}

TEST_F(ChildrenTest, one_may_be_started_when_another_is_done) {
    children_->run({"true"}, 20s, [this](const ChildResult&) { start({"true"}); });
    wait_for(1);
    EXPECT_TRUE(results_[0].succeeded());
}

TEST_F(ChildrenTest, those_that_run_die_with_it) {
    // Some were just started, others have been for long enough to be known to run.
    for (const bool known : {false, true}) {
        children_.emplace(Children::open().value());
        results_.clear();
        std::array<int, 2> fifo{};
        ASSERT_EQ(pipe2(fifo.data(), O_CLOEXEC), 0);
        // The path stands for the pipe; the child has it open for as long as it lives.
        const std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fifo[1]);
        children_->run({"sh", "-c", "exec > " + path + "; echo began; exec sleep 1000"}, 1000s,
                       [](const ChildResult&) {});
        std::array<char, 16> word{};
        ASSERT_GT(read(fifo[0], word.data(), word.size()), 0);
        if (known) {
            start({"true"});
            wait_for(1);
        }
        children_.reset();
        close(fifo[1]);
        EXPECT_EQ(read(fifo[0], word.data(), word.size()), 0) << "it still has the other end";
        close(fifo[0]);
    }
}

}  // namespace
}  // namespace buoy::io
