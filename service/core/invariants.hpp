// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "service/core/ownership.hpp"

namespace buoy::core {

/// What is true of a node between any two events. A breach aborts with the invariant's name.
struct Invariants {
    /// Cheap enough for every step of a daemon: a few comparisons.
    static void hold_cheaply(const Ownership& node);
    /// The name of the first of those that is broken, or nullptr.
    static const char* broken_cheaply(const Ownership& node);
    /// All of them; walks every slot. For tests.
    static void hold(const Ownership& node);
    /// Of the agreed state alone.
    static void hold(const AgreedState& state);
};

}  // namespace buoy::core
