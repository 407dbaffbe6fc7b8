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
