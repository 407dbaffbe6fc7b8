// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/pools.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pool/stored.hpp"
#include "service/runtime/log.hpp"

namespace buoy::runtime {

core::PoolConfig config_of(const pool::PoolParameters& parameters) {
    core::PoolConfig config;
    config.name = parameters.name;
    config.hash = parameters.fingerprint();
    config.slots = parameters.slots();
    config.on_loss = parameters.on_loss == pool::OnLoss::fenced   ? core::OnLoss::fenced
                     : parameters.on_loss == pool::OnLoss::unsafe ? core::OnLoss::unsafe
                                                                  : core::OnLoss::automatic;
    config.rebalance =
        parameters.rebalance == pool::Rebalance::never ? core::Rebalance::never : core::Rebalance::automatic;
    config.parameters = parameters.agreed_text();
    return config;
}

std::optional<pool::PoolParameters> parameters_of(const core::PoolConfig& config) {
    auto parameters = pool::PoolParameters::from_text(config.parameters);
    return parameters ? std::optional(std::move(*parameters)) : std::nullopt;
}

namespace {

/// FNV-1a, 32 bits, of the pool's name: pools with as many buckets divide the same clients differently.
std::uint32_t seed_of(const std::string& name) {
    std::uint32_t seed = 2166136261U;
    for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 16777619U;
    return seed;
}

gate::Hash hash_of(pool::Hash hash) {
    switch (hash) {
        case pool::Hash::source:
            return gate::Hash::source;
        case pool::Hash::tuple:
            return gate::Hash::tuple;
        case pool::Hash::source_port:
            break;
    }
    return gate::Hash::source_port;
}

}  // namespace

kernel::PoolPlan plan_of(const pool::PoolParameters& parameters) {
    kernel::PoolPlan plan;
    plan.name = parameters.name;
    plan.addresses = parameters.addresses;
    if (parameters.buckets > 0)
        plan.buckets = {
            .division = {parameters.buckets, hash_of(parameters.hash), seed_of(parameters.name)},
            .l2 = parameters.l2 == pool::Layer2::flood ? kernel::Layer2::flood : kernel::Layer2::multicast};
    plan.attach = parameters.attach == pool::Attach::xdp ? gate::Attach::xdp : gate::Attach::tc;
    plan.virtual_macs = parameters.virtual_macs;
    plan.nic = parameters.nic;
    plan.prefix4 = parameters.prefix4;
    plan.prefix6 = parameters.prefix6;
    plan.forms = {parameters.announce.requests, parameters.announce.replies};
    plan.refresh = parameters.announce_refresh;
    plan.told = parameters.announce_to;
    plan.on_conflict = parameters.on_conflict == pool::OnConflict::report    ? kernel::OnConflict::report
                       : parameters.on_conflict == pool::OnConflict::release ? kernel::OnConflict::release
                                                                             : kernel::OnConflict::defend;
    plan.frames_per_s = parameters.announce_pps;
    plan.hold = parameters.hold;
    plan.ignore_carrier = parameters.link_down == pool::LinkDown::ignore;
    return plan;
}

std::vector<std::string> Pools::load() {
    auto [stored_here, problems] = pool::stored_pools();
    for (const pool::PoolParameters& stored : stored_here) {
        auto plan = std::make_shared<const kernel::PoolPlan>(plan_of(stored));
        pools_.emplace(stored.name, Pool{stored, std::move(plan), {}, {}, {}, {}});
    }
    tell();
    return std::move(problems);
}

Result<void> Pools::add(const pool::PoolParameters& parameters) {
    if (pools_.contains(parameters.name)) return {};
    if (auto stored = pool::store(parameters); !stored) return stored;
    auto plan = std::make_shared<const kernel::PoolPlan>(plan_of(parameters));
    pools_.emplace(parameters.name, Pool{parameters, std::move(plan), {}, {}, {}, {}});
    tell();
    return {};
}

Result<void> Pools::replace(const pool::PoolParameters& parameters) {
    if (auto stored = pool::store(parameters); !stored) return stored;
    Pool& pool = pools_.at(parameters.name);
    pool.parameters = parameters;
    pool.plan = std::make_shared<const kernel::PoolPlan>(plan_of(parameters));
    tell();
    return {};
}

void Pools::remove(const std::string& name) {
    if (pools_.erase(name) == 0) return;
    // A file that stays would only make a restarted daemon join again.
    if (auto forgotten = pool::forget(name); !forgotten) log_warning(forgotten.error().message);
    tell();
}

void Pools::set_carrier(const kernel::Carrier& report) {
    const auto found = pools_.find(report.pool);
    if (found == pools_.end()) return;
    found->second.carrier = report.carrier;
    found->second.no_carrier = report.why;
}

void Pools::claimed(const kernel::Claimed& report, TimePoint now) {
    const auto found = pools_.find(report.pool);
    if (found == pools_.end()) return;
    Claims& claims = found->second.claims[report.ip];
    if (report.withheld && *report.withheld != claims.withheld) {
        claims.withheld = *report.withheld;
        found->second.withheld += claims.withheld ? 1 : -1;
    }
    if (report.count == 0) return;
    claims.count += report.count;
    claims.mac = report.mac;
    claims.last = now;
}

std::size_t Pools::withheld(const std::string& name) const {
    const Pool* pool = find(name);
    return pool == nullptr ? 0 : pool->withheld;
}

const Pools::Pool* Pools::find(const std::string& name) const {
    const auto found = pools_.find(name);
    return found == pools_.end() ? nullptr : &found->second;
}

kernel::Plan Pools::plan(const std::string& name) const {
    const Pool* pool = find(name);
    return pool == nullptr ? nullptr : pool->plan;
}

std::vector<core::PoolConfig> Pools::configs() const {
    std::vector<core::PoolConfig> configs;
    for (const auto& [name, pool] : pools_) configs.push_back(config_of(pool.parameters));
    return configs;
}

bool Pools::all_known() const {
    return std::ranges::all_of(pools_, [](const auto& p) { return p.second.carrier.has_value(); });
}

void Pools::tell() const {
    kernel::Watch watch;
    for (const auto& [name, pool] : pools_) watch.pools.push_back(pool.plan);
    watch_(std::move(watch));
}

}  // namespace buoy::runtime
