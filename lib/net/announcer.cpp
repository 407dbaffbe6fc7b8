// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/announcer.hpp"

#include <algorithm>

#include "net/neighbor.hpp"
#include "net/sysctl.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/ndp.hpp"

namespace buoy::net {

namespace {

using Frame = std::vector<std::uint8_t>;

void append_v4(std::vector<Frame>& frames, const Mac& mac, const Ipv4& ip, AnnounceForms forms) {
    for (int i = 0; i < forms.requests; ++i) frames.push_back(wire::gratuitous_request(mac, ip));
    for (int i = 0; i < forms.replies; ++i) frames.push_back(wire::gratuitous_reply(mac, ip));
}

/// Hosts forget a default router whose advertisement says it is none (RFC 4861 section 7.2.5), so it has to
/// say what the kernel says in its own. A kernel that has no such setting has no IPv6 to forward.
bool is_router(const Link& link) {
    return Sysctl::ipv6(link.name, "forwarding").get().value_or(0) > 0;
}

void append_v6(std::vector<Frame>& frames, const Link& link, const Ipv6& ip, AnnounceForms forms) {
    const auto frame = wire::unsolicited_advertisement(link.mac, ip, is_router(link));
    frames.insert(frames.end(), static_cast<std::size_t>(std::max(forms.requests, forms.replies)), frame);
}

}  // namespace

std::vector<std::uint8_t> frame_to_tell(const IpAddress& neighbor, const std::optional<Mac>& at,
                                        const Mac& mac, const IpAddress& ip, bool router) {
    if (ip.is_v6())
        return at ? wire::unicast_advertisement(*at, neighbor.v6(), mac, ip.v6(), router)
                  : wire::solicitation(mac, ip.v6(), neighbor.v6());
    return at ? wire::unicast_reply(*at, neighbor.v4(), mac, ip.v4())
              : wire::request(mac, ip.v4(), neighbor.v4());
}

Result<std::optional<Mac>> known_mac(Netlink& netlink, const Link& link, const IpAddress& who) {
    auto known = neighbor(netlink, who, link.index);
    // The segment is the same. Other links have a parent as well (a VLAN's is on another segment, a veth's in
    // another namespace), which is not asked.
    if (!known || *known || link.kind != "macvlan" || !link.parent) return known;
    return neighbor(netlink, who, *link.parent);
}

AnnounceSchedule default_schedule() {
    using std::chrono::milliseconds;
    return {milliseconds(0), milliseconds(100), milliseconds(1100), milliseconds(2200)};
}

Result<Announcer> Announcer::open(Netlink& netlink, const Link& link, const IpAddress& ip,
                                  AnnounceForms forms, const std::vector<IpAddress>& told) {
    auto socket = PacketSocket::open(link, ip.is_v4() ? wire::ethertype_arp : wire::ethertype_ipv6);
    if (!socket) return tl::unexpected<Error>(socket.error());
    std::vector<Frame> frames;
    if (ip.is_v4())
        append_v4(frames, link.mac, ip.v4(), forms);
    else
        append_v6(frames, link, ip.v6(), forms);
    for (const auto& who : told) {
        auto known = known_mac(netlink, link, who);
        if (!known) return tl::unexpected<Error>(known.error());
        frames.push_back(frame_to_tell(who, *known, link.mac, ip, ip.is_v6() && is_router(link)));
    }
    return Announcer(std::move(*socket), std::move(frames));
}

Result<void> Announcer::burst() {
    for (const auto& frame : frames_)
        if (auto sent = socket_.send(frame); !sent) return sent;
    return {};
}

}  // namespace buoy::net
