// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "service/io/cluster.hpp"

namespace buoy::io {

/// Corosync's configuration map, as far as it matters here: key to value as text.
using ClusterKeys = std::map<std::string, std::string, std::less<>>;
/// What the names in the nodelist were found to mean.
using KnownNames = std::map<std::string, IpAddress, std::less<>>;

/// Makes sense of the map. Pure. An address given as a name is the one Corosync itself uses for that node
/// once it has joined, before that the one in `names`, and missing where neither is known. Leaves out the
/// secret.
Result<ClusterInfo> assemble(const ClusterKeys& keys, const KnownNames& names);

/// The nodelist's addresses that are names.
std::vector<std::string> names_in(const ClusterKeys& keys);

}  // namespace buoy::io
