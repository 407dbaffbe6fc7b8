// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/conflicts.hpp"

#include <fmt/format.h>

#include <utility>

namespace buoy::kernel {

namespace {

constexpr std::chrono::milliseconds between_reports{100};

}  // namespace

bool Conflicts::heard(const std::string& pool, bool defended, const IpAddress& ip, const Mac& mac,
                      TimePoint now) {
    auto [told, added] = told_.try_emplace(ip);
    told->second.pool = pool;
    told->second.ip = ip;
    told->second.mac = mac;
    ++told->second.count;
    // Before its first entry an address has not been defended.
    auto [quiet, first] = quiet_until_.try_emplace(ip, now);
    if (now < quiet->second) return false;
    quiet->second = now + defend_interval;
    told->second.text = fmt::format(
        "pool {}: {} is held by this node and claimed by a host outside the pool, MAC {}; {}", pool,
        ip.to_string(), mac.to_string(),
        defended ? "it was announced again (on_conflict=defend)" : "nothing was done (on_conflict=report)");
    return defended;
}

std::vector<Claimed> Conflicts::run(TimePoint now) {
    std::vector<Claimed> tell;
    if (told_.empty() || now < due_) return tell;
    due_ = now + between_reports;
    for (auto& [ip, claimed] : std::exchange(told_, {})) tell.push_back(std::move(claimed));
    return tell;
}

}  // namespace buoy::kernel
