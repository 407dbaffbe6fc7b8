// SPDX-License-Identifier: GPL-2.0-or-later
// What really happens in simulated clusters, written down and read back: journals and messages.
#include <gtest/gtest.h>

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
