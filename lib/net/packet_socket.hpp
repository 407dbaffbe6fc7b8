// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "buoy/result.hpp"
#include "net/fd.hpp"
#include "net/link.hpp"

namespace buoy::net {

/// Ethernet frames of one type, to and from one link, header included (packet(7)). Needs CAP_NET_RAW.
class PacketSocket {
  public:
    /// `ethertype` in host order: 0x0806 for ARP, 0x86dd for IPv6. Frames that this host itself sends
    /// on the link are not received.
    static Result<PacketSocket> open(const Link& link, std::uint16_t ethertype);

    /// Drops in the kernel all that one may not care about: IPv6 other than advertisements of neighbours (RFC
    /// 4861 section 4.4) without extension headers. Best effort; a few more may have come before.
    void hear_advertisements_only();

    /// The socket, for poll(2): readable when a frame is there.
    [[nodiscard]] int fd() const { return fd_.get(); }

    /// Sends one whole frame. Fails with ENETDOWN when the link is down, ENXIO when it has gone.
    Result<void> send(std::span<const std::uint8_t> frame);

    /// The next frame, or nothing when none came in time.
    Result<std::optional<std::vector<std::uint8_t>>> receive(std::chrono::milliseconds patience);

  private:
    PacketSocket(Fd fd, std::string link) : fd_(std::move(fd)), link_(std::move(link)) {}
    Fd fd_;
    std::string link_;
};

}  // namespace buoy::net
