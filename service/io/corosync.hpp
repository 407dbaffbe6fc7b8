// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <corosync/corotypes.h>

#include <string_view>

#include "buoy/result.hpp"

namespace buoy::io {

/// What a failed call of Corosync's libraries means, with the errno value that comes nearest: ENOTCONN where
/// Corosync does not run or is gone, EAGAIN where it is busy, EACCES where it does not let us in.
tl::unexpected<Error> fail_corosync(cs_error_t error, std::string_view what);

/// Whether the other end of a connection has closed it.
bool hung_up(int fd);

/// Calls one of Corosync's dispatch functions for what is there, 32 times at most. Fails when Corosync is
/// gone.
template <typename Dispatch>
Result<void> dispatch_some(int fd, std::string_view what, Dispatch dispatch) {
    for (int left = 32; left > 0; --left) {
        const cs_error_t error = dispatch();
        if (error == CS_OK) continue;
        if (error != CS_ERR_TRY_AGAIN || hung_up(fd))
            return fail_corosync(error == CS_ERR_TRY_AGAIN ? CS_ERR_LIBRARY : error, what);
        return {};
    }
    // They take one kind of broken connection for success.
    if (hung_up(fd)) return fail_corosync(CS_ERR_LIBRARY, what);
    return {};
}

/// Sleeps a moment; false when `attempts` of them were enough. For calls before the loop runs only.
bool wait_before_retry(int& attempts);

/// Repeats a call for as long as Corosync is busy, up to 10 s: it refuses most things while a ring is being
/// formed.
template <typename Call>
cs_error_t while_busy(Call call) {
    int attempts = 0;
    cs_error_t error = call();
    while (error == CS_ERR_TRY_AGAIN && wait_before_retry(attempts)) error = call();
    return error;
}

}  // namespace buoy::io
