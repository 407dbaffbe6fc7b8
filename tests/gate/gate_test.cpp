// SPDX-License-Identifier: GPL-2.0-or-later
// The gate's program, frame by frame, in the kernel (BPF_PROG_TEST_RUN), and against a reference that knows
// what a frame is about in its own way.
#include "service/gate/gate.hpp"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <random>
#include <vector>

#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ndp.hpp"

namespace buoy::gate {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;
using Direction = Gate::Direction;

const Ipv4 ours{{10, 9, 0, 5}};
const Ipv4 other{{10, 9, 0, 9}};
const Ipv6 ours6 = *Ipv6::parse("fd00:9::5");
const Ipv6 other6 = *Ipv6::parse("fd00:9::9");
const Mac mac_a{{2, 0, 0, 0, 0, 1}};
const Mac mac_b{{2, 0, 0, 0, 0, 2}};

TimePoint now() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return TimePoint(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

Bytes ethernet(std::uint16_t type, const Bytes& payload) {
    Bytes frame(14 + payload.size());
    std::ranges::copy(mac_b.bytes, frame.begin());
    std::ranges::copy(mac_a.bytes, frame.begin() + 6);
    frame[12] = static_cast<std::uint8_t>(type >> 8);
    frame[13] = static_cast<std::uint8_t>(type & 255);
    std::ranges::copy(payload, frame.begin() + 14);
    return frame;
}

Bytes ipv4(const Ipv4& from, const Ipv4& to, std::size_t options = 0) {
    Bytes packet(20 + options + 8, 0);
    packet[0] = static_cast<std::uint8_t>(0x45 + options / 4);
    packet[3] = static_cast<std::uint8_t>(packet.size());
    packet[8] = 64;
    packet[9] = 17;
    std::ranges::copy(from.bytes, packet.begin() + 12);
    std::ranges::copy(to.bytes, packet.begin() + 16);
    return ethernet(0x0800, packet);
}

Bytes ipv6(const Ipv6& from, const Ipv6& to, std::uint8_t next = 17) {
    Bytes packet(40 + 8, 0);
    packet[0] = 0x60;
    packet[5] = 8;
    packet[6] = next;
    packet[7] = 64;
    std::ranges::copy(from.bytes, packet.begin() + 8);
    std::ranges::copy(to.bytes, packet.begin() + 24);
    return ethernet(0x86dd, packet);
}

Bytes tagged(Bytes frame, int tags) {
    for (int i = 0; i < tags; ++i) {
        const Bytes tag{0x81, 0x00, 0x00, 0x07};
        frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    }
    return frame;
}

class gate_program : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, to load BPF programs";
        // A BPF file system of its own, seen by nobody else and gone with the process.
        ASSERT_EQ(unshare(CLONE_NEWNS | CLONE_NEWNET), 0);
        ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(mount("bpf", "/mnt", "bpf", 0, "mode=700"), 0);
    }
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, to load BPF programs";
        load();
    }
    void TearDown() override {
        if (gate_) gate_->unpin();
    }
    void load() {
        gate_.reset();
        auto loaded = Gate::load("/mnt/buoy");
        ASSERT_TRUE(loaded) << loaded.error().message;
        gate_ = std::move(*loaded);
        ASSERT_TRUE(gate_->manage(ours));
        ASSERT_TRUE(gate_->manage(ours6));
    }
    void open(bool on = true) {
        for (const IpAddress& ip : {IpAddress(ours), IpAddress(ours6)})
            on ? gate_->open(ip) : gate_->shut(ip);
    }
    /// Nothing where the kernel takes the frame for none: too short for its ethertype.
    std::optional<bool> run(const Bytes& frame, Direction direction) {
        LIBBPF_OPTS(bpf_test_run_opts, run);
        run.data_in = frame.data();
        run.data_size_in = static_cast<std::uint32_t>(frame.size());
        const int ran = bpf_prog_test_run_opts(gate_->program(direction), &run);
        if (ran == -EINVAL) return std::nullopt;
        EXPECT_EQ(ran, 0);
        EXPECT_TRUE(run.retval == TC_ACT_SHOT || run.retval == static_cast<std::uint32_t>(TC_ACT_UNSPEC));
        return run.retval != TC_ACT_SHOT;
    }
    bool passes(const Bytes& frame, Direction direction) {
        const auto ran = run(frame, direction);
        EXPECT_TRUE(ran) << "no frame to the kernel";
        return ran.value_or(false);
    }
    std::unique_ptr<Gate> gate_;
};

struct Case {
    const char* name;
    Bytes frame;
    Direction direction;
    bool managed;
};

std::vector<Case> cases() {
    const auto in = Direction::ingress;
    const auto out = Direction::egress;
    return {
        {"IPv4 to ours", ipv4(other, ours), in, true},
        {"IPv4 with options to ours", ipv4(other, ours, 12), in, true},
        {"IPv4 to another", ipv4(ours, other), in, false},
        {"IPv4 from ours", ipv4(ours, other), out, true},
        {"IPv4 from another", ipv4(other, ours), out, false},
        {"IPv4 to ours, one VLAN tag", tagged(ipv4(other, ours), 1), in, true},
        {"IPv4 to ours, two VLAN tags", tagged(ipv4(other, ours), 2), in, true},
        {"IPv6 to ours", ipv6(other6, ours6), in, true},
        {"IPv6 to ours, hop-by-hop options", ipv6(other6, ours6, 0), in, true},
        {"IPv6 to another", ipv6(ours6, other6), in, false},
        {"IPv6 from ours", ipv6(ours6, other6), out, true},
        {"ARP request for ours", wire::request(mac_a, other, ours), in, true},
        {"ARP request for another", wire::request(mac_a, ours, other), in, false},
        {"ARP reply that says where ours is", wire::unicast_reply(mac_b, other, mac_a, ours), out, true},
        {"ARP request from ours", wire::request(mac_a, ours, other), out, true},
        {"gratuitous ARP for ours", wire::gratuitous_reply(mac_a, ours), out, true},
        {"ARP of another host", wire::request(mac_a, other, ours), out, false},
        {"solicitation of ours", wire::solicitation(mac_a, other6, ours6), in, true},
        {"solicitation of another", wire::solicitation(mac_a, other6, *Ipv6::parse("fd00:9::8")), in, false},
        {"advertisement of ours", wire::unsolicited_advertisement(mac_a, ours6), out, true},
        {"advertisement of another", wire::unsolicited_advertisement(mac_a, other6), out, false},
        {"another ethertype", ethernet(0x88cc, Bytes(60, 1)), in, false},
    };
}

TEST_F(gate_program, frames_of_managed_addresses_pass_only_while_open_and_before_the_deadline) {
    for (const Case& c : cases()) {
        open(false);
        gate_->set_deadline(now() + 600s);
        EXPECT_EQ(passes(c.frame, c.direction), !c.managed) << c.name << ", not ours, lease live";
        open();
        EXPECT_TRUE(passes(c.frame, c.direction)) << c.name << ", ours, lease live";
        gate_->set_deadline(now() - 1ms);
        EXPECT_EQ(passes(c.frame, c.direction), !c.managed) << c.name << ", ours, lease ended";
        gate_->set_deadline({});
        EXPECT_EQ(passes(c.frame, c.direction), !c.managed) << c.name << ", ours, no lease";
    }
}

TEST_F(gate_program, one_slot_is_open_without_its_neighbours) {
    for (std::uint32_t i = 0; i < 200; ++i) ASSERT_TRUE(gate_->manage(Ipv4::from_value(0x0a0a0000 + i)));
    gate_->set_deadline(now() + 600s);
    gate_->open(Ipv4::from_value(0x0a0a0000 + 77));
    for (std::uint32_t i = 0; i < 200; ++i)
        EXPECT_EQ(passes(ipv4(other, Ipv4::from_value(0x0a0a0000 + i)), Direction::ingress), i == 77) << i;
}

TEST_F(gate_program, forgotten_address_is_nobodys_business) {
    ASSERT_FALSE(passes(ipv4(other, ours), Direction::ingress));
    gate_->forget(ours);
    EXPECT_TRUE(passes(ipv4(other, ours), Direction::ingress));
}

TEST_F(gate_program, next_daemon_takes_up_the_maps_and_begins_shut) {
    open();
    gate_->set_deadline(now() + 600s);
    ASSERT_TRUE(passes(ipv4(other, ours), Direction::ingress));
    load();
    EXPECT_FALSE(passes(ipv4(other, ours), Direction::ingress));
    gate_->set_deadline(now() + 600s);
    EXPECT_FALSE(passes(ipv4(other, ours), Direction::ingress));
    open();
    EXPECT_TRUE(passes(ipv4(other, ours), Direction::ingress));
}

TEST_F(gate_program, counts_by_slot_what_passed_and_what_did_not) {
    gate_->set_deadline(now() + 600s);
    passes(ipv4(other, ours), Direction::ingress);
    open();
    passes(ipv4(other, ours), Direction::ingress);
    passes(ipv4(ours, other), Direction::egress);
    const Counters counters = gate_->counters(ours);
    EXPECT_EQ(counters.dropped, 1U);
    EXPECT_EQ(counters.packets, 2U);
    EXPECT_EQ(counters.bytes, 2 * ipv4(other, ours).size());
    EXPECT_EQ(gate_->counters(ours6), Counters{});
}

/// Whether a frame is for (or from) one of the two managed addresses, found out the plain way.
bool about_ours(const Bytes& f, bool in) {
    std::size_t at = 12;
    const auto type_at = [&](std::size_t i) { return f[i] << 8 | f[i + 1]; };
    const auto has = [&](std::size_t i, const auto& ip) {
        return i + ip.bytes.size() <= f.size() &&
               std::equal(ip.bytes.begin(), ip.bytes.end(), f.begin() + static_cast<std::ptrdiff_t>(i));
    };
    for (int i = 0; i < 2 && (type_at(at) == 0x8100 || type_at(at) == 0x88a8); ++i) {
        at += 4;
        if (at + 2 > f.size()) return false;
    }
    const int type = type_at(at);
    at += 2;
    if (type == 0x0800) return f.size() >= at + 20 && has(at + (in ? 16 : 12), ours);
    if (type == 0x0806)
        return f.size() >= at + 28 && type_at(at + 2) == 0x0800 && f[at + 4] == 6 && f[at + 5] == 4 &&
               has(at + (in ? 24 : 14), ours);
    if (type != 0x86dd || f.size() < at + 40) return false;
    if (has(at + (in ? 24 : 8), ours6)) return true;
    return f[at + 6] == 58 && f.size() >= at + 64 && f[at + 40] == (in ? 135 : 136) && has(at + 48, ours6);
}

TEST_F(gate_program, agrees_with_the_reference_on_frames_that_are_cut_and_changed_at_random) {
    gate_->set_deadline(now() + 600s);  // shut: what is about ours is dropped
    std::mt19937 random(20260611);
    const auto all = cases();
    int about = 0;
    for (int i = 0; i < 50'000; ++i) {
        const Case& c = all[random() % all.size()];
        Bytes frame = c.frame;
        for (std::uint32_t changes = random() % 3; changes > 0; --changes)
            frame[random() % frame.size()] = static_cast<std::uint8_t>(random());
        // The kernel runs no program on less than an Ethernet header.
        if (random() % 3 == 0) frame.resize(std::max<std::size_t>(15, random() % frame.size()));
        const auto passed = run(frame, c.direction);
        if (!passed) continue;
        const bool expected = about_ours(frame, c.direction == Direction::ingress);
        about += expected;
        ASSERT_EQ(*passed, !expected) << "case " << i << ", begun as " << c.name;
    }
    EXPECT_GT(about, 10'000) << "hardly anything was about our addresses";
}

}  // namespace
}  // namespace buoy::gate
