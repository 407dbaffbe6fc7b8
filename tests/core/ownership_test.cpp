// SPDX-License-Identifier: GPL-2.0-or-later
// The golden transcripts, and the table of docs/ownership.md against the code.
#include "service/core/ownership.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "service/core/invariants.hpp"
#include "service/journal/journal.hpp"

using namespace buoy;
using namespace buoy::core;
using Phase = Ownership::Phase;

namespace {

const std::filesystem::path scenarios = BUOY_SCENARIOS;

std::vector<std::filesystem::path> journals() {
    std::vector<std::filesystem::path> out;
    for (const auto& file : std::filesystem::directory_iterator(scenarios))
        if (file.path().extension() == ".journal") out.push_back(file.path());
    std::ranges::sort(out);
    return out;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

const std::vector<std::string> phase_names{"idle",    "exchanging", "installing",
                                           "primary", "applying",   "resyncing"};

// The events' names in the journal, by their place in the variant.
const std::vector<std::string> event_names{"timer",
                                           "started",
                                           "configuration",
                                           "quorum",
                                           "entry_delivered",
                                           "hello_delivered",
                                           "snapshot_delivered",
                                           "beat_received",
                                           "fencing",
                                           "done",
                                           "failed",
                                           "carrier",
                                           "requested",
                                           "refused"};

struct Sample {
    Ownership node;
    TimePoint at;
    ConfigurationChanged configuration;  // the last one
    std::optional<Hello> hello;          // the last one of another member
};

int voters(const Sample& s) {
    return std::popcount(s.node.agreed().electorate());
}

// Walks the transcripts and keeps one node of each phase, of the largest electorate and with the most behind
// it.
std::map<Phase, Sample> samples() {
    std::map<Phase, Sample> out;
    for (const auto& path : journals()) {
        if (path.filename().string().starts_with("while-")) continue;  // these have had their samples
        Sample s;
        std::istringstream in(read(path));
        for (std::string text; std::getline(in, text);) {
            if (text.empty() || text[0] == '#') continue;
            if (text.starts_with(journal::state_here)) s.node = *journal::parse_state(text);
            if (text.starts_with(journal::state_here)) continue;
            const auto line = journal::parse(text);
            EXPECT_TRUE(line) << path;
            if (!line || !line->is_event) continue;
            s.at = line->at;
            if (const auto* c = std::get_if<ConfigurationChanged>(&line->event)) s.configuration = *c;
            if (const auto* h = std::get_if<HelloDelivered>(&line->event))
                if (h->hello.sender != s.node.self()) s.hello = h->hello;
            s.node.step(line->at, line->event);
            Invariants::hold(s.node);
            const bool useful = s.node.phase() == Phase::idle || (s.hello && s.node.has_state());
            const auto known = out.find(s.node.phase());
            if (useful && (known == out.end() || voters(known->second) <= voters(s)))
                out.insert_or_assign(s.node.phase(), s);
        }
    }
    // A state that differs from everybody else's: beats with another hash at the same tag.
    Sample odd = out.at(Phase::primary);
    for (const Voter& v : odd.node.agreed().voters) {
        if (v.id.value == 0 || v.id == odd.node.self()) continue;
        Beat beat;
        beat.sender = v.id;
        beat.incarnation = {~std::uint64_t{0}};
        beat.tag = odd.node.agreed().tag;
        beat.hash = odd.node.agreed_hash() + 1;
        odd.node.step(odd.at, BeatReceived{beat});
    }
    EXPECT_EQ(odd.node.phase(), Phase::resyncing);
    out.insert_or_assign(Phase::resyncing, odd);
    return out;
}

Event sample_event(const std::string& name, const Sample& s) {
    const NodeId self = s.node.self();
    NodeId other{1};
    for (const Member& m : s.configuration.members)
        if (m.node != self) other = m.node;
    if (name == "timer") return TimerFired{};
    if (name == "started") return Started{self, {1}, {}, {}, {}};
    if (name == "configuration") {
        ConfigurationChanged c = s.configuration;
        c.ring = {1'000'000, self};
        c.members = {{self, 1}};
        return c;
    }
    if (name == "quorum") return QuorumChanged{{1'000'000, self}, true, false, 3, {self}};
    if (name == "entry_delivered")
        return EntryDelivered{{s.node.agreed().tag.ring, other, {}, Drain{other, true}, {}}};
    if (name == "hello_delivered") return HelloDelivered{s.hello.value_or(Hello{})};
    if (name == "snapshot_delivered") return SnapshotDelivered{};
    if (name == "beat_received") {
        Beat beat;
        beat.sender = other;
        beat.incarnation = {~std::uint64_t{0}};
        return BeatReceived{beat};
    }
    if (name == "fencing") return FencingReported{other, FencingAction::off, true, s.at + Duration{1}};
    if (name == "done") return EffectDone{{~std::uint64_t{0}}};
    if (name == "failed") return EffectFailed{{~std::uint64_t{0}}, {}, ""};
    if (name == "carrier") return CarrierChanged{"web", false};
    return Requested{{7}, StopPool{"web"}};
}

std::uint64_t dropped(const Ownership& node) {
    std::uint64_t sum = 0;
    for (int r = 0; r < static_cast<int>(Refusal::count_); ++r) sum += node.refused(static_cast<Refusal>(r));
    return sum;
}

// Takes the event in, and says what becomes of it.
std::string fate(Ownership& node, TimePoint at, const Event& event) {
    const auto before = dropped(node);
    const auto waiting = node.waiting();
    node.step(at, event);
    Invariants::hold(node);
    if (dropped(node) > before) return "dropped";
    return node.waiting() > waiting ? "waits" : "taken";
}

std::string fate(const Sample& sample, const std::string& event) {
    Ownership node = sample.node;
    return fate(node, sample.at + Duration{2}, sample_event(event, sample));
}

std::vector<std::string> cells(const std::string& line) {
    std::vector<std::string> out;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '|');) {
        const auto from = cell.find_first_not_of(' ');
        if (from != std::string::npos)
            out.push_back(cell.substr(from, cell.find_last_not_of(' ') - from + 1));
    }
    return out;
}

using Cell = std::pair<std::string, std::string>;  // the event, and the phase that it finds the node in

// The cells of the table in docs/ownership.md, each with what becomes of the event.
std::map<Cell, std::string> documented_table() {
    std::map<Cell, std::string> out;
    std::istringstream doc(read(BUOY_OWNERSHIP_DOC));
    std::vector<std::string> columns;
    for (std::string line; std::getline(doc, line);) {
        const auto row = cells(line);
        if (row.size() == 7 && row[0] == "event") columns.assign(row.begin() + 1, row.end());
        if (row.size() != 7 || columns.empty() || row[0] == "event" || row[0].starts_with("---")) continue;
        EXPECT_NE(std::ranges::find(event_names, row[0]), event_names.end()) << row[0];
        for (std::size_t c = 0; c < columns.size(); ++c) out[{row[0], columns[c]}] = row[c + 1];
    }
    EXPECT_EQ(columns, phase_names);
    return out;
}

// What became of which event in which phase, somewhere in the transcripts.
std::set<std::pair<Cell, std::string>> visits() {
    std::set<std::pair<Cell, std::string>> out;
    for (const auto& path : journals()) {
        Ownership node;
        std::istringstream in(read(path));
        for (std::string text; std::getline(in, text);) {
            if (text.starts_with(journal::state_here)) node = *journal::parse_state(text);
            const auto line = text.empty() || text[0] != '>' ? journal::parse("") : journal::parse(text);
            if (!line) continue;
            const Cell cell{event_names[line->event.index()],
                            phase_names[static_cast<std::size_t>(node.phase())]};
            out.emplace(cell, fate(node, line->at, line->event));
        }
    }
    return out;
}

}  // namespace

TEST(transcripts, replay_gives_the_same_effects) {
    ASSERT_FALSE(journals().empty());
    for (const auto& path : journals()) {
        const auto replayed = journal::replay(read(path));
        EXPECT_TRUE(replayed) << path << ": " << replayed.error().message;
    }
}

TEST(transcripts, visit_every_cell_of_the_table) {
    const auto visited = visits();
    const auto table = documented_table();
    ASSERT_EQ(table.size(), phase_names.size() * (event_names.size() - 1));
    for (const auto& [cell, fate] : table)
        EXPECT_TRUE(visited.contains({cell, fate}))
            << "no transcript has " << cell.first << " when " << cell.second << ", " << fate;
}

TEST(ownership, documented_table_is_what_the_code_does) {
    const auto nodes = samples();
    ASSERT_EQ(nodes.size(), phase_names.size());
    const auto table = documented_table();
    for (const auto& [cell, what] : table) {
        const auto phase =
            static_cast<Phase>(std::ranges::find(phase_names, cell.second) - phase_names.begin());
        EXPECT_EQ(fate(nodes.at(phase), cell.first), what) << cell.first << " when " << cell.second;
    }
    // Every event in every phase; all but a refused message, which is only counted.
    EXPECT_EQ(table.size(), phase_names.size() * (event_names.size() - 1));
}

TEST(journal, lines_that_make_no_sense_are_refused) {
    for (const char* text :
         {"", ">", "> ", "> 5", "> 5 nonsense {}", "> x timer{}", "> 5 timer{} ", "< arm_timer{at=}",
          "> 5 quorum{ring={seq=1 node=1} quorate=2 two_node=0 expected=0 nodes=[]}",
          "> 99999999999999999999 timer{}", "< reply{id=1 outcome=99}", "> 5 carrier{pool=\"a carrier=1}"})
        EXPECT_FALSE(journal::parse(text)) << text;
    EXPECT_TRUE(journal::parse("> 5 timer{}"));
}

TEST(journal, texts_of_any_bytes_read_back) {
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    const Event event = CarrierChanged{all, true};
    const auto line = journal::parse(journal::write(TimePoint(Duration(-5)), event));
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_TRUE(line->event == event);
    EXPECT_EQ(line->at, TimePoint(Duration(-5)));
}

// A journal of the tests, cut in two at a line.
std::pair<std::string, std::string> cut_in_two() {
    const std::string whole =
        read(std::filesystem::path(BUOY_SCENARIOS) / "move-crash-restart-fence.journal");
    const std::size_t middle = whole.find('\n', whole.size() / 2) + 1;
    return {whole.substr(0, middle), whole.substr(middle)};
}

TEST(journal, rotated_files_are_repeated_one_after_the_other) {
    const auto [first, second] = cut_in_two();
    const auto replayed = journal::replay_files({{"journal.1", first}, {"journal", second + "> 17 tim"}});
    ASSERT_TRUE(replayed) << replayed.error().message;
    EXPECT_EQ(replayed->events, journal::replay(first + second).value());
    const auto changed =
        journal::replay_files({{"journal.1", first}, {"journal", "< arm_timer{at=7}\n" + second}});
    ASSERT_FALSE(changed);
    EXPECT_NE(changed.error().message.find("journal:1: the core does"), std::string::npos)
        << changed.error().message;
}

// Two files of a rotated journal: the second begins with the state that the first has led to.
std::pair<std::string, std::string> rotated() {
    const auto [first, second] = cut_in_two();
    // Effects belong to the event before them: the second file begins with an event.
    const std::size_t event = second.find("\n> ") + 1;
    const std::string head = first + second.substr(0, event);
    Ownership node;
    std::istringstream in(head);
    for (std::string text; std::getline(in, text);)
        if (const auto line = journal::parse(text); line && line->is_event) node.step(line->at, line->event);
    return {head, journal::write(node) + "\n" + second.substr(event)};
}

TEST(journal, every_file_of_a_rotated_one_is_repeated_by_itself) {
    const auto [first, second] = rotated();
    const auto both = journal::replay_files({{"journal.1", first}, {"journal", second}});
    ASSERT_TRUE(both) << both.error().message;
    EXPECT_EQ(both->states, 1U) << "the state in between was not compared";
    const auto alone = journal::replay_files({{"journal", second}});
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_EQ(alone->passed_over, 0U);
    EXPECT_GT(alone->events, 50U);
    EXPECT_EQ(alone->events + journal::replay_files({{"journal.1", first}})->events, both->events);
    EXPECT_EQ(journal::replay(second).value(), alone->events);
    // A transcript is a file of a journal as it is.
    EXPECT_EQ(journal::replay("# why it is here\n" + second).value(), alone->events);
}

TEST(journal, file_left_out_is_noticed_where_the_state_differs) {
    const auto [first, second] = rotated();
    const std::string shorter = first.substr(0, first.rfind("\n> ", first.size() / 2) + 1);
    const auto replayed = journal::replay_files({{"journal.2", shorter}, {"journal", second}});
    ASSERT_FALSE(replayed);
    EXPECT_NE(replayed.error().message.find("journal:1: the events before it lead to another state"),
              std::string::npos)
        << replayed.error().message;
}

TEST(journal, state_is_what_a_gap_is_followed_by) {
    const auto [first, second] = rotated();
    const std::string gap = std::string(journal::lines_missing) + " 7 lines\n";
    const std::string whole = first + "> 17 tim\n" + gap + "> 5 timer{}\n" + second;
    const auto replayed = journal::replay_files({{"journal", whole}});
    ASSERT_TRUE(replayed) << replayed.error().message;
    const auto without = journal::replay_files({{"1", first}, {"2", second}});
    EXPECT_EQ(replayed->events, without->events);
    EXPECT_EQ(replayed->passed_over, without->passed_over + 3);
    EXPECT_EQ(replayed->states, 0U);
}

TEST(journal, states_that_make_no_sense_are_refused) {
    const auto [first, second] = rotated();
    const std::string state = second.substr(0, second.find('\n'));
    ASSERT_TRUE(journal::parse_state(state));
    const auto changed = [&](const std::string& from, const std::string& to) {
        std::string text = state;
        const std::size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return at == std::string::npos ? text : text.replace(at, from.size(), to);
    };
    for (const auto& [from, to] :
         std::vector<std::pair<std::string, std::string>>{{"= {", "{"},
                                                          {" margin_=", " "},
                                                          {" out_=0", " out_=2"},
                                                          {" out_=0", " out_=1"},  // and holds slots
                                                          {" phase_=3", " phase_=99"},
                                                          {" hash_=", " hash_=1"},
                                                          {" passing_=", " passing_=1"},
                                                          {" width=3", " width=2"},
                                                          {" has_state_=1", " has_state_=0"}})
        EXPECT_FALSE(journal::parse_state(changed(from, to))) << from;
    EXPECT_FALSE(journal::parse_state(state + " "));
    EXPECT_FALSE(journal::parse_state(state.substr(0, state.size() - 1)));
    EXPECT_FALSE(journal::replay(changed("hash_=", "hash_=1") + "\n"));
}

TEST(journal, file_without_its_run_s_beginning_names_what_is_missing) {
    const auto [first, second] = cut_in_two();
    const auto replayed = journal::replay_files({{"journal", second}});
    ASSERT_FALSE(replayed);
    EXPECT_NE(replayed.error().message.find("journal has neither a daemon's beginning nor a state"),
              std::string::npos)
        << replayed.error().message;
}

TEST(journal, repeating_goes_on_with_the_next_daemon_after_lines_that_are_not_there) {
    const auto [first, second] = cut_in_two();
    const std::string gap = std::string(journal::lines_missing) + " 7 lines\n";
    const auto replayed =
        journal::replay_files({{"journal.1", second}, {"journal", first + gap + second + first}});
    ASSERT_TRUE(replayed) << replayed.error().message;
    EXPECT_EQ(replayed->events, 2 * journal::replay_files({{"journal", first}}).value().events);
    EXPECT_GT(replayed->passed_over, 0U);
}

TEST(journal, replay_names_the_line_that_differs) {
    const auto replayed = journal::replay("> 5 timer{}\n< arm_timer{at=7}\n");
    ASSERT_FALSE(replayed);
    EXPECT_NE(replayed.error().message.find("line 2"), std::string::npos) << replayed.error().message;
}
