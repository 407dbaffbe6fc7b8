// SPDX-License-Identifier: GPL-2.0-or-later
// simulate --seeds N [--first S] [--nodes 3,5] [--fault NAME] [--threads T] [--file SCHEDULE [--journal
// NODE]]; simulate --refresh JOURNAL. Runs schedules against the core until their end; a breach prints its
// seed and a short schedule that still shows it.
#include <atomic>
#include <cstdio>
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
    std::string file;
    std::string refresh;
    int journal = -1;
    Mix mix;
    core::Fault fault = core::Fault::none;
};

bool read_options(int count, char** words, Options& o) {
    for (int i = 1; i < count; ++i) {
        const std::string name = words[i];
        const std::string value = i + 1 < count ? words[++i] : "";
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
        else if (name == "--refresh")
            o.refresh = value;
        else if (name == "--dense")
            o.mix.dense = value != "no";
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
    }
    return o.fault != core::Fault::count_ && !o.mix.nodes.empty();
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
    std::istringstream in(text_of(path));
    for (std::string text; std::getline(in, text);) {
        if (text.empty() || text[0] == '<') continue;
        std::printf("%s\n", text.c_str());
        if (text[0] == '#') continue;
        const auto line = journal::parse(text);
        if (!line) {
            std::fprintf(stderr, "%s: %s\n", path.c_str(), line.error().message.c_str());
            return 1;
        }
        const core::Effects effects = node.step(line->at, line->event);
        for (std::size_t i = 0; i < effects.size(); ++i)
            std::printf("%s\n", journal::write(effects[i]).c_str());
    }
    return 0;
}

}  // namespace

int main(int count, char** words) {
    Options o;
    if (!read_options(count, words, o)) {
        std::fprintf(
            stderr,
            "usage: simulate --seeds N [--first S] [--nodes 3,5] [--threads T] [--dense yes] [--fault NAME] "
            "[--stop-after BREACHES] [--shrink no] [--file SCHEDULE [--journal NODE]] [--refresh JOURNAL]\n");
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
        const Outcome outcome = run(s, o.fault);
        std::printf("%s\n", outcome.ok ? "holds" : outcome.breach.c_str());
        return outcome.ok ? 0 : 1;
    }
    std::atomic<std::uint64_t> next{o.first};
    std::atomic<std::uint64_t> breaches{0};
    std::atomic<std::uint64_t> steps{0};
    std::atomic<std::int64_t> slowest{0};
    std::mutex printing;
    std::vector<std::thread> threads;
    const std::uint64_t end = o.first + o.seeds;
    for (std::uint32_t t = 0; t < o.threads; ++t)
        threads.emplace_back([&] {
            while (breaches < o.stop_after) {
                const std::uint64_t seed = next++;
                if (seed >= end) return;
                Schedule s = make_schedule(seed, o.mix);
                const Outcome outcome = run(s, o.fault);
                steps += outcome.steps;
                std::int64_t was = slowest;
                while (outcome.covered_after > was &&
                       !slowest.compare_exchange_weak(was, outcome.covered_after)) {
                }
                if (outcome.ok || ++breaches > o.stop_after) continue;
                if (o.shrinks) s = shrink(s, o.fault);
                const std::lock_guard lock(printing);
                std::printf("seed %llu: ", static_cast<unsigned long long>(seed));
                print(s, o.shrinks ? run(s, o.fault) : outcome);
            }
        });
    for (std::thread& t : threads) t.join();
    std::printf("schedules=%llu breaches=%llu steps=%llu slowest cover after calm=%lld ms\n",
                static_cast<unsigned long long>(std::min(next.load(), end) - o.first),
                static_cast<unsigned long long>(breaches.load()),
                static_cast<unsigned long long>(steps.load()), static_cast<long long>(slowest / 1'000'000));
    return breaches != 0;
}
