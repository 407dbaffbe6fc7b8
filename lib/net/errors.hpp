// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>

#include <cstring>

#include "buoy/result.hpp"

namespace buoy::net {

/// What the system said of a failed call: "WHAT: No such device". The errno value travels along.
inline Error system_error(int code, std::string_view what) {
    return Error{fmt::format("{}: {}", what, std::strerror(code)), code};
}

inline tl::unexpected<Error> fail_errno(int code, std::string_view what) {
    return tl::unexpected<Error>(system_error(code, what));
}

}  // namespace buoy::net
