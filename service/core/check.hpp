// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace buoy::core {

/// Aborts the process with `name` on standard error. The name is that of the broken invariant.
[[noreturn]] void broken(const char* name);

#ifdef BUOY_FAULTS
/// Where the simulation wants to hear of it instead; must not return.
using BrokenHandler = void (*)(const char* name);
extern constinit thread_local BrokenHandler on_broken;
#endif

/// Holds an invariant, in production too: a daemon that no longer knows what it does must stop; its gate
/// shuts by itself at the lease's end.
inline void check(bool holds, const char* name) {
    if (!holds) [[unlikely]]
        broken(name);
}

}  // namespace buoy::core
