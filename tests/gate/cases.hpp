// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "service/gate/bucket.hpp"
#include "tests/gate/frames.hpp"

namespace buoy::gate {

inline const Ipv4 ip4{{10, 9, 0, 80}};
inline const Ipv6 ip6 = *Ipv6::parse("fd00:9:1:2:3:4:5:80");
inline const Ipv4 client4{{10, 9, 1, 2}};
inline const Ipv6 client6 = *Ipv6::parse("fd00:9:1:2:6:7:8:9");
inline const Ipv4 router4{{10, 9, 7, 7}};
inline const Ipv6 router6 = *Ipv6::parse("fd00:9::7:7");
inline const Mac group{{0x01, 0x00, 0x5e, 0x09, 0x00, 0x50}};
inline constexpr std::uint16_t client_port = 40001;
inline constexpr std::uint16_t service_port = 80;
inline constexpr std::uint32_t seed = 0x5eed;

/// A frame for or from ip4 or ip6.
struct Case {
    std::string name;
    bool in;
    Bytes frame;
    /// As the design has it: what the frame is about. Nothing: dropped by everybody.
    std::optional<Connection> about;
};

/// Of client4 and client6, with TCP.
Connection tcp4();
Connection tcp6();

/// Every protocol, in both directions.
std::vector<Case> cases();

}  // namespace buoy::gate
