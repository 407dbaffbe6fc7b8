// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/link.hpp"
#include "net/netlink.hpp"
#include "net/packet_socket.hpp"

namespace buoy::net {

/// How many frames of each form one burst holds. Some switches and routers heed only ARP requests, some only
/// replies, so the default is both. IPv6 has one form, the unsolicited neighbour advertisement; a burst holds
/// as many of it as the larger number here.
struct AnnounceForms {
    int requests = 1;
    int replies = 1;
    bool operator==(const AnnounceForms&) const = default;
};

/// When the bursts are sent, counted from the first.
using AnnounceSchedule = std::vector<std::chrono::milliseconds>;

/// 0, 0.1, 1.1 and 2.2 s: the second makes up for a lost first; Linux neighbours ignore a change within
/// locktime (1 s) of the one before (neigh/default/locktime, arp(7)), which the later two outlast.
AnnounceSchedule default_schedule();

/// The frame that tells one neighbour that `ip` is at `mac`: by unicast where its own MAC is `at`, else by a
/// question to all from the address, which tells whom it asks as well (RFC 826, "merge flag"; RFC 4861
/// section 7.2.3). `router` is for IPv6: whether this node forwards packets.
std::vector<std::uint8_t> frame_to_tell(const IpAddress& neighbor, const std::optional<Mac>& at,
                                        const Mac& mac, const IpAddress& ip, bool router);

/// The MAC that the kernel knows of a neighbour on the link, from memory. What a macvlan does not know itself
/// the NIC below it may.
Result<std::optional<Mac>> known_mac(Netlink& netlink, const Link& link, const IpAddress& who);

/// Tells a segment where an address is: gratuitous ARP (RFC 826, RFC 5227 section 2.3 and 3) or unsolicited
/// neighbour advertisements with override (RFC 4861 section 7.2.6), sent on the link that carries the address
/// and with that link's MAC.
class Announcer {
  public:
    /// `told` are neighbours that are told by unicast as well, for routers that ignore broadcast
    /// announcements; those the kernel has no MAC for are asked for theirs, from the address, by broadcast.
    static Result<Announcer> open(Netlink& netlink, const Link& link, const IpAddress& ip,
                                  AnnounceForms forms, const std::vector<IpAddress>& told = {});

    /// Sends one burst; the first frame that cannot be sent is the error.
    Result<void> burst();

  private:
    Announcer(PacketSocket socket, std::vector<std::vector<std::uint8_t>> frames)
        : socket_(std::move(socket)), frames_(std::move(frames)) {}
    PacketSocket socket_;
    std::vector<std::vector<std::uint8_t>> frames_;
};

}  // namespace buoy::net
