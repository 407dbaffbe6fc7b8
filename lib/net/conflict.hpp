// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "net/link.hpp"

namespace buoy::net {

/// When probes for an IPv4 address go out, and how long to listen in all (RFC 5227 section 2.1.1).
struct ProbeTiming {
    std::chrono::milliseconds first_after{0};
    std::vector<std::chrono::milliseconds> spacings;  ///< between one probe and the next
    std::chrono::milliseconds listen_after_last{100};
};

/// Three probes 100 ms apart, 300 ms in all: enough for a host on the same segment that is awake.
ProbeTiming fast_timing();
/// PROBE_WAIT, PROBE_NUM, PROBE_MIN/MAX and ANNOUNCE_WAIT as the standard has them; `random` in [0,1) is
/// drawn anew for each of its random delays.
ProbeTiming rfc5227_timing(const std::function<double()>& random);

/// Asks the segment for `ip` without claiming it. Gives the MAC of a host that has it, or that is asking for
/// it at the same moment; nothing when all was quiet.
Result<std::optional<Mac>> probe_for_conflict(const Link& link, const Ipv4& ip, const ProbeTiming& timing);

/// A host that has an address.
struct Rival {
    IpAddress ip;
    Mac mac;
    bool operator==(const Rival&) const = default;
};

/// The same question about many addresses of either family (RFC 5227 section 2.1.1, RFC 4862 section 5.4), at
/// most 10,000 probes a second: the first host that is found to have one. Other hosts' probes are no answer,
/// for the nodes of a cluster may all be asking.
Result<std::optional<Rival>> probe_many(const Link& link, std::span<const IpAddress> ips,
                                        const ProbeTiming& timing);

/// Asks `target` on the link, by ARP or neighbour solicitation from the address `from`, whether it is there:
/// up to `questions` times, 300 ms apart. True when it answers.
Result<bool> answers(const Link& link, const IpAddress& from, const IpAddress& target, int questions = 3);

}  // namespace buoy::net
