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
};

/// Finds it out the plain way, on a copy of the frame, with no regard to what it costs.
Ruling ruling(const Bytes& frame, bool in, const World& world);

}  // namespace buoy::gate
