// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/kept.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "net/errors.hpp"
#include "net/fd.hpp"

namespace buoy::runtime {

Result<Duration> kept_lease(const std::filesystem::path& file) {
    std::ifstream in(file);
    if (!in) {
        if (errno == ENOENT) return Duration{};
        return net::fail_errno(errno, "cannot read " + file.string());
    }
    std::int64_t ns = -1;
    in >> ns;
    if (in.fail() || ns < 0)
        return fail(
            fmt::format("{} does not hold a lease in nanoseconds; once no other node has been running "
                        "for a minute it may be removed",
                        file.string()));
    return Duration(ns);
}

Result<void> keep_lease(Duration lease, const std::filesystem::path& file) {
    const std::string next = file.string() + ".new";
    const net::Fd fd(open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) return net::fail_errno(errno, "cannot write " + next);
    const std::string text = std::to_string(lease.count()) + "\n";
    if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        fsync(fd.get()) != 0)
        return net::fail_errno(errno, "cannot write " + next);
    if (std::rename(next.c_str(), file.c_str()) != 0)
        return net::fail_errno(errno, "cannot replace " + file.string());
    return {};
}

}  // namespace buoy::runtime
