// SPDX-License-Identifier: GPL-2.0-or-later
// Bucket pools on the kernel's side, with a gate, in namespaces that this program makes for itself.
#include "service/kernel/shared_addresses.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>

#include "net/link_macs.hpp"
#include "net/packet_socket.hpp"
#include "service/kernel/kernel_thread.hpp"
#include "tests/kernel/reports.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"

namespace buoy::kernel {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t buckets = 8;

TimePoint later() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return TimePoint(std::chrono::seconds(t.tv_sec + 600));
}

void shell(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

PoolPlan plan(Layer2 l2 = Layer2::multicast) {
    PoolPlan plan;
    plan.name = "lb";
    plan.nic = "buoy0";
    plan.addresses = {Ipv4{{10, 9, 1, 1}}, *Ipv6::parse("fd00:9::80")};
    plan.buckets = Buckets{{buckets, gate::Hash::source_port, 7}, l2};
    plan.schedule = {};
    return plan;
}

TEST(group, of_multicast_is_one_that_switches_prune) {
    for (int i = 0; i < 5000; ++i) {
        PoolPlan any = plan();
        any.name = std::to_string(i);
        const Group group = group_of(any);
        EXPECT_EQ(group.ip4.bytes[0], 239);
        EXPECT_EQ(group.mac4.bytes[0], 0x01);
        EXPECT_TRUE(group.mac4.bytes[3] != 0 || group.mac4.bytes[4] != 0) << "is that of 224.0.0.0/24";
        EXPECT_LT(group.mac4.bytes[3], 0x80);
        EXPECT_TRUE(
            std::equal(group.ip4.bytes.begin() + 2, group.ip4.bytes.end(), group.mac4.bytes.begin() + 4));
        EXPECT_TRUE(
            std::equal(group.ip6.bytes.begin() + 12, group.ip6.bytes.end(), group.mac6.bytes.begin() + 2));
        EXPECT_EQ(group.ip6.bytes[1], 0x15) << "transient, of a site";
    }
}

TEST(group, of_flood_is_one_unicast_mac_of_nobodys) {
    const Group group = group_of(plan(Layer2::flood));
    EXPECT_FALSE(group.mac4.is_group());
    EXPECT_TRUE(group.mac4.is_local());
    EXPECT_EQ(group.mac4, group.mac6);
}

TEST(group, differs_from_pool_to_pool_and_is_the_same_everywhere) {
    PoolPlan other = plan();
    other.addresses = {Ipv4{{10, 9, 1, 2}}};
    EXPECT_NE(group_of(plan()).mac4, group_of(other).mac4);
    EXPECT_EQ(group_of(plan()), group_of(plan()));
}

class shared_addresses : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for namespaces of its own";
        ASSERT_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
        ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(mount("bpf", "/mnt", "bpf", 0, "mode=700"), 0);
        shell("ip link set lo up");
    }
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for namespaces of its own";
        shell("ip link add buoy0 type veth peer name buoy1 && ip link set buoy1 up && ip link set buoy0 up");
        shell("ip address add 10.9.0.1/16 dev buoy0 && ip address add fd00:9::1/64 dev buoy0 nodad");
        auto loaded = gate::Gate::load("/mnt/buoy");
        ASSERT_TRUE(loaded) << loaded.error().message;
        gate_ = std::move(*loaded);
        start(gate_.get());
    }
    void start(gate::Gate* gate) {
        thread_.reset();
        auto started = KernelThread::start(gate);
        ASSERT_TRUE(started) << started.error().message;
        thread_ = std::move(*started);
        thread_->set_deadline(later());
    }
    void TearDown() override {
        if (geteuid() != 0) return;
        thread_.reset();
        gate_->unpin();
        gate_.reset();
        shell("ip link delete buoy0");
    }
    void watch(PoolPlan wanted) {
        plan_ = std::make_shared<const PoolPlan>(std::move(wanted));
        thread_->post(Watch{{plan_}});
        wait<Carrier>();
        settle();
    }
    /// Until all that was posted is done.
    void settle() {
        thread_->post(Check{++last_, "lb"});
        checked_ = wait<Checked>().problem;
    }
    template <typename R>
    R wait() {
        return reports_.wait<R>(*thread_);
    }
    void open(std::vector<std::uint32_t> numbers) {
        OpenSlots order{{++last_}, {}};
        for (const std::uint32_t i : numbers)
            order.slots.push_back({{{1}, i}, plan_, plan_->addresses.front()});
        thread_->post(order);
        EXPECT_EQ(wait<Done>().id.value, last_);
    }
    static std::size_t there() {
        auto netlink = net::Netlink::open();
        const auto all = net::addresses(*netlink, AF_UNSPEC);
        return static_cast<std::size_t>(std::ranges::count_if(*all, [&](const net::Address& a) {
            return a.ip == plan().addresses[0] || a.ip == plan().addresses[1];
        }));
    }
    static bool has_gate(const std::string& link) {
        return std::system(("tc filter show dev " + link + " egress | grep -q gate_egress").c_str()) == 0;
    }
    static bool receives(const Mac& mac) {
        auto netlink = net::Netlink::open();
        const auto macs = net::link_macs(*netlink, net::find_link(*netlink, "buoy0")->index);
        return std::ranges::count(*macs, mac) != 0;
    }
    static std::string file(const char* path) {
        std::ifstream in(path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static std::string digits(const Mac& mac) {
        std::string text = mac.to_string();
        std::erase(text, ':');
        return text;
    }

    std::unique_ptr<gate::Gate> gate_;
    std::unique_ptr<KernelThread> thread_;
    Plan plan_;
    Reports reports_;
    std::string checked_;
    std::uint64_t last_ = 0;
};

TEST_F(shared_addresses, stand_before_any_bucket_is_open_and_go_with_the_pool) {
    watch(plan());
    EXPECT_EQ(there(), 2U);
    EXPECT_EQ(checked_, "");
    const std::string groups = file("/proc/net/dev_mcast");
    EXPECT_NE(groups.find(digits(group_of(plan()).mac4)), std::string::npos) << groups;
    EXPECT_NE(groups.find(digits(group_of(plan()).mac6)), std::string::npos) << groups;
    thread_->post(Watch{});
    settle();
    EXPECT_EQ(there(), 0U);
    EXPECT_EQ(file("/proc/net/dev_mcast").find(digits(group_of(plan()).mac4)), std::string::npos);
}

TEST_F(shared_addresses, stay_when_everything_is_closed_and_the_thread_ends) {
    watch(plan());
    open({0, 1, 2});
    thread_->post(CloseSlots{{++last_}, true, {}});
    EXPECT_EQ(wait<Done>().id.value, last_);
    thread_.reset();
    EXPECT_EQ(there(), 2U);
}

TEST_F(shared_addresses, removed_behind_its_back_are_put_back) {
    watch(plan());
    shell("ip address delete 10.9.1.1/16 dev buoy0");
    EXPECT_NE(wait<Noticed>().text.find("10.9.1.1 was removed behind our back and has been put back"),
              std::string::npos);
    EXPECT_EQ(there(), 2U);
}

TEST_F(shared_addresses, have_the_gate_while_they_are_on_a_nic_that_the_pool_cannot_find) {
    watch(plan());
    shell(
        "ip link set buoy0 down && "
        "ip link set buoy0 name buoy2 && ip link set buoy2 up");
    EXPECT_FALSE(wait<Carrier>().carrier);
    settle();
    EXPECT_TRUE(has_gate("buoy2"));
    thread_->post(Watch{});
    settle();
    EXPECT_EQ(there(), 0U);
    EXPECT_FALSE(has_gate("buoy2")) << "with the addresses it goes";
    shell("ip link set buoy2 down && ip link set buoy2 name buoy0");
}

TEST_F(shared_addresses, of_a_pool_that_was_stopped_without_its_daemon_leave_no_gate_to_the_next) {
    watch(plan());
    thread_.reset();
    static_cast<void>(gate_.release());
    gate_ = std::move(*gate::Gate::load("/mnt/buoy"));
    start(gate_.get());
    thread_->post(Watch{});
    settle();
    EXPECT_FALSE(has_gate("buoy0"));
}

TEST_F(shared_addresses, that_were_left_behind_keep_the_gate_although_their_pool_has_no_place) {
    watch(plan());
    thread_.reset();
    static_cast<void>(gate_.release());
    gate_ = std::move(*gate::Gate::load("/mnt/buoy"));
    start(gate_.get());
    PoolPlan elsewhere = plan();
    elsewhere.nic = "buoy9";
    watch(elsewhere);
    EXPECT_TRUE(has_gate("buoy0"));
    EXPECT_EQ(there(), 2U);
}

TEST_F(shared_addresses, are_announced_at_the_groups_mac_and_from_the_links_by_the_first_bucket_alone) {
    watch(plan());
    auto netlink = net::Netlink::open();
    const auto link = net::find_link(*netlink, "buoy0");
    const auto peer = net::find_link(*netlink, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    open({1, 2, 3});
    settle();
    EXPECT_FALSE(arp->receive(0ms)->has_value());
    open({0});
    settle();
    const auto frame = arp->receive(0ms);
    ASSERT_TRUE(frame && *frame);
    const auto packet = wire::decode_arp(**frame);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->sender_mac, group_of(plan()).mac4);
    EXPECT_TRUE(std::equal(link->mac.bytes.begin(), link->mac.bytes.end(), (*frame)->begin() + 6));
}

TEST_F(shared_addresses, have_counters_for_every_bucket) {
    watch(plan());
    thread_->post(Count{5});
    const auto counted = wait<Counted>();
    EXPECT_EQ(counted.number, 5U);
    ASSERT_TRUE(counted.pools.contains("lb"));
    EXPECT_EQ(counted.pools.at("lb").size(), buckets);
}

TEST_F(shared_addresses, of_one_pool_stay_when_another_comes) {
    watch(plan());
    PoolPlan other = plan();
    other.name = "lb2";
    other.addresses = {Ipv4{{10, 9, 1, 2}}};
    thread_->post(Watch{{plan_, std::make_shared<const PoolPlan>(other)}});
    settle();
    EXPECT_EQ(there(), 2U);
    EXPECT_EQ(checked_, "");
}

TEST_F(shared_addresses, of_sixty_four_pools_stand_side_by_side) {
    std::vector<Plan> pools;
    for (std::uint8_t i = 0; i < 64; ++i) {
        PoolPlan one = plan(i % 2 == 0 ? Layer2::multicast : Layer2::flood);
        one.name = "lb" + std::to_string(i);
        one.addresses = {Ipv4{{10, 9, 2, i}}};
        pools.push_back(std::make_shared<const PoolPlan>(one));
    }
    thread_->post(Watch{pools});
    for (const Plan& pool : pools) {
        thread_->post(Check{++last_, pool->name});
        EXPECT_EQ(wait<Checked>().problem, "");
        EXPECT_TRUE(receives(group_of(*pool).mac4)) << pool->name;
    }
    thread_->post(Count{1});
    EXPECT_EQ(wait<Counted>().pools.size(), 64U);
    auto netlink = net::Netlink::open();
    thread_->post(Watch{});
    settle();
    const auto left = net::addresses(*netlink, AF_INET);
    EXPECT_EQ(left->size(), 2U) << "the NIC's own, and that of the loopback device";
}

TEST_F(shared_addresses, with_flood_the_nic_takes_the_mac) {
    watch(plan(Layer2::flood));
    EXPECT_EQ(there(), 2U);
    const std::string shown = "bridge fdb show dev buoy0 | grep -qi " + group_of(*plan_).mac4.to_string();
    shell(shown);
    thread_->post(Watch{});
    settle();
    EXPECT_NE(std::system(shown.c_str()), 0);
}

TEST_F(shared_addresses, have_the_groups_macs_put_back_that_were_taken_off_the_nic) {
    for (const Layer2 l2 : {Layer2::flood, Layer2::multicast}) {
        watch(plan(l2));
        for (const Mac& mac : macs_of(*plan_)) {
            shell("bridge fdb delete " + mac.to_string() + " dev buoy0 self");
            EXPECT_EQ(wait<Noticed>().text,
                      mac.to_string() +
                          " of pool lb, by which its members are reached, was taken off "
                          "the NIC behind our back and has been put back");
            EXPECT_TRUE(receives(mac));
        }
        thread_->post(Watch{});
    }
}

TEST_F(shared_addresses, are_reached_after_the_nic_was_down) {
    for (const Layer2 l2 : {Layer2::flood, Layer2::multicast}) {
        watch(plan(l2));
        shell("ip link set buoy0 down");
        EXPECT_FALSE(wait<Carrier>().carrier);
        shell("ip link set buoy0 up");
        EXPECT_TRUE(wait<Carrier>().carrier);
        settle();
        EXPECT_EQ(checked_, "");
        for (const Mac& mac : macs_of(*plan_)) EXPECT_TRUE(receives(mac)) << mac.to_string();
        thread_->post(Watch{});
    }
}

TEST_F(shared_addresses, claim_by_another_mac_is_told_where_the_first_bucket_is_open_and_the_groups_is_none) {
    watch(plan());
    auto netlink = net::Netlink::open();
    auto arp = net::PacketSocket::open(*net::find_link(*netlink, "buoy1"), wire::ethertype_arp);
    const auto asks = [&](const Mac& mac) {
        ASSERT_TRUE(arp->send(wire::request(mac, plan_->addresses[0].v4(), Ipv4{{10, 9, 0, 9}})));
    };
    open({1});
    asks(Mac{{2, 0, 0, 0, 0, 1}});
    settle();
    open({0});
    asks(group_of(*plan_).mac4);
    asks(Mac{{2, 0, 0, 0, 0, 2}});
    const auto claimed = wait<Claimed>();
    EXPECT_EQ(claimed.mac, (Mac{{2, 0, 0, 0, 0, 2}}));
    EXPECT_EQ(claimed.count, 1U);
    EXPECT_NE(claimed.text, "") << "there was one before";
    EXPECT_EQ(claimed.pool, "lb");
}

TEST_F(shared_addresses, claim_past_the_lease_is_the_successors) {
    PoolPlan single = plan();
    single.buckets.reset();
    watch(single);
    auto netlink = net::Netlink::open();
    auto arp = net::PacketSocket::open(*net::find_link(*netlink, "buoy1"), wire::ethertype_arp);
    open({0});
    thread_->set_deadline({});
    ASSERT_TRUE(
        arp->send(wire::request(Mac{{2, 0, 0, 0, 0, 1}}, single.addresses[0].v4(), Ipv4{{10, 9, 0, 9}})));
    settle();
    thread_->set_deadline(later());
    ASSERT_TRUE(
        arp->send(wire::request(Mac{{2, 0, 0, 0, 0, 2}}, single.addresses[0].v4(), Ipv4{{10, 9, 0, 9}})));
    const auto claimed = wait<Claimed>();
    EXPECT_EQ(claimed.mac, (Mac{{2, 0, 0, 0, 0, 2}}));
    EXPECT_EQ(claimed.count, 1U);
    EXPECT_NE(claimed.text, "") << "there was one before";
}

TEST_F(shared_addresses, are_not_there_without_a_gate) {
    start(nullptr);
    plan_ = std::make_shared<const PoolPlan>(plan());
    thread_->post(Watch{{plan_}});
    const auto carrier = wait<Carrier>();
    EXPECT_FALSE(carrier.carrier);
    EXPECT_NE(carrier.why.find("packet gate"), std::string::npos) << carrier.why;
    settle();
    EXPECT_EQ(there(), 0U);
}

}  // namespace
}  // namespace buoy::kernel
