// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/leaving.hpp"

#include <algorithm>
#include <chrono>

namespace buoy::kernel {

namespace {

constexpr std::chrono::milliseconds quiet{25};     // since the last close
constexpr std::chrono::milliseconds at_most{250};  // since the first
constexpr std::size_t at_once = 64;                // less than a millisecond's work

}  // namespace

void Leaving::add(const net::Address& address, std::uint64_t added, TimePoint now) {
    if (addresses_.empty()) since_ = now;
    addresses_.insert_or_assign(address.ip, Added{address, added});
    due_ = std::min(now + quiet, since_ + at_most);
}

std::optional<net::Address> Leaving::take(const IpAddress& ip) {
    const auto found = addresses_.find(ip);
    if (found == addresses_.end()) return std::nullopt;
    net::Address address = std::move(found->second.address);
    addresses_.erase(found);
    return address;
}

std::vector<net::Address> Leaving::take_newest(std::size_t count) {
    std::vector<Added> all;
    for (const auto& [ip, one] : addresses_) all.push_back(one);
    std::ranges::sort(all, std::ranges::greater(), &Added::added);
    all.resize(std::min(all.size(), count));
    std::vector<net::Address> taken;
    for (Added& one : all) {
        addresses_.erase(one.address.ip);
        taken.push_back(std::move(one.address));
    }
    return taken;
}

std::vector<net::Address> Leaving::take_all() {
    return take_newest(addresses_.size());
}

std::vector<net::Address> Leaving::take_due(TimePoint now) {
    return now < next() ? std::vector<net::Address>{} : take_newest(at_once);
}

}  // namespace buoy::kernel
