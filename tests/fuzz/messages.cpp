// SPDX-License-Identifier: GPL-2.0-or-later
// Whatever the group delivers: it is read or refused, and what is read goes into a core, which takes it or
// drops it. Bytes that are read have to be written again as something that reads back the same.
#include "service/messages/messages.hpp"

#include <string_view>

#include "service/core/invariants.hpp"
#include "tests/fuzz/require.hpp"

using namespace buoy;
using namespace buoy::core;
using buoy::fuzz::require;

namespace {

// A node alone in a primary configuration, as ready to take things in as can be.
Ownership primary_node() {
    Ownership node;
    const TimePoint now(Duration(1'000'000'000));
    const CorosyncRing ring{4, {1}};
    node.step(now, Started{{1}, {1}, Duration(50'000'000), Duration(500'000'000), {{"web", 1, 4, {}, {}}}});
    node.step(now, EffectDone{{1}});
    node.step(now, QuorumChanged{ring, true, false, 1, {{1}}});
    Effects effects = node.step(now, ConfigurationChanged{ring, {{{1}, 9}}, {{1}}, {}});
    for (int round = 0; round < 6; ++round) {
        Effects next;
        for (std::size_t i = 0; i < effects.size(); ++i) {
            const auto* sent = std::get_if<Multicast>(&effects[i]);
            if (sent == nullptr) continue;
            Effects more = std::visit(
                [&](const auto& m) {
                    using M = std::decay_t<decltype(m)>;
                    if constexpr (std::is_same_v<M, Entry>) return node.step(now, EntryDelivered{m});
                    if constexpr (std::is_same_v<M, Hello>) return node.step(now, HelloDelivered{m});
                    if constexpr (std::is_same_v<M, Snapshot>) return node.step(now, SnapshotDelivered{m});
                },
                sent->message);
            for (std::size_t k = 0; k < more.size(); ++k) next.push(more[k]);
        }
        effects = std::move(next);
    }
    return node;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Ownership prepared = primary_node();
    require(prepared.phase() == Ownership::Phase::primary, "the node is primary before anything is tried");
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const TimePoint now(Duration(2'000'000'000));
    Ownership node = prepared;
    if (const auto beat = messages::decode_beat(bytes, 0); std::holds_alternative<Beat>(beat)) {
        const auto again = messages::decode_beat(messages::encode(std::get<Beat>(beat), 0), 0);
        require(std::holds_alternative<Beat>(again) && std::get<Beat>(again) == std::get<Beat>(beat),
                "a beat reads back");
        node.step(now, BeatReceived{std::get<Beat>(beat)});
    }
    messages::Decoder decoder(0);
    const auto message = decoder.decode(bytes, {1});
    std::visit(
        [&](const auto& m) {
            using M = std::decay_t<decltype(m)>;
            if constexpr (std::is_same_v<M, Entry> || std::is_same_v<M, Hello> ||
                          std::is_same_v<M, Snapshot>) {
                messages::Decoder other(0);
                const auto again = other.decode(messages::encode(Message(m), 0).front(), {1});
                require(std::holds_alternative<M>(again) && std::get<M>(again) == m, "a message reads back");
            }
            if constexpr (std::is_same_v<M, Entry>) node.step(now, EntryDelivered{m});
            if constexpr (std::is_same_v<M, Hello>) node.step(now, HelloDelivered{m});
            if constexpr (std::is_same_v<M, Snapshot>) node.step(now, SnapshotDelivered{m});
        },
        message);
    Invariants::hold(node);
    return 0;
}
