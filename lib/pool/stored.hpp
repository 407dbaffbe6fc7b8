// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "net/netlink.hpp"
#include "pool/parameters.hpp"

// What was started on this node, kept in files for the time that the daemon is not there: by them a daemon
// that comes back knows its pools, the agent closes for one that does not, and the CLI says what is left.
namespace buoy::pool {

inline constexpr std::string_view stored_pools_directory = "/run/buoy/pools";

/// Writes NAME.json, whole or not at all. Makes the directory if need be.
Result<void> store(const PoolParameters& parameters,
                   const std::string& directory = std::string(stored_pools_directory));
/// Removes NAME.json; that there is none is no error.
Result<void> forget(const std::string& name,
                    const std::string& directory = std::string(stored_pools_directory));

struct StoredPools {
    std::vector<PoolParameters> pools;  ///< by name
    std::vector<std::string> problems;  ///< files that could not be read, for people
};
StoredPools stored_pools(const std::string& directory = std::string(stored_pools_directory));

/// An address that the kernel carries.
struct Carried {
    IpAddress ip;
    std::string link;  ///< by name
    bool operator==(const Carried&) const = default;
};

/// Those of the pool's addresses that the kernel carries, on whatever link of this network namespace.
Result<std::vector<Carried>> carried(net::Netlink& netlink, const PoolParameters& parameters);

/// Removes them and gives what was removed. For the time that the daemon is dead; a living one would put them
/// back.
Result<std::vector<Carried>> close_all(net::Netlink& netlink, const PoolParameters& parameters);

}  // namespace buoy::pool
