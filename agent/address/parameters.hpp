// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "net/address.hpp"
#include "net/announcer.hpp"
#include "ocf/environment.hpp"
#include "ocf/outcome.hpp"

namespace buoy::agent {

/// One line of the agent's parameter table, which a test holds against ocf/address.xml.
struct ParameterInfo {
    std::string_view name;
    std::string_view type;           ///< OCF content type: string, integer, boolean or select
    std::string_view default_value;  ///< empty where there is none
    bool reloadable = false;
};

/// Every parameter of `ocf:buoy:address`. Names, defaults and meanings are those of ocf:heartbeat:IPaddr2
/// down to `mac`, from there on Buoy's own.
inline constexpr std::array address_parameters = {
    ParameterInfo{"ip", "string", ""},
    ParameterInfo{"nic", "string", ""},
    ParameterInfo{"cidr_netmask", "string", ""},
    ParameterInfo{"netmask", "string", ""},
    ParameterInfo{"broadcast", "string", ""},
    ParameterInfo{"iflabel", "string", ""},
    ParameterInfo{"lvs_support", "boolean", "false"},
    ParameterInfo{"lvs_ipv6_addrlabel", "boolean", "false"},
    ParameterInfo{"lvs_ipv6_addrlabel_value", "integer", "99"},
    ParameterInfo{"arp_interval", "integer", "200", true},
    ParameterInfo{"arp_count", "integer", "5", true},
    ParameterInfo{"arp_count_refresh", "integer", "0", true},
    ParameterInfo{"arp_bg", "boolean", "true", true},
    ParameterInfo{"arp_sender", "string", "", true},
    ParameterInfo{"send_arp_opts", "string", "", true},
    ParameterInfo{"flush_routes", "boolean", "false", true},
    ParameterInfo{"run_arping", "boolean", "false", true},
    ParameterInfo{"nodad", "boolean", "false"},
    ParameterInfo{"noprefixroute", "boolean", "false"},
    ParameterInfo{"preferred_lft", "string", "forever"},
    ParameterInfo{"network_namespace", "string", ""},
    ParameterInfo{"check_link_status", "boolean", "true", true},
    ParameterInfo{"mac", "string", ""},
    ParameterInfo{"conflict_check", "select", "", true},
    ParameterInfo{"announce", "string", "request reply", true},
    ParameterInfo{"announce_to", "string", "", true},
    ParameterInfo{"gateway_check", "string", "auto", true},
    ParameterInfo{"kill_connections", "boolean", "true", true},
};

/// How hard to look for another host with the address before, or while, it is taken.
enum class ConflictCheck {
    off,
    fast,     ///< at most 300 ms
    rfc5227,  ///< the standard's own timing: 4 to 7 s for IPv4 (RFC 5227), one second for IPv6 (RFC 4862)
};

enum class BroadcastRule { automatic, ones, zeros, none };

struct NoMac {
    bool operator==(const NoMac&) const = default;
};
struct AutoMac {
    bool operator==(const AutoMac&) const = default;
};
/// A virtual router's MAC (RFC 5798 section 7.3).
struct VrrpMac {
    std::uint8_t router_id = 1;
    bool operator==(const VrrpMac&) const = default;
};

struct AddressParameters {
    IpAddress ip;
    std::optional<std::string> nic;
    std::optional<int> prefix_length;  ///< bits
    std::variant<BroadcastRule, Ipv4> broadcast = BroadcastRule::automatic;
    std::optional<std::string> label;  ///< without the link's name
    bool lvs_support = false;
    std::optional<std::uint32_t> address_label;  ///< RFC 6724 policy table
    net::AnnounceForms forms;
    net::AnnounceSchedule schedule = net::default_schedule();
    std::vector<IpAddress> announce_to;
    int refresh_count = 0;
    bool background = true;
    bool flush_routes = false;
    ConflictCheck conflict_check = ConflictCheck::off;
    bool no_dad = false;
    bool no_prefix_route = false;
    std::uint32_t preferred_lifetime_s = net::forever;
    std::optional<std::string> network_namespace;
    bool check_link = true;
    std::variant<NoMac, AutoMac, VrrpMac, Mac> mac = NoMac{};
    std::optional<IpAddress> gateway;  ///< to check; unset: the default route's
    bool gateway_check = true;
    bool kill_connections = true;

    [[nodiscard]] bool has_virtual_mac() const { return !std::holds_alternative<NoMac>(mac); }
    bool operator==(const AddressParameters&) const = default;
};

/// The parameters in full; the first that is wrong is the failure.
Outcome<AddressParameters> read_parameters(const Environment& environment);

/// As much of them as there is to find the address and take it away: nothing but an unreadable `ip`
/// may keep a stop from stopping.
Outcome<AddressParameters> read_parameters_for_stop(const Environment& environment);

/// Lines for the log about parameters that are accepted but do nothing here, or are not known at all.
std::vector<std::string> parameter_notes(const Environment& environment);

/// The MAC that the address shall have for its own; nothing when it shall have none.
/// `auto` gives a locally administered one made from the address, the same on every node.
std::optional<Mac> virtual_mac(const AddressParameters& parameters);

}  // namespace buoy::agent
