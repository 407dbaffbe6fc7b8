// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/time.hpp"
#include "pool/parameters.hpp"
#include "service/core/ownership.hpp"
#include "service/kernel/plan.hpp"
#include "service/runtime/names.hpp"

namespace buoy::runtime {

/// What hosts outside a pool have claimed of an address of it that is, or was, held here.
struct ClaimedAddress {
    IpAddress ip;
    Mac mac;  ///< the last one
    std::uint64_t count = 0;
    TimePoint last;
    bool withheld = false;  ///< this node does not answer for it, though it is its own
};

/// What is shown of a pool and the core does not know.
struct PoolFacts {
    std::vector<IpAddress> addresses;  ///< by slot; none where the slots are buckets
    std::vector<IpAddress> shared;     ///< by all buckets
    bool virtual_macs = false;         ///< that each of the addresses has
    std::string hash;                  ///< of buckets: the parameters
    std::string l2;
    std::string nic;
    std::string no_carrier;                ///< why not, if it is started here and has none
    std::vector<ClaimedAddress> claims{};  ///< in order
};

/// Whether the slot is this node's, and not answered for because another host claims its address.
bool is_withheld(const PoolFacts& facts, std::uint32_t slot);
/// So many are.
std::int64_t count_withheld(const PoolFacts& facts);

/// Fills in what the pool's parameters say.
void tell_facts(const pool::PoolParameters& parameters, PoolFacts& facts);

/// What views of the daemon are made from.
struct View {
    const core::Ownership& ownership;
    const core::Status& status;
    const Names& names;
    std::string cluster;
    Incarnation incarnation;
    Duration lease{};
    Duration beat{};
    TimePoint now;
    std::function<PoolFacts(const core::PoolConfig&)> facts;
    const kernel::Counted* counted = nullptr;  ///< what went through the gate, where that was asked for
};

/// The answer to the request "status": see docs/protocol.md.
nlohmann::json status_of(const View& view);
/// The answer to "explain": why this slot is where it is, and what it waits for, line by line.
nlohmann::json explain_slot(const View& view, const core::Pool& pool, std::uint32_t slot);
/// Everything that is counted or measured, as OpenMetrics text.
std::string metrics_of(const View& view);

}  // namespace buoy::runtime
