// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's side, on a pair of devices in a network namespace that this program makes for itself.
#include "service/kernel/kernel_thread.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <set>

#include "net/address.hpp"
#include "net/batch.hpp"
#include "net/packet_socket.hpp"
#include "tests/kernel/reports.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ndp.hpp"

namespace buoy::kernel {
namespace {

using namespace std::chrono_literals;

TimePoint now() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return TimePoint(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

void shell(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

class kernel_thread : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for a network namespace of its own";
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        shell("ip link set lo up");
    }
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, for a network namespace of its own";
        shell("ip link add buoy0 type veth peer name buoy1 && ip link set buoy1 up && ip link set buoy0 up");
        shell("ip address add 10.9.0.1/24 dev buoy0 && ip address add fd00:9::1/64 dev buoy0 nodad");
        auto netlink = net::Netlink::open();
        ASSERT_TRUE(netlink);
        netlink_.emplace(std::move(*netlink));
        start();
    }
    void start() {
        thread_.reset();
        auto started = KernelThread::start(nullptr);
        ASSERT_TRUE(started) << started.error().message;
        thread_ = std::move(*started);
    }
    void TearDown() override {
        thread_.reset();
        if (geteuid() == 0) shell("ip link delete buoy0");
    }

    static PoolPlan plan(std::size_t slots = 4) {
        PoolPlan plan;
        plan.name = "web";
        plan.nic = "buoy0";
        for (std::size_t i = 0; i < slots; ++i)
            plan.addresses.emplace_back(Ipv4::from_value(0x0a090100 + static_cast<std::uint32_t>(i)));
        plan.prefix4 = 16;
        plan.schedule = {};
        return plan;
    }
    void watch(PoolPlan plan) {
        plan_ = std::make_shared<const PoolPlan>(std::move(plan));
        thread_->post(Watch{{plan_}});
        ASSERT_TRUE(wait<Carrier>().carrier);
    }
    template <typename R>
    R wait() {
        return reports_.wait<R>(*thread_);
    }
    std::vector<SlotId> open(std::size_t count) {
        OpenSlots order{{++last_}, {}};
        std::vector<SlotId> slots;
        for (std::uint32_t i = 0; i < count; ++i) {
            slots.push_back({{1}, i});
            order.slots.push_back({slots.back(), plan_, plan_->addresses[i]});
        }
        thread_->post(order);
        return slots;
    }
    std::size_t there() {
        const auto all = net::addresses(*netlink_, AF_UNSPEC);
        return static_cast<std::size_t>(std::ranges::count_if(*all, [&](const auto& a) {
            return std::ranges::find(plan_->addresses, a.ip) != plan_->addresses.end();
        }));
    }
    /// Every frame that has come.
    static std::vector<std::vector<std::uint8_t>> all_of(net::PacketSocket& socket) {
        std::vector<std::vector<std::uint8_t>> frames;
        while (true) {
            auto frame = socket.receive(0ms);
            if (!frame || !*frame) return frames;
            frames.push_back(std::move(**frame));
        }
    }
    /// What was noticed until the answer to a Check.
    std::string noticed_until_checked() {
        std::string noticed;
        while (true) {
            pollfd waiting{thread_->fd(), POLLIN, 0};
            if (poll(&waiting, 1, 20'000) != 1) return noticed + " and no answer within 20 s";
            for (const Report& report : thread_->reports()) {
                if (const auto* one = std::get_if<Noticed>(&report)) noticed += one->text;
                if (std::holds_alternative<Checked>(report)) return noticed;
            }
        }
    }
    /// Waits until so many of the pool's addresses are on a link.
    void wait_there(std::size_t count) {
        // The kernel's word of a change comes before that of the thread, so it is asked again at each.
        for (int i = 0; i < 4000 && there() != count; ++i) usleep(5000);
        ASSERT_EQ(there(), count);
    }

    std::optional<net::Netlink> netlink_;
    std::unique_ptr<KernelThread> thread_;
    Plan plan_;
    Reports reports_;
    std::uint64_t last_ = 0;
};

TEST_F(kernel_thread, open_within_the_lease_puts_addresses_on_the_nic_and_close_takes_them_away) {
    watch(plan(1000));
    thread_->set_deadline(now() + 600s);
    const auto slots = open(1000);
    EXPECT_EQ(wait<Done>().id.value, last_);
    EXPECT_EQ(there(), 1000U);
    thread_->post(CloseSlots{{++last_}, false, slots});
    EXPECT_EQ(wait<Done>().id.value, last_);
    EXPECT_EQ(there(), 0U);
}

TEST_F(kernel_thread, open_announces_before_it_is_done) {
    watch(plan(3));
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    thread_->set_deadline(now() + 600s);
    open(3);
    wait<Done>();
    std::vector<Ipv4> heard;
    while (true) {
        const auto frame = arp->receive(0ms);
        ASSERT_TRUE(frame);
        if (!*frame) break;
        const auto packet = wire::decode_arp(**frame);
        if (packet && packet->is_gratuitous()) heard.push_back(packet->sender_ip);
    }
    ASSERT_EQ(heard.size(), 6U) << "a request and a reply for each";
    for (const auto& ip : plan_->addresses) EXPECT_EQ(std::ranges::count(heard, ip.v4()), 2);
}

TEST_F(kernel_thread, open_of_many_announces_in_one_form_and_in_all_a_little_later) {
    PoolPlan wanted = plan(100);
    wanted.told = {Ipv4{{10, 9, 0, 7}}};
    shell("ip neighbor add 10.9.0.7 lladdr 02:00:00:00:00:07 dev buoy0");
    watch(wanted);
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    thread_->set_deadline(now() + 600s);
    open(100);
    wait<Done>();
    std::set<Ipv4> requests, replies, unicasts;
    const auto hear = [&](const std::vector<std::uint8_t>& frame) {
        const auto packet = wire::decode_arp(frame);
        ASSERT_TRUE(packet);
        const bool is_reply = packet->operation == wire::Arp::Operation::reply;
        (!packet->is_gratuitous() ? unicasts : is_reply ? replies : requests).insert(packet->sender_ip);
    };
    for (const auto& frame : all_of(*arp)) hear(frame);
    EXPECT_EQ(requests.size(), 100U);
    EXPECT_EQ(unicasts.size(), 100U) << "who is to be told at once";
    while (replies.size() < 100) {
        const auto frame = arp->receive(20s);
        ASSERT_TRUE(frame && *frame) << "after " << replies.size();
        hear(**frame);
    }
}

TEST_F(kernel_thread, tells_a_known_neighbour_by_unicast_and_asks_one_that_is_not_known) {
    PoolPlan wanted = plan(2);
    wanted.told = {Ipv4{{10, 9, 0, 7}}, Ipv4{{10, 9, 0, 8}}, *Ipv6::parse("fd00:9::7")};
    shell("ip neighbor add 10.9.0.7 lladdr 02:00:00:00:00:07 dev buoy0");
    watch(wanted);
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    thread_->set_deadline(now() + 600s);
    open(2);
    wait<Done>();
    const auto link = net::find_link(*netlink_, "buoy0");
    std::vector<wire::Arp> broadcast;
    std::vector<std::vector<std::uint8_t>> others;
    for (const auto& frame : all_of(*arp)) {
        const auto packet = wire::decode_arp(frame);
        ASSERT_TRUE(packet);
        if (packet->is_gratuitous())
            broadcast.push_back(*packet);
        else
            others.push_back(frame);
        if (broadcast.size() < 2) {
            EXPECT_TRUE(others.empty()) << "before all were told of both";
        }
    }
    std::vector<std::vector<std::uint8_t>> expected;
    for (const auto& ip : plan_->addresses) {
        expected.push_back(
            wire::unicast_reply(*Mac::parse("02:00:00:00:00:07"), Ipv4{{10, 9, 0, 7}}, link->mac, ip.v4()));
        expected.push_back(wire::request(link->mac, ip.v4(), Ipv4{{10, 9, 0, 8}}));
    }
    EXPECT_EQ(others, expected);
}

TEST_F(kernel_thread, repeats_tell_the_neighbours_that_this_node_knows_by_unicast) {
    PoolPlan wanted = plan(2);
    wanted.addresses.emplace_back(*Ipv6::parse("fd00:9::60"));
    wanted.schedule = {0ms, 1ms};
    shell("ip neighbor add 10.9.0.7 lladdr 02:00:00:00:00:07 dev buoy0");
    shell("ip neighbor add fd00:9::7 lladdr 02:00:00:00:00:07 dev buoy0");
    // One that does not answer, a group, and on another link.
    shell("ip neighbor add 10.9.0.9 dev buoy0 nud failed");
    shell("ip neighbor add 10.9.0.10 lladdr 01:00:00:00:00:07 dev buoy0");
    shell("ip neighbor add 10.9.0.11 lladdr 02:00:00:00:00:0b dev buoy1");
    // A router of which nothing more is known, and one of which more is.
    shell("ip route add 192.0.2.0/24 via 10.9.0.8 dev buoy0");
    shell("ip route add 198.51.100.0/24 via 10.9.0.7 dev buoy0");
    watch(wanted);
    const auto peer = net::find_link(*netlink_, "buoy1");
    const auto link = net::find_link(*netlink_, "buoy0");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    auto nd = net::PacketSocket::open(*peer, wire::ethertype_ipv6);
    const Mac known = *Mac::parse("02:00:00:00:00:07");
    thread_->set_deadline(now() + 600s);
    open(3);
    wait<Done>();
    for (const auto& frame : all_of(*arp))
        EXPECT_TRUE(wire::decode_arp(frame)->is_gratuitous()) << "what is done waited for it";
    std::vector<std::vector<std::uint8_t>> expected;
    for (const std::size_t slot : {0U, 1U}) {
        const Ipv4 ip = plan_->addresses[slot].v4();
        expected.push_back(wire::unicast_reply(known, Ipv4{{10, 9, 0, 7}}, link->mac, ip));
        expected.push_back(wire::request(link->mac, ip, Ipv4{{10, 9, 0, 8}}));
    }
    std::vector<std::vector<std::uint8_t>> told;
    while (told.size() < expected.size()) {
        const auto frame = arp->receive(20s);
        ASSERT_TRUE(frame && *frame) << "after " << told.size();
        if (!wire::decode_arp(**frame)->is_gratuitous()) told.push_back(**frame);
    }
    EXPECT_EQ(told, expected);
    const auto advertisement = wire::unicast_advertisement(known, *Ipv6::parse("fd00:9::7"), link->mac,
                                                           *Ipv6::parse("fd00:9::60"), false);
    while (true) {
        const auto frame = nd->receive(20s);
        ASSERT_TRUE(frame && *frame) << "the IPv6 neighbour is not told";
        if (**frame == advertisement) break;
    }
    EXPECT_TRUE(all_of(*arp).empty()) << "somebody else was told";
}

TEST_F(kernel_thread, claim_of_a_held_address_is_counted_told_and_defended_once) {
    watch(plan());
    thread_->set_deadline(now() + 600s);
    open(4);
    wait<Done>();
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    const Mac rival{{2, 0, 0, 0, 0, 0x66}};
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(arp->send(wire::gratuitous_reply(rival, plan_->addresses[1].v4())));
    std::uint64_t count = 0;
    std::string text;
    while (count < 3) {
        const auto claimed = wait<Claimed>();
        EXPECT_EQ(claimed.pool, "web");
        EXPECT_EQ(claimed.ip, plan_->addresses[1]);
        EXPECT_EQ(claimed.mac, rival);
        ASSERT_GT(claimed.count, 0U);
        count += claimed.count;
        text += claimed.text;
    }
    EXPECT_EQ(count, 3U);
    EXPECT_EQ(text,
              "pool web: 10.9.1.1 is held by this node and claimed by a host outside the pool, MAC "
              "02:00:00:00:00:66; it was announced again (on_conflict=defend)");
    const auto heard = all_of(*arp);
    ASSERT_EQ(heard.size(), 2U) << "one announcement, in both forms";
    EXPECT_EQ(heard[0],
              wire::gratuitous_request(net::find_link(*netlink_, "buoy0")->mac, Ipv4{{10, 9, 1, 1}}));
}

TEST_F(kernel_thread, claim_is_only_told_with_report) {
    PoolPlan wanted = plan();
    wanted.on_conflict = OnConflict::report;
    watch(wanted);
    thread_->set_deadline(now() + 600s);
    open(1);
    wait<Done>();
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    ASSERT_TRUE(
        arp->send(wire::request(Mac{{2, 0, 0, 0, 0, 0x66}}, plan_->addresses[0].v4(), Ipv4{{10, 9, 0, 9}})));
    EXPECT_EQ(wait<Claimed>().count, 1U);
    EXPECT_TRUE(all_of(*arp).empty());
}

TEST_F(kernel_thread, contested_address_is_withheld_and_taken_back_when_nobody_answers) {
    PoolPlan wanted = plan(2);
    wanted.addresses.emplace_back(*Ipv6::parse("fd00:9::60"));
    wanted.on_conflict = OnConflict::release;
    wanted.quiet = 50ms;
    wanted.probes = net::ProbeTiming{0ms, {300ms, 10ms}, 10ms};
    watch(wanted);
    thread_->set_deadline(now() + 600s);
    const auto slots = open(3);
    wait<Done>();
    const auto peer = net::find_link(*netlink_, "buoy1");
    const auto link = net::find_link(*netlink_, "buoy0");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    auto nd = net::PacketSocket::open(*peer, wire::ethertype_ipv6);
    const Mac rival{{2, 0, 0, 0, 0, 0x66}};
    for (const IpAddress& ip : {plan_->addresses[1], plan_->addresses[2]}) {
        SCOPED_TRACE(ip.to_string());
        const auto claim = [&] {
            return ip.is_v4() ? arp->send(wire::gratuitous_reply(rival, ip.v4()))
                              : nd->send(wire::unsolicited_advertisement(rival, ip.v6()));
        };
        Claimed told;
        // Until it is no part of the first claim any more.
        while (told.withheld != true) {
            ASSERT_TRUE(claim());
            told = wait<Claimed>();
        }
        EXPECT_EQ(told.ip, ip);
        EXPECT_EQ(told.mac, rival);
        EXPECT_NE(told.text.find("claimed again"), std::string::npos) << told.text;
        EXPECT_EQ(there(), 2U);
        thread_->post(Check{++last_, "web"});
        EXPECT_EQ(wait<Checked>().problem, "") << "it is missing on purpose";
        all_of(ip.is_v4() ? *arp : *nd);
        // The first question is answered, so it is asked again, and then nobody has it.
        const auto probe = ip.is_v4() ? wire::probe(link->mac, ip.v4()) : wire::dad_probe(link->mac, ip.v6());
        const auto wait_for_probe = [&] {
            while (true) {
                const auto frame = (ip.is_v4() ? *arp : *nd).receive(20s);
                ASSERT_TRUE(frame && *frame) << "it was not asked";
                if (**frame == probe) return;
            }
        };
        wait_for_probe();
        ASSERT_TRUE(claim());
        for (int i = 0; i < 3; ++i) wait_for_probe();
        do told = wait<Claimed>();
        while (!told.withheld);
        EXPECT_FALSE(*told.withheld);
        EXPECT_EQ(told.ip, ip);
        EXPECT_EQ(there(), 3U);
    }
    thread_->post(CloseSlots{{++last_}, false, slots});
    wait<Done>();
    EXPECT_EQ(there(), 0U);
}

TEST_F(kernel_thread, withheld_address_stays_away_and_goes_with_its_slot) {
    PoolPlan wanted = plan(2);
    wanted.on_conflict = OnConflict::release;
    watch(wanted);
    thread_->set_deadline(now() + 600s);
    const auto slots = open(2);
    wait<Done>();
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    const auto contest = [&] {
        Claimed told;
        while (told.withheld != true) {
            ASSERT_TRUE(arp->send(wire::gratuitous_request(Mac{{2, 0, 0, 0, 0, 0x66}}, Ipv4{{10, 9, 1, 0}})));
            told = wait<Claimed>();
        }
        EXPECT_EQ(there(), 1U);
    };
    contest();
    shell("ip address add 10.9.1.0/16 dev buoy0");
    EXPECT_NE(wait<Noticed>().text.find("10.9.1.0 was added behind our back"), std::string::npos);
    wait_there(1);
    // A lease that lapses and is renewed brings back what was there.
    thread_->set_deadline(now() - 1s);
    wait_there(0);
    thread_->set_deadline(now() + 600s);
    wait_there(1);
    thread_->post(Check{++last_, "web"});
    EXPECT_EQ(noticed_until_checked(), "") << "it was put on the NIC, and taken off again";
    thread_->post(CloseSlots{{++last_}, false, slots});
    Claimed told;
    do told = wait<Claimed>();
    while (!told.withheld);
    EXPECT_FALSE(*told.withheld);
    EXPECT_EQ(told.text, "");
    // Opened anew it is held: whoever claimed it may be gone.
    open(2);
    wait<Done>();
    wait_there(2);
    contest();
    wanted.on_conflict = OnConflict::defend;
    thread_->post(Watch{{std::make_shared<const PoolPlan>(wanted)}});
    wait_there(2);
}

TEST_F(kernel_thread, advertisement_of_a_held_address_is_a_claim) {
    PoolPlan wanted = plan(1);
    wanted.addresses = {*Ipv6::parse("fd00:9::60"), *Ipv6::parse("fd00:9::61")};
    watch(wanted);
    thread_->set_deadline(now() + 600s);
    open(2);
    wait<Done>();
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto nd = net::PacketSocket::open(*peer, wire::ethertype_ipv6);
    const Mac rival{{2, 0, 0, 0, 0, 0x66}};
    const auto link = net::find_link(*netlink_, "buoy0");
    // Not about a held address; our own, come back; of another's, about a held one.
    ASSERT_TRUE(nd->send(wire::unsolicited_advertisement(rival, *Ipv6::parse("fd00:9::62"))));
    ASSERT_TRUE(nd->send(wire::unsolicited_advertisement(link->mac, *Ipv6::parse("fd00:9::60"))));
    ASSERT_TRUE(nd->send(wire::unsolicited_advertisement(rival, *Ipv6::parse("fd00:9::61"))));
    const auto claimed = wait<Claimed>();
    EXPECT_EQ(claimed.ip, wanted.addresses[1]);
    EXPECT_EQ(claimed.mac, rival);
    EXPECT_EQ(claimed.count, 1U);
    std::size_t defences = 0;
    for (const auto& frame : all_of(*nd)) {
        const auto said = wire::decode_neighbor_advertisement(frame);
        if (said && said->target == wanted.addresses[1].v6() && said->target_mac == link->mac) ++defences;
    }
    EXPECT_EQ(defences, 1U);
}

TEST_F(kernel_thread, what_a_former_holder_says_is_no_claim) {
    watch(plan());
    thread_->set_deadline(now() + 600s);
    const auto peer = net::find_link(*netlink_, "buoy1");
    auto arp = net::PacketSocket::open(*peer, wire::ethertype_arp);
    const Mac member{{2, 0, 0, 0, 0, 0x02}};
    // Before it is opened here, and past the lease: then somebody else may have it.
    ASSERT_TRUE(arp->send(wire::gratuitous_request(member, plan_->addresses[0].v4())));
    const auto slots = open(1);
    wait<Done>();
    thread_->set_deadline(now());
    ASSERT_TRUE(arp->send(wire::gratuitous_request(member, plan_->addresses[0].v4())));
    thread_->post(CloseSlots{{++last_}, false, slots});
    wait<Done>();
    thread_->set_deadline(now() + 600s);
    open(1);
    wait<Done>();
    ASSERT_TRUE(arp->send(wire::gratuitous_request(Mac{{2, 0, 0, 0, 0, 0x66}}, plan_->addresses[0].v4())));
    const auto claimed = wait<Claimed>();
    EXPECT_EQ(claimed.mac, (Mac{{2, 0, 0, 0, 0, 0x66}}));
    EXPECT_EQ(claimed.count, 1U);
    EXPECT_NE(claimed.text, "") << "there was one before";
}

TEST_F(kernel_thread, lapsed_deadline_takes_addresses_away_and_a_renewed_one_brings_them_back) {
    watch(plan());
    thread_->set_deadline(now() + 600s);
    open(4);
    wait<Done>();
    thread_->set_deadline(now() + 50ms);
    wait_there(0);
    thread_->set_deadline(now() + 600s);
    wait_there(4);
}

TEST_F(kernel_thread, open_without_a_lease_shows_nothing) {
    watch(plan());
    open(4);
    EXPECT_EQ(wait<Done>().id.value, last_);
    EXPECT_EQ(there(), 0U);
    thread_->set_deadline(now() + 600s);
    wait_there(4);
}

TEST_F(kernel_thread, address_removed_behind_its_back_is_put_back_and_reported) {
    watch(plan());
    thread_->set_deadline(now() + 600s);
    open(4);
    wait<Done>();
    shell("ip address delete 10.9.1.2/16 dev buoy0");
    EXPECT_EQ(wait<Noticed>().text, "10.9.1.2 was removed behind our back and has been put back");
    EXPECT_EQ(there(), 4U);
}

TEST_F(kernel_thread, address_added_behind_its_back_is_removed_and_reported) {
    watch(plan());
    shell("ip address add 10.9.1.1/16 dev buoy0");
    EXPECT_NE(wait<Noticed>().text.find("10.9.1.1 was added behind our back"), std::string::npos);
    EXPECT_EQ(there(), 0U);
}

TEST_F(kernel_thread, closing_everything_removes_what_an_earlier_daemon_left) {
    shell("ip address add 10.9.1.1/16 dev buoy0 && ip address add 10.9.1.3/24 dev buoy0");
    start();  // hears no event of what was there before it
    watch(plan());
    ASSERT_EQ(there(), 2U);
    thread_->post(CloseSlots{{++last_}, true, {}});
    EXPECT_EQ(wait<Done>().id.value, last_);
    EXPECT_EQ(there(), 0U);
}

TEST_F(kernel_thread, nic_that_is_missing_has_no_carrier_and_fails_an_open) {
    PoolPlan absent = plan();
    absent.nic = "nosuch0";
    plan_ = std::make_shared<const PoolPlan>(absent);
    thread_->post(Watch{{plan_}});
    const Carrier carrier = wait<Carrier>();
    EXPECT_FALSE(carrier.carrier);
    EXPECT_EQ(carrier.why, "nic=nosuch0: there is no such interface on this node");
    open(2);
    EXPECT_EQ(wait<Failed>().slots.size(), 2U);
}

TEST_F(kernel_thread, carrier_that_goes_and_comes_is_reported) {
    watch(plan());
    shell("ip link set buoy1 down");
    EXPECT_FALSE(wait<Carrier>().carrier);
    shell("ip link set buoy1 up");
    EXPECT_TRUE(wait<Carrier>().carrier);
}

TEST_F(kernel_thread, check_names_what_is_not_as_it_should_be) {
    watch(plan());
    thread_->set_deadline(now() + 600s);
    open(4);
    wait<Done>();
    thread_->post(Check{7, "web"});
    const Checked good = wait<Checked>();
    EXPECT_EQ(good.number, 7U);
    EXPECT_EQ(good.problem, "");
}

TEST_F(kernel_thread, refused_change_of_a_batch_does_not_keep_others_from_being_made) {
    plan_ = std::make_shared<const PoolPlan>(plan(300));
    const auto link = net::find_link(*netlink_, "buoy0");
    std::vector<net::Request> batch;
    for (const IpAddress& ip : plan_->addresses) {
        net::Address address;
        address.ip = ip;
        address.prefix_length = 16;
        address.link = ip == plan_->addresses[200] ? 9999 : link->index;
        batch.push_back(net::request_to_add(address));
    }
    const auto refused = net::change_many(*netlink_, batch);
    ASSERT_TRUE(refused) << refused.error().message;
    EXPECT_EQ(*refused, (std::vector<net::Refused>{{200, ENODEV}}));
    EXPECT_EQ(there(), 299U);
}

}  // namespace
}  // namespace buoy::kernel
