// SPDX-License-Identifier: GPL-2.0-or-later
// Pools with virtual MACs on the kernel's side, with a gate, in namespaces that this program makes for
// itself.
#include "service/kernel/virtual_macs.hpp"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "buoy/virtual_mac.hpp"
#include "net/address.hpp"
#include "net/events.hpp"
#include "net/link_macs.hpp"
#include "net/netns.hpp"
#include "net/packet_socket.hpp"
#include "service/kernel/kernel_thread.hpp"
#include "tests/kernel/reports.hpp"
#include "vmac/virtual_mac.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ndp.hpp"

namespace buoy::kernel {
namespace {

using namespace std::chrono_literals;

TimePoint later() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return TimePoint(std::chrono::seconds(t.tv_sec + 600));
}

void shell(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

/// IPv4 addresses, and an IPv6 one at the end.
PoolPlan plan(std::size_t slots = 4) {
    PoolPlan plan;
    plan.name = "web";
    plan.nic = "buoy0";
    plan.virtual_macs = true;
    for (std::size_t i = 0; i + 1 < slots; ++i)
        plan.addresses.emplace_back(Ipv4::from_value(0x0a090100 + static_cast<std::uint32_t>(i)));
    plan.addresses.emplace_back(*Ipv6::parse("fd00:9::80"));
    plan.schedule = {};
    return plan;
}

class virtual_macs : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for namespaces of its own";
        ASSERT_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
        ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(mount("bpf", "/mnt", "bpf", 0, "mode=700"), 0);
        ASSERT_EQ(mount("sysfs", "/sys", "sysfs", 0, nullptr), 0);
        shell("ip link set lo up");
    }
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for namespaces of its own";
        shell("ip link add buoy0 type veth peer name buoy1 && ip link set buoy1 up && ip link set buoy0 up");
        shell("ip address add 10.9.0.1/16 dev buoy0 && ip address add fd00:9::1/64 dev buoy0 nodad");
        auto loaded = gate::Gate::load("/mnt/buoy");
        ASSERT_TRUE(loaded) << loaded.error().message;
        gate_ = std::move(*loaded);
        netlink_.emplace(*net::Netlink::open());
        start();
    }
    void start() {
        thread_.reset();
        auto started = KernelThread::start(gate_.get());
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
        EXPECT_TRUE(wait<Carrier>().carrier);
    }
    template <typename R>
    R wait() {
        return reports_.wait<R>(*thread_);
    }
    void open(std::size_t count) {
        OpenSlots order{{++last_}, {}};
        for (std::uint32_t i = 0; i < count; ++i)
            order.slots.push_back({{{1}, i}, plan_, plan_->addresses[i]});
        thread_->post(order);
        EXPECT_EQ(wait<Done>().id.value, last_);
    }
    void close(std::size_t count) {
        CloseSlots order{{++last_}, false, {}};
        for (std::uint32_t i = 0; i < count; ++i) order.slots.push_back({{1}, i});
        thread_->post(order);
        EXPECT_EQ(wait<Done>().id.value, last_);
        check();
    }
    /// What a monitor would be told; all that was posted before is done then.
    std::string check() {
        thread_->post(Check{++last_, "web"});
        return wait<Checked>().problem;
    }
    std::size_t devices() {
        return static_cast<std::size_t>(
            std::ranges::count(*net::links(*netlink_), std::string("macvlan"), &net::Link::kind));
    }
    static std::string device(const IpAddress& ip) { return vmac::device_name(virtual_mac_of(ip)); }
    /// The link that carries an address; empty if none does.
    std::string carrier_of(const IpAddress& ip) {
        std::string found;
        const auto all = net::addresses(*netlink_, AF_UNSPEC);
        for (const auto& address : *all)
            if (address.ip == ip) found += net::find_link(*netlink_, address.link)->name;
        return found;
    }
    /// How many of the pool's MACs the NIC receives.
    std::size_t received() {
        const auto macs = *net::link_macs(*netlink_, net::find_link(*netlink_, "buoy0")->index);
        return static_cast<std::size_t>(std::ranges::count_if(plan_->addresses, [&](const IpAddress& ip) {
            return std::ranges::count(macs, virtual_mac_of(ip)) != 0;
        }));
    }

    /// They go before the addresses, of which there is word.
    void wait_received(std::size_t count) {
        auto events = net::Events::open(RTNLGRP_IPV4_IFADDR);
        while (received() != count && *events->wait(20s)) {
        }
        EXPECT_EQ(received(), count);
    }

    std::unique_ptr<gate::Gate> gate_;
    std::optional<net::Netlink> netlink_;
    std::unique_ptr<KernelThread> thread_;
    Plan plan_;
    Reports reports_;
    std::uint64_t last_ = 0;
};

TEST_F(virtual_macs, are_what_a_router_is_told_and_no_conflict_and_the_nics_own_mac_is_one) {
    PoolPlan wanted = plan();
    wanted.told = {Ipv4{{10, 9, 0, 7}}};
    shell("ip neighbor add 10.9.0.7 lladdr 02:00:00:00:00:07 dev buoy0");
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    auto nd = net::PacketSocket::open(*peer, wire::ethertype_ipv6);
    watch(wanted);
    open(4);
    const IpAddress v4 = wanted.addresses[0];
    const IpAddress v6 = wanted.addresses[3];
    const auto told = wire::unicast_reply(*Mac::parse("02:00:00:00:00:07"), Ipv4{{10, 9, 0, 7}},
                                          virtual_mac_of(v4), v4.v4());
    bool heard = false;
    for (auto frame = arp->receive(0ms); frame && *frame; frame = arp->receive(0ms)) heard |= **frame == told;
    EXPECT_TRUE(heard) << "from the address's own MAC, or switches would learn it nowhere";
    const Mac rival{{2, 0, 0, 0, 0, 0x66}};
    ASSERT_TRUE(arp->send(wire::gratuitous_reply(virtual_mac_of(v4), v4.v4())));
    ASSERT_TRUE(nd->send(wire::unsolicited_advertisement(virtual_mac_of(v6), v6.v6())));
    ASSERT_TRUE(nd->send(wire::unsolicited_advertisement(rival, v6.v6())));
    const auto claimed = wait<Claimed>();
    EXPECT_EQ(claimed.ip, v6);
    EXPECT_EQ(claimed.mac, rival);
    EXPECT_EQ(claimed.count, 1U);
    // Nobody says so of an address that has a MAC of its own: somebody has put it on a NIC by hand.
    ASSERT_TRUE(arp->send(wire::gratuitous_reply(net::find_link(*netlink_, "buoy0")->mac, v4.v4())));
    EXPECT_EQ(wait<Claimed>().ip, v4);
}

TEST_F(virtual_macs, go_with_a_withheld_address_and_come_back_with_it) {
    PoolPlan wanted = plan();
    wanted.on_conflict = OnConflict::release;
    wanted.quiet = 50ms;
    wanted.probes = net::ProbeTiming{0ms, {300ms}, 10ms};
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    watch(wanted);
    open(4);
    const IpAddress ip = wanted.addresses[0];
    const Mac rival{{2, 0, 0, 0, 0, 0x66}};
    Claimed told;
    while (told.withheld != true) {
        ASSERT_TRUE(arp->send(wire::gratuitous_reply(rival, ip.v4())));
        told = wait<Claimed>();
    }
    EXPECT_EQ(carrier_of(ip), "");
    EXPECT_EQ(received(), 3U);
    EXPECT_EQ(check(), "") << "it is missing on purpose";
    // Asked for by the NIC's own MAC. The gate is shut for claims, and lets answers through.
    const auto probe = wire::probe(net::find_link(*netlink_, "buoy0")->mac, ip.v4());
    for (int asked = 0; asked < 3;) {
        const auto frame = arp->receive(20s);
        ASSERT_TRUE(frame && *frame) << "it was not asked";
        if (**frame != probe) continue;
        // Who has the address and its virtual MAC is not us either.
        if (asked++ == 0) {
            ASSERT_TRUE(arp->send(wire::unicast_reply(wire::decode_arp(probe)->sender_mac, Ipv4{},
                                                      virtual_mac_of(ip), ip.v4())));
        }
    }
    do told = wait<Claimed>();
    while (!told.withheld);
    EXPECT_FALSE(*told.withheld);
    EXPECT_EQ(carrier_of(ip), "buoy0");
    EXPECT_EQ(received(), 4U);
    EXPECT_EQ(check(), "");
}

TEST_F(virtual_macs, are_received_with_what_is_held_and_no_longer) {
    watch(plan());
    EXPECT_EQ(received(), 0U) << "others may hold them, behind the same switch in a card";
    open(4);
    EXPECT_EQ(received(), 4U);
    for (const IpAddress& ip : plan_->addresses) EXPECT_EQ(carrier_of(ip), "buoy0");
    EXPECT_EQ(check(), "");
    close(2);
    wait_received(2);
    close(4);
    wait_received(0);
    EXPECT_EQ(devices(), 0U);
}

TEST_F(virtual_macs, of_what_is_closed_and_opened_again_stay_with_the_addresses) {
    watch(plan());
    open(4);
    close(4);
    EXPECT_EQ(check(), "") << "closed, and on the NIC for a little";
    open(3);
    auto events = net::Events::open(RTNLGRP_IPV6_IFADDR);
    EXPECT_TRUE(*events->wait(20s)) << "the fourth goes";
    EXPECT_EQ(received(), 3U);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(carrier_of(plan_->addresses[i]), "buoy0");
    EXPECT_EQ(carrier_of(plan_->addresses[3]), "");
    EXPECT_EQ(check(), "");
}

TEST_F(virtual_macs, of_what_is_closed_go_before_the_gate_forgets_their_pool) {
    watch(plan());
    open(4);
    close(4);
    thread_->post(Watch{});
    thread_->post(Check{++last_, "web"});
    wait<Checked>();
    EXPECT_EQ(received(), 0U);
    for (const IpAddress& ip : plan_->addresses) EXPECT_EQ(carrier_of(ip), "");
}

TEST_F(virtual_macs, of_what_is_closed_go_before_the_thread_ends) {
    watch(plan());
    open(4);
    close(4);
    thread_.reset();
    EXPECT_EQ(received(), 0U);
    for (const IpAddress& ip : plan_->addresses) EXPECT_EQ(carrier_of(ip), "");
}

TEST_F(virtual_macs, are_what_announcements_come_from) {
    watch(plan());
    auto arp = net::PacketSocket::open(*net::find_link(*netlink_, "buoy1"), wire::ethertype_arp);
    open(3);
    std::vector<Mac> named;
    while (true) {
        const auto frame = arp->receive(0ms);
        ASSERT_TRUE(frame);
        if (!*frame) break;
        const auto packet = wire::decode_arp(**frame);
        if (!packet || !packet->is_gratuitous()) continue;
        EXPECT_EQ(packet->sender_mac, virtual_mac_of(packet->sender_ip));
        EXPECT_TRUE(std::equal(packet->sender_mac.bytes.begin(), packet->sender_mac.bytes.end(),
                               (*frame)->begin() + 6))
            << "a switch learns from the frame's source";
        named.push_back(packet->sender_mac);
    }
    EXPECT_EQ(named.size(), 6U) << "a request and a reply for each";
}

TEST_F(virtual_macs, that_are_taken_off_the_nic_are_put_back) {
    watch(plan());
    open(1);
    const std::string mac = virtual_mac_of(plan_->addresses[0]).to_string();
    shell("bridge fdb delete " + mac + " dev buoy0 self");
    EXPECT_EQ(wait<Noticed>().text, mac +
                                        ", the virtual MAC of an address that this node holds, was taken off "
                                        "the NIC behind our back and has been put back");
    EXPECT_EQ(received(), 1U);
    EXPECT_EQ(check(), "");
    close(1);
    wait_received(0);
}

TEST_F(virtual_macs, address_that_is_deleted_is_put_back) {
    watch(plan());
    open(4);
    shell("ip address delete 10.9.1.1/16 dev buoy0");
    EXPECT_EQ(wait<Noticed>().text, "10.9.1.1 was removed behind our back and has been put back");
    EXPECT_EQ(check(), "");
}

TEST_F(virtual_macs, device_with_one_of_them_is_removed) {
    watch(plan());
    open(1);
    for (const IpAddress& ip : {plan_->addresses[0], plan_->addresses[1]}) {
        shell("ip link add " + device(ip) + " link buoy0 address " + virtual_mac_of(ip).to_string() +
              " type macvlan mode bridge");
        EXPECT_NE(wait<Noticed>().text.find(device(ip) + " was made behind our back and is removed"),
                  std::string::npos);
        EXPECT_EQ(check(), "");
        EXPECT_EQ(devices(), 0U);
    }
}

TEST_F(virtual_macs, end_with_the_daemon_and_come_back_with_the_next) {
    watch(plan());
    open(4);
    thread_.reset();
    EXPECT_EQ(received(), 0U);
    start();
    watch(plan());
    thread_->post(CloseSlots{{++last_}, true, {}});
    EXPECT_EQ(wait<Done>().id.value, last_);
    check();
    for (const IpAddress& ip : plan_->addresses) EXPECT_EQ(carrier_of(ip), "");
    open(4);
    EXPECT_EQ(received(), 4U);
}

TEST_F(virtual_macs, of_addresses_that_have_none_any_more_are_not_received) {
    watch(plan());
    open(4);
    start();
    PoolPlan plain = plan();
    plain.virtual_macs = false;
    watch(plain);
    thread_->post(CloseSlots{{++last_}, true, {}});
    EXPECT_EQ(wait<Done>().id.value, last_);
    open(4);
    EXPECT_EQ(received(), 0U);
    for (const IpAddress& ip : plan_->addresses) EXPECT_EQ(carrier_of(ip), "buoy0");
    EXPECT_EQ(check(), "");
}

TEST_F(virtual_macs, of_others_on_the_nic_stay) {
    const IpAddress other = *IpAddress::parse("10.9.2.1");
    const auto nic = *net::find_link(*netlink_, "buoy0");
    const auto lock = net::NetnsLock::take();
    ASSERT_TRUE(vmac::acquire(*lock, *netlink_, nic, virtual_mac_of(other), false));
    watch(plan());
    open(4);
    EXPECT_EQ(received(), 4U);
    close(4);
    EXPECT_EQ(devices(), 1U);
    ASSERT_TRUE(vmac::release(*lock, *netlink_, *net::find_link(*netlink_, device(other))));
}

TEST_F(virtual_macs, of_many_addresses_come_and_go_as_of_few) {
    watch(plan(1000));
    open(1000);
    EXPECT_EQ(received(), 1000U);
    EXPECT_EQ(check(), "");
    close(1000);
    wait_received(0);
}

TEST_F(virtual_macs, need_the_gate) {
    thread_ = std::move(*KernelThread::start(nullptr));
    plan_ = std::make_shared<const PoolPlan>(plan());
    thread_->post(Watch{{plan_}});
    const auto carrier = wait<Carrier>();
    EXPECT_FALSE(carrier.carrier);
    EXPECT_EQ(carrier.why,
              "mac=auto needs the packet gate, which could not be loaded; the log of buoyd's "
              "start says why");
}

TEST_F(virtual_macs, are_not_for_a_nic_that_is_no_ethernet) {
    PoolPlan on_loopback = plan();
    on_loopback.nic = "lo";
    plan_ = std::make_shared<const PoolPlan>(on_loopback);
    thread_->post(Watch{{plan_}});
    const auto carrier = wait<Carrier>();
    EXPECT_FALSE(carrier.carrier);
    EXPECT_NE(carrier.why.find("not an Ethernet interface"), std::string::npos) << carrier.why;
}

}  // namespace
}  // namespace buoy::kernel
