// SPDX-License-Identifier: GPL-2.0-or-later
// Runs schedules against the core until their end; a breach prints its seed and a short schedule that still
// shows it.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "service/journal/journal.hpp"
#include "tests/simulation/shrink.hpp"

using namespace buoy;
using namespace buoy::simulation;

namespace {

struct Options {
    std::uint64_t seeds = 10'000;
    std::uint64_t first = 1;
    std::uint32_t threads = 1;
    std::uint64_t stop_after = 1;
    bool shrinks = true;
    Checks checks;
    std::string file;
    std::string refresh;
    std::string keep;
    int journal = -1;
    Mix mix;
    core::Fault fault = core::Fault::none;
};

constexpr const char* usage =
    "usage: simulate [OPTION VALUE]...\n"
    "Runs random schedules of everything that can go wrong against N ownership cores. A breach prints its\n"
    "seed and a short schedule that still shows it; then the exit code is 1.\n"
    "  --seeds N           how many schedules (10000)\n"
    "  --first SEED        the first one's seed (1)\n"
    "  --nodes N[,N...]    sizes of the clusters, 2 to 8 (2 to 7, mostly 3)\n"
    "  --dense yes         several things go wrong in every beat\n"
    "  --thorough yes      every invariant after every step of every core, half again as slow\n"
    "  --rules no          only what a gate, a slot or a state shows, and no rule seen from outside\n"
    "  --threads N         (1)\n"
    "  --stop-after N      breaches (1)\n"
    "  --shrink no         leave a schedule that breaks as it is\n"
    "  --fault NAME        with this rule removed\n"
    "  --file SCHEDULE     this one instead of random ones\n"
    "  --journal NODE      with --file: what that node's last daemon saw and did, instead of the verdict\n"
    "  --keep FOLDER       writes every breach's schedule, and each node's journal of it, into this folder\n"
    "  --refresh JOURNAL   prints a journal with the effects that the core has now for its events\n"
    "rules:";

void print_usage(std::FILE* to) {
    std::fputs(usage, to);
    for (int i = 1; i < static_cast<int>(core::Fault::count_); ++i)
        std::fprintf(to, " %s", name_of(static_cast<core::Fault>(i)));
    std::fputs("\n", to);
}

bool read_option(const std::string& name, const std::string& value, Options& o) {
    if (name == "--seeds")
        o.seeds = std::stoull(value);
    else if (name == "--first")
        o.first = std::stoull(value);
    else if (name == "--threads")
        o.threads = static_cast<std::uint32_t>(std::stoul(value));
    else if (name == "--stop-after")
        o.stop_after = std::stoull(value);
    else if (name == "--shrink")
        o.shrinks = value != "no";
    else if (name == "--file")
        o.file = value;
    else if (name == "--keep")
        o.keep = value;
    else if (name == "--refresh")
        o.refresh = value;
    else if (name == "--dense")
        o.mix.dense = value != "no";
    else if (name == "--thorough")
        o.checks.thorough = value != "no";
    else if (name == "--rules")
        o.checks.rules = value != "no";
    else if (name == "--journal")
        o.journal = std::stoi(value);
    else if (name == "--fault")
        o.fault = fault_named(value);
    else if (name == "--nodes") {
        o.mix.nodes.clear();
        std::istringstream in(value);
        for (std::string n; std::getline(in, n, ',');)
            o.mix.nodes.push_back(static_cast<std::uint32_t>(std::stoul(n)));
    } else
        return false;
    return true;
}

bool read_options(int count, char** words, Options& o) {
    try {
        for (int i = 1; i + 1 < count; i += 2)
            if (!read_option(words[i], words[i + 1], o)) return false;
    } catch (const std::exception&) {
        return false;
    }
    const bool sizes = !o.mix.nodes.empty() &&
                       std::ranges::all_of(o.mix.nodes, [](std::uint32_t n) { return n >= 2 && n <= 8; });
    return count % 2 == 1 && o.fault != core::Fault::count_ && sizes;
}

void print(const Schedule& s, const Outcome& outcome) {
    std::printf("# %s\n%s", outcome.breach.c_str(), to_text(s).c_str());
}

std::string text_of(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

// A journal's comments and events, with the effects that the core has for them now: for transcripts that a
// change of the core has made stale.
int refresh(const std::string& path) {
    core::Ownership node;
    bool stepped = false;
    std::istringstream in(text_of(path));
    for (std::string text; std::getline(in, text);) {
        if (text.empty() || text[0] == '<') continue;
        if (text.starts_with(journal::state_here)) {
            // The one that it begins with, or what the events have led to.
            auto state = journal::parse_state(text);
            if (!stepped && state) node = std::move(*state);
            std::printf("%s\n", journal::write(node).c_str());
            continue;
        }
        std::printf("%s\n", text.c_str());
        if (text[0] == '#') continue;
        const auto line = journal::parse(text);
        if (!line) {
            std::fprintf(stderr, "%s: %s\n", path.c_str(), line.error().message.c_str());
            return 1;
        }
        const core::Effects effects = node.step(line->at, line->event);
        stepped = true;
        for (std::size_t i = 0; i < effects.size(); ++i)
            std::printf("%s\n", journal::write(effects[i]).c_str());
    }
    return 0;
}

void keep(const Options& o, std::uint64_t seed, const Schedule& s) {
    if (o.keep.empty()) return;
    std::filesystem::create_directories(o.keep);
    const std::string name = o.keep + "/" + std::to_string(seed);
    std::ofstream(name + ".schedule") << to_text(s);
    for (std::uint32_t i = 0; i < s.nodes; ++i)
        std::ofstream(name + "-" + std::to_string(i) + ".journal") << journal_of(s, o.fault, i);
    std::printf("# kept: %s.schedule, and a journal of each node\n", name.c_str());
}

// What many runs came to.
class Tally {
  public:
    void add(const Schedule& s, const Outcome& outcome) {
        const std::lock_guard lock(adding_);
        ++schedules_;
        // What goes wrong or is asked for, the beginning, and the calm in the end.
        shares_ += s.nodes * (s.actions.size() + 2);
        slots_ += s.slots * (s.actions.size() + 2);
        most_at_once_ = std::max(most_at_once_, outcome.most_at_once);
        steps_ += outcome.steps;
        multicasts_ += outcome.multicasts;
        opens_ += outcome.opens;
        if (outcome.ok) covered_.push_back({outcome.covered_after, s.seed});
        if (outcome.ok) beyond_.push_back({outcome.covered_after - outcome.held_back, s.seed});
    }
    void print(std::uint64_t breaches) {
        const auto per = [](std::uint64_t sum, std::uint64_t of) {
            return static_cast<double>(sum) / static_cast<double>(std::max<std::uint64_t>(1, of));
        };
        std::printf("schedules=%llu breaches=%llu steps=%llu\n", static_cast<unsigned long long>(schedules_),
                    static_cast<unsigned long long>(breaches), static_cast<unsigned long long>(steps_));
        std::printf(
            "each change: %.2f messages in order a node, %.0f %% of the slots opened; at most %llu messages "
            "of a "
            "node in a lease\n",
            per(multicasts_, shares_), 100 * per(opens_, slots_),
            static_cast<unsigned long long>(most_at_once_));
        if (covered_.empty()) return;
        std::ranges::sort(covered_);
        const auto ms = [&](std::size_t k) { return static_cast<long long>(covered_[k].first / 1'000'000); };
        const std::size_t last = covered_.size() - 1;
        std::printf("covered after calm: median %lld ms, 99 %% %lld ms, slowest %lld ms (seed %llu)\n",
                    ms(last / 2), ms(last - last / 100), ms(last),
                    static_cast<unsigned long long>(covered_[last].second));
        const auto& [most, seed] = *std::ranges::max_element(beyond_);
        std::printf("beyond LM of the longest lease that was known then: at most %lld ms (seed %llu)\n",
                    static_cast<long long>(most / 1'000'000), static_cast<unsigned long long>(seed));
    }

  private:
    std::mutex adding_;
    std::uint64_t schedules_ = 0;
    std::uint64_t steps_ = 0;
    std::uint64_t shares_ = 0;  // of a node in a change
    std::uint64_t slots_ = 0;   // in each change
    std::uint64_t most_at_once_ = 0;
    std::uint64_t multicasts_ = 0;
    std::uint64_t opens_ = 0;
    std::vector<std::pair<Instant, std::uint64_t>> covered_;
    std::vector<std::pair<Instant, std::uint64_t>> beyond_;
};

int run_seeds(const Options& o) {
    std::atomic<std::uint64_t> next{o.first};
    std::atomic<std::uint64_t> breaches{0};
    Tally tally;
    std::mutex printing;
    std::vector<std::thread> threads;
    const std::uint64_t end = o.first + o.seeds;
    for (std::uint32_t t = 0; t < o.threads; ++t)
        threads.emplace_back([&] {
            while (breaches < o.stop_after) {
                const std::uint64_t seed = next++;
                if (seed >= end) return;
                Schedule s = make_schedule(seed, o.mix);
                const Outcome outcome = run(s, o.fault, o.checks);
                tally.add(s, outcome);
                if (outcome.ok || ++breaches > o.stop_after) continue;
                if (o.shrinks) s = shrink(s, o.fault, o.checks);
                const std::lock_guard lock(printing);
                std::printf("seed %llu: ", static_cast<unsigned long long>(seed));
                print(s, o.shrinks ? run(s, o.fault, o.checks) : outcome);
                keep(o, seed, s);
            }
        });
    for (std::thread& t : threads) t.join();
    tally.print(breaches);
    return breaches != 0;
}

}  // namespace

int main(int count, char** words) {
    if (count == 2 && std::string(words[1]) == "--help") {
        print_usage(stdout);
        return 0;
    }
    Options o;
    if (!read_options(count, words, o)) {
        print_usage(stderr);
        return 2;
    }
    if (!o.refresh.empty()) return refresh(o.refresh);
    if (!o.file.empty()) {
        Schedule s;
        if (!from_text(text_of(o.file), s)) return 2;
        if (o.journal >= 0) {
            std::fputs(journal_of(s, o.fault, static_cast<std::uint32_t>(o.journal)).c_str(), stdout);
            return 0;
        }
        const Outcome outcome = run(s, o.fault, o.checks);
        std::printf("%s\n", outcome.ok ? "holds" : outcome.breach.c_str());
        return outcome.ok ? 0 : 1;
    }
    return run_seeds(o);
}
