// SPDX-License-Identifier: GPL-2.0-or-later
// What really happens in simulated clusters, written down and read back: journals and messages.
#include <gtest/gtest.h>

#include <random>

#include "service/journal/journal.hpp"
#include "service/messages/messages.hpp"
#include "tests/simulation/shrink.hpp"

using namespace buoy;
using namespace buoy::simulation;

TEST(journal, replay_of_what_every_node_saw_gives_the_same_effects) {
    std::size_t events = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        // One journal for each run of a daemon: it begins when the daemon does.
        std::vector<std::string> journals;
        std::array<std::size_t, 8> current{};
        Cluster cluster(make_schedule(seed), [&](std::uint32_t node, TimePoint at, const core::Event* event,
                                                 const core::Effect* effect) {
            if (event != nullptr && std::holds_alternative<core::Started>(*event)) {
                current[node] = journals.size();
                journals.emplace_back();
            }
            std::string& journal = journals[current[node]];
            journal += event != nullptr ? journal::write(at, *event) : journal::write(*effect);
            journal += '\n';
        });
        ASSERT_TRUE(cluster.run().ok);
        for (const std::string& journal : journals) {
            const auto replayed = journal::replay(journal);
            ASSERT_TRUE(replayed) << "seed " << seed << ": " << replayed.error().message;
            events += *replayed;
        }
    }
    EXPECT_GT(events, 50'000U);
}

namespace {

// A core, and others that were made of its state on the way, as text: from there on all do the same.
class Twins {
  public:
    explicit Twins(std::uint64_t seed) : random_(seed) {}

    void step(TimePoint at, const core::Event& event) {
        const core::Effects effects = node_.step(at, event);
        for (core::Ownership& twin : twins_)
            ASSERT_TRUE(twin.step(at, event) == effects) << "after " << journal::write(at, event);
        if (random_() % 16 != 0) return;
        const std::string text = journal::write(node_);
        auto twin = journal::parse_state(text);
        ASSERT_TRUE(twin) << twin.error().message << "\n" << text;
        ASSERT_EQ(journal::write(*twin), text);
        for (const core::Ownership& other : twins_) ASSERT_EQ(journal::write(other), text);
        if (twins_.size() < 3)
            twins_.push_back(std::move(*twin));
        else
            twins_[random_() % 3] = std::move(*twin);
        ++taken_[static_cast<std::size_t>(node_.phase())];
    }
    [[nodiscard]] const std::array<std::size_t, 6>& taken() const { return taken_; }

  private:
    core::Ownership node_;
    std::vector<core::Ownership> twins_;
    std::mt19937_64 random_;
    std::array<std::size_t, 6> taken_{};  // by phase
};

}  // namespace

TEST(journal, core_that_is_read_back_goes_on_as_the_one_that_was_written) {
    std::array<std::size_t, 6> taken{};
    for (std::uint64_t seed = 300; seed < 360; ++seed) {
        std::vector<Twins> runs;
        std::array<std::size_t, 8> current{};
        const auto keep = [&](std::uint32_t node, TimePoint at, const core::Event* event,
                              const core::Effect*) {
            if (event == nullptr) return;
            if (std::holds_alternative<core::Started>(*event)) {
                current[node] = runs.size();
                runs.emplace_back(seed + runs.size());
            }
            runs[current[node]].step(at, *event);
        };
        ASSERT_TRUE(Cluster(make_schedule(seed), keep).run().ok);
        ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
        for (const Twins& run : runs)
            for (std::size_t phase = 0; phase < taken.size(); ++phase) taken[phase] += run.taken()[phase];
    }
    using Phase = core::Ownership::Phase;
    for (const Phase phase : {Phase::exchanging, Phase::installing, Phase::primary, Phase::applying})
        EXPECT_GT(taken[static_cast<std::size_t>(phase)], 10U) << static_cast<int>(phase);
}

TEST(journal, every_line_reads_back_as_itself) {
    for (std::uint64_t seed = 100; seed < 120; ++seed) {
        Cluster cluster(make_schedule(seed), [&](std::uint32_t, TimePoint at, const core::Event* event,
                                                 const core::Effect* effect) {
            const std::string text = event != nullptr ? journal::write(at, *event) : journal::write(*effect);
            const auto line = journal::parse(text);
            ASSERT_TRUE(line) << line.error().message << "\n" << text;
            if (event != nullptr) {
                ASSERT_TRUE(line->is_event && line->at == at && line->event == *event) << text;
            } else {
                ASSERT_TRUE(!line->is_event && line->effect == *effect) << text;
            }
        });
        ASSERT_TRUE(cluster.run().ok);
    }
}

TEST(messages, everything_that_is_sent_reads_back_as_itself) {
    std::size_t messages = 0;
    for (std::uint64_t seed = 200; seed < 240; ++seed) {
        Cluster cluster(make_schedule(seed),
                        [&](std::uint32_t node, TimePoint, const core::Event*, const core::Effect* effect) {
                            if (effect == nullptr) return;
                            if (const auto* beat = std::get_if<core::SendBeat>(effect)) {
                                const std::string bytes = messages::encode(beat->beat, 7);
                                ASSERT_LE(bytes.size(), messages::max_beat);
                                const auto back = messages::decode_beat(bytes, 7);
                                ASSERT_TRUE(std::holds_alternative<core::Beat>(back));
                                ASSERT_TRUE(std::get<core::Beat>(back) == beat->beat);
                            }
                            const auto* sent = std::get_if<core::Multicast>(effect);
                            if (sent == nullptr) return;
                            messages::Decoder decoder(7);
                            const auto parts = messages::encode(sent->message, 7);
                            ASSERT_EQ(parts.size(), 1U);
                            const auto back = decoder.decode(parts[0], NodeId{10 * (node + 1)});
                            ++messages;
                            std::visit(
                                [&](const auto& message) {
                                    using M = std::decay_t<decltype(message)>;
                                    ASSERT_TRUE(std::holds_alternative<M>(back));
                                    ASSERT_TRUE(std::get<M>(back) == message);
                                },
                                sent->message);
                        });
        ASSERT_TRUE(cluster.run().ok);
    }
    EXPECT_GT(messages, 500U);
}
