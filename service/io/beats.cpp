// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/beats.hpp"

#include <fmt/format.h>
#include <sodium.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "lib/net/errors.hpp"
#include "service/io/beat_seal.hpp"
#include "service/io/beat_socket.hpp"
#include "service/io/boot_clock.hpp"
#include "service/messages/messages.hpp"

namespace buoy::io {
namespace {

constexpr std::size_t batch = 16;           // datagrams taken from the kernel at a time
constexpr int most_batches = 8;             // of one socket in one dispatch
constexpr std::size_t most_bytes = 4096;    // of a datagram; longer ones are no beats
constexpr std::size_t control_bytes = 128;  // ample for a timestamp

// A node's address on one of the links.
struct Peer {
    NodeId node;
    IpAddress address;
};

// One of our own addresses, and whom we reach from there.
struct Link {
    IpAddress address;
    std::uint8_t link = 0;
    net::Fd fd;
    TimePoint last_empty;
    std::vector<SocketAddress> to;
    std::vector<mmsghdr> out;
};

// Where datagrams are received to.
struct Inbox {
    std::array<std::array<char, most_bytes>, batch> bytes{};
    alignas(cmsghdr) std::array<std::array<char, control_bytes>, batch> control{};
    std::array<sockaddr_storage, batch> from{};
    std::array<iovec, batch> pieces{};
    std::array<mmsghdr, batch> messages{};

    void prepare() {
        for (std::size_t i = 0; i < batch; ++i) {
            pieces[i] = {bytes[i].data(), most_bytes};
            messages[i] = {};
            msghdr& header = messages[i].msg_hdr;
            header.msg_name = &from[i];
            header.msg_namelen = sizeof from[i];
            header.msg_iov = &pieces[i];
            header.msg_iovlen = 1;
            header.msg_control = control[i].data();
            header.msg_controllen = control_bytes;
        }
    }
};

std::optional<Duration> stamp_of(msghdr& header) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec stamp{};
        std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        return std::chrono::seconds(stamp.tv_sec) + std::chrono::nanoseconds(stamp.tv_nsec);
    }
    return std::nullopt;
}

}  // namespace

struct Beats::State {
    State(const std::optional<std::string>& secret, Settings settings, Callbacks callbacks)
        : settings(settings), callbacks(std::move(callbacks)), seal(secret) {}

    Settings settings;
    Callbacks callbacks;
    BeatSeal seal;
    Freshness freshness;
    BeatCounters counters;
    std::uint64_t cluster = 0;
    net::Fd epoll;
    std::vector<Link> links;
    std::vector<Peer> peers;
    std::vector<NodeId> warned_about;
    std::uint64_t number = 0;
    std::string outgoing;
    iovec piece{};
    Inbox inbox;

    Result<void> set_nodes(const ClusterInfo& info);
    void aim();
    void receive(Link& link);
    void take(std::string_view datagram, const sockaddr_storage& from, TimePoint arrived);
    void refuse(std::uint64_t& counter, core::Refusal reason);
    void refuse(messages::Refusal reason);
    void warn_of_key(const Peer& peer);
};

Result<void> Beats::State::set_nodes(const ClusterInfo& info) {
    const ClusterNode* self = info.find(info.self);
    if (self == nullptr || self->addresses.empty())
        return fail("beats: Corosync knows no address of this node; see ring0_addr in corosync.conf");
    // Sockets that are missing are opened first: where that fails, everything stays as it was.
    std::vector<Link> now;
    for (std::size_t i = 0; i < self->addresses.size(); ++i) {
        Link link{self->addresses[i], self->links[i], {}, boot_now(), {}, {}};
        if (std::ranges::find(links, link.address, &Link::address) == links.end()) {
            auto fd = open_beat_socket(link.address, settings.port);
            if (!fd) return tl::unexpected(fd.error());
            link.fd = std::move(*fd);
            epoll_event event{EPOLLIN, {}};
            if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, link.fd.get(), &event) != 0)
                return net::fail_errno(errno, "beats: epoll");
        }
        now.push_back(std::move(link));
    }
    for (Link& link : now) {
        const auto old = std::ranges::find(links, link.address, &Link::address);
        if (link.fd || old == links.end()) continue;
        link.fd = std::move(old->fd);
        link.last_empty = old->last_empty;
    }
    links = std::move(now);
    cluster = info.id;
    peers.clear();
    std::vector<NodeId> others;
    for (const ClusterNode& node : info.nodes) {
        if (node.id == info.self) continue;
        others.push_back(node.id);
        for (std::size_t i = 0; i < node.addresses.size(); ++i) {
            peers.push_back({node.id, node.addresses[i]});
            for (Link& link : links)
                if (link.link == node.links[i] && link.address.is_v4() == node.addresses[i].is_v4())
                    link.to.push_back(SocketAddress::of(node.addresses[i], settings.port));
        }
    }
    freshness.keep_only(others);
    aim();
    return {};
}

// Everything about a datagram but its bytes is the same from beat to beat.
void Beats::State::aim() {
    for (Link& link : links)
        for (SocketAddress& to : link.to) {
            mmsghdr message{};
            message.msg_hdr.msg_name = &to.storage;
            message.msg_hdr.msg_namelen = to.size;
            message.msg_hdr.msg_iov = &piece;
            message.msg_hdr.msg_iovlen = 1;
            link.out.push_back(message);
        }
}

void Beats::State::refuse(std::uint64_t& counter, core::Refusal reason) {
    ++counter;
    callbacks.refused(reason);
}

void Beats::State::refuse(messages::Refusal reason) {
    switch (reason) {
        case core::Refusal::other_cluster:
            return refuse(counters.other_cluster, reason);
        case core::Refusal::newer_major:
            return refuse(counters.newer_major, reason);
        case core::Refusal::contradictory:
            return refuse(counters.contradictory, reason);
        default:
            return refuse(counters.malformed, reason);
    }
}

void Beats::State::warn_of_key(const Peer& peer) {
    if (std::ranges::find(warned_about, peer.node) != warned_about.end()) return;
    warned_about.push_back(peer.node);
    callbacks.warn(
        fmt::format("beats from {} (node {}) do not have this cluster's key: see that "
                    "/etc/corosync/authkey is the same on every node, then restart buoyd",
                    peer.address.to_string(), peer.node.value));
}

void Beats::State::take(std::string_view datagram, const sockaddr_storage& from, TimePoint arrived) {
    const auto peer = std::ranges::find(peers, SocketAddress::address_in(from), &Peer::address);
    if (peer == peers.end() || SocketAddress::port_in(from) != settings.port)
        return refuse(counters.unknown_address, core::Refusal::stranger);
    const auto opened = seal.open(datagram);
    if (const auto* refused = std::get_if<BeatSeal::Refused>(&opened)) {
        if (*refused == BeatSeal::Refused::malformed) return refuse(core::Refusal::malformed);
        warn_of_key(*peer);
        return refuse(counters.wrong_key, core::Refusal::stranger);
    }
    const auto& [beat_number, bytes] = std::get<BeatSeal::Opened>(opened);
    const auto decoded = messages::decode_beat(bytes, cluster);
    if (const auto* refused = std::get_if<messages::Refusal>(&decoded)) return refuse(*refused);
    const auto& beat = std::get<core::Beat>(decoded);
    if (beat.sender != peer->node) return refuse(core::Refusal::contradictory);
    switch (freshness.judge(beat.sender, beat.incarnation, beat_number)) {
        case Freshness::Verdict::same:
            ++counters.duplicates;
            return;
        case Freshness::Verdict::old:
            return refuse(counters.old, core::Refusal::old);
        case Freshness::Verdict::fresh:
            break;
    }
    ++counters.received;
    callbacks.received(beat, arrived);
}

void Beats::State::receive(Link& link) {
    for (int left = most_batches; left > 0; --left) {
        inbox.prepare();
        const TimePoint before = boot_now();
        const int count = recvmmsg(link.fd.get(), inbox.messages.data(), batch, MSG_DONTWAIT, nullptr);
        const ClockPair now = ClockPair::now();
        for (int i = 0; i < count; ++i) {
            mmsghdr& message = inbox.messages[static_cast<std::size_t>(i)];
            const auto stamp = stamp_of(message.msg_hdr);
            // A wall clock that was set meanwhile may say anything; what we know ourselves bounds it.
            const TimePoint arrived = stamp ? std::max(now.boot_time_of(*stamp), link.last_empty) : now.boot;
            if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0)
                refuse(core::Refusal::too_large);
            else
                take({inbox.bytes[static_cast<std::size_t>(i)].data(), message.msg_len},
                     inbox.from[static_cast<std::size_t>(i)], arrived);
        }
        if (count == static_cast<int>(batch)) continue;
        // Fewer than there was room for: after `before` there was a moment at which nothing was left.
        if (count >= 0 || errno == EAGAIN) link.last_empty = before;
        return;
    }
}

Beats::Beats(std::unique_ptr<State> state) : state_(std::move(state)) {}
Beats::Beats(Beats&&) noexcept = default;
Beats& Beats::operator=(Beats&&) noexcept = default;
Beats::~Beats() = default;

Result<Beats> Beats::open(const ClusterInfo& cluster, Settings settings, Callbacks callbacks) {
    if (sodium_init() < 0) return fail("beats: libsodium finds no source of randomness");
    auto state = std::make_unique<State>(cluster.authkey, settings, std::move(callbacks));
    state->epoll = net::Fd(epoll_create1(EPOLL_CLOEXEC));
    if (!state->epoll) return net::fail_errno(errno, "beats: epoll");
    // Later than any number this incarnation has used, should this not be its first.
    state->number = static_cast<std::uint64_t>(boot_now().time_since_epoch().count());
    if (auto done = state->set_nodes(cluster); !done) return tl::unexpected(done.error());
    if (!state->seal.authenticated())
        state->callbacks.warn(
            "beats are not authenticated, as the cluster has no secret: make one with "
            "corosync-keygen and copy /etc/corosync/authkey to every node");
    return Beats(std::move(state));
}

void Beats::send(const core::Beat& beat) {
    State& state = *state_;
    state.seal.seal(++state.number, messages::encode(beat, state.cluster), state.outgoing);
    state.piece = {state.outgoing.data(), state.outgoing.size()};
    for (Link& link : state.links) {
        std::size_t at = 0;
        while (at < link.out.size()) {
            const int taken = sendmmsg(link.fd.get(), &link.out[at],
                                       static_cast<unsigned>(link.out.size() - at), MSG_DONTWAIT);
            // One that cannot be reached must not keep it from the others.
            if (taken <= 0) {
                ++state.counters.send_failed;
                ++at;
            } else {
                state.counters.sent += static_cast<unsigned>(taken);
                at += static_cast<std::size_t>(taken);
            }
        }
    }
}

Result<void> Beats::set_nodes(const ClusterInfo& cluster) {
    return state_->set_nodes(cluster);
}

const BeatCounters& Beats::counters() const {
    return state_->counters;
}

bool Beats::authenticated() const {
    return state_->seal.authenticated();
}

int Beats::fd() const {
    return state_->epoll.get();
}

Result<void> Beats::dispatch() {
    for (Link& link : state_->links) state_->receive(link);
    return {};
}

}  // namespace buoy::io
