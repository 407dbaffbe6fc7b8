// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/tools/wire.hpp"

/// The sweep's sockets. Whatever fails while they are made ends the program: it is a test's tool.
namespace buoy::sweep {

/// Says what failed, with errno's words, and ends the program with 1.
[[noreturn]] void give_up(const std::string& what);

/// Moves this thread into a named network namespace. Sockets stay in the one they were made in.
void enter_netns(const std::string& name);

/// A raw socket that only sends, in the thread's namespace.
class EchoSender {
  public:
    explicit EchoSender(bool v6);
    /// Through the kernel, which resolves the neighbour. An error is a request without an answer like any.
    void send(const Ip& to, Bytes packet) const;

  private:
    bool v6_;
    int fd_;
};

/// A frame as a tap saw it. Times are of the monotonic clock, in ns.
struct Frame {
    std::int64_t time_ns = 0;
    int link = 0;
    Bytes data;
};

/// A packet socket in the thread's namespace that sees what comes in and says who has an address.
class Tap {
  public:
    /// ARP, echo replies and neighbour advertisements, or TCP.
    enum class What : std::uint8_t { neighbours, tcp };
    /// Of one device; of all if there is no name.
    explicit Tap(const std::string& device, What what = What::neighbours);
    /// Up to a batch of frames that have arrived; empty when there are none. Valid until the next call.
    const std::vector<Frame>& receive();
    /// Frames that found no room since the last call.
    [[nodiscard]] std::uint32_t dropped() const;

  private:
    int fd_;
    std::vector<std::uint8_t> memory_;
    std::vector<Frame> frames_;
};

/// One of the switch's ports, and the host behind it.
struct Port {
    int link = 0;
    Mac mac{};
    std::string host;
};

/// The ports of the hosts' LAN cables in the thread's namespace: they come and go with their hosts.
class Ports {
  public:
    Ports();
    /// The ports of now; looks again only if the kernel has told of a change.
    const std::vector<Port>& now();
    /// The host behind a link, also when the link is gone already; empty for what is no host's LAN cable.
    const std::string& host(int link);
    /// Sends a frame out of a port, to the host alone. One that is down loses it.
    void send(const Port& port, Bytes frame) const;

  private:
    void look();

    int events_;
    int sender_;
    std::vector<Port> ports_;
    std::map<int, std::string> hosts_;
};

}  // namespace buoy::sweep
