// SPDX-License-Identifier: GPL-2.0-or-later
// The journal on disk, of a driver that is given a transcript's events.
#include "service/runtime/journal_file.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "service/journal/journal.hpp"
#include "service/runtime/driver.hpp"
#include "service/runtime/executor.hpp"

using namespace buoy;
using namespace buoy::runtime;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

class JournalFiles : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "buoy-journal-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { fs::remove_all(folder_); }

    [[nodiscard]] fs::path path() const { return folder_ / "journal"; }

    // A daemon's journal of all that a transcript's node saw, in files of at least so many bytes.
    void record(const char* transcript, std::size_t bytes_per_file) const {
        auto file = JournalFile::open(path(), {bytes_per_file, 99, std::size_t{8} << 20});
        ASSERT_TRUE(file) << file.error().message;
        TimePoint now;
        Executor executor({[](const core::Message&) {}, [](const core::Beat&) {}, [](const kernel::Order&) {},
                           [](TimePoint) {}, [](TimePoint) {}, [](RequestId, core::Outcome) {},
                           [](const core::Status&) {}, [](const std::string&) { return kernel::Plan(); }});
        Driver driver(
            executor, [&] { return now; }, **file);
        std::ifstream in(fs::path(BUOY_SCENARIOS) / transcript);
        for (std::string text; std::getline(in, text);) {
            const auto line = journal::parse(text);
            if (!line || !line->is_event) continue;
            now = line->at;
            driver.take(line->event);
        }
    }
    // What is there, the oldest first.
    [[nodiscard]] std::vector<journal::ReplayedFile> files() const {
        std::vector<journal::ReplayedFile> out{{"journal", read(path())}};
        for (int i = 1; fs::exists(path().string() + "." + std::to_string(i)); ++i) {
            const std::string name = "journal." + std::to_string(i);
            out.insert(out.begin(), {name, read(folder_ / name)});
        }
        return out;
    }

  private:
    fs::path folder_;
};

TEST_F(JournalFiles, each_is_repeated_by_itself_and_all_one_after_the_other) {
    record("move-crash-restart-fence.journal", 20'000);
    const auto all = files();
    ASSERT_GE(all.size(), 3U);
    std::size_t events = 0;
    for (const auto& file : all) {
        const auto alone = journal::replay_files({file});
        ASSERT_TRUE(alone) << alone.error().message;
        EXPECT_GT(alone->events, 0U) << file.name;
        EXPECT_EQ(alone->passed_over, 0U) << file.name;
        events += alone->events;
    }
    const auto together = journal::replay_files(all);
    ASSERT_TRUE(together) << together.error().message;
    EXPECT_EQ(together->states, all.size() - 1);
    EXPECT_EQ(together->events, events);
    const auto without_one = journal::replay_files({all[0], all[2]});
    ASSERT_FALSE(without_one);
    EXPECT_NE(without_one.error().message.find(all[2].name + ":1: "), std::string::npos)
        << without_one.error().message;
}

TEST_F(JournalFiles, next_daemon_begins_another_one) {
    record("two-nodes-the-survivor.journal", std::size_t{1} << 20);
    record("two-nodes-the-survivor.journal", std::size_t{1} << 20);
    const auto all = files();
    ASSERT_EQ(all.size(), 2U);
    const auto together = journal::replay_files(all);
    ASSERT_TRUE(together) << together.error().message;
    EXPECT_EQ(together->events, 2 * journal::replay_files({all[1]})->events);
    EXPECT_EQ(together->states, 0U);
}

TEST_F(JournalFiles, lines_that_found_no_room_are_followed_by_a_state) {
    core::Ownership node;
    auto file = JournalFile::open(path(), {std::size_t{1} << 20, 3, 100});
    ASSERT_TRUE(file) << file.error().message;
    const std::string event = journal::write(TimePoint(Duration(5)), core::TimerFired{});
    (*file)->append(event);
    (*file)->append(std::string(200, 'x'));
    (*file)->append(event);  // would be out of place
    while (!(*file)->wants_state()) std::this_thread::yield();
    (*file)->append(event);
    (*file)->append_state(node);
    EXPECT_FALSE((*file)->wants_state());
    (*file)->append(event);
    file->reset();
    const auto with = [&](const char* missing, const std::string& late) {
        return event + "\n" + std::string(journal::lines_missing) + missing +
               " which the disk did not take\n" + late + event + "\n" + journal::write(node) + "\n" + event +
               "\n";
    };
    // The thread may have looked before the third line came, on a machine that has no time for us.
    const std::string text = read(path());
    EXPECT_TRUE(text == with(" 2 lines,", "") || text == with(" 1 lines,", event + "\n")) << text;
    const auto replayed = journal::replay_files(files());
    ASSERT_TRUE(replayed) << replayed.error().message;
    EXPECT_EQ(replayed->events, 1U);
    // People are not shown a core's state.
    EXPECT_EQ(last_lines(path(), 3).value(), event + "\n" + event + "\n");
}

}  // namespace
