// SPDX-License-Identifier: GPL-2.0-or-later
// The gate on a real link, among the programs of others, and frames that go through the whole kernel.
#include "service/gate/links.hpp"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <functional>

#include "buoy/virtual_mac.hpp"
#include "service/gate/gate.h"
#include "tests/gate/cases.hpp"
#include "tests/gate/program.hpp"
#include "wire/arp.hpp"
#include "wire/ipv6.hpp"
#include "wire/ndp.hpp"

namespace buoy::gate {
namespace {

const Mac client_mac{{2, 0, 0, 0, 1, 2}};
const Mac nic_mac{{2, 0, 0, 0, 0, 0xbb}};
const Mac flooded{{2, 0, 0, 9, 0, 0x50}};

std::string said_by(const std::string& line) {
    std::string said;
    FILE* from = popen(line.c_str(), "r");
    std::array<char, 256> piece{};
    while (fgets(piece.data(), piece.size(), from) != nullptr) said += piece.data();
    pclose(from);
    return said;
}

/// The other end of the link.
class Client {
  public:
    Client() : socket_(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))) {
        sockaddr_ll at{};
        at.sll_family = AF_PACKET;
        at.sll_protocol = htons(ETH_P_ALL);
        at.sll_ifindex = static_cast<int>(if_nametoindex("g1"));
        EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    }
    ~Client() { close(socket_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(const Bytes& frame) const {
        EXPECT_EQ(::send(socket_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
    }
    /// The next frame from the other end that is wanted, if it comes within 5 s.
    [[nodiscard]] std::optional<Bytes> next(const std::function<bool(const Bytes&)>& wanted) const {
        const TimePoint until = now() + 5s;
        for (TimePoint t = now(); t < until; t = now()) {
            pollfd ready{socket_, POLLIN, 0};
            poll(&ready, 1,
                 static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(until - t).count()));
            sockaddr_ll from{};
            socklen_t size = sizeof from;
            Bytes frame(2048);
            const ssize_t got = recvfrom(socket_, frame.data(), frame.size(), MSG_DONTWAIT,
                                         reinterpret_cast<sockaddr*>(&from), &size);
            if (got < 0) continue;
            frame.resize(static_cast<std::size_t>(got));
            if (from.sll_pkttype != PACKET_OUTGOING && wanted(frame)) return frame;
        }
        return std::nullopt;
    }

  private:
    int socket_;
};

/// A TCP segment without data, with its checksum.
Bytes segment(std::uint8_t flags, std::uint16_t port, const Ipv6& to = ip6) {
    Bytes tcp;
    append_number(tcp, port);
    append_number(tcp, service_port);
    tcp.insert(tcp.end(), {0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0});
    const auto sum = wire::checksum(client6, to, protocol_tcp, tcp);
    tcp[16] = static_cast<std::uint8_t>(sum >> 8);
    tcp[17] = static_cast<std::uint8_t>(sum);
    return ipv6_packet(client6, to, protocol_tcp, tcp);
}
Bytes addressed(const Bytes& packet, const Mac& to) {
    Bytes frame = ipv6_frame(packet, to);
    std::ranges::copy(client_mac.bytes, frame.begin() + 6);
    return frame;
}
/// SYN and ACK to this port of the client's.
std::function<bool(const Bytes&)> accepts(std::uint16_t port) {
    return [port](const Bytes& f) {
        return f.size() >= 74 && f[12] == 0x86 && f[20] == protocol_tcp && (f[56] << 8 | f[57]) == port &&
               f[67] == 0x12;
    };
}

class gate_links : public GateTest {
  protected:
    void SetUp() override {
        GateTest::SetUp();
        if (!gate_) return;
        ASSERT_TRUE(command("ip link add g0 address " + nic_mac.to_string() +
                            " type veth peer name g1 address " + client_mac.to_string() +
                            " && ip link set g0 up && ip link set g1 up"));
        link_ = static_cast<int>(if_nametoindex("g0"));
    }
    void TearDown() override {
        if (link_ != 0) {
            EXPECT_TRUE(command("ip link del g0"));
        }
        GateTest::TearDown();
    }
    /// All buckets are here.
    void serve(const Mac& mac) {
        const Service both[] = {{ip4, mac}, {ip6, mac}};
        ASSERT_TRUE(gate_->divide(both, {8, Hash::source_port, seed}));
        for (std::uint32_t b = 0; b < 8; ++b) gate_->open(ip6, b);
        lease(600s);
    }
    void foreign_filter(std::uint32_t priority, std::uint32_t handle) const {
        const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, TC_ACT_OK},
                                 {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
        const int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "foreign", "GPL", code, 2, nullptr);
        ASSERT_GE(program, 0);
        bpf_tc_hook hook{};
        hook.sz = sizeof hook;
        hook.ifindex = link_;
        hook.attach_point = BPF_TC_INGRESS;
        bpf_tc_hook_create(&hook);
        bpf_tc_opts opts{};
        opts.sz = sizeof opts;
        opts.prog_fd = program;
        opts.handle = handle;
        opts.priority = priority;
        ASSERT_EQ(bpf_tc_attach(&hook, &opts), 0);
        close(program);
    }
    /// Listens on every address of the link.
    int server() {
        const int made = socket(AF_INET6, SOCK_STREAM, 0);
        sockaddr_in6 any{};
        any.sin6_family = AF_INET6;
        any.sin6_port = htons(service_port);
        EXPECT_EQ(bind(made, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
        EXPECT_EQ(listen(made, 16), 0);
        return made;
    }
    int link_ = 0;
};

TEST_F(gate_links, foreign_filters_stay_and_see_what_passes) {
    for (const std::uint32_t priority : {1U, 7U}) {
        for (const bool later : {false, true}) {
            if (later) {
                ASSERT_TRUE(gate_->attach(link_));
            }
            foreign_filter(priority, 0xc0);
            ASSERT_TRUE(gate_->attach(link_));
            ASSERT_TRUE(gate_->attach(link_)) << "again";
            const std::string both = said_by("tc filter show dev g0 ingress");
            EXPECT_LT(both.find("gate_ingress"), both.find("foreign")) << both;
            EXPECT_NE(both.find("foreign"), std::string::npos) << both;
            EXPECT_EQ(both.find("gate_ingress:["), both.rfind("gate_ingress:[")) << "once only: " << both;
            ASSERT_TRUE(gate_->detach(link_));
            const std::string left = said_by("tc filter show dev g0 ingress");
            EXPECT_NE(left.find("foreign"), std::string::npos);
            EXPECT_EQ(left.find("gate_ingress"), std::string::npos);
            ASSERT_TRUE(gate_->detach(link_)) << "again";
            ASSERT_TRUE(command("tc filter del dev g0 ingress"));
        }
    }
}

TEST_F(gate_links, foreign_filter_in_the_gates_place_is_an_error_that_names_it) {
    ASSERT_TRUE(command("tc qdisc add dev g0 clsact"));
    ASSERT_TRUE(command("tc filter add dev g0 egress prio 1 protocol all u32 match u32 0 0 flowid 1:1"));
    const auto refused = gate_->attach(link_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EBUSY);
    EXPECT_NE(refused.error().message.find("\"u32\" filter with handle 0x80000"), std::string::npos)
        << refused.error().message;
    EXPECT_NE(said_by("tc filter show dev g0 egress").find("u32"), std::string::npos);
}

TEST_F(gate_links, foreign_xdp_program_is_an_error_that_names_it) {
    const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    const int foreign = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", code, 2, nullptr);
    ASSERT_GE(foreign, 0);
    ASSERT_EQ(bpf_xdp_attach(link_, foreign, 0, nullptr), 0);
    std::uint32_t id = 0;
    ASSERT_EQ(bpf_xdp_query_id(link_, 0, &id), 0);
    const auto refused = gate_->attach(link_, Attach::xdp);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EBUSY);
    EXPECT_NE(refused.error().message.find("id " + std::to_string(id) + " (\"foreign\")"), std::string::npos)
        << refused.error().message;
    // Beside it the gate can be tc's, and neither takes the other off.
    ASSERT_TRUE(gate_->attach(link_, Attach::tc));
    ASSERT_TRUE(gate_->detach(link_));
    std::uint32_t still = 0;
    ASSERT_EQ(bpf_xdp_query_id(link_, 0, &still), 0);
    EXPECT_EQ(still, id);
    close(foreign);
}

TEST_F(gate_links, later_gate_takes_the_place_of_the_earlier_one) {
    for (const Attach how : {Attach::xdp, Attach::tc, Attach::xdp}) {
        ASSERT_TRUE(gate_->attach(link_, how));
        load();
        ASSERT_TRUE(gate_->attach(link_, how)) << "a restarted daemon's";
        std::uint32_t id = 0;
        ASSERT_EQ(bpf_xdp_query_id(link_, 0, &id), 0);
        EXPECT_EQ(id != 0, how == Attach::xdp) << "not both";
        const bool at_ingress = !said_by("tc filter show dev g0 ingress").empty();
        EXPECT_EQ(at_ingress, how == Attach::tc);
        EXPECT_NE(said_by("tc filter show dev g0 egress").find("gate_egress"), std::string::npos);
    }
    ASSERT_TRUE(gate_->detach(link_));
    std::uint32_t id = 0;
    ASSERT_EQ(bpf_xdp_query_id(link_, 0, &id), 0);
    EXPECT_EQ(id, 0U);
    EXPECT_EQ(said_by("tc filter show dev g0 egress"), "");
}

TEST_F(gate_links, next_daemon_knows_the_links_of_the_one_before) {
    ASSERT_TRUE(gate_->attach(link_));
    static_cast<void>(gate_.release());
    // As if that one had had another layout.
    ASSERT_EQ(rename("/mnt/buoy/links_" GATE_LAYOUT, "/mnt/buoy/links_0"), 0);
    load();
    EXPECT_EQ(gate_->links_before(), std::set{link_}) << "the other one is attached to anew";
}

TEST_F(gate_links, links_of_the_daemon_before_are_known_until_they_are_taken_over_or_cleared) {
    ASSERT_TRUE(gate_->attach(link_));
    static_cast<void>(gate_.release());
    load();
    EXPECT_EQ(gate_->links_before(), std::set{link_}) << "the other one is attached to anew";
    ASSERT_TRUE(gate_->detach(link_));
    EXPECT_EQ(gate_->links_before(), std::set<int>{});
}

TEST_F(gate_links, stack_takes_what_comes_for_the_services_mac) {
    ASSERT_TRUE(command("ip address add " + ip6.to_string() + "/64 dev g0 nodad && ip -6 neigh add " +
                        client6.to_string() + " lladdr " + client_mac.to_string() + " dev g0"));
    const int listening = server();
    const Client client;
    std::uint16_t port = 50000;
    for (const Attach how : {Attach::tc, Attach::xdp})
        for (const Mac& mac : {group, flooded}) {
            ASSERT_TRUE(gate_->attach(link_, how));
            serve(mac);
            client.send(addressed(segment(2, ++port), mac));
            EXPECT_TRUE(client.next(accepts(port))) << mac.to_string();
            const Bytes other = addressed(segment(2, ++port), mac);
            const auto bucket =
                bucket_of({client6, port, ip6, service_port, 6}, {8, Hash::source_port, seed});
            const auto before = gate_->counters(ip6, bucket).dropped;
            gate_->shut(ip6, bucket);
            client.send(other);
            // The same client's next segment, of a bucket that is open, is answered after it.
            do ++port;
            while (bucket_of({client6, port, ip6, service_port, 6}, {8, Hash::source_port, seed}) == bucket);
            client.send(addressed(segment(2, port), mac));
            EXPECT_TRUE(client.next(accepts(port)));
            EXPECT_EQ(gate_->counters(ip6, bucket).dropped, before + 1);
        }
    close(listening);
}

TEST_F(gate_links, question_on_the_wire_is_answered_once_with_the_services_mac) {
    ASSERT_TRUE(command("ip address add " + ip6.to_string() +
                        "/64 dev g0 nodad && ip address add 10.9.0.80/16 dev g0"));
    const Client client;
    for (const Attach how : {Attach::tc, Attach::xdp}) {
        ASSERT_TRUE(gate_->attach(link_, how));
        serve(group);
        const auto to_client = [](const Bytes& f) {
            return std::equal(client_mac.bytes.begin(), client_mac.bytes.end(), f.begin());
        };
        client.send(wire::request(client_mac, client4, ip4));
        const auto reply = client.next(to_client);
        ASSERT_TRUE(reply);
        EXPECT_EQ(*reply, wire::encode_arp(client_mac, nic_mac,
                                           {wire::Arp::Operation::reply, group, ip4, client_mac, client4}));
        client.send(wire::solicitation(client_mac, client6, ip6));
        // Were the kernel to answer as well, its answer would be the next.
        const auto advertised = client.next(to_client);
        ASSERT_TRUE(advertised);
        EXPECT_EQ(
            *advertised,
            wire::encode_ndp(client_mac, nic_mac,
                             {ip6, client6, wire::NeighborAdvertisement{ip6, false, true, true, group}}));
    }
}

TEST_F(gate_links, stack_is_asked_and_reached_at_virtual_macs_and_answers_from_them) {
    const Ipv6 unmanaged = *Ipv6::parse("fd00:9:1:2::1");
    ASSERT_TRUE(command("ip address add " + ip6.to_string() + "/64 dev g0 nodad && ip address add " +
                        unmanaged.to_string() + "/64 dev g0 nodad && ip address add 10.9.0.80/16 dev g0"));
    const int listening = server();
    const Mac mac4 = virtual_mac_of(ip4), mac6 = virtual_mac_of(ip6);
    const Client client;
    std::uint16_t port = 50000;
    const auto to_client = [](const Bytes& f) {
        return std::equal(client_mac.bytes.begin(), client_mac.bytes.end(), f.begin());
    };
    for (const IpAddress& ip : {IpAddress(ip4), IpAddress(ip6)}) {
        ASSERT_TRUE(gate_->manage(ip, true));
        gate_->open(ip);
    }
    lease(600s);
    for (const Attach how : {Attach::tc, Attach::xdp}) {
        ASSERT_TRUE(gate_->attach(link_, how));
        client.send(wire::request(client_mac, client4, ip4));
        const auto reply = client.next(to_client);
        ASSERT_TRUE(reply);
        EXPECT_EQ(*reply, wire::encode_arp(client_mac, mac4,
                                           {wire::Arp::Operation::reply, mac4, ip4, client_mac, client4}));
        client.send(wire::solicitation(client_mac, client6, ip6));
        const auto advertised = client.next(to_client);
        ASSERT_TRUE(advertised);
        EXPECT_EQ(*advertised, wire::encode_ndp(client_mac, mac6,
                                                {ip6, client6,
                                                 wire::NeighborAdvertisement{ip6, false, true, true, mac6}}));
        // Whatever comes to the MAC is the stack's, and what it says leaves from its address's.
        for (const auto& [ip, source] : {std::pair{ip6, mac6}, std::pair{unmanaged, nic_mac}}) {
            client.send(addressed(segment(2, ++port, ip), mac6));
            const auto accepted = client.next(accepts(port));
            ASSERT_TRUE(accepted) << ip.to_string();
            EXPECT_TRUE(std::equal(source.bytes.begin(), source.bytes.end(), accepted->begin() + 6));
        }
    }
    close(listening);
}

TEST_F(gate_links, two_pools_on_one_link_do_not_touch_each_other) {
    ASSERT_TRUE(gate_->attach(link_));
    const Ipv4 single{{10, 9, 0, 5}};
    ASSERT_TRUE(gate_->manage(single));
    serve(group);
    const Bytes to_single = ipv4_frame(ipv4_packet(client4, single, 6, ports(1, 2)));
    const Bytes to_bucket = ipv4_frame(ipv4_packet(client4, ip4, 6, ports(1, 2)));
    EXPECT_FALSE(passes(to_single, tc_in));
    EXPECT_TRUE(passes(to_bucket, tc_in));
    gate_->open(single);
    gate_->forget(ip4);
    gate_->forget(ip6);
    EXPECT_TRUE(passes(to_single, tc_in));
    EXPECT_TRUE(passes(to_bucket, tc_in)) << "nobody's now";
}

}  // namespace
}  // namespace buoy::gate
