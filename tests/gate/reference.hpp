// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>

#include "service/gate/gate.hpp"
#include "tests/gate/frames.hpp"

namespace buoy::gate {

/// What is managed, as the reference sees it.
struct Managed {
    Division division;
    std::optional<Mac> answer;
    std::optional<Mac> own = std::nullopt;  ///< a virtual MAC
};
using World = std::map<IpAddress, Managed>;

/// What the design has to say of a frame.
struct Ruling {
    enum Kind {
        nobodys,    ///< passes
        refused,    ///< nobody takes it, whatever is open
        of_bucket,  ///< passes where the bucket is open, in the lease
        question,   ///< answered there
        of_lease    ///< passes in the lease
    };
    Kind kind = nobodys;
    IpAddress service{};
    std::uint32_t bucket = 0;
    /// Where what leaves names the sender's MAC, in the frame and in a message with a checksum; 0: nowhere.
    std::size_t named_at = 0;
    std::size_t summed_at = 0;
};

/// Finds it out the plain way, on a copy of the frame, with no regard to what it costs.
Ruling ruling(const Bytes& frame, bool in, const World& world);

/// What becomes of a frame that passes about an address with a MAC of its own, on a link with this MAC that
/// has to be told by it what is its own (XDP). The checksum of a message that names the MAC is left as it
/// was.
Bytes renamed(Bytes frame, const Ruling& ruling, bool in, const Mac& own, std::optional<Mac> link);

}  // namespace buoy::gate
