// SPDX-License-Identifier: GPL-2.0-or-later
// The program against a reference that knows what a frame is about in its own way.
#include <fmt/format.h>

#include <array>
#include <random>
#include <vector>

#include "buoy/virtual_mac.hpp"
#include "tests/gate/cases.hpp"
#include "tests/gate/program.hpp"
#include "tests/gate/reference.hpp"
#include "wire/arp.hpp"
#include "wire/ndp.hpp"

namespace buoy::gate {
namespace {

constexpr int frames = 200'000;

const Ipv4 bare4{{10, 9, 0, 6}}, single4{{10, 9, 0, 5}}, plain4{{10, 9, 0, 90}}, stranger4{{10, 9, 3, 3}};
const Ipv6 bare6 = *Ipv6::parse("fd00:9::6"), single6 = *Ipv6::parse("fd00:9::5"),
           plain6 = *Ipv6::parse("fd00:9::90"), stranger6 = *Ipv6::parse("fd00:9::3:3");

/// An address pool's with virtual MACs and one's without, a bucket pool's that the gate answers for, and
/// one's that the kernel answers for.
const World world{{single4, {Division{}, {}, virtual_mac_of(single4)}},
                  {single6, {Division{}, {}, virtual_mac_of(single6)}},
                  {bare4, {Division{}, {}}},
                  {bare6, {Division{}, {}}},
                  {ip4, {{5, Hash::tuple, seed}, group}},
                  {ip6, {{5, Hash::tuple, seed}, group}},
                  {plain4, {{4, Hash::source_port, seed + 1}, {}}},
                  {plain6, {{4, Hash::source_port, seed + 1}, {}}}};

/// Everything anybody says or asks about the addresses.
std::vector<Bytes> neighbours() {
    std::vector<Bytes> all;
    for (const Ipv4& ip : {single4, bare4, ip4, plain4, stranger4})
        for (const Mac& mac : {mac_a, group})
            for (const Bytes& frame :
                 {wire::request(mac, client4, ip), wire::request(mac, ip, client4), wire::probe(mac, ip),
                  wire::unicast_reply(mac_b, client4, mac, ip), wire::unicast_reply(mac_b, ip, mac, client4),
                  wire::gratuitous_request(mac, ip), wire::gratuitous_reply(mac, ip)})
                all.push_back(frame);
    for (const Ipv6& ip : {single6, bare6, ip6, plain6, stranger6})
        for (const Mac& mac : {mac_a, group})
            for (const Bytes& frame :
                 {wire::solicitation(mac, client6, ip), wire::solicitation(mac, ip, client6),
                  wire::dad_probe(mac, ip), wire::solicited_advertisement(mac_b, client6, mac, ip),
                  wire::solicited_advertisement(mac_b, ip, mac, client6),
                  wire::unsolicited_advertisement(mac, ip)})
                all.push_back(frame);
    return all;
}

/// Puts another managed address, or a stranger's, where ip4 or ip6 is.
Bytes about_another(Bytes frame, std::mt19937& random) {
    const std::array four{single4, bare4, ip4, plain4, stranger4};
    const std::array six{single6, bare6, ip6, plain6, stranger6};
    const auto replace = [&](const auto& from, const auto& to) {
        for (auto at = frame.begin();; at += static_cast<std::ptrdiff_t>(from.bytes.size())) {
            at = std::search(at, frame.end(), from.bytes.begin(), from.bytes.end());
            if (at == frame.end()) return;
            std::ranges::copy(to.bytes, at);
        }
    };
    replace(ip4, four[random() % four.size()]);
    replace(ip6, six[random() % six.size()]);
    return frame;
}

/// Now and then a frame is for a virtual MAC or from one, which another address may have, or none.
void at_another(Bytes& frame, std::mt19937& random) {
    const std::array macs{virtual_mac_of(single4), virtual_mac_of(single6), virtual_mac_of(bare4),
                          virtual_mac_of(stranger6)};
    if (random() % 3 == 0)
        std::ranges::copy(macs[random() % macs.size()].bytes, frame.begin() + (random() % 2 ? 6 : 0));
}

/// The sum that a checksum makes 0 (RFC 1071).
std::uint32_t sum_of(const Bytes& frame, std::size_t at) {
    std::uint32_t sum = 0;
    for (std::size_t i = at; i < at + 32; i += 2)
        sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
    return sum % 0xffff;
}

class gate_reference : public GateTest {
  protected:
    static void expect_renamed(const Bytes& before, Bytes after, const Ruling& ruled, const Way& way,
                               const Mac& own) {
        if (const std::size_t at = ruled.summed_at; at != 0) {
            ASSERT_EQ(sum_of(before, at), sum_of(after, at)) << "a sound message stays sound";
            std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(at + 2), 2,
                        after.begin() + static_cast<std::ptrdiff_t>(at + 2));
        }
        const bool in = way.direction == Direction::ingress;
        ASSERT_EQ(after, renamed(before, ruled, in, own,
                                 way.how == Attach::xdp ? std::optional(link_mac) : std::nullopt));
    }
};

TEST_F(gate_reference, agrees_on_frames_that_are_cut_and_changed_at_random) {
    for (const auto& [ip, managed] : world) {
        const Service service{ip, managed.answer};
        ASSERT_TRUE(managed.own ? gate_->manage(ip, true) : gate_->divide({&service, 1}, managed.division));
    }
    std::mt19937 random(20261121);
    const std::vector<Bytes> said = neighbours();
    std::vector<Bytes> sent;
    for (const Case& c : cases()) sent.push_back(c.frame);
    std::map<std::pair<IpAddress, std::uint32_t>, bool> open;
    std::array<int, 5> kinds{};
    std::array<int, 3> fates{};
    bool live = false;
    int renamings = 0;
    for (int i = 0; i < frames; ++i) {
        if (i % 500 == 0) {
            live = random() % 4 != 0;
            lease(live ? Duration(600s) : Duration(-1ms));
            for (const auto& [ip, managed] : world)
                for (std::uint32_t b = 0; b < managed.division.buckets; ++b) {
                    open[{ip, b}] = random() % 2 != 0;
                    open[{ip, b}] ? gate_->open(ip, b) : gate_->shut(ip, b);
                }
        }
        const std::vector<Bytes>& all = random() % 2 ? said : sent;
        Bytes frame = about_another(all[random() % all.size()], random);
        at_another(frame, random);
        // Of the headers rather than of what they carry.
        for (std::uint32_t changes = random() % 3; changes > 0; --changes)
            frame[std::min<std::size_t>(random() % frame.size(), random() % frame.size())] =
                static_cast<std::uint8_t>(random() % 4 ? random() % 64 : random());
        // The kernel runs no program on less than an Ethernet header.
        if (random() % 4 == 0) frame.resize(std::max<std::size_t>(15, random() % frame.size()));
        const Way way = std::array{tc_in, tc_out, xdp_in}[random() % 3];
        const auto ran = run(frame, way);
        if (!ran) continue;
        const Ruling ruled = ruling(frame, way.direction == Direction::ingress, world);
        const bool ours = live && (ruled.kind == Ruling::of_lease || open[{ruled.service, ruled.bucket}]);
        const Fate expected = ruled.kind == Ruling::nobodys    ? Fate::passed
                              : ruled.kind == Ruling::refused  ? Fate::dropped
                              : !ours                          ? Fate::dropped
                              : ruled.kind == Ruling::question ? Fate::answered
                                                               : Fate::passed;
        ++kinds[ruled.kind];
        ++fates[static_cast<std::size_t>(expected)];
        ASSERT_EQ(ran->fate, expected)
            << fmt::format("frame {}, {}, ruling {} on bucket {}: {:02x}", i, way.name,
                           static_cast<int>(ruled.kind), ruled.bucket, fmt::join(frame, ""));
        if (ruled.kind == Ruling::nobodys) {
            ASSERT_EQ(ran->frame, frame);
            continue;
        }
        const auto& own = world.at(ruled.service).own;
        if (!own || expected != Fate::passed) continue;
        ++renamings;
        SCOPED_TRACE(fmt::format("frame {}, {}: {:02x}", i, way.name, fmt::join(frame, "")));
        ASSERT_NO_FATAL_FAILURE(expect_renamed(frame, ran->frame, ruled, way, *own));
    }
    for (const int count : kinds) EXPECT_GT(count, frames / 2000) << "hardly ever came up";
    EXPECT_GT(renamings, frames / 1000) << "hardly ever came up";
    for (const int count : fates) EXPECT_GT(count, frames / 2000) << "hardly ever came up";
}

}  // namespace
}  // namespace buoy::gate
