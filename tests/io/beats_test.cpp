// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/beats.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>

#include <array>
#include <cerrno>

#include "service/io/beat_seal.hpp"
#include "service/io/beat_socket.hpp"
#include "service/io/boot_clock.hpp"
#include "service/messages/messages.hpp"

namespace buoy::io {
namespace {

constexpr std::uint64_t lab = 42;
const std::optional<std::string> secret = "a secret of the whole cluster";

TEST(BeatSeal, what_was_sealed_is_opened_with_its_number) {
    for (const auto& key : {secret, std::optional<std::string>{}}) {
        const BeatSeal seal(key);
        std::string datagram;
        seal.seal(0x0102030405060708, "beat", datagram);
        const auto opened = seal.open(datagram);
        ASSERT_TRUE(std::holds_alternative<BeatSeal::Opened>(opened));
        EXPECT_EQ(std::get<BeatSeal::Opened>(opened).number, 0x0102030405060708U);
        EXPECT_EQ(std::get<BeatSeal::Opened>(opened).beat, "beat");
    }
}

TEST(BeatSeal, every_bit_that_was_tampered_with_is_seen) {
    const BeatSeal seal(secret);
    std::string datagram;
    seal.seal(7, "beat", datagram);
    for (std::size_t bit = 0; bit < 8 * datagram.size(); ++bit) {
        std::string tampered = datagram;
        tampered[bit / 8] = static_cast<char>(tampered[bit / 8] ^ 1 << bit % 8);
        EXPECT_TRUE(std::holds_alternative<BeatSeal::Refused>(seal.open(tampered))) << bit;
    }
}

TEST(BeatSeal, every_length_is_read) {
    const BeatSeal seal(secret);
    std::string datagram;
    seal.seal(7, "beat", datagram);
    for (std::size_t size = 0; size < datagram.size(); ++size)
        EXPECT_TRUE(std::holds_alternative<BeatSeal::Refused>(seal.open(datagram.substr(0, size))));
}

TEST(BeatSeal, other_keys_and_none_do_not_go_together) {
    const BeatSeal with(secret);
    const BeatSeal other("another secret");
    const BeatSeal without(std::nullopt);
    const std::array<const BeatSeal*, 3> seals{&with, &other, &without};
    for (const BeatSeal* from : seals)
        for (const BeatSeal* to : seals) {
            std::string datagram;
            from->seal(1, "beat", datagram);
            const auto opened = to->open(datagram);
            if (from == to) {
                EXPECT_TRUE(std::holds_alternative<BeatSeal::Opened>(opened));
            } else {
                ASSERT_TRUE(std::holds_alternative<BeatSeal::Refused>(opened));
                EXPECT_EQ(std::get<BeatSeal::Refused>(opened), BeatSeal::Refused::wrong_key);
            }
        }
}

TEST(Freshness, only_newer_than_the_newest_is_fresh) {
    using Verdict = Freshness::Verdict;
    Freshness freshness;
    EXPECT_EQ(freshness.judge({1}, {5}, 10), Verdict::fresh);
    EXPECT_EQ(freshness.judge({1}, {5}, 10), Verdict::same);
    EXPECT_EQ(freshness.judge({1}, {5}, 9), Verdict::old);
    EXPECT_EQ(freshness.judge({1}, {5}, 11), Verdict::fresh);
    EXPECT_EQ(freshness.judge({1}, {4}, 99), Verdict::old);
    EXPECT_EQ(freshness.judge({1}, {6}, 1), Verdict::fresh);
    EXPECT_EQ(freshness.judge({2}, {1}, 1), Verdict::fresh);
    freshness.keep_only({{1}});
    EXPECT_EQ(freshness.judge({1}, {6}, 1), Verdict::same);
    EXPECT_EQ(freshness.judge({2}, {1}, 1), Verdict::fresh);
}

// Two daemons of one cluster, and a third one's socket, on loopback addresses of their own.
class TwoNodes : public testing::Test {
  protected:
    struct Node {
        std::vector<core::Beat> received;
        std::vector<TimePoint> arrivals;
        std::vector<core::Refusal> refused;
        std::vector<std::string> warnings;
        std::optional<Beats> beats;
    };

    // Ports differ between runs, so that tests may run side by side.
    static std::uint16_t free_port() {
        auto fd = open_beat_socket(address(1), 0);
        sockaddr_storage own{};
        socklen_t size = sizeof own;
        getsockname(fd->get(), reinterpret_cast<sockaddr*>(&own), &size);
        return SocketAddress::port_in(own);
    }
    static IpAddress address(std::uint8_t node) { return Ipv4{{127, 50, 0, node}}; }
    static ClusterInfo info(std::uint32_t self, std::optional<std::string> key = secret) {
        ClusterInfo out;
        out.self = {self};
        out.id = lab;
        for (std::uint8_t i = 1; i <= 2; ++i)
            out.nodes.push_back({{i}, "n" + std::to_string(i), {address(i)}, {0}});
        out.authkey = std::move(key);
        return out;
    }
    static core::Beat beat(std::uint32_t sender, std::uint64_t incarnation = 1) {
        core::Beat out;
        out.sender = {sender};
        out.incarnation = {incarnation};
        out.created = TimePoint(Duration(1234));
        return out;
    }

    void open(Node& node, const ClusterInfo& info) const {
        Beats::Callbacks callbacks;
        callbacks.received = [&node](const core::Beat& beat, TimePoint arrived) {
            node.received.push_back(beat);
            node.arrivals.push_back(arrived);
        };
        callbacks.refused = [&node](core::Refusal reason) { node.refused.push_back(reason); };
        callbacks.warn = [&node](const std::string& text) { node.warnings.push_back(text); };
        auto beats = Beats::open(info, {port_}, std::move(callbacks));
        ASSERT_TRUE(beats) << beats.error().message;
        node.beats.emplace(std::move(*beats));
    }
    static void dispatch(Node& node) {
        pollfd readable{node.beats->fd(), POLLIN, 0};
        ASSERT_EQ(poll(&readable, 1, 5000), 1) << "nothing came";
        ASSERT_TRUE(node.beats->dispatch());
    }
    void send_raw(std::uint8_t from, std::string_view bytes) const {
        auto fd = open_beat_socket(address(from), port_);
        ASSERT_TRUE(fd) << fd.error().message;
        const SocketAddress to = SocketAddress::of(address(1), port_);
        ASSERT_EQ(sendto(fd->get(), bytes.data(), bytes.size(), 0,
                         reinterpret_cast<const sockaddr*>(&to.storage), to.size),
                  static_cast<ssize_t>(bytes.size()));
    }
    // What the second node would send.
    static std::string datagram(const core::Beat& beat, std::uint64_t number, std::uint64_t cluster = lab) {
        std::string out;
        BeatSeal(secret).seal(number, messages::encode(beat, cluster), out);
        return out;
    }

    std::uint16_t port_ = free_port();
    Node first_;
    Node second_;
};

TEST_F(TwoNodes, a_beat_arrives_with_its_time) {
    const TimePoint before = boot_now();
    open(first_, info(1));
    open(second_, info(2));
    EXPECT_TRUE(first_.beats->authenticated());
    second_.beats->send(beat(2));
    dispatch(first_);
    ASSERT_EQ(first_.received.size(), 1U);
    EXPECT_EQ(first_.received[0], beat(2));
    EXPECT_LE(first_.arrivals[0], boot_now());
    EXPECT_GE(first_.arrivals[0], before);
    EXPECT_EQ(first_.beats->counters().received, 1U);
    EXPECT_EQ(second_.beats->counters().sent, 1U);
    EXPECT_TRUE(first_.warnings.empty());
}

TEST_F(TwoNodes, without_a_secret_beats_work_and_it_is_said) {
    open(first_, info(1, std::nullopt));
    open(second_, info(2, std::nullopt));
    EXPECT_FALSE(first_.beats->authenticated());
    EXPECT_EQ(first_.warnings.size(), 1U);
    second_.beats->send(beat(2));
    dispatch(first_);
    EXPECT_EQ(first_.received.size(), 1U);
}

TEST_F(TwoNodes, beats_of_another_secret_are_refused_and_warned_of_once) {
    open(first_, info(1));
    open(second_, info(2, "another secret"));
    second_.beats->send(beat(2));
    dispatch(first_);
    second_.beats->send(beat(2));
    dispatch(first_);
    EXPECT_TRUE(first_.received.empty());
    EXPECT_EQ(first_.refused, std::vector(2, core::Refusal::stranger));
    EXPECT_EQ(first_.beats->counters().wrong_key, 2U);
    EXPECT_EQ(first_.warnings.size(), 1U);
}

TEST_F(TwoNodes, a_replayed_or_older_beat_is_refused) {
    open(first_, info(1));
    for (const std::uint64_t number : {6U, 5U, 6U, 7U}) {
        send_raw(2, datagram(beat(2), number));
        dispatch(first_);
    }
    send_raw(2, datagram(beat(2, 0), 99));
    dispatch(first_);
    EXPECT_EQ(first_.received.size(), 2U);
    EXPECT_EQ(first_.refused, std::vector(2, core::Refusal::old));
    EXPECT_EQ(first_.beats->counters().old, 2U);
    EXPECT_EQ(first_.beats->counters().duplicates, 1U);
}

TEST_F(TwoNodes, what_is_refused_is_counted_by_its_reason) {
    open(first_, info(1));
    const auto refused = [this](std::uint8_t from, const std::string& bytes) {
        send_raw(from, bytes);
        dispatch(first_);
        EXPECT_TRUE(first_.received.empty());
        return first_.refused.back();
    };
    EXPECT_EQ(refused(3, datagram(beat(2), 1)), core::Refusal::stranger);
    EXPECT_EQ(refused(2, datagram(beat(2), 1, lab + 1)), core::Refusal::other_cluster);
    EXPECT_EQ(refused(2, datagram(beat(1), 1)), core::Refusal::contradictory);
    EXPECT_EQ(refused(2, "nonsense"), core::Refusal::malformed);
    EXPECT_EQ(refused(2, std::string(8000, 'B')), core::Refusal::too_large);
    std::string tampered = datagram(beat(2), 1);
    tampered.back() = static_cast<char>(tampered.back() ^ 1);
    EXPECT_EQ(refused(2, tampered), core::Refusal::stranger);
    BeatCounters expected;
    expected.unknown_address = expected.other_cluster = expected.contradictory = expected.wrong_key = 1;
    expected.malformed = 2;
    EXPECT_EQ(first_.beats->counters(), expected);
    send_raw(2, datagram(beat(2), 1));
    dispatch(first_);
    EXPECT_EQ(first_.received.size(), 1U) << "what was refused must not count as seen";
}

TEST_F(TwoNodes, a_taken_port_is_said) {
    open(first_, info(1));
    const auto again = Beats::open(info(1), {port_}, {});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EADDRINUSE);
    EXPECT_NE(again.error().message.find(std::to_string(port_)), std::string::npos);
}

TEST_F(TwoNodes, nodes_come_and_go) {
    open(first_, info(1));
    ClusterInfo three = info(1);
    three.nodes.push_back({{3}, "n3", {address(3)}, {0}});
    ASSERT_TRUE(first_.beats->set_nodes(three));
    send_raw(3, datagram(beat(3), 1));
    dispatch(first_);
    EXPECT_EQ(first_.received.size(), 1U);
    first_.beats->send(beat(1));
    EXPECT_EQ(first_.beats->counters().sent, 2U);
    ASSERT_TRUE(first_.beats->set_nodes(info(1)));
    send_raw(3, datagram(beat(3), 2));
    dispatch(first_);
    EXPECT_EQ(first_.beats->counters().unknown_address, 1U);
    // Installed anew, it counts from wherever its clock is.
    ASSERT_TRUE(first_.beats->set_nodes(three));
    send_raw(3, datagram(beat(3, 0), 1));
    dispatch(first_);
    EXPECT_EQ(first_.received.size(), 2U);
}

}  // namespace
}  // namespace buoy::io
