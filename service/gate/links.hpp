// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "buoy/mac.hpp"
#include "buoy/result.hpp"

/// Programs on links: tc (tc-bpf(8)) and XDP. Links by their index.
namespace buoy::gate {

enum class Hook { ingress, egress };

/// Puts a program before the filters of others, in place of one that was put there like this. One of somebody
/// else's that stays in front of it is an error that names it, with code EBUSY.
Result<void> attach_tc(int link, Hook hook, int program);
/// Error only where there is one that cannot be taken off.
Result<void> detach_tc(int link, Hook hook);

/// Puts an XDP program on a link, in place of one of the same name. Any other one is an error that names it,
/// with code EBUSY.
Result<void> attach_xdp(int link, int program);
/// Takes off a program of this name, and no other.
Result<void> detach_xdp(int link, const char* name);

Result<Mac> mac_of(int link);

}  // namespace buoy::gate
