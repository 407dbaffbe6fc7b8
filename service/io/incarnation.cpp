// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/incarnation.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/net/errors.hpp"
#include "lib/net/fd.hpp"

namespace buoy::io {
namespace {

using net::Fd;

// The core makes room for 16 more bits.
constexpr std::uint64_t most = std::uint64_t{1} << 47;

Result<std::uint64_t> last_number(const std::filesystem::path& file) {
    const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        if (errno == ENOENT) return std::uint64_t{0};
        return net::fail_errno(errno, fmt::format("{} cannot be read", file.native()));
    }
    std::array<char, 64> buffer{};
    const ssize_t size = read(fd.get(), buffer.data(), buffer.size());
    if (size < 0) return net::fail_errno(errno, fmt::format("{} cannot be read", file.native()));
    std::string_view text(buffer.data(), static_cast<std::size_t>(size));
    if (text.ends_with('\n')) text.remove_suffix(1);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number >= most)
        return fail(
            fmt::format("{} does not hold the number of the last start; see that this node's clock is "
                        "right, then remove the file",
                        file.native()));
    return number;
}

Result<void> write_synced(const std::filesystem::path& file, std::uint64_t number, int directory) {
    const std::string fresh = file.native() + ".new";
    const auto failed = [&] { return net::fail_errno(errno, fmt::format("{} cannot be written", fresh)); };
    const std::string text = fmt::format("{}\n", number);
    {
        const Fd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!fd) return failed();
        const ssize_t written = write(fd.get(), text.data(), text.size());
        if (written >= 0 && static_cast<std::size_t>(written) != text.size()) errno = ENOSPC;
        if (written != static_cast<ssize_t>(text.size())) return failed();
        if (fsync(fd.get()) != 0) return failed();
    }
    if (rename(fresh.c_str(), file.c_str()) != 0 || fsync(directory) != 0) return failed();
    return {};
}

}  // namespace

Result<Incarnation> next_incarnation(const std::filesystem::path& file) {
    const std::string where = file.parent_path().native();
    if (mkdir(where.c_str(), 0755) != 0 && errno != EEXIST)
        return net::fail_errno(errno, fmt::format("{} cannot be made", where));
    const Fd directory(open(where.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return net::fail_errno(errno, fmt::format("{} cannot be opened", where));
    // Two daemons started at once must not get one number.
    if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0)
        return net::fail_errno(errno, fmt::format("{} is in use by another start of buoyd; see that only one "
                                                  "runs",
                                                  where));
    const auto last = last_number(file);
    if (!last) return tl::unexpected(last.error());
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const auto clock = static_cast<std::uint64_t>(std::max<time_t>(now.tv_sec, 0));
    const std::uint64_t next = std::max(*last + 1, clock);
    if (auto done = write_synced(file, next, directory.get()); !done) return tl::unexpected(done.error());
    return Incarnation{next};
}

}  // namespace buoy::io
