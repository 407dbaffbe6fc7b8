// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/gate/reference.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace buoy::gate {

namespace {

/// Bytes that are there, or an end to it.
struct Cut {};
class Reader {
  public:
    explicit Reader(const Bytes& bytes, std::size_t at = 0) : bytes_(&bytes), at_(at) {}
    std::uint8_t u8(std::size_t i) const {
        if (at_ + i >= bytes_->size()) throw Cut{};
        return (*bytes_)[at_ + i];
    }
    std::uint16_t u16(std::size_t i) const { return static_cast<std::uint16_t>(u8(i) << 8 | u8(i + 1)); }
    template <typename Address>
    Address address(std::size_t i) const {
        Address address;
        for (std::size_t n = 0; n < address.bytes.size(); ++n) address.bytes[n] = u8(i + n);
        return address;
    }
    Reader from(std::size_t i) const { return Reader(*bytes_, at_ + i); }
    void need(std::size_t size) const {
        if (size > 0) u8(size - 1);
    }
    std::size_t at() const { return at_; }

  private:
    const Bytes* bytes_;
    std::size_t at_;
};

struct Malformed {};
const std::set<int> with_ports{6, 17, 33, 132, 136};

/// Of a packet, as it travels.
struct Flow {
    IpAddress from, to;
    std::uint16_t from_port = 0, to_port = 0;
    std::uint8_t protocol = 0;

    [[nodiscard]] Flow reversed() const { return {to, from, to_port, from_port, protocol}; }
    [[nodiscard]] Flow bare() const { return {from, to}; }
};

/// What is behind all headers: nothing for a fragment.
struct Upper {
    std::uint8_t protocol;
    Reader at;
};
std::optional<Upper> upper6(const Reader& ip) {
    std::uint8_t next = ip.u8(6);
    Reader at = ip.from(40);
    for (int headers = 0; headers < 6; ++headers) {
        if (next != 0 && next != 43 && next != 44 && next != 51 && next != 60) return Upper{next, at};
        at.need(4);
        const std::uint8_t after = at.u8(0);
        if (next == 44 && (at.u16(2) & 0xfff9) != 0) return std::nullopt;
        at = at.from(next == 44 ? 8 : next == 51 ? (at.u8(1) + 2U) * 4 : (at.u8(1) + 1U) * 8);
        next = after;
    }
    throw Malformed{};
}
std::optional<Upper> upper4(const Reader& ip) {
    if (ip.u8(0) >> 4 != 4 || (ip.u8(0) & 15) < 5) throw Malformed{};
    if ((ip.u16(6) & 0x3fff) != 0) return std::nullopt;
    return Upper{ip.u8(9), ip.from((ip.u8(0) & 15U) * 4)};
}
std::optional<Upper> upper(const Reader& ip, bool v6) {
    ip.need(v6 ? 40 : 20);
    if (v6 && ip.u8(0) >> 4 != 6) throw Malformed{};
    return v6 ? upper6(ip) : upper4(ip);
}
Flow addresses(const Reader& ip, bool v6) {
    if (v6) return {ip.address<Ipv6>(8), ip.address<Ipv6>(24)};
    return {ip.address<Ipv4>(12), ip.address<Ipv4>(16)};
}

Flow flow(const Reader& ip, bool v6, bool in, bool inner = false) {
    Flow flow = addresses(ip, v6);
    const auto found = upper(ip, v6);
    if (!found) return flow;
    const auto& [protocol, at] = *found;
    if (with_ports.contains(protocol)) {
        flow.from_port = at.u16(0);
        flow.to_port = at.u16(2);
        flow.protocol = protocol;
        return flow;
    }
    if (inner || protocol != (v6 ? 58 : 1)) return flow;
    const std::uint8_t type = at.u8(0);
    if (v6 ? type >= 128 : !std::set<int>{3, 4, 5, 11, 12}.contains(type)) return flow;
    const Reader about = at.from(8);
    about.need(v6 ? 40 : 20);
    const Flow first = addresses(about, v6).reversed();
    if (v6 ? about.u8(0) >> 4 != 6 : about.u8(0) >> 4 != 4 || (about.u8(0) & 15) < 5) throw Malformed{};
    if (in ? first.to != flow.to : first.from != flow.from) return flow;
    return gate::flow(about, v6, in, true).reversed();
}

std::uint32_t bucket(const Flow& flow, bool in, const Managed& managed) {
    const Flow f = in ? flow : flow.reversed();
    if (managed.division.buckets == 1) return 0;
    return bucket_of({f.from, f.from_port, f.to, f.to_port, f.protocol}, managed.division);
}
/// Of a question or an answer about an address, by who else has to do with it.
std::uint32_t bucket(const IpAddress& other, const IpAddress& ip, const Managed& managed) {
    const bool names_nobody = other == IpAddress(Ipv4{}) || other == IpAddress(Ipv6{}) || other == ip ||
                              (other.is_v6() && other.v6().is_multicast());
    return names_nobody ? 0 : bucket({other, ip}, true, managed);
}

Ruling arp(const Reader& packet, bool in, const World& world) {
    packet.need(28);
    if (packet.u16(2) != 0x0800 || packet.u8(4) != 6 || packet.u8(5) != 4) return {};
    const IpAddress sender = packet.address<Ipv4>(14), target = packet.address<Ipv4>(24);
    if (in && sender == target) return {};
    const IpAddress ip = in ? target : sender, other = in ? sender : target;
    const auto found = world.find(ip);
    if (found == world.end()) return {};
    const Managed& managed = found->second;
    const bool request = packet.u16(6) == 1;
    if (!managed.answer) return {Ruling::of_bucket, ip, bucket(other, ip, managed), in ? 0 : packet.at() + 8};
    if (in) {
        return request ? Ruling{Ruling::question, ip, bucket(other, ip, managed)}
                       : Ruling{Ruling::of_lease, ip};
    }
    if (packet.address<Mac>(8) == *managed.answer) return {Ruling::of_lease, ip};
    return {request && sender != target ? Ruling::of_lease : Ruling::refused, ip};
}

/// What leaves, with the MAC in an option of this type if it begins with one.
Ruling named(const Ipv6& service, std::uint32_t bucket, const Reader& nd, std::uint8_t type) {
    try {
        nd.need(32);
        if (nd.u8(24) == type && nd.u8(25) == 1)
            return {Ruling::of_bucket, service, bucket, nd.at() + 26, nd.at()};
    } catch (const Cut&) {
    }
    return {Ruling::of_bucket, service, bucket};
}

std::optional<Ruling> discovery(const Reader& ip, const Upper& upper, bool in, const World& world) {
    if (upper.protocol != 58) return std::nullopt;
    const Reader& nd = upper.at;
    nd.need(24);
    const bool asks = nd.u8(0) == 135;
    if (!asks && nd.u8(0) != 136) return std::nullopt;
    const Ipv6 from = ip.address<Ipv6>(8), to = ip.address<Ipv6>(24), target = nd.address<Ipv6>(8);
    const auto managed = [&](const Ipv6& of) -> const Managed* {
        const auto found = world.find(of);
        return found == world.end() ? nullptr : &found->second;
    };
    const auto answered = [&](const Ipv6& of) { return managed(of) != nullptr && managed(of)->answer; };
    if (asks == in) {
        const Managed* about = managed(target);
        if (about == nullptr) return std::nullopt;
        if (!about->answer && in) return Ruling{Ruling::of_bucket, target, bucket(from, target, *about)};
        if (!about->answer) return named(target, bucket(to, target, *about), nd, 2);
        if (!in) {
            try {
                const bool named = nd.u8(24) == 2 && nd.u8(25) == 1 && nd.address<Mac>(26) == *about->answer;
                return Ruling{named ? Ruling::of_lease : Ruling::refused, target};
            } catch (const Cut&) {
                return Ruling{Ruling::refused, target};
            }
        }
        if (nd.at() != ip.at() + 40 || ip.u8(0) >> 4 != 6 || ip.u8(7) != 255 || nd.u8(1) != 0 ||
            from.is_multicast() || from == target)
            return Ruling{Ruling::refused, target};
        return Ruling{Ruling::question, target, bucket(from, target, *about)};
    }
    if (asks) {
        if (answered(target)) return Ruling{Ruling::refused, target};
        if (managed(from) != nullptr && managed(from)->own) return named(from, 0, nd, 1);
        return answered(from) ? std::optional(Ruling{Ruling::of_lease, from}) : std::nullopt;
    }
    return answered(to) ? std::optional(Ruling{Ruling::of_lease, to}) : std::nullopt;
}

Ruling packet(const Reader& ip, bool v6, bool in, const World& world) {
    ip.need(v6 ? 40 : 20);
    if (v6) {
        std::optional<Upper> found;
        try {
            found = upper6(ip);
            if (found)
                if (const auto ruled = discovery(ip, *found, in, world)) return *ruled;
        } catch (const Cut&) {
        } catch (const Malformed&) {
        }
    }
    const Flow plain = addresses(ip, v6);
    const IpAddress service = in ? plain.to : plain.from;
    const auto found = world.find(service);
    if (found == world.end()) return {};
    if (found->second.division.buckets == 1) return {Ruling::of_bucket, service, 0};
    try {
        return {Ruling::of_bucket, service, bucket(flow(ip, v6, in), in, found->second)};
    } catch (const Cut&) {
        return {Ruling::refused, service};
    } catch (const Malformed&) {
        return {Ruling::refused, service};
    }
}

Ruling by_content(const Bytes& frame, bool in, const World& world) {
    try {
        Reader at = Reader(frame).from(12);
        for (int tags = 0; tags < 2 && (at.u16(0) == 0x8100 || at.u16(0) == 0x88a8); ++tags) {
            at.need(6);
            at = at.from(4);
        }
        const Reader payload = at.from(2);
        switch (at.u16(0)) {
            case 0x0800:
                return packet(payload, false, in, world);
            case 0x0806:
                return arp(payload, in, world);
            case 0x86dd:
                return packet(payload, true, in, world);
            default:
                return {};
        }
    } catch (const Cut&) {
        return {};
    }
}

}  // namespace

Bytes renamed(Bytes frame, const Ruling& ruling, bool in, const Mac& own, std::optional<Mac> link) {
    const auto put = [&](const Mac& mac, std::size_t at) {
        std::ranges::copy(mac.bytes, frame.begin() + static_cast<std::ptrdiff_t>(at));
    };
    if (in && link && Reader(frame).address<Mac>(0) == own) put(*link, 0);
    if (!in) put(own, 6);
    if (!in && ruling.named_at != 0) put(own, ruling.named_at);
    return frame;
}

Ruling ruling(const Bytes& frame, bool in, const World& world) {
    const Ruling ruled = by_content(frame, in, world);
    if (ruled.kind != Ruling::nobodys) return ruled;
    const Mac mac = Reader(frame).address<Mac>(in ? 0 : 6);
    for (const auto& [ip, managed] : world)
        if (managed.own == mac) return {Ruling::of_bucket, ip, 0};
    return ruled;
}

}  // namespace buoy::gate
