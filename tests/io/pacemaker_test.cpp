// SPDX-License-Identifier: GPL-2.0-or-later
// Fencing and attributes with programs of the test's own in place of Pacemaker's.
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>

#include "service/io/attributes.hpp"
#include "service/io/boot_clock.hpp"
#include "service/io/fencing.hpp"

namespace buoy::io {
namespace {

using namespace std::chrono_literals;

class PacemakerTools : public testing::Test {
  protected:
    PacemakerTools() {
        std::string name = (std::filesystem::temp_directory_path() / "buoy-tools-XXXXXX").native();
        directory_ = mkdtemp(name.data());
        path_ = getenv("PATH");
        setenv("PATH", (directory_.native() + ":" + path_).c_str(), 1);
        children_.emplace(Children::open().value());
    }
    ~PacemakerTools() override {
        children_.reset();
        setenv("PATH", path_.c_str(), 1);
        std::filesystem::remove_all(directory_);
    }

    // A program that notes what it was called with, and then does this.
    void make(const std::string& program, const std::string& script) const {
        const auto file = directory_ / program;
        std::ofstream(file) << "#!/bin/sh\necho \"$*\" >> " << (directory_ / "calls").native() << "\n"
                            << script << "\n";
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    }
    [[nodiscard]] std::vector<std::string> calls() const {
        std::vector<std::string> out;
        std::ifstream in(directory_ / "calls");
        for (std::string line; std::getline(in, line);) out.push_back(line);
        return out;
    }
    template <typename Adapter, typename Condition>
    void dispatch_until(Adapter& adapter, Condition condition) {
        while (!condition()) {
            std::array<pollfd, 2> fds{{{children_->fd(), POLLIN, 0}, {adapter.fd(), POLLIN, 0}}};
            ASSERT_GT(poll(fds.data(), fds.size(), 20'000), 0) << "nothing happened";
            ASSERT_TRUE(children_->dispatch());
            ASSERT_TRUE(adapter.dispatch());
        }
    }

    // What runs comes to its end, and is dispatched, before a child that takes its time.
    template <typename Adapter>
    void settle(Adapter& adapter) {
        bool over = false;
        children_->run({"sh", "-c", "sleep 0.4"}, 20s, [&over](const ChildResult&) { over = true; });
        dispatch_until(adapter, [&over] { return over; });
    }

    std::filesystem::path directory_;
    std::string path_;
    std::optional<Children> children_;
};

class FencingTool : public PacemakerTools {
  protected:
    FencingTool() {
        cluster_.nodes = {{{1}, "n1", {}, {}}, {{2}, "n2", {}, {}}, {{3}, "n3", {}, {}}};
        Fencing::Callbacks callbacks;
        callbacks.reported = [this](const core::FencingReported& report) { reports_.push_back(report); };
        callbacks.warn = [this](const std::string& text) { warnings_.push_back(text); };
        fencing_.emplace(Fencing::open(*children_, cluster_, std::move(callbacks)).value());
    }
    // A history of one off, at the present second, or so many after it.
    void make_history(int seconds = 0) const {
        make("stonith_admin",
             "when=$(date -u -d \"" + std::to_string(seconds) +
                 " seconds\" '+%Y-%m-%d %H:%M:%SZ')\n"
                 "echo \"<pacemaker-result><list><fence_event action='off' target='n3' status='success'"
                 " completed='$when'/></list><status code='0' message='OK'/></pacemaker-result>\"");
    }

    ClusterInfo cluster_;
    std::vector<core::FencingReported> reports_;
    std::vector<std::string> warnings_;
    std::optional<Fencing> fencing_;
};

TEST_F(FencingTool, a_lost_node_is_asked_about_until_it_is_not_lost_any_more) {
    make_history();
    fencing_->watch({{{3}, TimePoint{}}});
    dispatch_until(*fencing_, [this] { return !reports_.empty(); });
    EXPECT_EQ(calls()[0], "--history=n3 --verbose --output-as=xml");
    EXPECT_EQ(reports_[0].node, NodeId{3});
    EXPECT_TRUE(reports_[0].succeeded);
    EXPECT_LE(reports_[0].at, boot_now());
    dispatch_until(*fencing_, [this] { return calls().size() >= 3; });
    fencing_->watch({});
    // Whatever was on its way when it was told comes to its end; nothing else is begun.
    settle(*fencing_);
    const std::size_t count = calls().size();
    settle(*fencing_);
    EXPECT_EQ(calls().size(), count);
    pollfd silent{fencing_->fd(), POLLIN, 0};
    EXPECT_EQ(poll(&silent, 1, 700), 0) << "an idle daemon must not be woken";
}

TEST_F(FencingTool, all_lost_nodes_are_asked_about) {
    make_history(-100);
    fencing_->watch({{{2}, boot_now()}, {{3}, boot_now()}, {{9}, boot_now()}});
    dispatch_until(*fencing_, [this] { return calls().size() >= 2; });
    auto first = calls();
    first.resize(2);
    std::ranges::sort(first);
    EXPECT_EQ(first[0].substr(0, 12), "--history=n2");
    EXPECT_EQ(first[1].substr(0, 12), "--history=n3");
    EXPECT_TRUE(reports_.empty());
}

TEST_F(FencingTool, a_fencer_that_cannot_be_asked_is_told_once) {
    make("stonith_admin", "echo 'no such thing' >&2; exit 5");
    fencing_->watch({{{3}, boot_now()}});
    dispatch_until(*fencing_, [this] { return calls().size() >= 3; });
    ASSERT_EQ(warnings_.size(), 1U);
    EXPECT_NE(warnings_[0].find("exit code 5: no such thing"), std::string::npos);
}

TEST_F(FencingTool, the_word_of_the_alert_agent_is_held_against_the_history) {
    make_history();
    fencing_->told({3}, core::FencingAction::off, ClockPair::now().wall);
    dispatch_until(*fencing_, [this] { return !reports_.empty(); });
    EXPECT_EQ(reports_[0].node, NodeId{3});
    EXPECT_LE(reports_[0].at, boot_now());
    fencing_->told({3}, core::FencingAction::reboot, ClockPair::now().wall);
    settle(*fencing_);
    EXPECT_EQ(calls().size(), 2U);
    EXPECT_EQ(reports_.size(), 1U);
}

TEST_F(FencingTool, nothing_is_told_when_it_is_gone) {
    make("stonith_admin", "exit 1");
    fencing_->watch({{{3}, boot_now()}});
    pollfd tick{fencing_->fd(), POLLIN, 0};
    ASSERT_GT(poll(&tick, 1, 20'000), 0);
    ASSERT_TRUE(fencing_->dispatch());  // starts the child
    fencing_.reset();
    while (calls().empty()) {
        pollfd readable{children_->fd(), POLLIN, 0};
        ASSERT_GT(poll(&readable, 1, 20'000), 0);
        ASSERT_TRUE(children_->dispatch());
    }
    // What is started later is done later, or soon after.
    bool over = false;
    children_->run({"sh", "-c", "sleep 0.2"}, 20s, [&over](const ChildResult&) { over = true; });
    while (!over) {
        pollfd readable{children_->fd(), POLLIN, 0};
        ASSERT_GT(poll(&readable, 1, 20'000), 0);
        ASSERT_TRUE(children_->dispatch());
    }
    EXPECT_TRUE(warnings_.empty());
}

class AttributesTool : public PacemakerTools {
  protected:
    AttributesTool() {
        attributes_.emplace(
            Attributes::open(*children_, [this](const std::string& pool, const std::string& why) {
                failures_.push_back(pool + ": " + why);
            }).value());
    }
    std::vector<std::string> failures_;
    std::optional<Attributes> attributes_;
};

TEST_F(AttributesTool, the_last_value_wins) {
    make("attrd_updater", "");
    const TimePoint began = boot_now();
    for (int i = 1; i <= 20; ++i) attributes_->set("web", std::to_string(i) + "/20");
    dispatch_until(*attributes_, [this] { return calls().size() == 1; });
    for (int i = 19; i >= 7; --i) attributes_->set("web", std::to_string(i) + "/20");
    dispatch_until(*attributes_, [this] { return calls().size() == 2; });
    EXPECT_GE(boot_now() - began, 600ms);
    EXPECT_EQ(calls(),
              (std::vector<std::string>{"--name=buoy-web --update=20/20", "--name=buoy-web --update=7/20"}));
}

TEST_F(AttributesTool, one_attribute_does_not_wait_for_another) {
    make("attrd_updater", "");
    attributes_->set("web", "1/2");
    dispatch_until(*attributes_, [this] { return calls().size() == 1; });
    attributes_->set("web", "2/2");
    attributes_->set("db", "1/1");
    dispatch_until(*attributes_, [this] { return calls().size() == 3; });
    EXPECT_EQ(calls()[1], "--name=buoy-db --update=1/1");
}

TEST_F(AttributesTool, what_was_set_is_not_set_again_unless_it_failed) {
    make("attrd_updater", "[ \"$1\" != --name=buoy-bad ] || { echo no attrd >&2; exit 1; }");
    attributes_->set("bad", "1/1");
    dispatch_until(*attributes_, [this] { return !failures_.empty(); });
    EXPECT_EQ(failures_[0], "bad: attrd_updater: exit code 1: no attrd");
    attributes_->set("web", "1/2");
    dispatch_until(*attributes_, [this] { return calls().size() == 2; });
    attributes_->set("web", "1/2");
    attributes_->set("bad", "1/1");
    dispatch_until(*attributes_, [this] { return calls().size() == 3; });
    attributes_->set("bad", "2/2");
    dispatch_until(*attributes_, [this] { return calls().size() == 4; });
    EXPECT_EQ(calls()[2], "--name=buoy-bad --update=1/1");
    EXPECT_EQ(calls()[3], "--name=buoy-bad --update=2/2");
}

TEST_F(AttributesTool, one_child_runs_at_a_time) {
    const std::string lock = (directory_ / "lock").native();
    make("attrd_updater", "mkdir " + lock + " || exit 1; sleep 0.1; rmdir " + lock);
    for (const char* pool : {"a", "b", "c"}) attributes_->set(pool, "1/1");
    dispatch_until(*attributes_, [this] { return calls().size() == 3; });
    settle(*attributes_);
    EXPECT_TRUE(failures_.empty());
}

TEST_F(AttributesTool, an_attribute_is_deleted) {
    make("attrd_updater", "");
    attributes_->set("web", "1/2");
    dispatch_until(*attributes_, [this] { return calls().size() == 1; });
    attributes_->erase("web");
    dispatch_until(*attributes_, [this] { return calls().size() == 2; });
    EXPECT_EQ(calls()[1], "--name=buoy-web --delete");
}

TEST_F(AttributesTool, everything_is_set_again_on_demand) {
    make("attrd_updater", "");
    attributes_->set("web", "1/2");
    dispatch_until(*attributes_, [this] { return calls().size() == 1; });
    attributes_->resend();
    dispatch_until(*attributes_, [this] { return calls().size() == 2; });
    EXPECT_EQ(calls()[0], calls()[1]);
}

}  // namespace
}  // namespace buoy::io
