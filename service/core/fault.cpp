// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/fault.hpp"

namespace buoy::core {

#ifdef BUOY_FAULTS
constinit thread_local Fault injected_fault = Fault::none;
#endif

}  // namespace buoy::core
