// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/corosync.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace buoy::io {

tl::unexpected<Error> fail_corosync(cs_error_t error, std::string_view what) {
    switch (error) {
        // A connection that broke shows as any of these, by how it broke.
        case CS_ERR_LIBRARY:
        case CS_ERR_BAD_HANDLE:
        case CS_ERR_NOT_EXIST:
            return fail(fmt::format("{}: Corosync does not run or does not answer ({}); look at "
                                    "`systemctl status corosync`",
                                    what, cs_strerror(error)),
                        ENOTCONN);
        case CS_ERR_TRY_AGAIN:
            return fail(fmt::format("{}: Corosync is busy", what), EAGAIN);
        case CS_ERR_ACCESS:
        case CS_ERR_SECURITY:
            return fail(fmt::format("{}: Corosync refuses this user; run it as root", what), EACCES);
        default:
            return fail(fmt::format("{}: Corosync says {}", what, cs_strerror(error)), EPROTO);
    }
}

bool hung_up(int fd) {
    pollfd connection{fd, 0, 0};
    return poll(&connection, 1, 0) > 0;
}

bool wait_before_retry(int& attempts) {
    using namespace std::chrono_literals;
    if (++attempts > 500) return false;
    std::this_thread::sleep_for(20ms);
    return true;
}

}  // namespace buoy::io
