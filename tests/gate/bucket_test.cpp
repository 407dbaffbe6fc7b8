// SPDX-License-Identifier: GPL-2.0-or-later
// Which bucket a packet belongs to, protocol by protocol, and what becomes of it.
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmath>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "tests/gate/cases.hpp"
#include "tests/gate/program.hpp"

namespace buoy::gate {
namespace {

class gate_buckets : public GateTest {
  protected:
    void divide(const Division& division) {
        division_ = division;
        gate_->forget(ip4);
        gate_->forget(ip6);
        const Service both[] = {{ip4, group}, {ip6, group}};
        const auto divided = gate_->divide(both, division);
        ASSERT_TRUE(divided) << divided.error().message;
    }
    void open_only(std::uint32_t bucket, bool others = false) {
        for (std::uint32_t b = 0; b < division_.buckets; ++b)
            (b == bucket) != others ? gate_->open(ip4, b) : gate_->shut(ip4, b);
    }
    static std::vector<Way> ways(bool in) { return in ? std::vector{tc_in, xdp_in} : std::vector{tc_out}; }
    Division division_;
};

TEST_F(gate_buckets, packet_passes_where_its_bucket_is_open_and_the_lease_lasts) {
    for (const Hash hash : {Hash::source, Hash::source_port, Hash::tuple}) {
        divide({61, hash, seed});
        for (const Case& c : cases())
            for (const Way& way : ways(c.in)) {
                SCOPED_TRACE(fmt::format("{}, {}, hash {}", c.name, way.name, static_cast<int>(hash)));
                const std::uint32_t bucket = c.about ? bucket_of(*c.about, division_) : division_.buckets;
                lease(600s);
                open_only(bucket);
                EXPECT_EQ(passes(c.frame, way), c.about.has_value()) << "ours";
                lease(-1ms);
                EXPECT_FALSE(passes(c.frame, way)) << "ours, lease ended";
                gate_->set_deadline({});
                EXPECT_FALSE(passes(c.frame, way)) << "ours, no lease";
                lease(600s);
                open_only(bucket, true);
                EXPECT_FALSE(passes(c.frame, way)) << "all but ours";
            }
    }
}

/// Refuses one command of bpf(2) to this thread for good, as kernels do that do not know it.
void refuse(std::uint32_t command) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{std::size(code), code};
    ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST_F(gate_buckets, counters_of_all_are_those_of_each_however_the_kernel_gives_them) {
    // More than one answer of the kernel's holds.
    constexpr std::uint32_t many = 16000;
    divide({many, Hash::tuple, seed});
    lease(600s);
    const std::vector<IpAddress> addresses{ip4, Ipv4{{1, 2, 3, 4}}};
    const auto count = [&] { return gate_->counters(addresses, many); };
    for (std::uint16_t port = 1; port < 3000; ++port)
        passes(ipv4_frame(ipv4_packet(client4, ip4, 17, ports(port, 80))), tc_in);
    const auto all = count();
    ASSERT_EQ(all.size(), 2 * many);
    std::uint64_t dropped = 0;
    for (std::uint32_t bucket = 0; bucket < many; ++bucket) {
        dropped += all[bucket].dropped;
        EXPECT_EQ(all[bucket], gate_->counters(ip4, bucket)) << bucket;
        EXPECT_EQ(all[many + bucket], Counters{}) << "is not managed";
    }
    EXPECT_EQ(dropped, 2999U);
    std::thread([&] {
        refuse(BPF_MAP_LOOKUP_BATCH);
        EXPECT_EQ(count(), all);
    }).join();
    EXPECT_EQ(count(), all) << "it does not ask in vain again";
}

TEST_F(gate_buckets, one_bucket_needs_nothing_but_an_address) {
    divide({1, Hash::tuple, seed});
    lease(600s);
    gate_->open(ip6);
    for (const Case& c : cases())
        for (const Way& way : ways(c.in)) EXPECT_TRUE(passes(c.frame, way)) << c.name << ", " << way.name;
}

TEST_F(gate_buckets, both_families_share_their_buckets_and_counters) {
    divide({64, Hash::source_port, seed});
    lease(600s);
    const auto bucket4 = bucket_of(tcp4(), division_), bucket6 = bucket_of(tcp6(), division_);
    gate_->open(ip4, bucket6);
    const Bytes frame6 = ipv6_frame(ipv6_packet(client6, ip6, 6, ports(client_port, service_port)));
    const Bytes frame4 = ipv4_frame(ipv4_packet(client4, ip4, 6, ports(client_port, service_port)));
    EXPECT_TRUE(passes(frame6, tc_in));
    EXPECT_TRUE(passes(frame6, xdp_in));
    EXPECT_FALSE(passes(frame4, tc_in));
    EXPECT_EQ(gate_->counters(ip4, bucket6), (Counters{2, 2 * frame6.size(), 0}));
    EXPECT_EQ(gate_->counters(ip6, bucket4), (Counters{0, 0, 1}));
    gate_->shut(ip6, bucket6);
    EXPECT_FALSE(passes(frame6, tc_in));
}

TEST_F(gate_buckets, frame_to_the_services_mac_becomes_this_nodes) {
    divide({1, Hash::source, seed});
    gate_->open(ip4);
    lease(600s);
    const Bytes packet = ipv4_packet(client4, ip4, 6, ports(client_port, service_port));
    const Bytes to_group = ipv4_frame(packet, group);
    EXPECT_EQ(must_run(to_group, xdp_in).frame, ipv4_frame(packet, link_mac));
    EXPECT_EQ(must_run(ipv4_frame(packet, mac_b), xdp_in).frame, ipv4_frame(packet, mac_b));
    // tc says it by the packet's type, which no test-run shows; links_test has it.
    EXPECT_EQ(must_run(to_group, tc_in).frame, to_group);
}

/// Computed apart from this tree; for 1, 2, 4 and 8 numbers the method was held against nft's jhash.
TEST_F(gate_buckets, hash_is_the_kernels) {
    const std::uint32_t most = 0xffffffff;
    EXPECT_EQ(bucket_of(tcp4(), {most, Hash::source, seed}), 0x687aa0c0);
    EXPECT_EQ(bucket_of(tcp4(), {most, Hash::source_port, seed}), 0x69e35a2d);
    EXPECT_EQ(bucket_of(tcp4(), {most, Hash::tuple, seed}), 0xf8e243c9);
    EXPECT_EQ(bucket_of(tcp6(), {most, Hash::source, seed}), 0x8963a9cf);
    EXPECT_EQ(bucket_of(tcp6(), {most, Hash::source_port, seed}), 0x799a7d2b);
    EXPECT_EQ(bucket_of(tcp6(), {most, Hash::tuple, seed}), 0x1b77b17c);
}

TEST_F(gate_buckets, connections_are_spread_evenly) {
    constexpr std::uint32_t connections = 10'000;
    for (const std::uint32_t buckets : {3U, 16U, 100U}) {
        divide({buckets, Hash::source_port, seed});
        for (std::uint32_t b = 0; b < buckets; ++b) gate_->open(ip4, b);
        lease(600s);
        std::mt19937 random(20261121);
        for (std::uint32_t i = 0; i < connections; ++i) {
            const auto port = static_cast<std::uint16_t>(1024 + random() % 60000);
            Ipv6 from6 = client6;
            from6.bytes[15] = static_cast<std::uint8_t>(random());
            const Ipv4 from4 = Ipv4::from_value(client4.value() + random() % 200);
            passes(i % 2 ? ipv4_frame(ipv4_packet(from4, ip4, 6, ports(port, 80)))
                         : ipv6_frame(ipv6_packet(from6, ip6, 6, ports(port, 80))),
                   tc_in);
        }
        // Six standard deviations of what chance does.
        const double mean = double(connections) / buckets;
        for (std::uint32_t b = 0; b < buckets; ++b)
            EXPECT_NEAR(static_cast<double>(gate_->counters(ip4, b).packets), mean, 6 * std::sqrt(mean)) << b;
    }
}

TEST_F(gate_buckets, division_is_all_or_nothing) {
    const Ipv4 third{{10, 9, 0, 81}};
    const Service both[] = {{ip4, group}, {third, group}};
    ASSERT_TRUE(gate_->divide(std::span(both, 1), {8, Hash::source, seed}));
    // More addresses for the same buckets, and again.
    ASSERT_TRUE(gate_->divide(both, {8, Hash::source, seed}));
    ASSERT_TRUE(gate_->divide(both, {8, Hash::source, seed}));
    const auto otherwise = gate_->divide(both, {8, Hash::source, seed + 1});
    ASSERT_FALSE(otherwise);
    EXPECT_EQ(otherwise.error().code, EEXIST);
    const Service six{ip6, group};
    const auto much = gate_->divide({&six, 1}, {1U << 20, Hash::source, seed});
    ASSERT_FALSE(much);
    EXPECT_EQ(much.error().code, ENOSPC);
    EXPECT_TRUE(passes(ipv6_frame(ipv6_packet(client6, ip6, 6, ports(1, 2))), tc_in))
        << "managed all the same";
    // The buckets stay while one of their addresses does.
    gate_->forget(ip4);
    lease(600s);
    for (std::uint32_t b = 0; b < 8; ++b) gate_->open(third, b);
    EXPECT_TRUE(passes(ipv4_frame(ipv4_packet(client4, third, 6, ports(1, 2))), tc_in));
    gate_->forget(third);
    ASSERT_TRUE(gate_->divide(both, {8, Hash::tuple, seed}));
    EXPECT_FALSE(passes(ipv4_frame(ipv4_packet(client4, third, 6, ports(1, 2))), tc_in)) << "begins shut";
}

TEST_F(gate_buckets, slots_come_back) {
    for (int i = 0; i < 10; ++i) divide({4096, Hash::source, seed});
    for (std::uint8_t i = 1; i <= 3; ++i) {
        const Service more{Ipv4{{10, 9, 2, i}}, group};
        // One slot of 16384 is never given out.
        EXPECT_EQ(gate_->divide({&more, 1}, {4096, Hash::source, seed}).has_value(), i < 3) << int{i};
    }
}

TEST_F(gate_buckets, sixty_four_pools_side_by_side) {
    constexpr std::uint32_t pools = 64, buckets = 255;
    const auto ip = [](std::uint32_t pool) {
        return Ipv4::from_value((10U << 24) + (20U << 16) + 256 * pool);
    };
    for (std::uint32_t pool = 0; pool < pools; ++pool) {
        const Service one{ip(pool), group};
        ASSERT_TRUE(gate_->divide({&one, 1}, {buckets, Hash::source_port, pool}));
    }
    lease(600s);
    for (std::uint32_t open = 0; open < pools; ++open) {
        const Connection c{client4, client_port, ip(open), service_port, protocol_tcp};
        gate_->open(ip(open), bucket_of(c, {buckets, Hash::source_port, open}));
        for (std::uint32_t pool = 0; pool < pools; ++pool)
            EXPECT_EQ(passes(ipv4_frame(ipv4_packet(client4, ip(pool), 6, ports(client_port, service_port))),
                             tc_in),
                      pool <= open)
                << pool << " of " << open;
    }
}

TEST_F(gate_buckets, addresses_of_one_cell_are_told_apart) {
    // 10.1.0.16 and 10.1.16.17 and so on: the same 12 bits once folded (gate.h).
    std::vector<Ipv4> same;
    for (std::uint32_t i = 0; i < 5; ++i) same.push_back(Ipv4::from_value(0x0a010010 ^ (i << 12 | i)));
    for (const Ipv4& ip : same) ASSERT_TRUE(gate_->manage(ip));
    lease(600s);
    for (const Ipv4& ours : same) {
        gate_->open(ours);
        for (const Ipv4& ip : same)
            EXPECT_EQ(passes(ipv4_frame(ipv4_packet(client4, ip, 6, ports(1, 2))), tc_in), ip == ours)
                << ip.to_string();
        gate_->shut(ours);
    }
    const Ipv4 stranger = Ipv4::from_value(0x0a010010 ^ (9U << 12 | 9U));
    EXPECT_TRUE(passes(ipv4_frame(ipv4_packet(client4, stranger, 6, ports(1, 2))), tc_in));
    while (same.size() > 1) {
        gate_->forget(same.back());
        EXPECT_TRUE(passes(ipv4_frame(ipv4_packet(client4, same.back(), 6, ports(1, 2))), tc_in));
        same.pop_back();
        EXPECT_FALSE(passes(ipv4_frame(ipv4_packet(client4, same.front(), 6, ports(1, 2))), tc_in));
    }
}

}  // namespace
}  // namespace buoy::gate
