// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <map>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/fd.hpp"

namespace buoy::kernel {

/// A station's word that an address is at its MAC: any ARP packet from the address (RFC 5227 section 2.4), or
/// a neighbour advertisement of it (RFC 4862 section 5.4.4). Our own stations' as well.
struct Claim {
    int link = 0;
    IpAddress ip;
    Mac mac;
    bool operator==(const Claim&) const = default;
};

/// Filters of sockets (socket(7), SO_ATTACH_FILTER) that pass what is about one of the addresses, which are
/// in order. Addresses in a row cost as much as one; where there are too many rows for a filter the gaps
/// between them pass too.
std::vector<sock_filter> arp_filter(const std::vector<Ipv4>& senders);
/// The same of an ICMPv6 message with a target (RFC 4861 sections 4.3 and 4.4).
std::vector<sock_filter> target_filter(const std::vector<Ipv6>& targets);

/// Hears on NICs what is claimed of addresses. Its sockets see nothing but ARP, and the advertisements that
/// this node gets anyway; the kernel drops there what is about other addresses. What else is on the NICs
/// costs nothing. Not thread-safe.
class Claims {
  public:
    static Result<Claims> open();
    /// Listens on these links for their addresses, which are in order, and nowhere else. An error leaves out
    /// what it names.
    Result<void> listen(const std::map<int, std::vector<IpAddress>>& wanted);
    /// Readable when there is something to take.
    [[nodiscard]] int fd() const { return any_.get(); }
    /// What has been heard since, but not more than a few hundred; the rest next time.
    std::vector<Claim> take();

  private:
    explicit Claims(net::Fd any) : any_(std::move(any)) {}
    Result<void> hear_arp(int link, const std::vector<IpAddress>& addresses);
    Result<void> hear_advertisements();
    Result<void> watch(const net::Fd& fd);
    void take_arp(int link, int fd, std::vector<Claim>& claims) const;
    void take_advertisements(std::vector<Claim>& claims) const;

    net::Fd any_;
    std::map<int, std::vector<IpAddress>> heard_;
    std::map<int, net::Fd> arp_;  ///< by link
    net::Fd advertisements_;      ///< of all links
};

}  // namespace buoy::kernel
