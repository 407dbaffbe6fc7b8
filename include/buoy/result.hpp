// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace buoy {

/// Why an operation failed, in one line for a person: what failed, on what, and what to do.
/// `code` is the errno value behind it, or 0 where no system call failed.
struct Error {
    std::string message;
    int code = 0;
    bool operator==(const Error&) const = default;
};

/// A value, or the error that kept it from being made. Operating errors travel this way; a broken
/// invariant aborts instead, and exceptions are for reading a command line only.
template <typename T>
using Result = tl::expected<T, Error>;

/// Shorthand for the failing side of a Result.
inline tl::unexpected<Error> fail(std::string message, int code = 0) {
    return tl::unexpected<Error>(Error{std::move(message), code});
}

}  // namespace buoy
