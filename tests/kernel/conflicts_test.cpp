// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/conflicts.hpp"

#include <gtest/gtest.h>

#include "service/kernel/claims.hpp"

namespace buoy::kernel {
namespace {

using namespace std::chrono_literals;

const IpAddress ip = Ipv4{{10, 0, 0, 60}};
const IpAddress other = Ipv4{{10, 0, 0, 61}};
const Mac rival{{2, 0, 0, 0, 0, 1}};
const Mac another{{2, 0, 0, 0, 0, 2}};
constexpr OnConflict defend = OnConflict::defend;
constexpr OnConflict release = OnConflict::release;
using Answer = Conflicts::Answer;
constexpr TimePoint begin = TimePoint{} + 1000s;

TEST(conflicts, address_is_defended_once_in_ten_seconds_however_often_it_is_claimed) {
    Conflicts conflicts;
    EXPECT_EQ(conflicts.heard("web", defend, ip, rival, begin), Answer::announce);
    EXPECT_EQ(conflicts.heard("web", defend, ip, rival, begin + 1ms), Answer::none);
    EXPECT_EQ(conflicts.heard("web", defend, ip, another, begin + 9999ms), Answer::none);
    EXPECT_EQ(conflicts.heard("web", defend, other, rival, begin + 1ms), Answer::announce)
        << "each address by itself";
    EXPECT_EQ(conflicts.heard("web", defend, ip, rival, begin + 10s), Answer::announce);
}

TEST(conflicts, report_defends_nothing) {
    Conflicts conflicts;
    EXPECT_EQ(conflicts.heard("web", OnConflict::report, ip, rival, begin), Answer::none);
    EXPECT_NE(conflicts.run(begin).at(0).text.find("nothing was done (on_conflict=report)"),
              std::string::npos);
}

TEST(conflicts, released_is_what_is_claimed_again_within_ten_seconds) {
    Conflicts conflicts;
    EXPECT_EQ(conflicts.heard("web", release, ip, rival, begin), Answer::announce);
    EXPECT_EQ(conflicts.heard("web", release, ip, rival, begin + 99ms), Answer::none)
        << "another form of the same claim";
    EXPECT_EQ(conflicts.heard("web", release, other, rival, begin + 5s), Answer::announce);
    EXPECT_EQ(conflicts.heard("web", release, ip, another, begin + 9999ms), Answer::release)
        << "whoever it is";
    EXPECT_EQ(conflicts.heard("web", release, other, rival, begin + 15s), Answer::announce)
        << "not within ten seconds";
    EXPECT_EQ(conflicts.heard("web", release, ip, rival, begin + 16s), Answer::announce)
        << "held again, it is defended again";
    EXPECT_NE(conflicts.run(begin + 16s).at(0).text.find("given up if the claim is repeated"),
              std::string::npos);
}

TEST(conflicts, of_what_is_released_are_only_counted) {
    Conflicts conflicts;
    conflicts.heard_of_released("web", ip, rival);
    conflicts.heard_of_released("web", ip, another);
    const auto told = conflicts.run(begin);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].count, 2U);
    EXPECT_EQ(told[0].mac, another);
    EXPECT_EQ(told[0].text, "");
    EXPECT_EQ(conflicts.heard("web", release, ip, rival, begin), Answer::announce);
}

TEST(conflicts, are_told_in_batches_and_logged_once_in_ten_seconds) {
    Conflicts conflicts;
    EXPECT_EQ(conflicts.next(), TimePoint::max());
    conflicts.heard("web", defend, ip, rival, begin);
    EXPECT_LE(conflicts.next(), begin);
    ASSERT_EQ(conflicts.run(begin).size(), 1U);
    for (int i = 0; i < 1000; ++i) conflicts.heard("web", defend, ip, another, begin + 1ms);
    EXPECT_TRUE(conflicts.run(begin + 1ms).empty());
    EXPECT_EQ(conflicts.next(), begin + 100ms);
    const auto told = conflicts.run(begin + 100ms);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].count, 1000U);
    EXPECT_EQ(told[0].mac, another);
    EXPECT_EQ(told[0].text, "");
    EXPECT_EQ(conflicts.next(), TimePoint::max());
}

/// What a filter says of a packet that has this number at `at`: a reference of its own for the few
/// instructions that are used.
bool passes(const std::vector<sock_filter>& filter, const std::vector<std::uint32_t>& words,
            std::uint32_t at) {
    std::uint32_t loaded = 0;
    for (std::size_t i = 0; i < filter.size(); ++i) {
        const sock_filter& f = filter[i];
        switch (f.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                loaded = words.at((f.k - at) / 4);
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                i += loaded >= f.k ? f.jt : f.jf;
                break;
            case BPF_JMP | BPF_JGT | BPF_K:
                i += loaded > f.k ? f.jt : f.jf;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                i += loaded == f.k ? f.jt : f.jf;
                break;
            case BPF_JMP | BPF_JA:
                i += f.k;
                break;
            case BPF_RET | BPF_K:
                return f.k != 0;
            default:
                ADD_FAILURE() << "instruction " << f.code;
                return false;
        }
    }
    ADD_FAILURE() << "runs off its end";
    return false;
}

TEST(claims, arp_filter_passes_the_addresses_alone) {
    std::vector<Ipv4> addresses;
    for (std::uint32_t i = 0; i < 20; ++i) addresses.push_back(Ipv4::from_value(1000 + i));
    for (std::uint32_t i = 0; i < 300; ++i) addresses.push_back(Ipv4::from_value(2000 + 3 * i));
    addresses.push_back(Ipv4::from_value(0xffffffff));
    const auto filter = arp_filter(addresses);
    EXPECT_LE(filter.size(), 4096U);
    for (std::uint32_t value = 900; value < 3000; ++value)
        EXPECT_EQ(passes(filter, {value}, 28), std::ranges::count(addresses, Ipv4::from_value(value)) > 0)
            << value;
    EXPECT_TRUE(passes(filter, {0xffffffff}, 28));
    EXPECT_FALSE(passes(filter, {0}, 28));
}

TEST(claims, filter_of_too_many_rows_passes_all_of_them_and_some_gaps) {
    std::vector<Ipv4> addresses;
    for (std::uint32_t i = 0; i < 4096; ++i) addresses.push_back(Ipv4::from_value(10000 + 2 * i));
    const auto filter = arp_filter(addresses);
    EXPECT_LE(filter.size(), 4096U);
    for (const Ipv4& address : addresses) EXPECT_TRUE(passes(filter, {address.value()}, 28));
    EXPECT_FALSE(passes(filter, {9999}, 28));
    EXPECT_FALSE(passes(filter, {10000 + 2 * 4096}, 28));
}

std::vector<std::uint32_t> words(const Ipv6& ip) {
    std::vector<std::uint32_t> found;
    for (std::size_t i = 0; i < 16; i += 4)
        found.push_back(static_cast<std::uint32_t>(ip.bytes[i]) << 24 |
                        static_cast<std::uint32_t>(ip.bytes[i + 1]) << 16 |
                        static_cast<std::uint32_t>(ip.bytes[i + 2]) << 8 | ip.bytes[i + 3]);
    return found;
}

TEST(claims, target_filter_passes_the_addresses_alone) {
    std::vector<Ipv6> addresses;
    for (const char* network : {"fd00:1::", "fd00:2::", "2001:db8:1:2:3:4:"})
        for (const char* host : {"1", "2", "3", "70", "90"})
            addresses.push_back(*Ipv6::parse(std::string(network) + (network[0] == '2' ? "0:" : "") + host));
    const auto filter = target_filter(addresses);
    for (const Ipv6& address : addresses)
        EXPECT_TRUE(passes(filter, words(address), 8)) << address.to_string();
    for (const char* no :
         {"fd00:1::4", "fd00:1::69", "fd00:3::1", "fd00:2::1:1", "2001:db8:1:2:3:5:0:1", "::1"})
        EXPECT_FALSE(passes(filter, words(*Ipv6::parse(no)), 8)) << no;
}

TEST(claims, target_filter_of_too_many_networks_passes_everything) {
    std::vector<Ipv6> addresses;
    for (std::uint8_t i = 0; i < 255; ++i)
        for (std::uint8_t j = 0; j < 4; ++j) {
            addresses.push_back(*Ipv6::parse("fd00::1"));
            addresses.back().bytes[4] = i;
            addresses.back().bytes[5] = j;
        }
    const auto filter = target_filter(addresses);
    EXPECT_LE(filter.size(), 4096U);
    EXPECT_TRUE(passes(filter, words(addresses.back()), 8));
}

}  // namespace
}  // namespace buoy::kernel
