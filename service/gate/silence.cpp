// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/gate/silence.hpp"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "service/gate/gate.h"

namespace buoy::gate {

namespace {

Error failure(int code, const std::string& path) {
    return {"cannot shut the packet gate by " + path + ": " + std::strerror(code), code};
}

/// libbpf takes longer to be loaded than all that the agent does besides.
int open_pin(const std::string& path) {
    bpf_attr what{};
    what.pathname = reinterpret_cast<std::uintptr_t>(path.c_str());
    return static_cast<int>(syscall(SYS_bpf, BPF_OBJ_GET, &what, sizeof what));
}

Result<void> shut(const std::string& path) {
    const int map = open_pin(path);
    if (map < 0 && errno == ENOENT) return {};  // its daemon has ended
    if (map < 0) return tl::unexpected(failure(errno, path));
    const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* state = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    const int code = errno;
    close(map);
    if (state == MAP_FAILED) return tl::unexpected(failure(code, path));
    std::atomic_ref(*static_cast<std::uint64_t*>(state)).store(0);
    munmap(state, size);
    return {};
}

}  // namespace

Result<void> silence(const std::string& pins) {
    static_assert(GATE_DEADLINE_AT == 0);
    Result<void> done;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(pins, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        if (!entry->path().filename().string().starts_with(GATE_STATE "_")) continue;
        if (auto one = shut(entry->path()); !one) done = one;
    }
    if (error && error != std::errc::no_such_file_or_directory)
        return tl::unexpected(failure(error.value(), pins));
    return done;
}

}  // namespace buoy::gate
