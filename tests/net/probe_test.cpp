// SPDX-License-Identifier: GPL-2.0-or-later
// Many probes at once, on a pair of devices in a network namespace that this program makes for itself. The
// kernel's own end of it is the host that has addresses.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <thread>

#include "net/conflict.hpp"
#include "net/packet_socket.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"

namespace buoy::net {
namespace {

using namespace std::chrono_literals;

void shell(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

class ProbeMany : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for a network namespace of its own";
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    }
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for a network namespace of its own";
        shell("ip link add buoy0 type veth peer name buoy1 && ip link set buoy1 up && ip link set buoy0 up");
        auto netlink = Netlink::open();
        ASSERT_TRUE(netlink);
        near_ = *find_link(*netlink, "buoy0");
        far_ = *find_link(*netlink, "buoy1");
        for (std::uint32_t i = 0; i < 100; ++i) ips_.emplace_back(Ipv4::from_value(0x0a090100 + i));
        ips_.emplace_back(*Ipv6::parse("fd00:9::60"));
        ips_.emplace_back(*Ipv6::parse("fd00:9::61"));
    }
    void TearDown() override {
        if (geteuid() == 0) shell("ip link delete buoy0");
    }
    Result<std::optional<Rival>> probe() { return probe_many(near_, ips_, {0ms, {20ms}, 100ms}); }

    Link near_;
    Link far_;
    std::vector<IpAddress> ips_;
};

TEST_F(ProbeMany, finds_the_host_that_has_one_of_many) {
    for (const IpAddress& ip : {ips_[0], ips_[99], ips_[100], ips_[101]}) {
        const std::string with = ip.to_string() + (ip.is_v4() ? "/32 dev buoy1" : "/128 dev buoy1");
        shell("ip address add " + with + (ip.is_v4() ? "" : " nodad"));
        const auto found = probe();
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_EQ(*found, (Rival{ip, far_.mac})) << ip.to_string();
        shell("ip address del " + with);
    }
}

TEST_F(ProbeMany, asks_for_each_as_often_as_the_timing_says_and_claims_nothing) {
    auto arp = PacketSocket::open(far_, wire::ethertype_arp);
    ASSERT_TRUE(arp);
    const auto found = probe();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, std::nullopt);
    std::map<Ipv4, int> asked;
    for (auto frame = arp->receive(0ms); frame && *frame; frame = arp->receive(0ms)) {
        const auto packet = wire::decode_arp(**frame);
        ASSERT_TRUE(packet && packet->is_probe());
        EXPECT_EQ(packet->sender_mac, near_.mac);
        ++asked[packet->target_ip];
    }
    EXPECT_EQ(asked.size(), 100U);
    for (const auto& [ip, count] : asked) EXPECT_EQ(count, 2) << ip.to_string();
}

TEST_F(ProbeMany, does_not_take_other_probes_or_other_addresses_or_our_own_word_for_an_answer) {
    auto arp = PacketSocket::open(far_, wire::ethertype_arp);
    ASSERT_TRUE(arp);
    const Mac other{{2, 0, 0, 0, 0, 0x66}};
    shell("ip address add 10.9.0.77/32 dev buoy1");
    std::thread noise([&] {
        // As long as there are probes there is somebody who listens.
        for (int i = 0; i < 100; ++i) {
            if (const auto heard = arp->receive(20s); !heard || !*heard) return;
            ASSERT_TRUE(arp->send(wire::probe(other, ips_[3].v4())));
            ASSERT_TRUE(arp->send(wire::gratuitous_reply(other, Ipv4{{10, 9, 0, 77}})));
            ASSERT_TRUE(arp->send(wire::gratuitous_reply(near_.mac, ips_[3].v4())));
        }
    });
    const auto asked = probe();
    noise.join();
    ASSERT_TRUE(asked) << asked.error().message;
    EXPECT_EQ(*asked, std::nullopt);
}

TEST_F(ProbeMany, without_a_link_is_an_error) {
    shell("ip link set buoy0 down");
    EXPECT_FALSE(probe());
}

}  // namespace
}  // namespace buoy::net
