// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/only_one.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <system_error>

#include "net/errors.hpp"

namespace buoy::io {

Result<net::Fd> be_the_only_one(const std::filesystem::path& lock) {
    std::error_code ignored;
    std::filesystem::create_directories(lock.parent_path(), ignored);
    net::Fd fd(open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) return net::fail_errno(errno, "cannot open " + lock.string());
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK) return net::fail_errno(errno, "cannot lock " + lock.string());
    return fail(fmt::format("buoyd runs on this node already (it has locked {}): `buoy status` asks it",
                            lock.string()),
                EBUSY);
}

}  // namespace buoy::io
