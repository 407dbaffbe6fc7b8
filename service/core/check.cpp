// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace buoy::core {

#ifdef BUOY_FAULTS
constinit thread_local BrokenHandler on_broken = nullptr;
#endif

// The one place in the core that writes anything: the process ends with it, and its name is all that is left.
void broken(const char* name) {
#ifdef BUOY_FAULTS
    if (on_broken != nullptr) on_broken(name);
#endif
    std::fputs("buoy: broken invariant: ", stderr);
    std::fputs(name, stderr);
    std::fputc('\n', stderr);
    std::abort();
}

}  // namespace buoy::core
