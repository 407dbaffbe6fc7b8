// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "buoy/result.hpp"
#include "service/core/event.hpp"
#include "service/runtime/driver.hpp"
#include "service/runtime/names.hpp"
#include "service/runtime/pools.hpp"
#include "service/runtime/status.hpp"

namespace buoy::runtime {

/// The requests of agents and of the command line (docs/protocol.md): answers what only reads, and turns the
/// rest into the core's requests, whose outcome is the answer.
class Requests {
  public:
    using Reply = std::function<void(nlohmann::json)>;
    struct Outlets {
        std::function<View()> view;
        std::function<void(kernel::Order)> kernel;
        std::function<Result<std::string>(std::size_t lines)> journal;
        /// A pool was started here, perhaps once more.
        std::function<void()> started;
        /// A pool was stopped here.
        std::function<void(const std::string& pool)> stopped;
        /// The alert agent's word on an action that succeeded; `ended` since the Unix epoch.
        std::function<void(NodeId node, core::FencingAction action, Duration ended)> fenced;
        /// This node has handed over everything, by request.
        std::function<void()> shut_down;
    };
    Requests(Driver& driver, Pools& pools, const Names& names, Outlets outlets)
        : driver_(driver), pools_(pools), names_(names), out_(std::move(outlets)) {}

    /// `may_change`: the caller may ask for more than to read.
    void handle(bool may_change, const nlohmann::json& request, Reply reply);
    /// The core's answer.
    void answered(RequestId id, core::Outcome outcome);
    /// The kernel's side knows the pool's NIC now: a start that waited for this goes on.
    void carrier_known(const std::string& pool);
    /// The kernel's side has compared what it holds with what is on the NIC.
    void checked(const kernel::Checked& report);
    /// The kernel's side has read the gate's counters.
    void counted(const kernel::Counted& report);
    /// Hands over everything and calls `shut_down`.
    void shut_down(Reply reply);

  private:
    using json = nlohmann::json;
    void start_pool(const json& request, Reply reply);
    void reload_pool(const json& request, Reply reply);
    /// What may differ from the agreed state without the pool being another one.
    void adjust(const pool::PoolParameters& parameters);
    void stop_pool(const json& request, Reply reply);
    void check_pool(const json& request, Reply reply);
    /// `show` is given a view that has counters.
    void count(std::function<void(const View&)> show);
    void explain(const json& request, Reply reply);
    void fencing(const json& request, Reply reply);
    void journal(const json& request, const Reply& reply);
    /// The request of the core that these words stand for.
    [[nodiscard]] Result<core::Request> translate(const std::string& name, const json& request) const;
    [[nodiscard]] Result<NodeId> node_in(const json& request) const;
    [[nodiscard]] Result<std::uint32_t> slot_in(const json& request, const core::PoolConfig& config) const;
    [[nodiscard]] Result<const core::Pool*> pool_in(const json& request, const char* field = "pool") const;
    [[nodiscard]] std::optional<std::string> why_not_started(const pool::PoolParameters& parameters) const;
    /// An address that another pool with members, or an earlier one, has as well, said with that pool's name.
    [[nodiscard]] std::optional<std::string> shared_with_another(const pool::PoolParameters& parameters,
                                                                 bool earlier) const;
    /// What it means that the core refuses this; empty where it goes without saying.
    [[nodiscard]] std::string why_refused(const core::Request& request) const;
    /// Asks the core; `done` sees the outcome.
    void ask(core::Request request, std::function<void(core::Outcome)> done);
    void ask_and_reply(core::Request request, Reply reply);

    Driver& driver_;
    Pools& pools_;
    const Names& names_;
    Outlets out_;
    std::uint64_t last_id_ = 0;
    std::map<RequestId, std::function<void(core::Outcome)>> asked_;
    std::map<std::string, std::vector<std::function<void()>>> waiting_for_nic_;
    std::map<std::uint64_t, Reply> checks_;
    std::map<std::uint64_t, std::function<void(const View&)>> counts_;
};

}  // namespace buoy::runtime
