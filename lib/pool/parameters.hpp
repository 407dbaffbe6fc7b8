// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"

namespace buoy::pool {

/// One line of the table of parameters, which a test holds against ocf/pool.xml.
struct ParameterInfo {
    std::string_view name;
    std::string_view type;           ///< OCF content type: string, integer, boolean or select
    std::string_view default_value;  ///< empty where there is none
    bool agreed = false;             ///< has to be equal on all members
    bool reloadable = false;         ///< takes effect without a restart
};

inline constexpr std::uint32_t max_buckets = 4096;  ///< of a pool

/// Every parameter of `ocf:buoy:pool`. What has to be equal on all members takes a restart: members that
/// reloaded one after the other would refuse each other meanwhile.
inline constexpr std::array pool_parameters = {
    ParameterInfo{"addresses", "string", "", true, false},
    ParameterInfo{"nic", "string", "", false, false},
    ParameterInfo{"cidr_netmask", "string", "", true, false},
    ParameterInfo{"weight", "integer", "100", false, true},
    ParameterInfo{"rebalance", "select", "auto", false, true},
    ParameterInfo{"on_loss", "select", "auto", true, false},
    ParameterInfo{"lease_ms", "integer", "500", true, false},
    ParameterInfo{"beat_ms", "integer", "", true, false},
    ParameterInfo{"announce", "string", "request reply", false, true},
    ParameterInfo{"announce_refresh", "integer", "0", false, true},
    ParameterInfo{"announce_pps", "integer", "100000", false, true},
    ParameterInfo{"announce_to", "string", "", false, true},
    ParameterInfo{"conflict_check", "select", "off", false, true},
    ParameterInfo{"on_conflict", "select", "defend", false, true},
    ParameterInfo{"link_down", "select", "release", false, true},
    ParameterInfo{"hold_ms", "integer", "1000", false, true},
    ParameterInfo{"buckets", "integer", "", true, false},
    ParameterInfo{"hash", "select", "source-port", true, false},
    ParameterInfo{"l2", "select", "multicast", true, false},
    ParameterInfo{"attach", "select", "tc", false, false},
    ParameterInfo{"mac", "select", "", true, false},
};

/// What ends a member's claim when its node is lost.
enum class OnLoss : std::uint8_t { automatic, fenced, unsafe };
/// Whether slots may move for balance's sake alone.
enum class Rebalance : std::uint8_t { automatic, never };
/// What to do when the NIC has no carrier.
enum class LinkDown : std::uint8_t { release, ignore };
/// What of a connection decides on its bucket.
enum class Hash : std::uint8_t { source, source_port, tuple };
/// How frames for the addresses of a bucket pool get to all members: by a group MAC, or by one that nobody
/// sends from.
enum class Layer2 : std::uint8_t { multicast, flood };
/// Where the gate sits at ingress.
enum class Attach : std::uint8_t { tc, xdp };

/// Whether, and how long, the first member of a pool looks for other hosts that have its addresses.
enum class ConflictCheck : std::uint8_t { off, fast, rfc5227 };

/// What to do about a host outside the pool that claims an address which is held here (RFC 5227 section 2.4).
/// "release" gives up an address that is claimed again within 10 s; not with buckets.
enum class OnConflict : std::uint8_t { defend, report, release };

inline constexpr std::size_t max_announce_to = 16;  ///< neighbours

/// Frames of each form in one announcement; IPv6 has one form and takes the larger number.
struct AnnounceCounts {
    int requests = 1;
    int replies = 1;
    bool operator==(const AnnounceCounts&) const = default;
};

/// A pool as its resource's parameters describe it.
struct PoolParameters {
    std::string name;
    /// In one order however they were written: IPv4 first, then by value; no duplicates. By slot, unless
    /// there are buckets.
    std::vector<IpAddress> addresses;
    std::string nic;             ///< empty: the one whose network contains the first address
    std::optional<int> prefix4;  ///< bits; none: as the NIC's network has it
    std::optional<int> prefix6;
    std::uint32_t weight = 100;
    Rebalance rebalance = Rebalance::automatic;
    OnLoss on_loss = OnLoss::automatic;
    std::chrono::milliseconds lease{500};  ///< of the daemon, so of all pools
    std::chrono::milliseconds beat{50};    ///< likewise; a tenth of the lease, and at least 5 ms, if unset
    AnnounceCounts announce;
    std::chrono::seconds announce_refresh{0};  ///< between announcements of what is held; 0: none
    std::uint32_t announce_pps = 100'000;      ///< frames a second
    std::vector<IpAddress> announce_to;        ///< told by unicast as well, of either family
    ConflictCheck conflict_check = ConflictCheck::off;
    OnConflict on_conflict = OnConflict::defend;
    LinkDown link_down = LinkDown::release;
    /// How long a lost carrier has to be back before the node counts as eligible again.
    std::chrono::milliseconds hold{1000};
    std::uint32_t buckets = 0;      ///< slots that all addresses share; 0: every address is a slot
    Hash hash = Hash::source_port;  ///< of buckets; else the default
    Layer2 l2 = Layer2::multicast;  ///< likewise
    Attach attach = Attach::tc;
    bool virtual_macs = false;  ///< mac=auto: every address has a MAC of its own (virtual_mac_of())

    [[nodiscard]] std::uint32_t slots() const {
        return buckets > 0 ? buckets : static_cast<std::uint32_t>(addresses.size());
    }
    bool operator==(const PoolParameters&) const = default;

    /// Of all that has to be equal on every member (`agreed` in the table), over the text below.
    [[nodiscard]] std::uint64_t fingerprint() const;
    /// The same as text: what goes into core::PoolConfig::parameters. from_text() reads it; the rest has its
    /// defaults then.
    [[nodiscard]] std::string agreed_text() const;
    /// Everything.
    [[nodiscard]] nlohmann::json to_json() const;
    /// Reads what to_json() and agreed_text() write, held to the same rules as parse(). Members that are not
    /// known, from a newer version, are passed over.
    static Result<PoolParameters> from_json(const nlohmann::json& json);
    static Result<PoolParameters> from_text(const std::string& text);
};

/// The resource's parameters as text, by name. Empty ones count as not given.
using ParameterTexts = std::map<std::string, std::string, std::less<>>;

/// Reads them; the first that is wrong is the error, which names the parameter, its value and what would be
/// right. Names that are no parameters are passed over.
Result<PoolParameters> parse(const std::string& name, const ParameterTexts& texts);

/// The first agreed parameter that differs, with both values: "lease_ms is 500 here, but 1000 in the
/// cluster". Empty if none does.
std::string difference(const PoolParameters& here, const PoolParameters& cluster);

/// Of any pool name: what Pacemaker may call a resource, at most 64 bytes, and a file can be called too.
Result<void> check_name(const std::string& name);

/// Addresses and ranges (`10.0.0.60-10.0.0.79`) separated by spaces or commas, in any order; the result is in
/// the order of PoolParameters::addresses.
Result<std::vector<IpAddress>> parse_addresses(std::string_view text);
/// The same the other way, in the shortest form. Takes them in order.
std::string addresses_text(const std::vector<IpAddress>& addresses);

}  // namespace buoy::pool
