// SPDX-License-Identifier: GPL-2.0-or-later
// It bites: for every rule that can be removed there is a schedule that shows what the rule is for, and that
// holds with the rule in place.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/simulation/shrink.hpp"

using namespace buoy;
using namespace buoy::simulation;

namespace {

Schedule read_schedule(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    Schedule s;
    EXPECT_TRUE(from_text(text.str(), s)) << path;
    return s;
}

class bites : public testing::TestWithParam<int> {
  protected:
    [[nodiscard]] core::Fault fault() const { return static_cast<core::Fault>(GetParam()); }
    [[nodiscard]] std::filesystem::path path() const {
        return std::filesystem::path(BUOY_SCENARIOS) / "bites" /
               (std::string(name_of(fault())) + ".schedule");
    }
    [[nodiscard]] Schedule schedule() const { return read_schedule(path()); }
    // What shows that the rule is missing: a gate, a slot or a state where there is such a thing, or else the
    // rule itself seen from outside.
    [[nodiscard]] Outcome without_the_rule() const {
        const Outcome shown = run(schedule(), fault(), {.thorough = false, .rules = false});
        return shown.ok ? run(schedule(), fault()) : shown;
    }
};

}  // namespace

TEST_P(bites, removed_rule_is_found) {
    const Outcome outcome = without_the_rule();
    EXPECT_FALSE(outcome.ok) << "nothing shows that " << name_of(fault()) << " is missing";
}

TEST_P(bites, same_schedule_holds_with_the_rule) {
    const Outcome outcome = run(schedule());
    EXPECT_TRUE(outcome.ok) << outcome.breach;
}

TEST_P(bites, documented_table_says_what_finds_it) {
    std::ifstream in(BUOY_OWNERSHIP_DOC);
    const std::string begin = "| `" + std::string(name_of(fault())) + "` |";
    const std::string end = "| " + without_the_rule().found_by + " |";
    int rows = 0;
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with(begin)) continue;
        ++rows;
        EXPECT_TRUE(line.ends_with(end)) << line << " should end with " << end;
    }
    EXPECT_EQ(rows, 1);
}

INSTANTIATE_TEST_SUITE_P(every, bites, testing::Range(1, static_cast<int>(core::Fault::count_)),
                         [](const auto& info) {
                             std::string name = name_of(static_cast<core::Fault>(info.param));
                             for (char& c : name)
                                 if (c == '-') c = '_';
                             return name;
                         });
