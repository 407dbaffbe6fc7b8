// SPDX-License-Identifier: GPL-2.0-or-later
// Opens TCP connections, as far as a SYN goes, from many addresses and ports, and notes who answers;
// tests/lab/knock.py is the other end.
//
// Usage: knock CLIENT_NETNS SWITCH_NETNS PER_SECOND PORTS COUNT <flows, then an empty line.
//
// A flow is a line: the client's address, the service's, the service's port and the MAC to send to. The SYNs
// go round the flows and, every round, one further in so many client ports from 1024 on; then it begins
// again. Each has its number for a sequence number, by which its answers are known. It ends when its input
// does, or after COUNT of them if that is not 0, and a while later, for late answers.
//
// Writes records of 16 bytes to standard output: u64 value, u32 number, u16 flow, u8 kind, u8 who.
//   S  value: when it was sent
//   A  value: when a SYN-ACK left a host's port; who: the number of the host
//   R  value: when a RST did; who likewise
//   H  value: a host's name, in 8 bytes; who: its number from here on
//   E  value: 0; number: frames that found no room in the tap. The last record.
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <memory>
#include <sstream>

#include "tests/tools/records.hpp"
#include "tests/tools/sockets.hpp"
#include "tests/tools/wire.hpp"

namespace buoy::sweep {

namespace {

constexpr std::int64_t tick_ns = 500'000;
constexpr std::int64_t linger_ns = 300'000'000;
constexpr std::uint32_t first_port = 1024;
constexpr std::size_t ethernet_size = 14;
constexpr std::size_t tcp_size = 20;
constexpr std::uint8_t syn = 0x02;
constexpr std::uint8_t rst = 0x04;
constexpr std::uint8_t ack = 0x10;

struct Flow {
    Ip client{};
    Ip service{};
    std::uint16_t port = 0;
    Mac to{};
};

Flow parse_flow(const std::string& line) {
    std::istringstream words(line);
    std::string client;
    std::string service;
    std::string mac;
    Flow flow;
    words >> client >> service >> flow.port >> mac;
    flow.client = parse_ip(client);
    flow.service = parse_ip(service);
    unsigned bytes[6];
    if (std::sscanf(mac.c_str(), "%x:%x:%x:%x:%x:%x", bytes, bytes + 1, bytes + 2, bytes + 3, bytes + 4,
                    bytes + 5) != 6) {
        errno = EINVAL;
        give_up("MAC '" + mac + "'");
    }
    std::ranges::copy(bytes, flow.to.begin());
    return flow;
}

void put16(std::vector<std::uint8_t>& out, std::size_t at, std::uint32_t value) {
    out[at] = static_cast<std::uint8_t>(value >> 8);
    out[at + 1] = static_cast<std::uint8_t>(value);
}
void put32(std::vector<std::uint8_t>& out, std::size_t at, std::uint32_t value) {
    put16(out, at, value >> 16);
    put16(out, at + 2, value);
}
std::uint32_t get16(Bytes bytes, std::size_t at) {
    return static_cast<std::uint32_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::uint32_t sum_of(Bytes bytes) {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) sum += get16(bytes, at);
    return sum;
}
std::uint16_t folded(std::uint32_t sum) {
    while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

/// A SYN (RFC 9293) in its frame, without options.
std::vector<std::uint8_t> syn_frame(const Flow& flow, const Mac& from, std::uint16_t port,
                                    std::uint32_t number) {
    const bool v4 = is_v4(flow.client);
    const std::size_t ip_size = v4 ? 20 : 40;
    const std::size_t tcp = ethernet_size + ip_size;
    std::vector<std::uint8_t> out(tcp + tcp_size);
    std::ranges::copy(flow.to, out.begin());
    std::ranges::copy(from, out.begin() + 6);
    put16(out, 12, v4 ? 0x0800 : 0x86dd);
    if (v4) {
        out[14] = 0x45;
        put16(out, 16, ip_size + tcp_size);
        out[22] = 64;
        out[23] = IPPROTO_TCP;
        std::copy(flow.client.begin() + 12, flow.client.end(), out.begin() + 26);
        std::copy(flow.service.begin() + 12, flow.service.end(), out.begin() + 30);
        put16(out, 24, folded(sum_of(Bytes(out).subspan(ethernet_size, ip_size))));
    } else {
        out[14] = 0x60;
        put16(out, 18, tcp_size);
        out[20] = IPPROTO_TCP;
        out[21] = 64;
        std::ranges::copy(flow.client, out.begin() + 22);
        std::ranges::copy(flow.service, out.begin() + 38);
    }
    put16(out, tcp, port);
    put16(out, tcp + 2, flow.port);
    put32(out, tcp + 4, number);
    out[tcp + 12] = 0x50;
    out[tcp + 13] = syn;
    put16(out, tcp + 14, 64240);
    // Of IPv4 the mapped prefix would count twice, so only its four bytes are summed.
    const std::size_t skip = v4 ? 12 : 0;
    const std::uint32_t pseudo = sum_of(Bytes(flow.client).subspan(skip)) +
                                 sum_of(Bytes(flow.service).subspan(skip)) + IPPROTO_TCP + tcp_size;
    put16(out, tcp + 16, folded(pseudo + sum_of(Bytes(out).subspan(tcp))));
    return out;
}

/// What a frame answers.
struct Answer {
    std::uint32_t number = 0;
    bool reset = false;
};

bool read_answer(Bytes frame, const std::vector<Flow>& flows, Answer& into) {
    if (frame.size() < ethernet_size + 20 + tcp_size) return false;
    const bool v4 = get16(frame, 12) == 0x0800;
    const std::size_t tcp = ethernet_size + (v4 ? std::size_t{frame[14] & 0x0fU} * 4 : 40);
    if (frame.size() < tcp + tcp_size) return false;
    Ip from{};
    if (v4) {
        from[10] = from[11] = 0xff;
        std::copy(frame.begin() + 26, frame.begin() + 30, from.begin() + 12);
    } else {
        std::copy(frame.begin() + 22, frame.begin() + 38, from.begin());
    }
    if (std::ranges::none_of(flows, [&](const Flow& flow) { return flow.service == from; })) return false;
    const std::uint8_t flags = frame[tcp + 13] & (syn | rst | ack);
    if (flags != (syn | ack) && flags != (rst | ack)) return false;
    into.number = (get16(frame, tcp + 8) << 16 | get16(frame, tcp + 10)) - 1;
    into.reset = (flags & rst) != 0;
    return true;
}

class Knock {
  public:
    Knock(std::vector<Flow> flows, char** words)
        : flows_(std::move(flows)),
          step_ns_(1'000'000'000 / std::max(1LL, std::atoll(words[3]))),
          ports_(static_cast<std::uint32_t>(std::atol(words[4]))),
          count_(static_cast<std::uint32_t>(std::atol(words[5]))) {
        enter_netns(words[1]);
        sender_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        ifreq request{};
        std::strcpy(request.ifr_name, "eth0");
        if (sender_ < 0 || ioctl(sender_, SIOCGIFHWADDR, &request) != 0) give_up("eth0");
        std::memcpy(mac_.data(), request.ifr_hwaddr.sa_data, mac_.size());
        if (ioctl(sender_, SIOCGIFINDEX, &request) != 0) give_up("eth0");
        link_ = request.ifr_ifindex;
        enter_netns(words[2]);
        tap_ = std::make_unique<Tap>("", Tap::What::tcp);
        ports_of_hosts_ = std::make_unique<Ports>();
    }

    void run() {
        std::int64_t due_ns = now_ns();
        std::int64_t end_ns = 0;
        while (end_ns == 0 || now_ns() < end_ns) {
            while (end_ns == 0 && due_ns <= now_ns() && !done()) {
                send();
                due_ns += step_ns_;
            }
            // After a stall go on from now: a burst would be another load.
            due_ns = std::max(due_ns, now_ns() - 4 * tick_ns);
            if (end_ns == 0 && (done() || input_ended())) end_ns = now_ns() + linger_ns;
            look();
            notes_.flush(now_ns());
            const timespec nap{0, tick_ns};
            nanosleep(&nap, nullptr);
        }
        notes_.add('E', 0, tap_->dropped(), 0, 0);
        notes_.flush(now_ns(), true);
    }

  private:
    [[nodiscard]] bool done() const { return count_ > 0 && sent_ >= count_; }

    void send() {
        const std::size_t i = sent_ % flows_.size();
        const auto round = static_cast<std::uint32_t>(sent_ / flows_.size());
        const auto frame =
            syn_frame(flows_[i], mac_, static_cast<std::uint16_t>(first_port + round % ports_), sent_);
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = link_;
        to.sll_halen = 6;
        notes_.add('S', now_ns(), sent_, static_cast<std::uint16_t>(i), 0);
        if (sendto(sender_, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0)
            give_up("send a SYN");
        ++sent_;
    }

    void look() {
        for (;;) {
            const auto& frames = tap_->receive();
            if (frames.empty()) return;
            for (const Frame& frame : frames) {
                const std::string& host = ports_of_hosts_->host(frame.link);
                Answer answer;
                if (host.empty() || host == "client" || !read_answer(frame.data, flows_, answer)) continue;
                if (answer.number >= sent_) continue;
                notes_.add(answer.reset ? 'R' : 'A', frame.time_ns, answer.number,
                           static_cast<std::uint16_t>(answer.number % flows_.size()),
                           notes_.number_of_host(host));
            }
        }
    }

    std::vector<Flow> flows_;
    std::int64_t step_ns_;
    std::uint32_t ports_;
    std::uint32_t count_;
    std::uint32_t sent_ = 0;
    int sender_ = -1;
    int link_ = 0;
    Mac mac_{};
    std::unique_ptr<Tap> tap_;
    std::unique_ptr<Ports> ports_of_hosts_;
    Notes notes_;
};

int main_with(int count, char** words) {
    if (count != 6) {
        std::cerr << "usage: knock CLIENT_NETNS SWITCH_NETNS PER_SECOND PORTS COUNT <FLOWS\n";
        return 2;
    }
    std::vector<Flow> flows;
    for (std::string line; std::getline(std::cin, line) && !line.empty();) flows.push_back(parse_flow(line));
    if (flows.empty() || flows.size() > 0xffff || std::atol(words[4]) < 1) return 2;
    watch_input();
    prctl(PR_SET_TIMERSLACK, 1UL);
    Knock(std::move(flows), words).run();
    return 0;
}

}  // namespace

}  // namespace buoy::sweep

int main(int count, char** words) {
    return buoy::sweep::main_with(count, words);
}
