// SPDX-License-Identifier: GPL-2.0-or-later
// Who is answered when it asks for a bucket pool's address, by whom, and what the kernel may not say about
// it. What the answers should be is encoded by lib/wire.
#include <fmt/format.h>

#include <vector>

#include "tests/gate/program.hpp"
#include "wire/arp.hpp"
#include "wire/ipv6.hpp"
#include "wire/ndp.hpp"

namespace buoy::gate {
namespace {

using wire::Arp;
using wire::NeighborAdvertisement;
using wire::NeighborSolicitation;

const Ipv4 ip4{{10, 9, 0, 80}};
const Ipv6 ip6 = *Ipv6::parse("fd00:9::80");
const Ipv4 client4{{10, 9, 1, 2}};
const Ipv6 client6 = *Ipv6::parse("fd00:9::1:2");
const Mac client_mac{{2, 0, 0, 0, 1, 2}};
const Mac group{{0x01, 0x00, 0x5e, 0x09, 0x00, 0x50}};
const Division division{32, Hash::tuple, 0x5eed};

class gate_neighbours : public GateTest {
  protected:
    void SetUp() override {
        GateTest::SetUp();
        if (!gate_) return;
        const Service both[] = {{ip4, group}, {ip6, group}};
        ASSERT_TRUE(gate_->divide(both, division));
        lease(600s);
    }
    void open_only(std::uint32_t bucket, bool others = false) {
        for (std::uint32_t b = 0; b < division.buckets; ++b)
            (b == bucket) != others ? gate_->open(ip4, b) : gate_->shut(ip4, b);
    }
    /// Answered like this by the owner of a bucket, in time, and by nobody else; the kernel never sees it.
    void expect_answer(const Bytes& question, const Bytes& answer, std::uint32_t bucket) {
        for (const Way& way : {tc_in, xdp_in}) {
            SCOPED_TRACE(way.name);
            lease(600s);
            open_only(bucket);
            const Ran ran = must_run(question, way);
            EXPECT_EQ(ran.fate, Fate::answered);
            EXPECT_EQ(ran.frame, answer);
            lease(-1ms);
            EXPECT_EQ(must_run(question, way).fate, Fate::dropped) << "lease ended";
            lease(600s);
            open_only(bucket, true);
            EXPECT_EQ(must_run(question, way).fate, Fate::dropped) << "another's bucket";
        }
    }
    void expect_silence(const Bytes& frame, std::vector<Way> ways) {
        open_only(division.buckets, true);  // all are open
        for (const Way& way : ways) EXPECT_EQ(must_run(frame, way).fate, Fate::dropped) << way.name;
    }
    /// Passes on every node with a lease, whichever buckets it has, as `after`.
    void expect_passage(const Bytes& frame, const Bytes& after, std::vector<Way> ways) {
        open_only(division.buckets);  // none is open
        for (const Way& way : ways) {
            lease(600s);
            const Ran ran = must_run(frame, way);
            EXPECT_EQ(ran.fate, Fate::passed) << way.name;
            EXPECT_EQ(ran.frame, after) << way.name;
            lease(-1ms);
            EXPECT_EQ(must_run(frame, way).fate, Fate::dropped) << way.name << ", lease ended";
        }
    }
    static std::uint32_t asker(const IpAddress& client) {
        return bucket_of({client, 0, client.is_v4() ? IpAddress(ip4) : IpAddress(ip6), 0, 0}, division);
    }
    static Bytes advertisement(const Mac& to, const Ipv6& to_ip, bool solicited) {
        return wire::encode_ndp(to, link_mac,
                                {ip6, to_ip, NeighborAdvertisement{ip6, false, solicited, true, group}});
    }
};

TEST_F(gate_neighbours, arp_request_is_answered_by_the_owner_of_the_askers_bucket) {
    for (std::uint32_t i = 0; i < 20; ++i) {
        const Ipv4 client = Ipv4::from_value(client4.value() + i);
        const Bytes answer =
            wire::encode_arp(client_mac, link_mac, {Arp::Operation::reply, group, ip4, client_mac, client});
        expect_answer(wire::request(client_mac, client, ip4), answer, asker(client));
    }
}

TEST_F(gate_neighbours, padding_and_vlan_tags_stay) {
    Bytes request = wire::request(client_mac, client4, ip4);
    Bytes answer =
        wire::encode_arp(client_mac, link_mac, {Arp::Operation::reply, group, ip4, client_mac, client4});
    request.resize(60);
    answer.resize(60);
    expect_answer(request, answer, asker(client4));
    expect_answer(tagged(request, 2), tagged(answer, 2), asker(client4));
    const Bytes solicitation = wire::solicitation(client_mac, client6, ip6);
    expect_answer(tagged(solicitation, 1), tagged(advertisement(client_mac, client6, true), 1),
                  asker(client6));
}

TEST_F(gate_neighbours, arp_probe_is_answered_by_the_owner_of_the_first_bucket) {
    expect_answer(
        wire::probe(client_mac, ip4),
        wire::encode_arp(client_mac, link_mac, {Arp::Operation::reply, group, ip4, client_mac, Ipv4{}}), 0);
}

TEST_F(gate_neighbours, solicitation_is_answered_by_the_owner_of_the_askers_bucket) {
    for (std::uint8_t i = 0; i < 20; ++i) {
        Ipv6 client = client6;
        client.bytes[15] = i;
        expect_answer(wire::solicitation(client_mac, client, ip6), advertisement(client_mac, client, true),
                      asker(client));
    }
}

TEST_F(gate_neighbours, solicitation_to_the_address_itself_is_answered_too) {
    const auto asks = [](std::optional<Mac> option) {
        return wire::encode_ndp(group, client_mac, {client6, ip6, NeighborSolicitation{ip6, option}});
    };
    expect_answer(asks(client_mac), advertisement(client_mac, client6, true), asker(client6));
    // Without the option the frame says from where it came.
    expect_answer(asks({}), advertisement(client_mac, client6, true), asker(client6));
    // The option counts, not the frame: another gate's address asks with a MAC that is no sender's.
    const Mac elsewhere{{0x01, 0x00, 0x5e, 0x09, 0x00, 0x51}};
    expect_answer(asks(elsewhere), advertisement(elsewhere, client6, true), asker(client6));
}

TEST_F(gate_neighbours, duplicate_probe_is_answered_to_all_by_the_owner_of_the_first_bucket) {
    const Mac all_nodes{{0x33, 0x33, 0, 0, 0, 1}};
    expect_answer(wire::dad_probe(client_mac, ip6), advertisement(all_nodes, wire::all_nodes, false), 0);
    // With a nonce (RFC 7527), as Linux asks: it is longer than the answer without one would be.
    Bytes with_nonce = wire::dad_probe(client_mac, ip6) + Bytes{14, 1, 1, 2, 3, 4, 5, 6};
    with_nonce[14 + 5] = 32;
    expect_answer(with_nonce, advertisement(all_nodes, wire::all_nodes, false), 0);
}

TEST_F(gate_neighbours, malformed_question_is_answered_by_nobody) {
    const Bytes good = wire::solicitation(client_mac, client6, ip6);
    Bytes far = good, coded = good, from_group = good;
    far[14 + 7] = 64;    // hop limit: through a router
    coded[14 + 41] = 1;  // code
    from_group[14 + 8] = 0xff;
    for (const Bytes& bad : {far, coded, from_group}) expect_silence(bad, {tc_in, xdp_in});
    // Behind an extension header.
    const Bytes message(good.begin() + 54, good.end());
    expect_silence(ipv6_frame(ipv6_packet(client6, ip6, 60, extension(58, 1, message))), {tc_in, xdp_in});
    expect_silence(wire::encode_ndp(group, client_mac, {ip6, ip6, NeighborSolicitation{ip6, client_mac}}),
                   {tc_in});
    // Too short to say whom it asks for; the kernel has no use for it either.
    const Bytes cut_short = cut(good, 20);
    open_only(division.buckets);
    EXPECT_EQ(must_run(cut_short, tc_in).fate, Fate::passed);
}

TEST_F(gate_neighbours, who_claims_the_address_is_heard_with_and_without_a_lease) {
    for (const Bytes& claim :
         {wire::gratuitous_request(client_mac, ip4), wire::gratuitous_reply(client_mac, ip4),
          wire::unsolicited_advertisement(client_mac, ip6)})
        for (const Way& way : {tc_in, xdp_in})
            for (const auto left : {600s, -1s}) {
                lease(left);
                const Ran ran = must_run(claim, way);
                EXPECT_EQ(ran.fate, Fate::passed) << way.name;
                EXPECT_EQ(ran.frame, claim) << way.name;
            }
}

TEST_F(gate_neighbours, kernel_says_nothing_about_the_address) {
    expect_silence(wire::unicast_reply(client_mac, client4, mac_a, ip4), {tc_out});
    expect_silence(wire::gratuitous_request(mac_a, ip4), {tc_out});
    expect_silence(wire::gratuitous_reply(mac_a, ip4), {tc_out});
    expect_silence(wire::solicited_advertisement(client_mac, client6, mac_a, ip6), {tc_out});
    expect_silence(wire::unsolicited_advertisement(mac_a, ip6), {tc_out});
    // Nor does it ask whether somebody else has it.
    expect_silence(wire::dad_probe(mac_a, ip6), {tc_out});
    expect_silence(wire::solicitation(mac_a, client6, ip6), {tc_out});
}

TEST_F(gate_neighbours, what_the_gate_itself_or_the_daemon_says_about_the_address_leaves) {
    const Bytes reply =
        wire::encode_arp(client_mac, link_mac, {Arp::Operation::reply, group, ip4, client_mac, client4});
    expect_passage(reply, reply, {tc_out});
    const Bytes announced = wire::gratuitous_reply(group, ip4);
    expect_passage(announced, announced, {tc_out});
    const Bytes answer = advertisement(client_mac, client6, true);
    expect_passage(answer, answer, {tc_out});
}

TEST_F(gate_neighbours, kernel_asks_from_the_address_with_the_services_mac) {
    // The frame stays this node's; what it says of itself is the service's.
    expect_passage(wire::encode_arp(broadcast_mac, mac_a, {Arp::Operation::request, mac_a, ip4, {}, client4}),
                   wire::encode_arp(broadcast_mac, mac_a, {Arp::Operation::request, group, ip4, {}, client4}),
                   {tc_out});
    const auto asks = [](const Mac& as) {
        return wire::encode_ndp(client_mac, mac_a, {ip6, client6, NeighborSolicitation{client6, as}});
    };
    expect_passage(asks(mac_a), asks(group), {tc_out});
    const Bytes unnamed =
        wire::encode_ndp(client_mac, mac_a, {ip6, client6, NeighborSolicitation{client6, {}}});
    expect_passage(unnamed, unnamed, {tc_out});
}

TEST_F(gate_neighbours, what_is_replied_to_the_address_is_heard_by_all) {
    const auto reply = [](const Mac& to) {
        return wire::encode_arp(to, client_mac, {Arp::Operation::reply, client_mac, client4, group, ip4});
    };
    const auto advertised = [](const Mac& to) {
        return wire::encode_ndp(
            to, client_mac, {client6, ip6, NeighborAdvertisement{client6, false, true, true, client_mac}});
    };
    expect_passage(reply(group), reply(group), {tc_in});
    expect_passage(reply(group), reply(link_mac), {xdp_in});
    expect_passage(advertised(group), advertised(group), {tc_in});
    expect_passage(advertised(group), advertised(link_mac), {xdp_in});
}

TEST_F(gate_neighbours, without_an_answer_the_kernel_is_asked_where_the_bucket_is) {
    const Ipv4 plain4{{10, 9, 0, 90}};
    const Ipv6 plain6 = *Ipv6::parse("fd00:9::90");
    const Service both[] = {{plain4}, {plain6}};
    ASSERT_TRUE(gate_->divide(both, division));
    const auto expect_bucket = [&](const Bytes& frame, const Way& way, std::uint32_t bucket) {
        for (std::uint32_t b = 0; b < division.buckets; ++b) gate_->shut(plain4, b);
        EXPECT_FALSE(passes(frame, way));
        gate_->open(plain4, bucket);
        EXPECT_TRUE(passes(frame, way));
    };
    const auto bucket4 = bucket_of({client4, 0, plain4, 0, 0}, division);
    const auto bucket6 = bucket_of({client6, 0, plain6, 0, 0}, division);
    expect_bucket(wire::request(client_mac, client4, plain4), tc_in, bucket4);
    expect_bucket(wire::request(client_mac, client4, plain4), xdp_in, bucket4);
    expect_bucket(wire::unicast_reply(client_mac, client4, mac_a, plain4), tc_out, bucket4);
    expect_bucket(wire::probe(client_mac, plain4), tc_in, 0);
    expect_bucket(wire::gratuitous_reply(mac_a, plain4), tc_out, 0);
    expect_bucket(wire::solicitation(client_mac, client6, plain6), tc_in, bucket6);
    expect_bucket(wire::solicited_advertisement(client_mac, client6, mac_a, plain6), tc_out, bucket6);
    expect_bucket(wire::unsolicited_advertisement(mac_a, plain6), tc_out, 0);
    expect_bucket(wire::dad_probe(client_mac, plain6), xdp_in, 0);
    // Where an address has moved to is for every node to hear, whoever has it.
    for (std::uint32_t b = 0; b < division.buckets; ++b) gate_->shut(plain4, b);
    for (const Way& way : {tc_in, xdp_in})
        for (const Bytes& announced :
             {wire::gratuitous_request(client_mac, plain4), wire::gratuitous_reply(client_mac, plain4),
              wire::unsolicited_advertisement(client_mac, plain6)})
            EXPECT_TRUE(passes(announced, way)) << way.name;
}

TEST_F(gate_neighbours, link_that_is_not_ours_is_not_answered_on) {
    open_only(division.buckets, true);
    ASSERT_TRUE(gate_->detach(loopback()));
    for (const Way& way : {tc_in, xdp_in}) {
        EXPECT_EQ(must_run(wire::request(client_mac, client4, ip4), way).fate, Fate::dropped);
        EXPECT_EQ(must_run(wire::solicitation(client_mac, client6, ip6), way).fate, Fate::dropped);
    }
}

}  // namespace
}  // namespace buoy::gate
