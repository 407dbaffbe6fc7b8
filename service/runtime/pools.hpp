// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pool/parameters.hpp"
#include "service/core/entry.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::runtime {

/// What the agreed state is to know of a pool with these parameters.
core::PoolConfig config_of(const pool::PoolParameters& parameters);
/// The parameters that a configuration in the agreed state carries; nothing when they are a newer version's.
std::optional<pool::PoolParameters> parameters_of(const core::PoolConfig& config);
kernel::PoolPlan plan_of(const pool::PoolParameters& parameters);

/// The pools that are started on this node. Whatever changes is told to the kernel's side and kept in
/// /run/buoy/pools, where a restarted daemon finds it.
class Pools {
  public:
    /// What hosts outside the pool have claimed of one of its addresses while it was held here.
    struct Claims {
        std::uint64_t count = 0;
        Mac mac;  ///< the last one
        TimePoint last;
        bool withheld = false;  ///< held no longer for it (on_conflict=release)
    };
    struct Pool {
        pool::PoolParameters parameters;
        kernel::Plan plan;
        std::optional<bool> carrier;  ///< none: the kernel's side has not said yet
        std::string no_carrier;       ///< why not
        std::map<IpAddress, Claims> claims{};
        std::size_t withheld = 0;  ///< of claims
    };
    using Watch = std::function<void(kernel::Watch)>;
    explicit Pools(Watch watch) : watch_(std::move(watch)) {}

    /// Takes up what an earlier daemon left. Errors name files that cannot be read.
    std::vector<std::string> load();
    Result<void> add(const pool::PoolParameters& parameters);
    /// Other parameters for a pool that is there.
    Result<void> replace(const pool::PoolParameters& parameters);
    void remove(const std::string& name);
    /// What the kernel's side has found out about the pool's NIC.
    void set_carrier(const kernel::Carrier& report);

    void claimed(const kernel::Claimed& report, TimePoint now);
    /// How many of the pool's slots are this node's and not answered for, because others claim them.
    [[nodiscard]] std::size_t withheld(const std::string& name) const;

    [[nodiscard]] const Pool* find(const std::string& name) const;
    [[nodiscard]] kernel::Plan plan(const std::string& name) const;
    [[nodiscard]] std::vector<core::PoolConfig> configs() const;
    /// Whether the kernel's side has reported on every pool.
    [[nodiscard]] bool all_known() const;

  private:
    void tell() const;

    std::map<std::string, Pool> pools_;
    Watch watch_;
};

}  // namespace buoy::runtime
