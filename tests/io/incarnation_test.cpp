// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/incarnation.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace buoy::io {
namespace {

class IncarnationFile : public testing::Test {
  protected:
    IncarnationFile() {
        std::string name = (std::filesystem::temp_directory_path() / "buoy-incarnation-XXXXXX").native();
        directory_ = mkdtemp(name.data());
        file_ = directory_ / "incarnation";
    }
    ~IncarnationFile() override { std::filesystem::remove_all(directory_); }

    void write(std::string_view text) const { std::ofstream(file_) << text; }
    [[nodiscard]] std::string refusal() const {
        const auto next = next_incarnation(file_);
        return next ? "" : next.error().message;
    }

    std::filesystem::path directory_;
    std::filesystem::path file_;
};

TEST_F(IncarnationFile, every_start_has_a_greater_number) {
    auto last = next_incarnation(file_);
    ASSERT_TRUE(last) << last.error().message;
    for (int i = 0; i < 3; ++i) {
        const auto next = next_incarnation(file_);
        ASSERT_TRUE(next);
        EXPECT_GT(*next, *last);
        last = next;
    }
}

TEST_F(IncarnationFile, a_lost_or_old_file_is_made_up_for_by_the_clock) {
    const auto first = next_incarnation(file_);
    std::filesystem::remove(file_);
    const auto without = next_incarnation(file_);
    write("5\n");
    const auto rolled_back = next_incarnation(file_);
    ASSERT_TRUE(first && without && rolled_back);
    EXPECT_GE(*without, *first);
    EXPECT_GE(*rolled_back, *without);
}

TEST_F(IncarnationFile, a_clock_set_back_is_made_up_for_by_the_file) {
    write("99999999999\n");
    const auto next = next_incarnation(file_);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->value, 100'000'000'000U);
}

TEST_F(IncarnationFile, the_directory_is_made) {
    file_ = directory_ / "deeper" / "incarnation";
    EXPECT_TRUE(next_incarnation(file_));
}

TEST_F(IncarnationFile, what_is_no_number_is_refused_and_kept) {
    for (const std::string_view text : {"", "\n", "12x\n", "-1\n", "999999999999999\n", "1\n2\n"}) {
        write(text);
        EXPECT_NE(refusal().find("does not hold the number"), std::string::npos) << text;
        std::ifstream in(file_);
        EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
    }
}

TEST_F(IncarnationFile, a_place_that_cannot_be_written_is_refused) {
    std::filesystem::create_directory(directory_ / "incarnation.new");
    EXPECT_NE(refusal().find("cannot be written"), std::string::npos);
    file_ = "/proc/incarnation";
    EXPECT_NE(refusal(), "");
}

}  // namespace
}  // namespace buoy::io
