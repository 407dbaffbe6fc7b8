// SPDX-License-Identifier: GPL-2.0-or-later
// The gate of address pools, frame by frame.
#include "service/gate/gate.h"

#include <algorithm>
#include <random>
#include <vector>

#include "buoy/virtual_mac.hpp"
#include "tests/gate/program.hpp"
#include "wire/arp.hpp"
#include "wire/ndp.hpp"

namespace buoy::gate {
namespace {

const Ipv4 ours{{10, 9, 0, 5}};
const Ipv4 other{{10, 9, 0, 9}};
const Ipv6 ours6 = *Ipv6::parse("fd00:9::5");
const Ipv6 other6 = *Ipv6::parse("fd00:9::9");

Bytes ipv4(const Ipv4& from, const Ipv4& to, std::size_t options = 0) {
    return ipv4_frame(ipv4_packet(from, to, protocol_udp, ports(7, 8), {options, 0}));
}
Bytes ipv6(const Ipv6& from, const Ipv6& to, std::uint8_t next = protocol_udp) {
    return ipv6_frame(ipv6_packet(from, to, next, ports(7, 8)));
}

class gate_program : public GateTest {
  protected:
    void SetUp() override {
        GateTest::SetUp();
        if (gate_) manage();
    }
    void manage() {
        ASSERT_TRUE(gate_->manage(ours));
        ASSERT_TRUE(gate_->manage(ours6));
    }
    void open(bool on = true) {
        for (const IpAddress& ip : {IpAddress(ours), IpAddress(ours6)})
            on ? gate_->open(ip) : gate_->shut(ip);
    }
};

struct Case {
    const char* name;
    Bytes frame;
    Way way;
    bool managed;
};

std::vector<Case> cases() {
    const auto in = tc_in;
    const auto out = tc_out;
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
        lease(600s);
        EXPECT_EQ(passes(c.frame, c.way), !c.managed) << c.name << ", not ours, lease live";
        open();
        EXPECT_TRUE(passes(c.frame, c.way)) << c.name << ", ours, lease live";
        lease(-1ms);
        EXPECT_EQ(passes(c.frame, c.way), !c.managed) << c.name << ", ours, lease ended";
        gate_->set_deadline({});
        EXPECT_EQ(passes(c.frame, c.way), !c.managed) << c.name << ", ours, no lease";
    }
}

TEST_F(gate_program, one_slot_is_open_without_its_neighbours) {
    for (std::uint32_t i = 0; i < 200; ++i) ASSERT_TRUE(gate_->manage(Ipv4::from_value(0x0a0a0000 + i)));
    lease(600s);
    gate_->open(Ipv4::from_value(0x0a0a0000 + 77));
    for (std::uint32_t i = 0; i < 200; ++i)
        EXPECT_EQ(passes(ipv4(other, Ipv4::from_value(0x0a0a0000 + i)), tc_in), i == 77) << i;
}

Bytes from(const Mac& mac, Bytes frame) {
    std::ranges::copy(mac.bytes, frame.begin() + 6);
    return frame;
}
Bytes to(const Mac& mac, Bytes frame) {
    std::ranges::copy(mac.bytes, frame.begin());
    return frame;
}

TEST_F(gate_program, what_leaves_from_an_address_with_a_virtual_mac_leaves_from_it_and_names_it) {
    const Mac mac = virtual_mac_of(ours), mac6 = virtual_mac_of(ours6);
    const auto asks = [](const Mac& by, std::optional<Mac> named) {
        return wire::encode_ndp(mac_b, by, {ours6, other6, wire::NeighborSolicitation{other6, named}});
    };
    const auto says = [](const Mac& by, std::optional<Mac> named) {
        return wire::encode_ndp(
            mac_b, by, {ours6, other6, wire::NeighborAdvertisement{ours6, false, true, true, named}});
    };
    // As the kernel has it, with the link's MAC; and as it leaves.
    const std::vector<std::pair<Bytes, Bytes>> frames = {
        {ipv4(ours, other), from(mac, ipv4(ours, other))},
        {ipv4(ours, other, 12), from(mac, ipv4(ours, other, 12))},
        {tagged(ipv4(ours, other), 2), from(mac, tagged(ipv4(ours, other), 2))},
        {ipv6(ours6, other6), from(mac6, ipv6(ours6, other6))},
        {ipv6(ours6, other6, 0), from(mac6, ipv6(ours6, other6, 0))},
        {wire::request(mac_a, ours, other), wire::request(mac, ours, other)},
        {wire::unicast_reply(mac_b, other, mac_a, ours), wire::unicast_reply(mac_b, other, mac, ours)},
        {tagged(wire::unicast_reply(mac_b, other, mac_a, ours), 1),
         tagged(wire::unicast_reply(mac_b, other, mac, ours), 1)},
        {wire::gratuitous_request(mac_a, ours), wire::gratuitous_request(mac, ours)},
        {wire::gratuitous_reply(mac, ours), wire::gratuitous_reply(mac, ours)},
        {asks(mac_a, mac_a), asks(mac6, mac6)},
        {asks(mac_a, {}), asks(mac6, {})},
        {says(mac_a, mac_a), says(mac6, mac6)},
        {says(mac_a, {}), says(mac6, {})},
        {wire::unsolicited_advertisement(mac6, ours6), wire::unsolicited_advertisement(mac6, ours6)},
    };
    for (const auto& [before, after] : frames) {
        for (const IpAddress& ip : {IpAddress(ours), IpAddress(ours6)}) ASSERT_TRUE(gate_->manage(ip, true));
        lease(600s);
        open(false);
        EXPECT_FALSE(passes(before, tc_out));
        open();
        const Ran ran = must_run(before, tc_out);
        EXPECT_EQ(ran.fate, Fate::passed);
        EXPECT_EQ(ran.frame, after);
        lease(-1ms);
        EXPECT_FALSE(passes(before, tc_out));
        lease(600s);
        for (const IpAddress& ip : {IpAddress(ours), IpAddress(ours6)}) ASSERT_TRUE(gate_->manage(ip));
        EXPECT_EQ(must_run(before, tc_out).frame, before) << "without, it is the kernel's";
    }
}

TEST_F(gate_program, what_comes_to_a_virtual_mac_is_for_its_addresss_holder_whatever_it_is) {
    const Ipv6 far6 = *Ipv6::parse("2001:db8::1");
    for (const IpAddress& ip : {IpAddress(ours), IpAddress(ours6)}) {
        const Mac mac = virtual_mac_of(ip);
        // To the address, about it, or through its holder to somewhere else.
        const std::vector<Bytes> frames = {
            to(mac, ip.is_v4() ? ipv4(other, ours) : ipv6(other6, ours6)),
            to(mac,
               ip.is_v4() ? wire::request(mac_b, other, ours) : wire::solicitation(mac_b, other6, ours6)),
            to(mac, ip.is_v4() ? wire::unicast_reply(mac, ours, mac_b, other)
                               : wire::solicited_advertisement(mac, ours6, mac_b, other6)),
            to(mac, ipv4(other, Ipv4{{192, 0, 2, 1}})),
            to(mac, ipv6(other6, far6)),
            to(mac, wire::request(mac_b, other, Ipv4{{10, 9, 0, 77}})),
            to(mac, ethernet(0x88cc, Bytes(60, 1))),
        };
        ASSERT_TRUE(gate_->manage(ip, true));
        for (const Bytes& frame : frames) {
            for (const Way& way : {tc_in, xdp_in}) {
                lease(600s);
                gate_->shut(ip);
                EXPECT_FALSE(passes(frame, way)) << way.name;
                gate_->open(ip);
                const Ran ran = must_run(frame, way);
                EXPECT_EQ(ran.fate, Fate::passed) << way.name;
                EXPECT_EQ(ran.frame, way.how == Attach::xdp ? to(link_mac, frame) : frame) << way.name;
                lease(-1ms);
                EXPECT_FALSE(passes(frame, way)) << way.name;
            }
            EXPECT_EQ(must_run(to(virtual_mac_of(other), frame), xdp_in).frame[5],
                      virtual_mac_of(other).bytes[5])
                << "another's MAC stays";
        }
        ASSERT_TRUE(gate_->manage(ip));
        EXPECT_TRUE(passes(frames.back(), tc_in)) << "it has none any more";
    }
}

TEST_F(gate_program, whatever_leaves_from_a_virtual_mac_is_judged_as_its_address) {
    ASSERT_TRUE(gate_->manage(ours, true));
    ASSERT_TRUE(gate_->manage(ours6, true));
    // A host without an address of its own reports with none.
    const Bytes report = ipv6(Ipv6{}, *Ipv6::parse("ff02::16"), 0);
    const Bytes unknown = ethernet(0x88cc, ports(7, 8));
    for (const IpAddress& ip : {IpAddress(ours), IpAddress(ours6)}) {
        const Mac mac = virtual_mac_of(ip);
        for (const Bytes& frame : {from(mac, report), from(mac, unknown), from(mac, ipv4(other, other))}) {
            EXPECT_FALSE(passes(frame, tc_out));
            EXPECT_TRUE(passes(frame, tc_in)) << "nobody judges what others send";
            gate_->open(ip);
            lease(600s);
            EXPECT_TRUE(passes(frame, tc_out));
            lease(-1ms);
            EXPECT_FALSE(passes(frame, tc_out));
            gate_->shut(ip);
        }
        for (Mac stranger : {virtual_mac_of(other), virtual_mac_of(other6), mac_a})
            EXPECT_TRUE(passes(from(stranger, report), tc_out));
        ASSERT_TRUE(gate_->manage(ip, false));
        EXPECT_TRUE(passes(from(mac, report), tc_out)) << "it has none any more";
        ASSERT_TRUE(gate_->manage(ip, true));
        gate_->forget(ip);
        EXPECT_TRUE(passes(from(mac, report), tc_out)) << "forgotten with its address";
    }
}

TEST_F(gate_program, forgotten_address_is_nobodys_business) {
    ASSERT_FALSE(passes(ipv4(other, ours), tc_in));
    gate_->forget(ours);
    EXPECT_TRUE(passes(ipv4(other, ours), tc_in));
}

TEST_F(gate_program, next_daemon_takes_up_the_maps_and_begins_shut) {
    open();
    lease(600s);
    ASSERT_TRUE(passes(ipv4(other, ours), tc_in));
    // Killed: nobody shut anything.
    static_cast<void>(gate_.release());
    load();
    EXPECT_FALSE(passes(ipv4(other, ours), tc_in));
    gate_->open(ours);
    lease(600s);
    EXPECT_FALSE(passes(ipv4(other, ours), tc_in)) << "before it is managed";
    static_cast<void>(gate_.release());
    load();
    manage();
    open();
    EXPECT_FALSE(passes(ipv4(other, ours), tc_in)) << "without a lease of its own";
    lease(600s);
    EXPECT_TRUE(passes(ipv4(other, ours), tc_in));
}

TEST_F(gate_program, what_an_earlier_daemon_left_stays_shut_until_it_is_forgotten) {
    load();
    ASSERT_TRUE(gate_->manage(ours6));
    EXPECT_FALSE(passes(ipv4(other, ours), tc_in));
    gate_->forget_others();
    EXPECT_TRUE(passes(ipv4(other, ours), tc_in));
    EXPECT_FALSE(passes(ipv6(other6, ours6), tc_in));
}

TEST_F(gate_program, can_be_silenced_by_those_who_come_after_the_daemon) {
    open();
    lease(600s);
    ASSERT_TRUE(passes(ipv4(other, ours), tc_in));
    ASSERT_TRUE(silence("/mnt/buoy"));
    EXPECT_FALSE(passes(ipv4(other, ours), tc_in));
    EXPECT_TRUE(passes(ipv4(ours, other), tc_in)) << "what is nobody's is not touched";
    gate_->unpin();
    EXPECT_TRUE(silence("/mnt/buoy")) << "nothing is open where there is nothing";
}

TEST_F(gate_program, what_cannot_be_silenced_is_named) {
    const int hash = bpf_map_create(BPF_MAP_TYPE_HASH, "state", 4, 8, 1, nullptr);
    ASSERT_GE(hash, 0);
    ASSERT_EQ(bpf_obj_pin(hash, "/mnt/buoy/state_x"), 0);
    open();
    lease(600s);
    const auto refused = silence("/mnt/buoy");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("/mnt/buoy/state_x"), std::string::npos)
        << refused.error().message;
    EXPECT_FALSE(passes(ipv4(other, ours), tc_in)) << "the rest is shut all the same";
    close(hash);
    load();
    EXPECT_NE(access("/mnt/buoy/state_x", F_OK), 0);
}

TEST_F(gate_program, next_daemon_shuts_what_is_of_another_layout) {
    // As if the daemon before had had another one.
    open();
    lease(600s);
    auto earlier = std::move(gate_);
    ASSERT_EQ(rename("/mnt/buoy/state_" GATE_LAYOUT, "/mnt/buoy/state_0"), 0);
    load();
    std::swap(gate_, earlier);
    EXPECT_FALSE(passes(ipv4(other, ours), tc_in));
    std::swap(gate_, earlier);
    static_cast<void>(earlier.release());
}

TEST_F(gate_program, maps_of_another_layout_are_not_taken_up_and_do_not_stay) {
    const int other = bpf_map_create(BPF_MAP_TYPE_ARRAY, "state", 4, 8, 1, nullptr);
    ASSERT_GE(other, 0);
    ASSERT_EQ(bpf_obj_pin(other, "/mnt/buoy/state_0"), 0);
    close(other);
    load();
    EXPECT_NE(access("/mnt/buoy/state_0", F_OK), 0);
    EXPECT_EQ(access("/mnt/buoy/state_" GATE_LAYOUT, F_OK), 0);
    gate_->unpin();
    EXPECT_NE(access("/mnt/buoy", F_OK), 0) << "nothing is left behind";
}

TEST_F(gate_program, counts_by_slot_what_passed_and_what_did_not) {
    lease(600s);
    passes(ipv4(other, ours), tc_in);
    open();
    passes(ipv4(other, ours), tc_in);
    passes(ipv4(ours, other), tc_out);
    const Counters counters = gate_->counters(ours);
    EXPECT_EQ(counters.dropped, 1U);
    EXPECT_EQ(counters.packets, 2U);
    EXPECT_EQ(counters.bytes, 2 * ipv4(other, ours).size());
    EXPECT_EQ(gate_->counters(ours6), Counters{});
}

}  // namespace
}  // namespace buoy::gate
