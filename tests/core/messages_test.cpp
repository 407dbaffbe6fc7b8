// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/messages/messages.hpp"

#include <gtest/gtest.h>

#include <random>

#include "service/messages/convert.hpp"

using namespace buoy;
using namespace buoy::core;
using messages::Decoder;

namespace {

constexpr std::uint64_t cluster = 0x1234;
constexpr NodeId node{7};

// 64 pools of 256 slots, with `members` in each.
AgreedState large_state(std::uint32_t members) {
    AgreedState state;
    std::vector<NodeId> nodes;
    for (std::uint32_t i = 1; i <= members; ++i) nodes.push_back({i});
    state.begin({{12, {1}}, 3}, nodes, {});
    for (const NodeId n : nodes) state.apply(Rejoin{n, {{5}, 1}, state.voters_changed, {}});
    for (int p = 0; p < 64; ++p)
        for (const NodeId n : nodes)
            EXPECT_EQ(state.apply(JoinPool{
                          n, {"pool-" + std::to_string(p), 1, 256, {}, {}, "addresses=10.0.0.1-10.0.1.0"}}),
                      Outcome::applied);
    return state;
}

Snapshot snapshot_of(AgreedState state) {
    return {node, {12, {1}}, {{{1}, 4, 2}, {node, 9, 1}}, {}, true, std::move(state), {}};
}

proto::Envelope envelope_of(const std::string& bytes) {
    proto::Envelope e;
    EXPECT_TRUE(e.ParseFromString(bytes));
    return e;
}

Refusal refusal_of(Decoder& decoder, const std::string& bytes, NodeId sender = node) {
    const auto result = decoder.decode(bytes, sender);
    EXPECT_TRUE(std::holds_alternative<Refusal>(result));
    return std::holds_alternative<Refusal>(result) ? std::get<Refusal>(result) : Refusal::count_;
}

const Entry move_entry{{{12, {1}}, 3}, node, {8}, Move{"web", {3}, {2}}, {}};

}  // namespace

TEST(messages, snapshot_of_64_pools_and_16384_slots_is_below_1_mib) {
    const Snapshot snapshot = snapshot_of(large_state(8));
    const auto parts = messages::encode(snapshot, cluster);
    ASSERT_EQ(parts.size(), 1U);
    EXPECT_LT(parts[0].size(), std::size_t{1} << 20);
    Decoder decoder(cluster);
    const auto back = decoder.decode(parts[0], node);
    ASSERT_TRUE(std::holds_alternative<Snapshot>(back));
    EXPECT_TRUE(std::get<Snapshot>(back) == snapshot);
}

// Everything at its limit: 32 members, long names, parameters, pins and weights, every list changed late.
TEST(messages, largest_state_is_sent_in_two_parts) {
    AgreedState state = large_state(32);
    state.tag.entries = 0xffffffff;
    for (std::size_t p = 0; p < state.pools.size(); ++p) {
        Pool& pool = state.pools[p];
        pool.config.name = std::string(max_name - 2, 'p') + std::to_string(10 + p);
        pool.config.parameters = std::string(max_parameters, 'x');
        for (std::uint32_t s = 0; s < pool.config.slots; ++s) {
            pool.pins.push_back({s, {0xffffffff}});
            pool.changed[s] = 0xffffffff;
        }
        for (std::uint32_t i = 1; i <= max_nodes; ++i) pool.weights.push_back({{0xffffff00 + i}, max_weight});
    }
    ASSERT_EQ(state.unsound(), nullptr) << state.unsound();
    const Snapshot snapshot = snapshot_of(std::move(state));
    const auto parts = messages::encode(snapshot, cluster);
    EXPECT_EQ(parts.size(), 2U);
    for (const auto& part : parts) EXPECT_LE(part.size(), messages::max_message);
    Decoder decoder(cluster);
    EXPECT_TRUE(std::holds_alternative<Decoder::NotYet>(decoder.decode(parts[0], node)));
    const auto back = decoder.decode(parts.back(), node);
    ASSERT_TRUE(std::holds_alternative<Snapshot>(back));
    EXPECT_TRUE(std::get<Snapshot>(back) == snapshot);
}

TEST(messages, snapshot_in_parts_comes_together_in_order_only) {
    Snapshot snapshot = snapshot_of(large_state(4));
    snapshot.state.unknown =
        std::string("\x92\x3e\xc0\x84\x3d", 5) + std::string(1'000'000, 'x');  // field 994, 1 MB
    const auto parts = messages::encode(snapshot, cluster);
    ASSERT_GT(parts.size(), 1U);
    for (const auto& part : parts) EXPECT_LE(part.size(), messages::max_message);
    Decoder decoder(cluster);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
        EXPECT_TRUE(std::holds_alternative<Decoder::NotYet>(decoder.decode(parts[i], node)));
    const auto back = decoder.decode(parts.back(), node);
    ASSERT_TRUE(std::holds_alternative<Snapshot>(back));
    EXPECT_TRUE(std::get<Snapshot>(back) == snapshot);
    EXPECT_EQ(refusal_of(decoder, parts.back()), Refusal::contradictory);
    EXPECT_TRUE(std::holds_alternative<Decoder::NotYet>(decoder.decode(parts[0], node)));
    decoder.forget_parts();
    EXPECT_EQ(refusal_of(decoder, parts[1]), Refusal::contradictory);
}

TEST(messages, fields_of_a_newer_minor_version_survive_a_round_trip) {
    auto e = envelope_of(messages::encode(Message(move_entry), cluster)[0]);
    e.set_minor(9);
    e.GetReflection()->MutableUnknownFields(&e)->AddVarint(900, 5);
    auto* entry = e.mutable_entry();
    entry->GetReflection()->MutableUnknownFields(entry)->AddLengthDelimited(77, "new");
    Decoder decoder(cluster);
    const auto back = decoder.decode(e.SerializeAsString(), node);
    ASSERT_TRUE(std::holds_alternative<Entry>(back));
    EXPECT_TRUE(std::get<Entry>(back).body == move_entry.body);
    const auto again = envelope_of(messages::encode(Message(std::get<Entry>(back)), cluster)[0]);
    EXPECT_EQ(again.entry().SerializeAsString(), entry->SerializeAsString());
}

TEST(messages, entry_of_an_unknown_kind_is_kept_as_it_came) {
    auto e = envelope_of(messages::encode(Message(move_entry), cluster)[0]);
    auto* body = e.mutable_entry()->mutable_body();
    body->Clear();
    body->GetReflection()->MutableUnknownFields(body)->AddLengthDelimited(40, "payload");
    Decoder decoder(cluster);
    const auto back = decoder.decode(e.SerializeAsString(), node);
    ASSERT_TRUE(std::holds_alternative<Entry>(back));
    ASSERT_TRUE(std::holds_alternative<Unknown>(std::get<Entry>(back).body));
    const auto again = envelope_of(messages::encode(Message(std::get<Entry>(back)), cluster)[0]);
    EXPECT_EQ(again.entry().body().SerializeAsString(), body->SerializeAsString());
    AgreedState state = large_state(3);
    const Tag before = state.tag;
    EXPECT_EQ(state.apply(std::get<Entry>(back).body), Outcome::unknown_kind);
    EXPECT_EQ(state.tag.entries, before.entries + 1);
}

TEST(messages, snapshot_keeps_unknown_fields_of_a_pool_and_of_the_state) {
    Snapshot snapshot = snapshot_of(large_state(3));
    snapshot.state.unknown = std::string("\xa0\x06\x05", 3);
    snapshot.state.pools[5].unknown = std::string("\xa0\x06\x07", 3);
    Decoder decoder(cluster);
    const auto back = decoder.decode(messages::encode(snapshot, cluster)[0], node);
    ASSERT_TRUE(std::holds_alternative<Snapshot>(back));
    EXPECT_TRUE(std::get<Snapshot>(back) == snapshot);
    EXPECT_EQ(std::get<Snapshot>(back).state.hash(), snapshot.state.hash());
}

TEST(messages, bad_ones_are_refused_with_their_reason) {
    Decoder decoder(cluster);
    const std::string good = messages::encode(Message(move_entry), cluster)[0];
    EXPECT_EQ(refusal_of(decoder, good.substr(0, good.size() - 3)), Refusal::malformed);
    EXPECT_EQ(refusal_of(decoder, {}), Refusal::malformed);
    EXPECT_EQ(refusal_of(decoder, std::string(messages::max_message + 1, 'x')), Refusal::too_large);
    EXPECT_EQ(refusal_of(decoder, messages::encode(Message(move_entry), cluster + 1)[0]),
              Refusal::other_cluster);
    EXPECT_EQ(refusal_of(decoder, good, NodeId{8}), Refusal::contradictory);
    auto e = envelope_of(good);
    e.set_major(messages::major_version + 1);
    EXPECT_EQ(refusal_of(decoder, e.SerializeAsString()), Refusal::newer_major);
    e = envelope_of(good);
    e.mutable_entry()->mutable_body()->mutable_move()->set_pool(std::string(max_name + 1, 'a'));
    EXPECT_EQ(refusal_of(decoder, e.SerializeAsString()), Refusal::malformed);
    e = envelope_of(messages::encode(snapshot_of(large_state(3)), cluster)[0]);
    proto::State state;
    ASSERT_TRUE(state.ParseFromString(e.snapshot().bytes()));
    (*state.mutable_pools(0)->mutable_lists())[0] = 31;
    e.mutable_snapshot()->set_bytes(state.SerializeAsString());
    EXPECT_EQ(refusal_of(decoder, e.SerializeAsString()), Refusal::malformed);
}

// Each kind of message, refused for each reason that its bytes can give.
TEST(messages, every_kind_is_refused_for_every_reason) {
    Hello hello;
    hello.sender = node;
    hello.ring = {12, {1}};
    hello.together = {{{1}, 4, 2}, {node, 9, 1}};
    Beat beat;
    beat.sender = node;
    beat.created = TimePoint(Duration(5));
    const std::vector<Message> ordered{move_entry, hello, snapshot_of(large_state(3))};
    Decoder decoder(cluster);
    const auto refused = [&](const std::string& bytes, bool is_beat) {
        if (!is_beat) return refusal_of(decoder, bytes);
        const auto result = messages::decode_beat(bytes, cluster);
        return std::holds_alternative<Refusal>(result) ? std::get<Refusal>(result) : Refusal::count_;
    };
    for (std::size_t kind = 0; kind <= ordered.size(); ++kind) {
        const bool is_beat = kind == ordered.size();
        const auto bytes = [&](std::uint64_t from) {
            return is_beat ? messages::encode(beat, from) : messages::encode(ordered[kind], from)[0];
        };
        const std::string good = bytes(cluster);
        // Cut off anywhere; where the cluster's name is cut off too, that may be what is missing first.
        for (std::size_t length = 0; length < std::min<std::size_t>(good.size(), 300); ++length)
            EXPECT_NE(refused(good.substr(0, length), is_beat), Refusal::count_) << kind << ' ' << length;
        EXPECT_EQ(refused(good.substr(0, good.size() - 1), is_beat), Refusal::malformed) << kind;
        EXPECT_EQ(refused(good + std::string(messages::max_message, '\0'), is_beat), Refusal::too_large)
            << kind;
        EXPECT_EQ(refused(bytes(cluster + 1), is_beat), Refusal::other_cluster) << kind;
        auto e = envelope_of(good);
        e.set_major(messages::major_version + 1);
        EXPECT_EQ(refused(e.SerializeAsString(), is_beat), Refusal::newer_major) << kind;
        // In another's name: of a beat the seal and the address tell, not the bytes.
        if (!is_beat) {
            EXPECT_EQ(refusal_of(decoder, good, NodeId{8}), Refusal::contradictory) << kind;
        }
    }
}

TEST(messages, beat_of_sixteen_voters_fits_a_frame) {
    Beat beat;
    beat.sender = node;
    beat.incarnation = {~std::uint64_t{0}};
    beat.tag = {{{~std::uint64_t{0}, {~0U}}, ~std::uint64_t{0}}, ~std::uint64_t{0}};
    beat.hash = ~std::uint64_t{0};
    beat.created = TimePoint(Duration(std::int64_t{1} << 62));
    for (std::uint32_t i = 1; i < 16; ++i) beat.echoes.push_back({{i << 24}, {1}, beat.created});
    const std::string bytes = messages::encode(beat, cluster);
    EXPECT_LE(bytes.size(), 1024U);
    const auto back = messages::decode_beat(bytes, cluster);
    ASSERT_TRUE(std::holds_alternative<Beat>(back));
    EXPECT_TRUE(std::get<Beat>(back) == beat);
    EXPECT_EQ(std::get<Refusal>(messages::decode_beat(bytes, cluster + 1)), Refusal::other_cluster);
    EXPECT_EQ(std::get<Refusal>(messages::decode_beat(std::string(5000, 'a'), cluster)), Refusal::too_large);
}

TEST(messages, random_changes_to_good_bytes_never_do_more_than_be_refused) {
    std::mt19937_64 random(1);
    const auto good = messages::encode(snapshot_of(large_state(3)), cluster)[0].substr(0, 3000);
    const std::string entry = messages::encode(Message(move_entry), cluster)[0];
    Decoder decoder(cluster);
    std::size_t refused = 0;
    for (int round = 0; round < 50'000; ++round) {
        std::string bytes = round % 10 == 0 ? good : entry;
        for (int k = 0; k < 1 + round % 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
        refused += std::holds_alternative<Refusal>(decoder.decode(bytes, node));
        (void)messages::decode_beat(bytes.substr(0, 500), cluster);
    }
    EXPECT_GT(refused, 10'000U);
}
