// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/conflicts.hpp"

#include <fmt/format.h>

#include <utility>

namespace buoy::kernel {

namespace {

constexpr std::chrono::milliseconds between_reports{100};

const char* answer_to_first(OnConflict how) {
    switch (how) {
        case OnConflict::defend:
            return "it was announced again (on_conflict=defend)";
        case OnConflict::release:
            return "it was announced again, and is given up if the claim is repeated within 10 s "
                   "(on_conflict=release)";
        case OnConflict::report:
            break;
    }
    return "nothing was done (on_conflict=report)";
}

}  // namespace

Claimed& Conflicts::count(const std::string& pool, const IpAddress& ip, const Mac& mac) {
    Claimed& told = told_[ip];
    told.pool = pool;
    told.ip = ip;
    told.mac = mac;
    ++told.count;
    return told;
}

void Conflicts::heard_of_released(const std::string& pool, const IpAddress& ip, const Mac& mac) {
    count(pool, ip, mac);
}

Conflicts::Answer Conflicts::heard(const std::string& pool, OnConflict how, const IpAddress& ip,
                                   const Mac& mac, TimePoint now) {
    Claimed& told = count(pool, ip, mac);
    // Before its first entry an address has not been defended.
    auto [quiet, first] = quiet_until_.try_emplace(ip, now);
    if (now >= quiet->second) {
        quiet->second = now + defend_interval;
        told.text =
            fmt::format("pool {}: {} is held by this node and claimed by a host outside the pool, MAC {}; {}",
                        pool, ip.to_string(), mac.to_string(), answer_to_first(how));
        return how == OnConflict::report ? Answer::none : Answer::announce;
    }
    if (how != OnConflict::release || now < quiet->second - defend_interval + one_claim) return Answer::none;
    // When it is held again it is defended again.
    quiet_until_.erase(quiet);
    return Answer::release;
}

std::vector<Claimed> Conflicts::run(TimePoint now) {
    std::vector<Claimed> tell;
    if (told_.empty() || now < due_) return tell;
    due_ = now + between_reports;
    for (auto& [ip, claimed] : std::exchange(told_, {})) tell.push_back(std::move(claimed));
    return tell;
}

}  // namespace buoy::kernel
