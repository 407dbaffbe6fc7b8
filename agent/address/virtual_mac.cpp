// SPDX-License-Identifier: GPL-2.0-or-later
#include "address/virtual_mac.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "net/address.hpp"
#include "net/macvlan.hpp"
#include "net/netns.hpp"
#include "net/route.hpp"
#include "net/sysctl.hpp"
#include "ocf/outcome.hpp"

namespace buoy::agent {

namespace {

constexpr std::string_view name_prefix = "bv";
constexpr std::string_view alias_prefix = "buoy";
// Above the tables that people number by hand; the device's index is added, so that devices share none.
constexpr std::uint32_t table_base = 0x62000000;
// Between the local table (0) and main (32766), with room on both sides for an administrator's own.
constexpr std::uint32_t rule_priority = 5000;

/// A setting of the NIC that has to be at least this strong while a virtual MAC is on it.
struct NicSetting {
    const char* key;
    int wanted;
};
// arp_ignore: without 1 the NIC answers ARP for the device's addresses, with the wrong MAC.
// arp_announce: without 2 the NIC's own requests may name a floating address as theirs.
constexpr std::array nic_settings = {NicSetting{"arp_ignore", 1}, NicSetting{"arp_announce", 2}};

std::string encode_settings(const std::array<int, nic_settings.size()>& values) {
    std::string text(alias_prefix);
    for (std::size_t i = 0; i < values.size(); ++i)
        text += fmt::format(" {}={}", nic_settings[i].key, values[i]);
    return text;
}

std::optional<std::array<int, nic_settings.size()>> decode_settings(const std::string& alias) {
    std::array<int, nic_settings.size()> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::string key = fmt::format(" {}=", nic_settings[i].key);
        const auto at = alias.find(key);
        if (at == std::string::npos) return std::nullopt;
        const char* digits = alias.data() + at + key.size();
        if (std::from_chars(digits, alias.data() + alias.size(), values[i]).ec != std::errc{})
            return std::nullopt;
    }
    return values;
}

/// Other devices of ours on the same NIC; they know what the NIC had before any of them came.
Result<std::vector<net::Link>> siblings(net::Netlink& netlink, int nic, const std::string& but) {
    auto all = net::links(netlink);
    if (!all) return all;
    std::erase_if(*all, [&](const net::Link& link) {
        return link.parent != nic || !is_virtual_mac_device(link) || link.name == but;
    });
    return all;
}

Result<std::array<int, nic_settings.size()>> settings_before(net::Netlink& netlink, const net::Link& nic,
                                                             const std::string& device) {
    auto others = siblings(netlink, nic.index, device);
    if (!others) return tl::unexpected<Error>(others.error());
    for (const auto& other : *others)
        if (const auto kept = decode_settings(other.alias)) return *kept;
    std::array<int, nic_settings.size()> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
        auto value = net::Sysctl::ipv4(nic.name, nic_settings[i].key).get();
        if (!value) return tl::unexpected<Error>(value.error());
        values[i] = *value;
    }
    return values;
}

Result<void> set_alias(net::Netlink& netlink, const net::Link& link, const std::string& alias) {
    ifinfomsg header{};
    header.ifi_index = link.index;
    net::Request request(RTM_SETLINK, NLM_F_ACK, header);
    request.put_string(IFLA_IFALIAS, alias);
    return netlink.change(request, fmt::format("cannot set the alias of {}", link.name));
}

/// The device hears what is for its own addresses only, and is heard only about them.
Result<void> configure_device(const net::Link& device, bool v6) {
    struct {
        net::Sysctl setting;
        int value;
    } const settings[] = {
        {net::Sysctl::ipv4(device.name, "arp_ignore"), 1},
        {net::Sysctl::ipv4(device.name, "arp_announce"), 2},
        {net::Sysctl::ipv4(device.name, "arp_filter"), 0},
        // Loose: a client's packets come in here also where the way back to it is by the NIC.
        {net::Sysctl::ipv4(device.name, "rp_filter"), 2},
    };
    for (const auto& [setting, value] : settings)
        if (auto set = setting.set(value); !set) return set;
    // A host without IPv6 has no such settings, and needs none.
    const auto v6_off = net::Sysctl::ipv6(device.name, "disable_ipv6");
    if (!v6_off.get()) return {};
    if (auto set = v6_off.set(v6 ? 0 : 1); !set || !v6) return set;
    for (const char* key : {"accept_ra", "autoconf"})
        if (auto set = net::Sysctl::ipv6(device.name, key).set(0); !set) return set;
    return {};
}

Result<void> configure_nic(const net::Link& nic) {
    for (const auto& [key, wanted] : nic_settings) {
        const auto setting = net::Sysctl::ipv4(nic.name, key);
        const auto value = setting.get();
        if (!value) return tl::unexpected<Error>(value.error());
        if (*value >= wanted) continue;
        if (auto set = setting.set(wanted); !set) return set;
    }
    return {};
}

Result<void> restore_nic(const net::Link& nic, const std::array<int, nic_settings.size()>& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (auto set = net::Sysctl::ipv4(nic.name, nic_settings[i].key).set(values[i]); !set) return set;
    return {};
}

/// Removes the rules for the address, but for the one that names the table `but`.
Result<void> remove_rules(net::Netlink& netlink, const IpAddress& ip, std::optional<std::uint32_t> but) {
    auto rules = net::source_rules(netlink, ip.is_v4() ? AF_INET : AF_INET6);
    if (!rules) return tl::unexpected<Error>(rules.error());
    for (const auto& rule : *rules) {
        if (rule.source != ip || rule.priority != rule_priority || rule.table < table_base) continue;
        if (rule.table == but) continue;
        if (auto gone = net::remove_rule(netlink, rule); !gone && gone.error().code != ENOENT) return gone;
    }
    return {};
}

}  // namespace

std::string virtual_mac_device(const Mac& mac) {
    std::string name(name_prefix);
    for (const auto byte : mac.bytes) name += fmt::format("{:02x}", byte);
    return name;
}

bool is_virtual_mac_device(const net::Link& link) {
    return link.kind == "macvlan" && link.parent && link.name == virtual_mac_device(link.mac);
}

Result<net::Link> acquire_virtual_mac(const net::NetnsLock& /*lock*/, net::Netlink& netlink,
                                      const net::Link& nic, const Mac& mac, bool v6) {
    const std::string name = virtual_mac_device(mac);
    auto device = net::find_link(netlink, name);
    const bool ours = !device;
    if (device && (!is_virtual_mac_device(*device) || device->parent != nic.index))
        return fail(fmt::format("{} exists already, but is no device of MAC {} on {}: remove it", name,
                                mac.to_string(), nic.name),
                    EEXIST);
    auto before = settings_before(netlink, nic, name);
    if (!before) return tl::unexpected<Error>(before.error());
    if (ours) {
        device = net::create_macvlan(netlink, name, nic, mac);
        if (!device) return device;
    }
    auto ready = [&]() -> Result<void> {
        if (ours)
            if (auto kept = set_alias(netlink, *device, encode_settings(*before)); !kept) return kept;
        // An IPv4 address that joins an IPv6 one on the device must not switch IPv6 off.
        if (ours || v6)
            if (auto configured = configure_device(*device, v6); !configured) return configured;
        if (auto configured = configure_nic(nic); !configured) return configured;
        auto up = net::set_up(netlink, *device);
        if (!up && up.error().code == EADDRINUSE)
            return fail(
                fmt::format("mac={} is the MAC of {} itself or of another device on it: choose another",
                            mac.to_string(), nic.name),
                EADDRINUSE);
        return up;
    }();
    if (!ready) {
        if (ours) {
            (void)net::delete_link(netlink, *device);
            const auto others = siblings(netlink, nic.index, name);
            if (others && others->empty()) (void)restore_nic(nic, *before);
        }
        return tl::unexpected<Error>(ready.error());
    }
    return net::find_link(netlink, name);
}

Result<void> release_virtual_mac(const net::NetnsLock& /*lock*/, net::Netlink& netlink,
                                 const net::Link& device) {
    auto left = net::addresses(netlink, AF_UNSPEC, device.index);
    if (!left) return tl::unexpected<Error>(left.error());
    // Address generation is off on the device, so a link-local address is somebody's floating address too.
    if (!left->empty()) return {};
    // The alias as it is now: the device may have been made anew since it was looked up.
    const auto now = net::find_link(netlink, device.name);
    if (!now) return {};
    auto others = siblings(netlink, now->parent.value_or(0), device.name);
    if (!others) return tl::unexpected<Error>(others.error());
    if (auto gone = net::delete_link(netlink, *now); !gone && gone.error().code != ENODEV) return gone;
    const auto nic = net::find_link(netlink, now->parent.value_or(0));
    const auto before = decode_settings(now->alias);
    if (!others->empty() || !nic || !before) return {};
    // The address is gone, which is what a stop is for; stricter settings do no harm to it.
    if (auto restored = restore_nic(*nic, *before); !restored)
        log(fmt::format("{} keeps its settings of a NIC with a virtual MAC: {}", nic->name,
                        restored.error().message));
    return {};
}

Result<void> route_by_virtual_mac(net::Netlink& netlink, const net::Link& nic, const net::Link& device,
                                  const IpAddress& ip) {
    const int family = ip.is_v4() ? AF_INET : AF_INET6;
    const std::uint32_t table = table_base + static_cast<std::uint32_t>(device.index);
    auto wanted = net::routes(netlink, family);
    if (!wanted) return tl::unexpected<Error>(wanted.error());
    std::erase_if(*wanted, [&](const net::Route& route) { return route.link != nic.index; });
    for (auto& route : *wanted) {
        route.link = device.index;
        route.table = table;
        route.source.reset();
    }
    auto present = net::routes(netlink, family, table);
    if (!present) return tl::unexpected<Error>(present.error());
    auto has = [](const std::vector<net::Route>& list, const net::Route& route) {
        return std::find(list.begin(), list.end(), route) != list.end();
    };
    // Routes on the link first: the kernel wants to see how a gateway is reached.
    std::stable_partition(wanted->begin(), wanted->end(),
                          [](const net::Route& route) { return !route.gateway; });
    for (const auto& route : *wanted)
        if (!has(*present, route))
            if (auto added = net::replace_route(netlink, route); !added) return added;
    for (const auto& route : *present)
        if (!has(*wanted, route))
            if (auto gone = net::remove_route(netlink, route); !gone && gone.error().code != ESRCH)
                return gone;
    auto rule = net::add_rule(netlink, {ip, table, rule_priority});
    if (!rule && rule.error().code != EEXIST) return rule;
    // One that was left over, for a device that has gone.
    return remove_rules(netlink, ip, table);
}

Result<void> unroute_virtual_mac(net::Netlink& netlink, const IpAddress& ip) {
    return remove_rules(netlink, ip, std::nullopt);
}

}  // namespace buoy::agent
