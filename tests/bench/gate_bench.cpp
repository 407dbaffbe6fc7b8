// SPDX-License-Identifier: GPL-2.0-or-later
// What the gate costs, and the rules that IPaddr2's clones use: JSON on standard output, {"figure": [ns,
// ...]}. Needs root, nft and iptables; works in a network namespace of its own.
//
// By test-run: the time of one run of the program alone, as the kernel measures it (BPF_PROG_TEST_RUN). By
// packet: the kernel hands itself frames as if they came from a link (BPF_F_TEST_XDP_LIVE_FRAMES), through
// everything that a frame goes through, and the time of one is compared with and without a filter.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "service/gate/gate.hpp"
#include "service/gate/links.hpp"

namespace {

using namespace buoy;
using namespace buoy::gate;
using Bytes = std::vector<std::uint8_t>;
using Direction = Gate::Direction;

const Ipv4 service{{10, 9, 0, 5}};
const Ipv6 service6 = *Ipv6::parse("fd00:9::5");
const Ipv4 stranger{{10, 9, 0, 77}};
const Mac group{{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}};
constexpr std::uint16_t client_port = 40000;
constexpr std::uint16_t service_port = 9;
constexpr std::uint32_t test_runs = 1'000'000;
constexpr std::uint32_t frames = 200'000;
constexpr std::uint32_t few_frames = 64;
// The bounds of xt_cluster, and of what a rule per bucket is compared at.
constexpr std::uint32_t few = 8, many = 256, xt_most = 32, most = 4096;

[[noreturn]] void stop(const std::string& why) {
    fmt::print(stderr, "gate_bench: {}\n", why);
    std::exit(1);
}

void must(bool holds, const std::string& what) {
    if (!holds) stop(fmt::format("{}: {}", what, std::strerror(errno)));
}

template <typename T>
T need(Result<T> result) {
    if (!result) stop(result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// A command that reads `input`.
void command(const std::string& line, const std::string& input = "") {
    FILE* to = popen(line.c_str(), "w");
    must(to != nullptr, line);
    std::fwrite(input.data(), 1, input.size(), to);
    if (pclose(to) != 0) stop(line + " failed");
}

/// A UDP datagram with nothing in it.
Bytes frame(const Mac& to, const IpAddress& client, const IpAddress& ip) {
    Bytes bytes(to.bytes.begin(), to.bytes.end());
    bytes.insert(bytes.end(), {2, 0, 0, 0, 0, 1});
    if (ip.is_v4()) {
        bytes.insert(bytes.end(), {0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0});
        bytes.insert(bytes.end(), client.data(), client.data() + 4);
        bytes.insert(bytes.end(), ip.data(), ip.data() + 4);
        std::uint32_t sum = 0;
        for (std::size_t i = 14; i < 34; i += 2)
            sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
        sum = ~((sum & 0xffff) + (sum >> 16));
        bytes[24] = static_cast<std::uint8_t>(sum >> 8);
        bytes[25] = static_cast<std::uint8_t>(sum);
    } else {
        bytes.insert(bytes.end(), {0x86, 0xdd, 0x60, 0, 0, 0, 0, 26, 17, 64});
        bytes.insert(bytes.end(), client.data(), client.data() + 16);
        bytes.insert(bytes.end(), ip.data(), ip.data() + 16);
    }
    bytes.insert(bytes.end(),
                 {client_port >> 8, client_port & 255, service_port >> 8, service_port & 255, 0, 26, 0, 0});
    bytes.resize(bytes.size() + 18);
    return bytes;
}

TimePoint now() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return TimePoint(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

int program_of(bpf_prog_type type, int verdict) {
    const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, verdict},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    const int program = bpf_prog_load(type, "bench", "GPL", code, 2, nullptr);
    must(program >= 0, "cannot load a program");
    return program;
}

/// Nanoseconds of one run of a program on a frame.
double test_run(int program, const Bytes& bytes, std::uint32_t verdict) {
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = bytes.data();
    run.data_size_in = static_cast<std::uint32_t>(bytes.size());
    run.repeat = test_runs;
    must(bpf_prog_test_run_opts(program, &run) == 0, "BPF_PROG_TEST_RUN");
    if (run.retval != verdict) stop(fmt::format("the program says {} and not {}", run.retval, verdict));
    return run.duration;
}

/// A link into which frames can be put, and a socket for them that takes none.
class Bench {
  public:
    explicit Bench(std::size_t rounds) : rounds_(rounds) {
        must(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, "cannot unshare; this needs root");
        must(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "mount");
        must(mount("bpf", "/mnt", "bpf", 0, "mode=700") == 0, "mount bpf");
        command("ip -batch -",
                "link add b0 type veth peer name b1\nlink set lo up\nlink set b0 up\nlink set b1 up\n"
                "address add 10.9.0.1/16 dev b0\naddress add 10.9.0.5/32 dev b0\n");
        link_ = static_cast<int>(if_nametoindex("b0"));
        pass_ = program_of(BPF_PROG_TYPE_XDP, XDP_PASS);
        drop_ = program_of(BPF_PROG_TYPE_SCHED_CLS, TC_ACT_SHOT);
        // Only then does the link have what frames are put into.
        must(bpf_xdp_attach(link_, pass_, 0, nullptr) == 0, "XDP on veth");
        gate_ = need(Gate::load("/mnt/buoy"));
        full_ = socket(AF_INET, SOCK_DGRAM, 0);
        const int least = 1;
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(service_port);
        must(setsockopt(full_, SOL_SOCKET, SO_RCVBUF, &least, sizeof least) == 0 &&
                 bind(full_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0,
             "socket");
    }

    [[nodiscard]] const nlohmann::json& results() const { return results_; }

    /// The program alone, with the clocks it could read.
    void by_test_run() {
        // A test-run's frames come from the loopback device.
        const int loopback = static_cast<int>(if_nametoindex("lo"));
        need(gate_->attach(loopback));
        divide(2 * many, many);
        const IpAddress ours = of_bucket(client, service, true), theirs = of_bucket(client, service, false);
        const IpAddress ours6 = of_bucket(client6, service6, true),
                        theirs6 = of_bucket(client6, service6, false);
        for (std::size_t i = 0; i < rounds_; ++i)
            for (const auto& [how, name, drop, pass] :
                 {std::tuple(Attach::tc, "tc", TC_ACT_SHOT, TC_ACT_UNSPEC),
                  std::tuple(Attach::xdp, "xdp", int{XDP_DROP}, int{XDP_PASS})}) {
                const int program = gate_->program(Direction::ingress, how);
                const auto cost = [&](const char* what, const IpAddress& from, const IpAddress& ip,
                                      int verdict) {
                    note(fmt::format("{} {}", name, what),
                         test_run(program, frame(group, from, ip), static_cast<std::uint32_t>(verdict)));
                };
                cost("drop v4", theirs, service, drop);
                cost("drop v6", theirs6, service6, drop);
                cost("pass v4", ours, service, pass);
                cost("pass v6", ours6, service6, pass);
                cost("another's", ours, stranger, pass);
            }
        const int empty = program_of(BPF_PROG_TYPE_SCHED_CLS, TC_ACT_SHOT);
        for (std::size_t i = 0; i < rounds_; ++i)
            note("tc nothing", test_run(empty, frame(group, ours, service), TC_ACT_SHOT));
        gate_->forget(service);
        gate_->forget(service6);
        need(gate_->detach(loopback));
    }

    /// Reading the counters of all of the most buckets that a pool may have: at once, and one by one.
    void by_reading() {
        const IpAddress ip = service;
        const Service of_it{ip, group};
        need(gate_->divide({&of_it, 1}, {most, Hash::source_port, seed_}));
        for (std::size_t round = 0; round < rounds_; ++round) {
            auto before = now();
            static_cast<void>(gate_->counters({&ip, 1}, most));
            note("count at once", static_cast<double>((now() - before).count()));
            before = now();
            for (std::uint32_t bucket = 0; bucket < most; ++bucket)
                static_cast<void>(gate_->counters(ip, bucket));
            note("count one by one", static_cast<double>((now() - before).count()));
        }
        gate_->forget(ip);
    }

    /// What filters add to a frame: to one that passes, over an unfiltered link; to one that is dropped, over
    /// a link that drops everything at its door. Half of the buckets are ours.
    void by_packet(std::uint32_t owned) {
        const std::uint32_t total = 2 * owned;
        const std::uint32_t xt_total = std::min(total, xt_most);
        for (std::size_t i = 0; i < rounds_; ++i) {
            const double open = inject(client(i));
            need(attach_tc(link_, Hook::ingress, drop_));
            const double door = inject(client(i));
            need(detach_tc(link_, Hook::ingress));

            divide(total, owned);
            need(gate_->attach(link_));
            measure("gate", owned, i, open, door);
            need(gate_->detach(link_));
            gate_->forget(service);
            gate_->forget(service6);

            command("nft -f -", nft_rules(total, owned));
            measure("nft", owned, i, open, door);
            command("nft delete table ip bench");

            command("iptables-legacy-restore", xt_rules(xt_total, std::min(owned, xt_total - 1)));
            measure("xt_cluster", owned, i, open, door);
            command("iptables-legacy -t mangle -F");
        }
    }

  private:
    void note(const std::string& figure, double ns) { results_[figure].push_back(ns); }

    void divide(std::uint32_t total, std::uint32_t owned) {
        const Service both[] = {{service, group}, {service6, group}};
        need(gate_->divide(both, {total, Hash::source_port, seed_}));
        for (std::uint32_t bucket = 0; bucket < owned; ++bucket) gate_->open(service, bucket);
        gate_->set_deadline(now() + std::chrono::hours(1));
    }

    /// Any number of them. Which passes a filter is found out.
    static Ipv4 client(std::size_t n) {
        return Ipv4::from_value((10U << 24) + (9U << 16) + 0x200 + static_cast<std::uint32_t>(n));
    }
    static Ipv6 client6(std::size_t n) {
        Ipv6 ip = service6;
        ip.bytes[14] = static_cast<std::uint8_t>(n + 1);
        return ip;
    }
    template <typename Address>
    Address of_bucket(Address (*nth)(std::size_t), const IpAddress& ip, bool ours) const {
        for (std::size_t n = 0;; ++n) {
            const Connection c{nth(n), client_port, ip, service_port, 17};
            if ((bucket_of(c, {2 * many, Hash::source_port, seed_}) < many) == ours) return nth(n);
        }
    }

    // The rules of IPaddr2's clones (resource-agents, pull request 2183): one for each bucket that is ours,
    // and what is left is dropped.
    static std::string nft_rules(std::uint32_t total, std::uint32_t owned) {
        std::string rules =
            "table ip bench {\n chain prerouting {\n  type filter hook prerouting priority mangle;\n";
        for (std::uint32_t bucket = owned; bucket > 0; --bucket)
            rules += fmt::format(
                "  iif b0 ip daddr {} jhash ip saddr mod {} seed 0x5eed offset 1 == {} meta pkttype "
                "set host accept\n",
                service.to_string(), total, bucket);
        return rules + fmt::format("  iif b0 ip daddr {} drop\n }}\n}}\n", service.to_string());
    }
    static std::string xt_rules(std::uint32_t total, std::uint32_t owned) {
        std::string rules = "*mangle\n";
        for (std::uint32_t bucket = owned; bucket > 0; --bucket)
            rules += fmt::format(
                "-A PREROUTING -d {} -i b0 -m cluster --cluster-hash-seed 0x5eed --cluster-total-nodes "
                "{} --cluster-local-node {} -j ACCEPT\n",
                service.to_string(), total, bucket);
        return rules + fmt::format("-A PREROUTING -d {} -i b0 -j DROP\nCOMMIT\n", service.to_string());
    }

    /// With another client every round, as the place of its rule matters.
    void measure(const char* filter, std::uint32_t owned, std::size_t round, double open, double door) {
        note(fmt::format("{} pass {}", filter, owned), inject(nth_client(true, round)) - open);
        note(fmt::format("{} drop {}", filter, owned), inject(nth_client(false, round)) - door);
    }
    Ipv4 nth_client(bool passing, std::size_t n) {
        for (std::size_t i = 0; i < 1000; ++i) {
            const std::uint32_t before = refused();
            inject(client(i), few_frames);
            if ((refused() != before) == passing && n-- == 0) return client(i);
        }
        stop("the filter lets everybody in, or nobody");
    }
    /// What came through to the socket.
    [[nodiscard]] std::uint32_t refused() const {
        std::uint32_t info[SK_MEMINFO_VARS]{};
        socklen_t size = sizeof info;
        must(getsockopt(full_, SOL_SOCKET, SO_MEMINFO, info, &size) == 0, "SO_MEMINFO");
        return info[SK_MEMINFO_DROPS];
    }

    /// Nanoseconds for a frame of this client's, from the link on.
    double inject(const Ipv4& from, std::uint32_t count = frames) {
        const Bytes bytes = frame(group, from, service);
        xdp_md context{};
        context.data_end = static_cast<std::uint32_t>(bytes.size());
        context.ingress_ifindex = static_cast<std::uint32_t>(link_);
        LIBBPF_OPTS(bpf_test_run_opts, run);
        run.data_in = bytes.data();
        run.data_size_in = context.data_end;
        run.ctx_in = &context;
        run.ctx_size_in = sizeof context;
        run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
        run.repeat = count;
        timespec before{}, after{};
        clock_gettime(CLOCK_MONOTONIC, &before);
        must(bpf_prog_test_run_opts(pass_, &run) == 0, "BPF_F_TEST_XDP_LIVE_FRAMES");
        clock_gettime(CLOCK_MONOTONIC, &after);
        const double ns = static_cast<double>(after.tv_sec - before.tv_sec) * 1e9 +
                          static_cast<double>(after.tv_nsec - before.tv_nsec);
        return ns / count;
    }

    std::size_t rounds_;
    int link_ = 0, pass_ = -1, drop_ = -1, full_ = -1;
    std::uint32_t seed_ = 0x5eed;
    std::unique_ptr<Gate> gate_;
    nlohmann::json results_ = nlohmann::json::object();
};

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc == 2 ? std::atoi(argv[1]) : 0;
    if (rounds < 1) stop("usage: gate_bench ROUNDS");
    Bench bench(static_cast<std::size_t>(rounds));
    bench.by_reading();
    bench.by_test_run();
    for (const std::uint32_t owned : {few, many}) bench.by_packet(owned);
    fmt::print("{}\n", bench.results().dump());
}
