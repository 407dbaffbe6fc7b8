// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/tools/records.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "tests/tools/sockets.hpp"

namespace buoy::sweep {

namespace {

constexpr std::size_t flush_at = 4096;
/// Records are written at least so often, for those who look on.
constexpr std::int64_t flush_ns = 20'000'000;

}  // namespace

std::int64_t now_ns() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Ip parse_ip(const std::string& text) {
    Ip ip{};
    if (inet_pton(AF_INET6, text.c_str(), ip.data()) == 1) return ip;
    ip[10] = ip[11] = 0xff;
    if (inet_pton(AF_INET, text.c_str(), ip.data() + 12) == 1) return ip;
    errno = EINVAL;
    give_up("address '" + text + "'");
}

void watch_input() {
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
}

bool input_ended() {
    char byte = 0;
    return read(STDIN_FILENO, &byte, 1) == 0;
}

std::uint8_t Notes::number_of_host(const std::string& name) {
    return number(hosts_, 'H', std::string(name.substr(0, 8)));
}

std::uint8_t Notes::number_of_mac(const Mac& mac) {
    return number(macs_, 'M', std::string(mac.begin(), mac.end()));
}

std::uint8_t Notes::number(std::map<std::string, std::uint8_t>& known, char kind, const std::string& what) {
    if (const auto found = known.find(what); found != known.end()) return found->second;
    if (known.size() > 0xff) {
        errno = EOVERFLOW;
        give_up("hosts and MACs to tell apart");
    }
    std::int64_t value = 0;
    std::memcpy(&value, what.data(), std::min(what.size(), sizeof value));
    const auto next = static_cast<std::uint8_t>(known.size());
    add(kind, value, 0, 0, next);
    return known.emplace(what, next).first->second;
}

void Notes::flush(std::int64_t at_ns, bool all) {
    if (!all && records_.size() < flush_at && at_ns - flushed_ns_ < flush_ns) return;
    const auto* from = reinterpret_cast<const char*>(records_.data());
    std::size_t left = records_.size() * sizeof(Record);
    while (left > 0) {
        const ssize_t wrote = write(STDOUT_FILENO, from, left);
        if (wrote < 0) give_up("write");
        from += wrote;
        left -= static_cast<std::size_t>(wrote);
    }
    records_.clear();
    flushed_ns_ = at_ns;
}

}  // namespace buoy::sweep
