// SPDX-License-Identifier: GPL-2.0-or-later
// Pools with virtual MACs on the kernel's side, with a gate, in namespaces that this program makes for
// itself.
#include "service/kernel/virtual_macs.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "buoy/virtual_mac.hpp"
#include "net/address.hpp"
#include "net/packet_socket.hpp"
#include "net/route.hpp"
#include "net/sysctl.hpp"
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
        shell("ip route add default via 10.9.0.254");
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
        shell(
            "ip rule flush && ip rule add from all table main priority 32766 && ip -6 rule flush && "
            "ip -6 rule add from all table main priority 32766");
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
    std::vector<net::Link> devices() {
        auto links = *net::links(*netlink_);
        std::erase_if(links, [](const net::Link& link) { return link.kind != "macvlan"; });
        return links;
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
    std::size_t rules() {
        return net::source_rules(*netlink_, AF_INET)->size() + net::source_rules(*netlink_, AF_INET6)->size();
    }
    static int arp_ignore() { return *net::Sysctl::ipv4("buoy0", "arp_ignore").get(); }

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
    EXPECT_EQ(claimed.count, 1U) << "the device hears it as well";
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
    EXPECT_EQ(devices().size(), 3U);
    EXPECT_EQ(check(), "") << "it is missing on purpose";
    // Asked for by the NIC, for the device is gone. The gate is shut for claims, and lets answers through.
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
    EXPECT_EQ(carrier_of(ip), device(ip));
    EXPECT_EQ(devices().size(), 4U);
    EXPECT_EQ(check(), "");
}

TEST_F(virtual_macs, are_there_with_what_is_held_and_go_with_it_and_the_nic_is_as_before) {
    watch(plan());
    EXPECT_TRUE(devices().empty()) << "a device is heard, so it is not to be there before";
    EXPECT_EQ(arp_ignore(), 0);
    open(4);
    EXPECT_EQ(devices().size(), 4U);
    for (const IpAddress& ip : plan_->addresses) EXPECT_EQ(carrier_of(ip), device(ip));
    EXPECT_EQ(rules(), 4U);
    EXPECT_EQ(arp_ignore(), 1);
    EXPECT_EQ(check(), "");
    close(2);
    EXPECT_EQ(devices().size(), 2U);
    EXPECT_EQ(arp_ignore(), 1) << "with devices left";
    close(4);
    EXPECT_TRUE(devices().empty());
    EXPECT_EQ(rules(), 0U);
    EXPECT_EQ(arp_ignore(), 0);
}

TEST_F(virtual_macs, send_what_their_addresses_send_by_routes_like_the_nics) {
    watch(plan());
    open(1);
    const auto link = *net::find_link(*netlink_, device(plan_->addresses[0]));
    const auto own = *net::routes(*netlink_, AF_INET, 0x62000000 + static_cast<std::uint32_t>(link.index));
    EXPECT_EQ(own.size(), 2U) << "the network and the default";
    shell("ip route add 192.0.2.0/24 via 10.9.0.253");
    EXPECT_EQ(check(), "");
    EXPECT_EQ(net::routes(*netlink_, AF_INET, 0x62000000 + static_cast<std::uint32_t>(link.index))->size(),
              3U);
    const auto main = net::routes(*netlink_, AF_INET);
    for (const auto& route : *main)
        EXPECT_NE(route.link, link.index) << "the NIC's own network is by the NIC";
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

TEST_F(virtual_macs, device_that_is_deleted_is_made_anew_with_its_address) {
    watch(plan());
    open(4);
    for (const IpAddress& ip : plan_->addresses) {
        shell("ip link delete " + device(ip));
        const std::string said = wait<Noticed>().text;
        EXPECT_EQ(said.find(ip.to_string()), 0U) << said;
        EXPECT_NE(said.find("behind our back"), std::string::npos) << said;
        EXPECT_EQ(check(), "");
        EXPECT_EQ(carrier_of(ip), device(ip));
    }
    EXPECT_EQ(rules(), 4U);
}

TEST_F(virtual_macs, address_that_is_deleted_is_put_back_on_its_device) {
    watch(plan());
    open(4);
    shell("ip address delete 10.9.1.1/16 dev " + device(plan_->addresses[1]));
    EXPECT_EQ(wait<Noticed>().text, "10.9.1.1 was removed behind our back and has been put back");
    EXPECT_EQ(check(), "");
}

TEST_F(virtual_macs, device_that_is_changed_is_made_anew) {
    watch(plan());
    open(4);
    const std::string name = device(plan_->addresses[1]);
    for (const std::string change : {"down", "address 02:00:00:00:00:07", "name other"}) {
        shell("ip link set " + name + " " + change);
        EXPECT_NE(wait<Noticed>().text.find("behind our back and has been made anew"), std::string::npos);
        EXPECT_EQ(check(), "") << change;
        EXPECT_EQ(carrier_of(plan_->addresses[1]), name);
        EXPECT_EQ(devices().size(), 4U);
    }
}

TEST_F(virtual_macs, address_on_the_nic_itself_is_a_stray) {
    watch(plan());
    open(4);
    shell("ip address add 10.9.1.1/16 dev buoy0");
    EXPECT_NE(wait<Noticed>().text.find("10.9.1.1 was added behind our back"), std::string::npos);
    EXPECT_EQ(carrier_of(plan_->addresses[1]), device(plan_->addresses[1]));
    EXPECT_EQ(check(), "");
}

TEST_F(virtual_macs, device_of_what_is_not_held_is_removed) {
    watch(plan());
    open(1);
    const std::string name = device(plan_->addresses[1]);
    shell("ip link add " + name + " link buoy0 address " + virtual_mac_of(plan_->addresses[1]).to_string() +
          " type macvlan mode bridge");
    EXPECT_NE(wait<Noticed>().text.find(name + " was made behind our back and is removed"),
              std::string::npos);
    EXPECT_EQ(check(), "");
    EXPECT_EQ(devices().size(), 1U);
}

TEST_F(virtual_macs, of_an_earlier_daemon_go_when_everything_is_closed) {
    watch(plan());
    open(4);
    start();
    ASSERT_EQ(devices().size(), 4U) << "they outlive it, for the gate to silence";
    watch(plan());
    thread_->post(CloseSlots{{++last_}, true, {}});
    EXPECT_EQ(wait<Done>().id.value, last_);
    check();
    EXPECT_TRUE(devices().empty());
    EXPECT_EQ(rules(), 0U);
    EXPECT_EQ(arp_ignore(), 0);
}

TEST_F(virtual_macs, of_an_earlier_pool_go_though_it_has_none_any_more) {
    watch(plan());
    open(4);
    start();
    PoolPlan plain = plan();
    plain.virtual_macs = false;
    watch(plain);
    thread_->post(CloseSlots{{++last_}, true, {}});
    EXPECT_EQ(wait<Done>().id.value, last_);
    open(4);
    EXPECT_TRUE(devices().empty());
    for (const IpAddress& ip : plan_->addresses) EXPECT_EQ(carrier_of(ip), "buoy0");
    EXPECT_EQ(check(), "");
}

TEST_F(virtual_macs, of_others_on_the_nic_stay_and_know_what_it_had_before) {
    const IpAddress other = *IpAddress::parse("10.9.2.1");
    const auto nic = *net::find_link(*netlink_, "buoy0");
    const auto lock = net::NetnsLock::take();
    ASSERT_TRUE(vmac::acquire(*lock, *netlink_, nic, virtual_mac_of(other), false));
    watch(plan());
    open(4);
    close(4);
    EXPECT_EQ(devices().size(), 1U);
    EXPECT_EQ(arp_ignore(), 1);
    open(4);
    ASSERT_TRUE(vmac::release(*lock, *netlink_, *net::find_link(*netlink_, device(other))));
    EXPECT_EQ(arp_ignore(), 1) << "the pool's devices are still there";
    close(4);
    EXPECT_EQ(arp_ignore(), 0);
}

TEST_F(virtual_macs, of_many_addresses_come_and_go_as_of_few) {
    watch(plan(1000));
    open(1000);
    EXPECT_EQ(devices().size(), 1000U);
    EXPECT_EQ(check(), "");
    close(1000);
    EXPECT_TRUE(devices().empty());
    EXPECT_EQ(rules(), 0U);
    EXPECT_EQ(arp_ignore(), 0);
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
