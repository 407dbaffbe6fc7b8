// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/announcements.hpp"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "net/errors.hpp"
#include "net/sysctl.hpp"
#include "wire/arp.hpp"
#include "wire/ndp.hpp"

namespace buoy::kernel {

namespace {

using Frames = std::vector<std::vector<std::uint8_t>>;

// Slots whose repeats leave together: a millisecond's work, after which other orders get their turn.
constexpr std::size_t slots_at_once = 64;
constexpr std::chrono::milliseconds again_after{25};
constexpr std::chrono::milliseconds again_at_most_after{75};
constexpr std::size_t frames_at_once = 256;

// Of neighbours that are told by unicast: how many of one slot, at most and, where there are many slots, at
// least; and how many frames that may make in all, and together.
constexpr std::size_t most_neighbours = 256;
constexpr std::size_t least_neighbours = 8;
constexpr std::size_t unicasts_per_repeat = 16384;
constexpr std::size_t unicasts_at_once = 1024;
constexpr std::chrono::milliseconds unicasts_after{50};  // what is broadcast

using Forms = std::pair<int, int>;  // gratuitous requests and replies

/// The form that goes out first, and what is left for later.
Forms part_of(net::AnnounceForms forms, Announcements::Part part) {
    const Forms first = forms.requests > 0 ? Forms{1, 0} : Forms{0, std::min(forms.replies, 1)};
    if (part == Announcements::Part::first) return first;
    if (part == Announcements::Part::told) return {0, 0};
    if (part == Announcements::Part::all) return {forms.requests, forms.replies};
    return {forms.requests - first.first, forms.replies - first.second};
}

/// Whatever MAC the frames name, they leave by the link's own, or switches would learn where it is not.
void send_from(Frames& frames, std::size_t first, const Mac& source) {
    for (std::size_t i = first; i < frames.size(); ++i)
        std::ranges::copy(source.bytes, frames[i].begin() + static_cast<std::ptrdiff_t>(source.bytes.size()));
}

/// The frames name the MAC that the address is at. A group's is named and never sent from.
void append(Frames& frames, const Mac& source, const Mac& mac, const IpAddress& ip, Forms forms,
            bool router) {
    const auto [requests, replies] = forms;
    const std::size_t first = frames.size();
    if (ip.is_v4()) {
        for (int i = 0; i < requests; ++i) frames.push_back(wire::gratuitous_request(mac, ip.v4()));
        for (int i = 0; i < replies; ++i) frames.push_back(wire::gratuitous_reply(mac, ip.v4()));
    } else {
        for (int i = 0; i < std::max(requests, replies); ++i)
            frames.push_back(wire::unsolicited_advertisement(mac, ip.v6(), router));
    }
    send_from(frames, first, source);
}

}  // namespace

Result<FrameSender> FrameSender::open(const net::Link& link) {
    net::Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd) return net::fail_errno(errno, "cannot open a packet socket");
    sockaddr_ll where{};
    where.sll_family = AF_PACKET;
    where.sll_ifindex = link.index;  // and no protocol: nothing is received
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
        return net::fail_errno(errno, fmt::format("cannot send frames on {}", link.name));
    return FrameSender(std::move(fd), link);
}

Result<void> FrameSender::send(const Frames& frames) {
    std::array<mmsghdr, frames_at_once> messages{};
    std::array<iovec, frames_at_once> pieces{};
    for (std::size_t at = 0; at < frames.size();) {
        const std::size_t count = std::min(frames_at_once, frames.size() - at);
        for (std::size_t i = 0; i < count; ++i) {
            pieces[i] = {const_cast<std::uint8_t*>(frames[at + i].data()), frames[at + i].size()};
            messages[i].msg_hdr = {};
            messages[i].msg_hdr.msg_iov = &pieces[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        const int sent = sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(count), 0);
        if (sent < 0 && errno == EINTR) continue;
        // The gate has shut meanwhile, or a queue is full: this frame is lost, and the repeats make up for
        // it.
        if (sent < 0 && errno == ENOBUFS) {
            ++at;
            continue;
        }
        if (sent < 0) return net::fail_errno(errno, fmt::format("cannot announce on {}", link_.name));
        at += static_cast<std::size_t>(sent);
    }
    return {};
}

Result<FrameSender*> Announcements::sender(const net::Link& link) {
    const auto found = senders_.find(link.index);
    // The MAC goes into every frame, so a link whose MAC has changed is another one.
    if (found != senders_.end() && found->second.link().mac == link.mac) return &found->second;
    auto made = FrameSender::open(link);
    if (!made) return tl::unexpected<Error>(made.error());
    return &senders_.insert_or_assign(link.index, std::move(*made)).first->second;
}

Result<void> Announcements::send(const net::Link& link, const Frames& frames) {
    auto out = sender(link);
    if (!out) return tl::unexpected<Error>(out.error());
    return (*out)->send(frames);
}

Result<void> Announcements::burst(const std::vector<SlotId>& slots, Part part) {
    // Neighbours stand in slots of one pool, so runs by link are long.
    Frames frames;
    const net::Link* link = nullptr;
    bool router = false;
    std::vector<Told> told;
    const PoolPlan* telling = nullptr;
    const auto flush = [&]() -> Result<void> {
        if (frames.empty()) return {};
        auto out = sender(*link);
        if (!out) return tl::unexpected<Error>(out.error());
        auto sent = (*out)->send(frames);
        frames.clear();
        return sent;
    };
    for (const SlotId slot : slots) {
        const auto held = look_up_(slot);
        if (!held) continue;
        if (link == nullptr || held->link->index != link->index) {
            if (auto sent = flush(); !sent) return sent;
            link = held->link;
            router = net::Sysctl::ipv6(link->name, "forwarding").get().value_or(0) > 0;
        }
        if (telling != held->pool.get()) {
            // Asked for once, and not by every slot.
            telling = held->pool.get();
            told.clear();
            for (const IpAddress& who : telling->told) told.push_back({who, mac_of_(*link, who)});
        }
        for (const IpAddress& ip : held->ips) {
            const Mac& source = held->own ? *held->own : link->mac;
            const Mac& mac = held->group ? held->group->mac(ip) : source;
            append(frames, source, mac, ip, part_of(held->pool->forms, part), router);
            if (part == Part::first) continue;
            const std::size_t first = frames.size();
            for (const Told& who : told)
                if (who.ip.is_v4() == ip.is_v4() && who.ip != ip)
                    frames.push_back(net::frame_to_tell(who.ip, who.mac, mac, ip, router));
            send_from(frames, first, source);
        }
    }
    return flush();
}

Result<void> Announcements::tell_around(const std::vector<SlotId>& slots, std::size_t neighbours) {
    Frames frames;
    std::optional<net::Link> link;
    bool router = false;
    std::vector<Told> around;
    for (const SlotId slot : slots) {
        const auto held = look_up_(slot);
        if (!held || held->group || held->own) continue;
        if (!link || link->index != held->link->index) {
            if (link)
                if (auto sent = send(*link, frames); !sent) return sent;
            frames.clear();
            link = *held->link;
            router = net::Sysctl::ipv6(link->name, "forwarding").get().value_or(0) > 0;
            around = around_(*link);
        }
        for (const IpAddress& ip : held->ips) {
            std::size_t left = neighbours;
            for (const Told& who : around) {
                if (who.ip.is_v4() != ip.is_v4() || who.ip == ip || left == 0) continue;
                frames.push_back(net::frame_to_tell(who.ip, who.mac, link->mac, ip, router));
                --left;
            }
        }
    }
    return link ? send(*link, frames) : Result<void>();
}

void Announcements::repeat(const PoolPlan& plan, const std::vector<SlotId>& slots, TimePoint first) {
    if (slots.empty()) return;
    Duration last{};
    const bool moves = !plan.virtual_macs && !plan.buckets && plan.forms != net::AnnounceForms{0, 0};
    const std::size_t neighbours =
        std::clamp(unicasts_per_repeat / slots.size(), least_neighbours, most_neighbours);
    for (const auto after : plan.schedule) {
        last = after;
        if (after.count() == 0) continue;
        due_.emplace(first + after, Batch{slots, {}, 0});
        if (moves) due_.emplace(first + after + unicasts_after, Batch{slots, {}, neighbours});
    }
    if (plan.refresh > Duration{}) due_.emplace(first + last + plan.refresh, Batch{slots, plan.refresh, 0});
}

void Announcements::again(const std::vector<SlotId>& slots, TimePoint now) {
    if (again_.empty()) again_since_ = now;
    again_.insert(slots.begin(), slots.end());
    again_at_ = std::min(now + again_after, again_since_ + again_at_most_after);
}

TimePoint Announcements::next() const {
    const TimePoint due = due_.empty() ? TimePoint::max() : due_.begin()->first;
    return again_.empty() ? due : std::min(due, again_at_);
}

Result<void> Announcements::run(TimePoint now) {
    if (!again_.empty() && again_at_ <= now) {
        due_.emplace(now, Batch{{again_.begin(), again_.end()}, {}, 0});
        again_.clear();
    }
    if (due_.empty() || due_.begin()->first > now) return {};
    // Of what is due the newest goes first: its neighbours are the least likely to have heard.
    const auto past = due_.upper_bound(now);
    auto batch = std::prev(past);
    auto slots = std::move(batch->second.slots);
    const Duration refresh = batch->second.refresh;
    const std::size_t neighbours = batch->second.neighbours;
    due_.erase(batch);
    std::erase_if(slots, [&](SlotId s) { return !look_up_(s); });
    if (slots.empty()) return {};
    const std::size_t most = neighbours > 0 ? unicasts_at_once / neighbours : slots_at_once;
    const std::size_t count = std::min(most, slots.size());
    const std::vector<SlotId> part(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(count));
    if (count < slots.size()) {
        const auto pace = look_up_(part.front())->pool->frames_per_s;
        const std::size_t frames = count * (neighbours > 0 ? neighbours : 2);
        const Duration pause{
            static_cast<std::int64_t>(1'000'000'000ULL * frames / std::max<std::size_t>(pace, 1))};
        due_.emplace(
            now + pause,
            Batch{{slots.begin() + static_cast<std::ptrdiff_t>(count), slots.end()}, refresh, neighbours});
    }
    if (refresh > Duration{}) due_.emplace(now + refresh, Batch{part, refresh, 0});
    return neighbours > 0 ? tell_around(part, neighbours) : burst(part);
}

}  // namespace buoy::kernel
