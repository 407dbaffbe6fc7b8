// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "service/core/fault.hpp"
#include "tests/simulation/cluster.hpp"

namespace buoy::simulation {

/// Runs a schedule with a rule removed, or with all of them.
Outcome run(const Schedule& schedule, core::Fault fault = core::Fault::none, const Checks& checks = {});

/// A schedule that still breaks, with as few actions and as little noise as could be found by leaving things
/// out.
Schedule shrink(Schedule schedule, core::Fault fault, const Checks& checks = {});

/// The journal of a node's last daemon in a run.
std::string journal_of(const Schedule& schedule, core::Fault fault, std::uint32_t which);

}  // namespace buoy::simulation
