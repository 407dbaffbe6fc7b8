// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/replay.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "service/journal/journal.hpp"

namespace buoy::runtime {

int replay(const std::vector<std::string>& names) {
    std::vector<journal::ReplayedFile> files;
    for (const std::string& name : names) {
        std::ifstream in(name, std::ios::binary);
        if (!in) {
            fmt::print(stderr, "cannot read {}: {}\n", name, std::strerror(errno));
            return 1;
        }
        files.push_back({name, std::string(std::istreambuf_iterator<char>(in), {})});
    }
    const auto replayed = journal::replay_files(files);
    if (!replayed) {
        fmt::print(stderr, "{}\n", replayed.error().message);
        return 1;
    }
    fmt::print("{} events, the same effects\n", replayed->events);
    if (replayed->states > 0) fmt::print("{} states on the way, the same\n", replayed->states);
    if (replayed->passed_over > 0)
        fmt::print("{} lines passed over: the beginning of what they belong to is not here\n",
                   replayed->passed_over);
    return 0;
}

}  // namespace buoy::runtime
