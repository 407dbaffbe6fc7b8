// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/sysctl.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "net/errors.hpp"
#include "net/fd.hpp"

namespace buoy::net {

Result<int> Sysctl::get() const {
    const Fd fd(open(("/proc/sys/net/" + path_).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, fmt::format("cannot read net/{}", path_));
    std::array<char, 32> text{};
    const auto length = read(fd.get(), text.data(), text.size());
    if (length < 0) return fail_errno(errno, fmt::format("cannot read net/{}", path_));
    int value = 0;
    if (std::from_chars(text.data(), text.data() + length, value).ec != std::errc{})
        return fail(fmt::format("net/{} holds no number", path_), EINVAL);
    return value;
}

Result<void> Sysctl::set(int value) const {
    const Fd fd(open(("/proc/sys/net/" + path_).c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, fmt::format("cannot set net/{}", path_));
    const std::string text = std::to_string(value);
    if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail_errno(errno, fmt::format("cannot set net/{} to {}", path_, value));
    return {};
}

}  // namespace buoy::net
