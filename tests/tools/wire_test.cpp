// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/tools/wire.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace buoy::sweep {
namespace {

constexpr Mac asker{2, 0, 0, 0, 0, 9};
constexpr std::uint16_t ours = 0x1234;

Ip v4(std::uint8_t last) {
    return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, last};
}

Ip v6(std::uint8_t last) {
    return {0x20, 0x01, 0x0d, 0xb8, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, last};
}

std::vector<std::uint8_t> ethernet(std::uint16_t type, const std::vector<std::uint8_t>& payload) {
    std::vector<std::uint8_t> frame{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    frame.push_back(static_cast<std::uint8_t>(type >> 8));
    frame.push_back(static_cast<std::uint8_t>(type & 0xff));
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

std::vector<std::uint8_t> reply4(const Ip& from, Token token) {
    std::vector<std::uint8_t> packet{0x45, 0, 0, 36, 0, 0, 0, 0, 64, 1, 0, 0};
    packet.insert(packet.end(), from.begin() + 12, from.end());
    packet.insert(packet.end(), {10, 77, 0, 100});
    auto echo = echo_request(false, ours, token);
    echo[0] = 0;
    packet.insert(packet.end(), echo.begin(), echo.end());
    return ethernet(0x0800, packet);
}

std::vector<std::uint8_t> reply6(const Ip& from, Token token) {
    std::vector<std::uint8_t> packet{0x60, 0, 0, 0, 0, 16, 58, 64};
    packet.insert(packet.end(), from.begin(), from.end());
    packet.insert(packet.end(), from.begin(), from.end());
    auto echo = echo_request(true, ours, token);
    echo[0] = 129;
    packet.insert(packet.end(), echo.begin(), echo.end());
    return ethernet(0x86dd, packet);
}

TEST(SweepWire, token_comes_back_with_the_answer) {
    const Token token{0x12345678, 999};
    for (const auto& frame : {reply4(v4(60), token), reply6(v6(0x60), token)}) {
        const auto seen = read_frame(frame, ours);
        ASSERT_TRUE(seen);
        EXPECT_EQ(seen->kind, Seen::Kind::echo_reply);
        EXPECT_EQ(seen->token, token);
        EXPECT_EQ(seen->source, (Mac{2, 0, 0, 0, 0, 2}));
    }
    EXPECT_EQ(read_frame(reply4(v4(60), token), ours)->ip, v4(60));
    EXPECT_EQ(read_frame(reply6(v6(0x60), token), ours)->ip, v6(0x60));
}

TEST(SweepWire, answers_to_others_are_not_ours) {
    EXPECT_FALSE(read_frame(reply4(v4(60), {1, 2}), ours + 1));
    EXPECT_FALSE(read_frame(reply6(v6(0x60), {1, 2}), ours + 1));
}

TEST(SweepWire, requests_have_a_right_checksum) {
    const auto echo = echo_request(false, ours, {77, 5});
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < echo.size(); at += 2)
        sum += static_cast<std::uint32_t>(echo[at] << 8 | echo[at + 1]);
    while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
    EXPECT_EQ(sum, 0xffffU);
}

TEST(SweepWire, arp_question_is_an_ordinary_request) {
    const auto frame = question(v4(60), asker);
    ASSERT_EQ(frame.size(), 42U);
    EXPECT_TRUE(std::all_of(frame.begin(), frame.begin() + 6, [](auto byte) { return byte == 0xff; }));
    EXPECT_EQ(frame[21], 1);
    EXPECT_EQ(frame[41], 60);
}

TEST(SweepWire, arp_answer_and_announcement_are_told_apart) {
    auto frame = question(v4(60), asker);
    frame[21] = 2;
    auto seen = read_frame(frame, ours);
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->kind, Seen::Kind::announcement);
    EXPECT_EQ(seen->ip, v4(250));
    EXPECT_EQ(seen->source, asker);
    frame[0] = 2;
    seen = read_frame(frame, ours);
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->kind, Seen::Kind::answer);
}

TEST(SweepWire, solicitation_has_a_right_checksum_and_group) {
    const auto frame = question(v6(0x60), asker);
    ASSERT_EQ(frame.size(), 14U + 40 + 32);
    EXPECT_EQ(frame[0], 0x33);
    EXPECT_EQ(frame[5], 0x60);
    std::uint32_t sum = 32 + 58;
    for (std::size_t at = 22; at < frame.size(); at += 2)
        sum += static_cast<std::uint32_t>(frame[at] << 8 | frame[at + 1]);
    while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
    EXPECT_EQ(sum, 0xffffU);
}

TEST(SweepWire, advertisement_says_who_has_its_target) {
    auto frame = question(v6(0x60), asker);
    frame[54] = 136;
    auto seen = read_frame(frame, ours);
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->kind, Seen::Kind::announcement);
    EXPECT_EQ(seen->ip, v6(0x60));
    frame[38] = 0xfe;
    seen = read_frame(frame, ours);
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->kind, Seen::Kind::answer);
}

TEST(SweepWire, what_is_cut_short_says_nothing) {
    for (const auto& whole : {reply4(v4(60), {1, 2}), reply6(v6(0x60), {1, 2}), question(v4(60), asker)})
        for (std::size_t size = 0; size < whole.size(); ++size)
            EXPECT_FALSE(read_frame(Bytes(whole).first(size), ours)) << size;
    auto advertisement = question(v6(0x60), asker);
    advertisement[54] = 136;
    for (std::size_t size = 0; size < 14 + 40 + 24; ++size)
        EXPECT_FALSE(read_frame(Bytes(advertisement).first(size), ours)) << size;
}

}  // namespace
}  // namespace buoy::sweep
