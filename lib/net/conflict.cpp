// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/conflict.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "net/errors.hpp"
#include "net/packet_socket.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ndp.hpp"

namespace buoy::net {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds question_spacing{300};
// Of many probes: 10,000 a second.
constexpr std::size_t probes_at_once = 50;
constexpr milliseconds between_probes{5};

/// RFC 5227 section 2.1.1: a packet from the address, or another host's probe for it.
std::optional<Mac> rival_in(const std::vector<std::uint8_t>& frame, const Mac& own, const Ipv4& ip) {
    const auto arp = wire::decode_arp(frame);
    if (!arp || arp->sender_mac == own) return std::nullopt;
    const bool has_it = arp->sender_ip == ip;
    const bool wants_it =
        arp->operation == wire::Arp::Operation::request && arp->sender_ip == Ipv4{} && arp->target_ip == ip;
    return has_it || wants_it ? std::optional(arp->sender_mac) : std::nullopt;
}

/// Reads frames until `end` or until one satisfies `found`.
template <typename Found>
Result<bool> listen(PacketSocket& socket, steady_clock::time_point end, const Found& found) {
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
        if (left <= milliseconds(0)) return false;
        auto frame = socket.receive(left);
        if (!frame) return tl::unexpected<Error>(frame.error());
        if (*frame && found(**frame)) return true;
    }
}

bool is_answer(const std::vector<std::uint8_t>& frame, const IpAddress& from, const IpAddress& target) {
    if (target.is_v4()) {
        const auto arp = wire::decode_arp(frame);
        return arp && arp->operation == wire::Arp::Operation::reply && arp->sender_ip == target.v4() &&
               arp->target_ip == from.v4();
    }
    const auto advertisement = wire::decode_neighbor_advertisement(frame);
    return advertisement && advertisement->solicited && advertisement->target == target.v6();
}

/// Asks about many addresses, and hears who has them.
class Census {
  public:
    static Result<Census> open(const Link& link, std::span<const IpAddress> ips) {
        auto arp = PacketSocket::open(link, wire::ethertype_arp);
        if (!arp) return tl::unexpected<Error>(arp.error());
        auto nd = PacketSocket::open(link, wire::ethertype_ipv6);
        if (!nd) return tl::unexpected<Error>(nd.error());
        nd->hear_advertisements_only();
        return Census(std::move(*arp), std::move(*nd), link, ips);
    }
    Result<void> ask(const IpAddress& ip) {
        auto sent =
            ip.is_v4() ? arp_.send(wire::probe(own_, ip.v4())) : nd_.send(wire::dad_probe(own_, ip.v6()));
        // A queue is full: the next probe makes up for this one.
        if (!sent && sent.error().code == ENOBUFS) return {};
        return sent;
    }
    /// Until `end`, or until somebody has one of them.
    Result<std::optional<Rival>> listen(steady_clock::time_point end) {
        for (;;) {
            const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
            if (left <= milliseconds(0)) return std::nullopt;
            std::array<pollfd, 2> waiting{{{arp_.fd(), POLLIN, 0}, {nd_.fd(), POLLIN, 0}}};
            const int ready = poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
            if (ready < 0 && errno != EINTR) return fail_errno(errno, "cannot wait for answers to probes");
            if (ready <= 0) continue;
            PacketSocket& from = waiting[0].revents != 0 ? arp_ : nd_;
            const auto frame = from.receive(milliseconds(0));
            if (!frame) return tl::unexpected<Error>(frame.error());
            if (!*frame) continue;
            const auto rival = &from == &arp_ ? in_arp(**frame) : in_nd(**frame);
            if (rival && rival->mac != own_ && ips_.contains(rival->ip)) return rival;
        }
    }

  private:
    Census(PacketSocket arp, PacketSocket nd, const Link& link, std::span<const IpAddress> ips)
        : arp_(std::move(arp)), nd_(std::move(nd)), own_(link.mac), ips_(ips.begin(), ips.end()) {}
    static std::optional<Rival> in_arp(const std::vector<std::uint8_t>& frame) {
        const auto arp = wire::decode_arp(frame);
        return arp ? std::optional(Rival{arp->sender_ip, arp->sender_mac}) : std::nullopt;
    }
    static std::optional<Rival> in_nd(const std::vector<std::uint8_t>& frame) {
        const auto said = wire::decode_neighbor_advertisement(frame);
        if (!said) return std::nullopt;
        Mac source;
        std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(source.bytes.size()), source.bytes.size(),
                    source.bytes.begin());
        return Rival{said->target, said->target_mac.value_or(source)};
    }

    PacketSocket arp_;
    PacketSocket nd_;
    Mac own_;
    std::set<IpAddress> ips_;
};

}  // namespace

ProbeTiming fast_timing() {
    return {milliseconds(0), {milliseconds(100), milliseconds(100)}, milliseconds(100)};
}

ProbeTiming rfc5227_timing(const std::function<double()>& random) {
    // PROBE_WAIT 1 s, PROBE_NUM 3, PROBE_MIN 1 s, PROBE_MAX 2 s, ANNOUNCE_WAIT 2 s.
    auto up_to = [&](int longest_ms) { return milliseconds(static_cast<int>(random() * longest_ms)); };
    return {up_to(1000),
            {milliseconds(1000) + up_to(1000), milliseconds(1000) + up_to(1000)},
            milliseconds(2000)};
}

Result<std::optional<Mac>> probe_for_conflict(const Link& link, const Ipv4& ip, const ProbeTiming& timing) {
    auto socket = PacketSocket::open(link, wire::ethertype_arp);
    if (!socket) return tl::unexpected<Error>(socket.error());
    const auto probe = wire::probe(link.mac, ip);
    std::optional<Mac> rival;
    auto seen = [&](const std::vector<std::uint8_t>& frame) {
        return (rival = rival_in(frame, link.mac, ip)).has_value();
    };
    auto moment = steady_clock::now() + timing.first_after;
    for (std::size_t i = 0; i <= timing.spacings.size(); ++i) {
        const auto heard = listen(*socket, moment, seen);
        if (!heard) return tl::unexpected<Error>(heard.error());
        if (*heard) return rival;
        if (auto sent = socket->send(probe); !sent) return tl::unexpected<Error>(sent.error());
        moment += i < timing.spacings.size() ? timing.spacings[i] : timing.listen_after_last;
    }
    const auto heard = listen(*socket, moment, seen);
    if (!heard) return tl::unexpected<Error>(heard.error());
    return rival;
}

Result<std::optional<Rival>> probe_many(const Link& link, std::span<const IpAddress> ips,
                                        const ProbeTiming& timing) {
    auto census = Census::open(link, ips);
    if (!census) return tl::unexpected<Error>(census.error());
    auto moment = steady_clock::now() + timing.first_after;
    for (std::size_t round = 0; round <= timing.spacings.size(); ++round) {
        if (auto heard = census->listen(moment); !heard || *heard) return heard;
        const auto begun = steady_clock::now();
        for (std::size_t asked = 0; asked < ips.size();) {
            const std::size_t end = std::min(ips.size(), asked + probes_at_once);
            for (; asked < end; ++asked)
                if (auto sent = census->ask(ips[asked]); !sent) return tl::unexpected<Error>(sent.error());
            if (asked == ips.size()) break;
            if (auto heard = census->listen(steady_clock::now() + between_probes); !heard || *heard)
                return heard;
        }
        moment = round < timing.spacings.size() ? begun + timing.spacings[round]
                                                : steady_clock::now() + timing.listen_after_last;
    }
    return census->listen(moment);
}

Result<bool> answers(const Link& link, const IpAddress& from, const IpAddress& target, int questions) {
    auto socket = PacketSocket::open(link, from.is_v4() ? wire::ethertype_arp : wire::ethertype_ipv6);
    if (!socket) return tl::unexpected<Error>(socket.error());
    const auto question = from.is_v4() ? wire::request(link.mac, from.v4(), target.v4())
                                       : wire::solicitation(link.mac, from.v6(), target.v6());
    for (int i = 0; i < questions; ++i) {
        if (auto sent = socket->send(question); !sent) return tl::unexpected<Error>(sent.error());
        auto heard =
            listen(*socket, steady_clock::now() + question_spacing,
                   [&](const std::vector<std::uint8_t>& frame) { return is_answer(frame, from, target); });
        if (!heard || *heard) return heard;
    }
    return false;
}

}  // namespace buoy::net
