// SPDX-License-Identifier: GPL-2.0-or-later
// Asks many addresses at once, as a client does, and notes who answers; tests/lab/sweep.py is the other end.
//
// Usage: sweep CLIENT_NETNS SWITCH_NETNS INTERVAL_NS AUDIT_NS <addresses, one a line, then an empty line.
//
// Every address is sent an echo request every INTERVAL_NS, through the client's kernel and so with its
// neighbour cache; requests are spread evenly over the interval. If AUDIT_NS is not 0, every host is also
// asked every AUDIT_NS by ARP or neighbour solicitation, through its own port of the switch, whether it has
// the address: what a client with another cache would be told. It ends when its input does.
//
// Writes records of 16 bytes to standard output: u64 value, u32 sequence, u16 address, u8 kind, u8 who.
//   S  value: when the request was sent
//   A  value: when the client had its answer; who: the number of the MAC it came from
//   P  value: when the answer left a host's port; who: the number of the host
//   C  value: when a host said that it has the address; sequence: 1 to everybody, 0 to one; who: the host
//   H  value: a host's name, in 8 bytes; who: its number from here on
//   M  value: a MAC, in 6 of 8 bytes; who: its number from here on
//   L  value: when we went on after we had been kept from asking; sequence: for how long, in us
//   E  the end; value: CPU time used; sequence: frames that were lost on their way to us
// Times are of the monotonic clock, in ns. Comes before everything else where that is allowed: on the machine
// of those it measures a client that waits for a core would see gaps that are its own.
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <map>
#include <memory>

#include "tests/tools/records.hpp"
#include "tests/tools/sockets.hpp"

namespace buoy::sweep {

namespace {

constexpr std::int64_t tick_ns = 500'000;
/// How long answers to the last requests may take once the sweep has been told to end.
constexpr std::int64_t linger_ns = 200'000'000;
/// What asks later than this has been kept from it.
constexpr std::int64_t late_ns = 4 * tick_ns;
constexpr std::size_t most_addresses = 4096;

/// Says when the next of N things that share a period is due.
class Beat {
  public:
    /// A period of 0 is never due.
    Beat(std::int64_t period_ns, std::size_t things)
        : step_ns_(static_cast<double>(period_ns) / static_cast<double>(things)), things_(things) {}

    /// Begins to count.
    void start(std::int64_t at_ns) { base_ns_ = static_cast<double>(at_ns); }

    /// Which one is due; `things` if none is.
    std::size_t due(std::int64_t at_ns) {
        if (step_ns_ <= 0) return things_;
        const double late_ns =
            static_cast<double>(at_ns) - (base_ns_ + step_ns_ * static_cast<double>(count_));
        if (late_ns < 0) return things_;
        // After a stall go on from now: a burst would not be a request every so often.
        if (late_ns > 4 * tick_ns && late_ns > 2 * step_ns_) base_ns_ += late_ns;
        return static_cast<std::size_t>(count_++ % things_);
    }

  private:
    double step_ns_;
    std::size_t things_;
    double base_ns_ = 0;
    std::uint64_t count_ = 0;
};

/// All addresses, one interval.
class Sweep {
  public:
    Sweep(std::vector<Ip> addresses, const std::string& client, const std::string& lan,
          std::int64_t interval_ns, std::int64_t audit_ns)
        : addresses_(std::move(addresses)),
          sequences_(addresses_.size(), 0),
          requests_(interval_ns, addresses_.size()),
          questions_(audit_ns, addresses_.size()) {
        for (std::size_t i = 0; i < addresses_.size(); ++i)
            numbers_[addresses_[i]] = static_cast<std::uint16_t>(i);
        enter_netns(client);
        sender4_ = std::make_unique<EchoSender>(false);
        sender6_ = std::make_unique<EchoSender>(true);
        client_ = std::make_unique<Tap>("eth0");
        // The thread stays in the switch: its ports are looked up as they come and go.
        enter_netns(lan);
        switch_ = std::make_unique<Tap>("");
        ports_ = std::make_unique<Ports>();
    }

    void run() {
        std::int64_t wake_ns = now_ns();
        std::int64_t end_ns = 0;
        requests_.start(wake_ns);
        questions_.start(wake_ns);
        while (end_ns == 0 || now_ns() < end_ns) {
            if (end_ns == 0) {
                note_stall();
                ask();
                audit();
                if (input_ended()) end_ns = now_ns() + linger_ns;
            }
            read_client();
            read_switch();
            notes_.flush(now_ns());
            wake_ns = std::max(wake_ns + tick_ns, now_ns());
            sleep_until(wake_ns);
        }
        finish();
    }

  private:
    void note_stall() {
        const std::int64_t at_ns = now_ns();
        const std::int64_t late = at_ns - asked_ns_;
        if (asked_ns_ != 0 && late > late_ns)
            notes_.add('L', at_ns, static_cast<std::uint32_t>(late / 1000), 0, 0);
        asked_ns_ = at_ns;
    }

    void ask() {
        const std::size_t none = addresses_.size();
        for (std::size_t i = none; (i = requests_.due(now_ns())) != none;) {
            const auto address = static_cast<std::uint16_t>(i);
            const Token token{sequences_[i]++, address};
            const bool v6 = !is_v4(addresses_[i]);
            const auto packet = echo_request(v6, identifier_, token);
            // By the clock of each: a round trip is shorter than a batch takes.
            notes_.add('S', now_ns(), token.sequence, address, 0);
            (v6 ? *sender6_ : *sender4_).send(addresses_[i], packet);
        }
    }

    void audit() {
        const std::size_t none = addresses_.size();
        for (std::size_t i = none; (i = questions_.due(now_ns())) != none;) {
            for (const Port& port : ports_->now())
                if (port.host != "client") ports_->send(port, question(addresses_[i], port.mac));
        }
    }

    void read_client() {
        for (;;) {
            const auto& frames = client_->receive();
            if (frames.empty()) return;
            for (const Frame& frame : frames) {
                const auto seen = read_frame(frame.data, identifier_);
                if (!seen || !is_ours(*seen)) continue;
                const Token token = seen->token;
                notes_.add('A', frame.time_ns, token.sequence, token.address,
                           notes_.number_of_mac(seen->source));
            }
        }
    }

    void read_switch() {
        for (;;) {
            const auto& frames = switch_->receive();
            if (frames.empty()) return;
            for (const Frame& frame : frames) note_at_switch(frame);
        }
    }

    void note_at_switch(const Frame& frame) {
        const std::string& host = ports_->host(frame.link);
        if (host.empty() || host == "client") return;
        const auto seen = read_frame(frame.data, identifier_);
        if (!seen) return;
        if (seen->kind == Seen::Kind::echo_reply) {
            if (!is_ours(*seen)) return;
            const Token token = seen->token;
            notes_.add('P', frame.time_ns, token.sequence, token.address, notes_.number_of_host(host));
        } else if (const auto known = numbers_.find(seen->ip); known != numbers_.end()) {
            const bool everybody = seen->kind == Seen::Kind::announcement;
            notes_.add('C', frame.time_ns, everybody ? 1 : 0, known->second, notes_.number_of_host(host));
        }
    }

    [[nodiscard]] bool is_ours(const Seen& seen) const {
        return seen.kind == Seen::Kind::echo_reply && seen.token.address < addresses_.size() &&
               addresses_[seen.token.address] == seen.ip &&
               seen.token.sequence < sequences_[seen.token.address];
    }

    static void sleep_until(std::int64_t at_ns) {
        const timespec at{at_ns / 1'000'000'000, at_ns % 1'000'000'000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    }

    void finish() {
        rusage used{};
        getrusage(RUSAGE_SELF, &used);
        const auto microseconds = [](const timeval& time) {
            return static_cast<std::int64_t>(time.tv_sec) * 1'000'000 + time.tv_usec;
        };
        const std::int64_t cpu_ns = (microseconds(used.ru_utime) + microseconds(used.ru_stime)) * 1000;
        notes_.add('E', cpu_ns, client_->dropped() + switch_->dropped(), 0, 0);
        notes_.flush(now_ns(), true);
    }

    std::vector<Ip> addresses_;
    std::map<Ip, std::uint16_t> numbers_;
    std::vector<std::uint32_t> sequences_;
    Beat requests_;
    Beat questions_;
    std::int64_t asked_ns_ = 0;
    std::uint16_t identifier_ = static_cast<std::uint16_t>(getpid() & 0xffff);
    std::unique_ptr<EchoSender> sender4_;
    std::unique_ptr<EchoSender> sender6_;
    std::unique_ptr<Tap> client_;
    std::unique_ptr<Tap> switch_;
    std::unique_ptr<Ports> ports_;
    Notes notes_;
};

/// A share of a core in every tick (SCHED_DEADLINE, sched(7)), which no priority can take: a client on a
/// machine of its own has that and more.
void come_first() {
    // As in sched_setattr(2); the header that declares it does not go with glibc's.
    struct {
        std::uint32_t size = 48;
        std::uint32_t policy = SCHED_DEADLINE;
        std::uint64_t flags = 0;
        std::int32_t nice = 0;
        std::uint32_t priority = 0;
        std::uint64_t runtime_ns = tick_ns * 4 / 5;
        std::uint64_t deadline_ns = tick_ns;
        std::uint64_t period_ns = tick_ns;
    } share;
    if (syscall(SYS_sched_setattr, 0, &share, 0) != 0)
        std::cerr << "sweep: no share of a core for itself: gaps may be its own\n";
}

int main_with(int count, char** words) {
    if (count != 5) {
        std::cerr << "usage: sweep CLIENT_NETNS SWITCH_NETNS INTERVAL_NS AUDIT_NS <ADDRESSES\n";
        return 2;
    }
    std::vector<Ip> addresses;
    for (std::string line; std::getline(std::cin, line) && !line.empty();)
        addresses.push_back(parse_ip(line));
    if (addresses.empty() || addresses.size() > most_addresses) {
        std::cerr << "sweep: 1 to " << most_addresses << " addresses, not " << addresses.size() << "\n";
        return 2;
    }
    watch_input();
    come_first();
    // The default slack of 50 us would be a good part of a tick.
    prctl(PR_SET_TIMERSLACK, 1UL);
    Sweep(std::move(addresses), words[1], words[2], std::atoll(words[3]), std::atoll(words[4])).run();
    return 0;
}

}  // namespace

}  // namespace buoy::sweep

int main(int count, char** words) {
    return buoy::sweep::main_with(count, words);
}
