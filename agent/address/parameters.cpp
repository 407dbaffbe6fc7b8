// SPDX-License-Identifier: GPL-2.0-or-later
#include "address/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "buoy/virtual_mac.hpp"
#include "ocf/values.hpp"

namespace buoy::agent {

namespace {

// Only IPaddr2's cluster mode has these; they are known so that the refusal can say what to use instead.
constexpr std::array cluster_mode_parameters = {"clusterip_hash", "clusterip_firewall", "clusterip_hash_seed",
                                                "clusterip_mac_mangle", "unique_clone_address"};
constexpr std::string_view use_a_pool =
    "an address shared by several nodes at once is ocf:buoy:pool with buckets=, not ocf:buoy:address";

/// Reads parameters one after the other and keeps the first failure, so that the callers read as a list.
class Reader {
  public:
    explicit Reader(const Environment& environment) : environment_(environment) {}

    std::optional<std::string> text(std::string_view name) const { return environment_.parameter(name); }
    bool has(std::string_view name) const { return text(name).has_value(); }

    void boolean(std::string_view name, bool& into) {
        if (const auto given = text(name)) take(read_boolean(name, *given), into);
    }
    template <typename Number>
    void number(std::string_view name, Number& into, long lowest, long highest, std::string_view unit = {}) {
        if (const auto given = text(name)) take(read_number(name, *given, lowest, highest, unit), into);
    }
    template <typename Value, typename Into>
    void take(Outcome<Value> value, Into& into) {
        if (value)
            into = static_cast<Into>(std::move(*value));
        else
            reject(std::move(value.error().reason));
    }
    void reject(std::string reason) {
        if (!failure_) failure_ = Failure{Exit::configured, std::move(reason)};
    }
    [[nodiscard]] const std::optional<Failure>& failed() const { return failure_; }

  private:
    const Environment& environment_;
    std::optional<Failure> failure_;
};

Outcome<IpAddress> read_ip(std::string_view name, const std::string& text) {
    auto ip = IpAddress::parse(text);
    if (!ip) return failure(Exit::configured, fmt::format("{}={}", name, ip.error().message));
    return *ip;
}

void read_address(Reader& reader, AddressParameters& into) {
    const auto text = reader.text("ip");
    if (!text) return reader.reject("ip is not set: it takes the floating address, such as ip=192.0.2.10");
    reader.take(read_ip("ip", *text), into.ip);
    if (reader.failed()) return;
    const bool unusable = into.ip.is_v4() ? into.ip.v4().bytes[0] == 0 || into.ip.v4().bytes[0] >= 224
                                          : into.ip.v6().is_multicast() || into.ip.v6() == Ipv6{};
    if (unusable) reader.reject(fmt::format("ip='{}' is not a unicast address that a host can have", *text));
}

void read_place(Reader& reader, AddressParameters& into) {
    into.network_namespace = reader.text("network_namespace");
    into.nic = reader.text("nic");
    into.label = reader.text("iflabel");
    // IPaddr2's older spelling of a label: nic=eth0:web
    if (into.nic) {
        if (const auto colon = into.nic->find(':'); colon != std::string::npos) {
            into.label = into.nic->substr(colon + 1);
            into.nic->resize(colon);
        }
        if (into.nic->empty()) reader.reject("nic names no interface before the ':'");
        if (into.label && into.label->empty()) into.label.reset();
    }
    if (into.ip.is_v6() && into.ip.v6().is_link_local() && !into.nic)
        reader.reject(
            "nic is not set: a link-local address exists on every interface, so nic has to say which");
    if (into.ip.is_v6()) into.label.reset();
}

/// A dotted mask as its length in bits; nothing when its ones are not in one run from the left.
std::optional<int> mask_bits(const Ipv4& mask) {
    const auto inverse = ~mask.value();
    if ((inverse & (inverse + 1)) != 0) return std::nullopt;
    int bits = 32;
    for (auto rest = inverse; rest != 0; rest >>= 1) --bits;
    return bits;
}

void read_prefix_length(Reader& reader, AddressParameters& into) {
    // "netmask" is what IPaddr2 called it once, and still takes.
    const std::string_view name = reader.has("cidr_netmask") ? "cidr_netmask" : "netmask";
    const auto text = reader.text(name);
    if (!text) return;
    if (into.ip.is_v4() && text->find('.') != std::string::npos) {
        const auto mask = Ipv4::parse(*text);
        const auto bits = mask ? mask_bits(*mask) : std::nullopt;
        if (!bits || *bits == 0)
            return reader.reject(
                fmt::format("{}='{}' is not a netmask (wanted a length such as 24)", name, *text));
        into.prefix_length = bits;
        return;
    }
    long bits = 0;
    reader.take(read_number(name, *text, 1, into.ip.bits(), into.ip.is_v4() ? "bits (IPv4)" : "bits (IPv6)"),
                bits);
    into.prefix_length = static_cast<int>(bits);
}

void read_broadcast(Reader& reader, AddressParameters& into) {
    const auto text = reader.text("broadcast");
    if (!text) return;
    if (into.ip.is_v6()) return reader.reject("broadcast is set, but IPv6 has no broadcast: remove it");
    if (*text == "+")
        into.broadcast = BroadcastRule::ones;
    else if (*text == "-")
        into.broadcast = BroadcastRule::zeros;
    else if (*text == "none")
        into.broadcast = BroadcastRule::none;
    else if (const auto ip = Ipv4::parse(*text))
        into.broadcast = *ip;
    else
        reader.reject(fmt::format("broadcast='{}' is neither an IPv4 address nor one of + - none", *text));
}

void read_forms(Reader& reader, AddressParameters& into) {
    const auto text = reader.text("announce");
    // IPaddr2's users asked their arping for replies this way.
    if (!text && reader.text("send_arp_opts").value_or("").find("-A") != std::string::npos) {
        into.forms = {0, 1};
        return;
    }
    if (!text) return;
    into.forms = {0, 0};
    for (const auto& word : read_words(*text)) {
        const auto colon = word.find(':');
        const std::string form = word.substr(0, colon);
        long count = 1;
        if (colon != std::string::npos)
            reader.take(read_number("announce", word.substr(colon + 1), 1, 20, "frames"), count);
        const bool both = form == "both";
        if (form == "none") continue;
        if (!both && form != "request" && form != "reply")
            return reader.reject(fmt::format(
                "announce='{}': '{}' is none of request, reply, both, none (each may have a count: reply:2)",
                *text, form));
        if (both || form == "request") into.forms.requests = static_cast<int>(count);
        if (both || form == "reply") into.forms.replies = static_cast<int>(count);
    }
}

void read_schedule(Reader& reader, AddressParameters& into) {
    int count = 5;
    int interval_ms = 200;
    reader.number("arp_count", count, 1, 1000, "announcements");
    reader.number("arp_interval", interval_ms, 1, 60000, "ms");
    reader.number("arp_count_refresh", into.refresh_count, 0, 100, "announcements");
    reader.boolean("arp_bg", into.background);
    // Who has set neither gets a schedule that outlasts what neighbours ignore (see default_schedule).
    if (!reader.has("arp_count") && !reader.has("arp_interval")) return;
    into.schedule.clear();
    for (int i = 0; i < count; ++i) into.schedule.emplace_back(i * interval_ms);
}

void read_announcements(Reader& reader, AddressParameters& into) {
    read_forms(reader, into);
    read_schedule(reader, into);
    for (const auto& word : read_words(reader.text("announce_to").value_or(""))) {
        IpAddress ip;
        reader.take(read_ip("announce_to", word), ip);
        if (!reader.failed() && ip.is_v4() != into.ip.is_v4())
            reader.reject(fmt::format("announce_to='{}' is not of the same family as ip={}", word,
                                      into.ip.to_string()));
        into.announce_to.push_back(ip);
    }
}

void read_conflict_check(Reader& reader, AddressParameters& into) {
    bool run_arping = false;
    reader.boolean("run_arping", run_arping);
    reader.boolean("nodad", into.no_dad);
    // Looking for duplicates is part of IPv6; for IPv4 it costs time on every start and has to be asked for.
    into.conflict_check = run_arping || into.ip.is_v6() ? ConflictCheck::fast : ConflictCheck::off;
    if (const auto text = reader.text("conflict_check")) {
        if (*text == "off")
            into.conflict_check = ConflictCheck::off;
        else if (*text == "fast")
            into.conflict_check = ConflictCheck::fast;
        else if (*text == "rfc5227")
            into.conflict_check = ConflictCheck::rfc5227;
        else
            reader.reject(fmt::format("conflict_check='{}' is none of off, fast, rfc5227", *text));
    }
    if (into.ip.is_v6() && into.no_dad) into.conflict_check = ConflictCheck::off;
}

void read_lifetime(Reader& reader, AddressParameters& into) {
    const auto text = reader.text("preferred_lft");
    if (!text || *text == "forever") return;
    const auto seconds = read_number("preferred_lft", *text, 0, 0xfffffffeL);
    if (!seconds)
        return reader.reject(
            fmt::format("preferred_lft='{}' is neither a number of seconds nor 'forever'", *text));
    into.preferred_lifetime_s = static_cast<std::uint32_t>(*seconds);
}

void read_mac(Reader& reader, AddressParameters& into) {
    const auto text = reader.text("mac");
    if (!text) return;
    constexpr std::string_view vrrp = "vrrp:";
    if (*text == "auto") {
        into.mac = AutoMac{};
    } else if (text->starts_with(vrrp)) {
        long id = 1;
        reader.take(read_number("mac", text->substr(vrrp.size()), 1, 255, "(mac=vrrp:N, RFC 5798)"), id);
        into.mac = VrrpMac{static_cast<std::uint8_t>(id)};
    } else if (const auto mac = Mac::parse(*text); !mac) {
        reader.reject(
            fmt::format("mac='{}' is none of auto, vrrp:N, or an address such as 02:00:5e:00:00:01", *text));
    } else if (mac->is_group()) {
        reader.reject(fmt::format("mac='{}' is a group address; {}", *text, use_a_pool));
    } else if (mac->is_zero()) {
        reader.reject(fmt::format("mac='{}' is no address that an interface can have", *text));
    } else {
        into.mac = *mac;
    }
}

void read_gateway(Reader& reader, AddressParameters& into) {
    const auto text = reader.text("gateway_check");
    if (!text || *text == "auto") return;
    if (*text == "off") {
        into.gateway_check = false;
        return;
    }
    const auto ip = IpAddress::parse(*text);
    if (!ip || ip->is_v4() != into.ip.is_v4())
        return reader.reject(fmt::format("gateway_check='{}' is none of auto, off, or an {} address", *text,
                                         into.ip.is_v4() ? "IPv4" : "IPv6"));
    into.gateway = *ip;
}

void read_lvs(Reader& reader, AddressParameters& into) {
    reader.boolean("lvs_support", into.lvs_support);
    if (into.lvs_support && into.ip.is_v6())
        reader.reject("lvs_support is for IPv4 only; with IPv6 use lvs_ipv6_addrlabel=true");
    if (into.lvs_support && into.has_virtual_mac())
        reader.reject("lvs_support and mac exclude each other: remove one");
    bool label = false;
    long value = 99;
    reader.boolean("lvs_ipv6_addrlabel", label);
    reader.number("lvs_ipv6_addrlabel_value", value, 0, 0xfffffffeL);
    if (label && into.ip.is_v4()) reader.reject("lvs_ipv6_addrlabel is for IPv6 only: remove it");
    if (label) into.address_label = static_cast<std::uint32_t>(value);
}

void refuse_cluster_mode(Reader& reader, const Environment& environment,
                         const AddressParameters& parameters) {
    for (const std::string_view name : cluster_mode_parameters)
        if (const auto value = environment.parameter(name); value && value != "false")
            reader.reject(fmt::format("{} is set, but {}", name, use_a_pool));
    const auto copies = environment.meta("clone_max").value_or("1");
    // On loopback every node may have it, as the real servers of a load balancer do.
    if (copies != "1" && copies != "0" && parameters.nic != "lo")
        reader.reject(fmt::format("the resource is a clone (clone-max={}), but {}", copies, use_a_pool));
}

}  // namespace

Outcome<AddressParameters> read_parameters(const Environment& environment) {
    AddressParameters parameters;
    Reader reader(environment);
    read_address(reader, parameters);
    if (reader.failed()) return tl::unexpected<Failure>(*reader.failed());
    read_place(reader, parameters);
    read_prefix_length(reader, parameters);
    read_broadcast(reader, parameters);
    read_announcements(reader, parameters);
    read_conflict_check(reader, parameters);
    read_lifetime(reader, parameters);
    read_mac(reader, parameters);
    read_gateway(reader, parameters);
    read_lvs(reader, parameters);
    reader.boolean("flush_routes", parameters.flush_routes);
    reader.boolean("noprefixroute", parameters.no_prefix_route);
    reader.boolean("check_link_status", parameters.check_link);
    reader.boolean("kill_connections", parameters.kill_connections);
    refuse_cluster_mode(reader, environment, parameters);
    if (reader.failed()) return tl::unexpected<Failure>(*reader.failed());
    return parameters;
}

Outcome<AddressParameters> read_parameters_for_stop(const Environment& environment) {
    AddressParameters parameters;
    Reader address(environment);
    read_address(address, parameters);
    if (address.failed()) return tl::unexpected<Failure>(*address.failed());
    // What cannot be read was never in force, so its default is right.
    Reader rest(environment);
    read_place(rest, parameters);
    read_mac(rest, parameters);
    read_lvs(rest, parameters);
    rest.boolean("flush_routes", parameters.flush_routes);
    rest.boolean("kill_connections", parameters.kill_connections);
    return parameters;
}

std::vector<std::string> parameter_notes(const Environment& environment) {
    std::vector<std::string> notes;
    if (const auto sender = environment.parameter("arp_sender"))
        notes.push_back(
            fmt::format("arp_sender={} has no effect: the agent sends announcements itself", *sender));
    for (const auto& name : environment.parameter_names()) {
        const auto known = [&](const auto& table) {
            return std::find(table.begin(), table.end(), name) != table.end();
        };
        const bool ours = std::any_of(address_parameters.begin(), address_parameters.end(),
                                      [&](const ParameterInfo& info) { return info.name == name; });
        // Pacemaker adds crm_feature_set by itself; trace_ra and trace_file are for shell agents, and
        // crmsh's.
        const bool not_for_us = name == "crm_feature_set" || name.starts_with("trace_");
        if (!ours && !known(cluster_mode_parameters) && !not_for_us)
            notes.push_back(fmt::format("there is no parameter '{}'; it is passed over", name));
    }
    return notes;
}

std::optional<Mac> virtual_mac(const AddressParameters& parameters) {
    if (const auto* given = std::get_if<Mac>(&parameters.mac)) return *given;
    if (const auto* vrrp = std::get_if<VrrpMac>(&parameters.mac))
        return Mac{{0x00, 0x00, 0x5e, 0x00, static_cast<std::uint8_t>(parameters.ip.is_v4() ? 0x01 : 0x02),
                    vrrp->router_id}};
    if (!std::holds_alternative<AutoMac>(parameters.mac)) return std::nullopt;
    return virtual_mac_of(parameters.ip);
}

}  // namespace buoy::agent
