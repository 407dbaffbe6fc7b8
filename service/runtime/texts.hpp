// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>

#include "service/core/effect.hpp"
#include "service/core/entry.hpp"
#include "service/core/event.hpp"
#include "service/core/holding.hpp"
#include "service/core/ownership.hpp"

namespace buoy::runtime {

// The words under which the core's values are shown to people and programs.
const char* name_of(core::Outcome outcome);
const char* name_of(core::OnLoss on_loss);
const char* name_of(core::Rebalance rebalance);
const char* name_of(core::Ownership::Phase phase);
const char* name_of(core::Holding::State state);
const char* name_of(core::Refusal reason);

/// A pool as Pacemaker shows it of this node: "7/20", and what is wrong. `withheld` of those held are not
/// answered for (kernel::Withheld).
std::string in_short(const core::PoolStatus& pool, std::size_t withheld);

/// Whether the request was carried out.
bool succeeded(core::Outcome outcome);
/// What is wrong, and what to do about it.
std::string explain(core::Outcome outcome);

}  // namespace buoy::runtime
