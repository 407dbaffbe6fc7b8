// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmac/virtual_mac.hpp"

#include <fmt/format.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>

#include "net/address.hpp"
#include "net/batch.hpp"
#include "net/errors.hpp"
#include "net/macvlan.hpp"
#include "net/sysctl.hpp"

namespace buoy::vmac {

namespace {

constexpr std::string_view name_prefix = "bv";
constexpr std::string_view alias_prefix = "buoy";
// Of devices that are to go; nobody numbers groups as high by hand.
constexpr std::uint32_t going = 0x62766778;

/// A setting of the NIC that has to be at least this strong while a virtual MAC is on it.
struct NicSetting {
    const char* key;
    int wanted;
};
// arp_ignore: without 1 the NIC answers ARP for the device's addresses, with the wrong MAC.
// arp_announce: without 2 the NIC's own requests may name a floating address as theirs.
constexpr std::array nic_settings = {NicSetting{"arp_ignore", 1}, NicSetting{"arp_announce", 2}};
using Settings = std::array<int, nic_settings.size()>;

// The device hears what is for its own addresses only, and is heard only about them.
constexpr std::array device_settings = {
    std::pair{static_cast<int>(IPV4_DEVCONF_ARP_IGNORE), 1U},
    std::pair{static_cast<int>(IPV4_DEVCONF_ARP_ANNOUNCE), 2U},
    std::pair{static_cast<int>(IPV4_DEVCONF_ARPFILTER), 0U},
    // Loose: a client's packets come in here also where the way back to it is by the NIC.
    std::pair{static_cast<int>(IPV4_DEVCONF_RP_FILTER), 2U},
};

std::string encode_settings(const Settings& values) {
    std::string text(alias_prefix);
    for (std::size_t i = 0; i < values.size(); ++i)
        text += fmt::format(" {}={}", nic_settings[i].key, values[i]);
    return text;
}

std::optional<Settings> decode_settings(const std::string& alias) {
    Settings values{};
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

/// Devices of ours on a NIC; they know what the NIC had before any of them came.
Result<std::vector<net::Link>> devices_on(net::Netlink& netlink, int nic) {
    auto all = net::links(netlink);
    if (!all) return all;
    std::erase_if(*all, [&](const net::Link& link) { return link.parent != nic || !is_device(link); });
    return all;
}

Result<Settings> settings_before(net::Netlink& netlink, const net::Link& nic) {
    const auto there = devices_on(netlink, nic.index);
    if (!there) return tl::unexpected<Error>(there.error());
    for (const auto& device : *there)
        if (const auto kept = decode_settings(device.alias)) return *kept;
    Settings values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
        auto value = net::Sysctl::ipv4(nic.name, nic_settings[i].key).get();
        if (!value) return tl::unexpected<Error>(value.error());
        values[i] = *value;
    }
    return values;
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

Result<void> restore_nic(const net::Link& nic, const Settings& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (auto set = net::Sysctl::ipv4(nic.name, nic_settings[i].key).set(values[i]); !set) return set;
    return {};
}

/// What of IPv6 there is no message for.
Result<void> configure_ipv6(const net::Link& device, bool v6) {
    // A host without IPv6 has no such settings, and needs none.
    const auto off = net::Sysctl::ipv6(device.name, "disable_ipv6");
    if (!off.get()) return {};
    if (auto set = off.set(v6 ? 0 : 1); !set || !v6) return set;
    for (const char* key : {"accept_ra", "autoconf"})
        if (auto set = net::Sysctl::ipv6(device.name, key).set(0); !set) return set;
    return {};
}

/// A device that shall be there.
struct Wanted {
    Mac mac;
    bool v6 = false;  ///< for an IPv6 address
};

/// Makes devices, all of them together from step to step. What fails drops out.
class Making {
  public:
    Making(net::Netlink& netlink, const net::Link& nic, std::span<const Wanted> wanted)
        : netlink_(netlink), nic_(nic), items_(wanted.begin(), wanted.end()) {}

    std::vector<Result<net::Link>> run() {
        const auto before = settings_before(netlink_, nic_);
        if (before) {
            create();
            look_up();
            name_what_was(*before);
            configure();
            bring_up();
        }
        std::vector<Result<net::Link>> made;
        std::vector<net::Link> failed;
        for (Item& item : items_) {
            if (!before) item.error = before.error();
            if (item.error && item.ours && item.link) failed.push_back(*item.link);
            made.push_back(item.error ? Result<net::Link>(tl::unexpected<Error>(*item.error)) : *item.link);
        }
        if (!failed.empty()) (void)remove_many(netlink_, failed);
        return made;
    }

  private:
    struct Item {
        explicit Item(const Wanted& w) : wanted(w), name(device_name(w.mac)) {}
        Wanted wanted;
        std::string name;
        bool ours = true;  ///< made here, and not there before
        std::optional<net::Link> link;
        std::optional<Error> error;
    };
    static bool any(const Item& /*item*/) { return true; }
    static bool ours(const Item& item) { return item.ours; }
    /// An IPv4 address that joins an IPv6 one on the device must not switch IPv6 off.
    static bool to_configure(const Item& item) { return item.ours || item.wanted.v6; }

    std::vector<Item*> good(bool (*which)(const Item&)) {
        std::vector<Item*> found;
        for (Item& item : items_)
            if (!item.error && which(item)) found.push_back(&item);
        return found;
    }
    /// Sends one message for each; `refused` is told of those that the kernel did not take.
    template <typename Compose, typename Refused>
    void each(const std::vector<Item*>& items, Compose compose, Refused refused) {
        std::vector<net::Request> batch;
        for (const Item* item : items) batch.push_back(compose(*item));
        const auto done = net::change_many(netlink_, batch);
        if (!done)
            for (Item* item : items) item->error = done.error();
        else
            for (const auto& [index, code] : *done) refused(*items[index], code);
    }
    static auto fails(const char* what) {
        return [what](Item& item, int code) {
            item.error = net::system_error(code, fmt::format("cannot {} {}", what, item.name));
        };
    }

    void create() {
        const auto request = [this](const Item& item, int flags) {
            return net::request_to_create_macvlan(item.name, nic_, item.wanted.mac, flags);
        };
        each(
            good(any), [&](const Item& item) { return request(item, 0); },
            [&](Item& item, int code) {
                item.ours = false;
                if (code == EEXIST) return;
                // Once more, for what the kernel has to say about it.
                const auto again = netlink_.change(
                    request(item, NLM_F_ACK), fmt::format("cannot create macvlan {} with MAC {} on {}",
                                                          item.name, item.wanted.mac.to_string(), nic_.name));
                item.ours = again.has_value();
                if (!again) item.error = again.error();
            });
    }

    void look_up() {
        for (Item* item : good(any)) {
            auto found = net::find_link(netlink_, item->name);
            if (!found) {
                item->error = found.error();
                continue;
            }
            item->link = std::move(*found);
            if (!item->ours && (!is_device(*item->link) || item->link->parent != nic_.index))
                item->error =
                    Error{fmt::format("{} exists already, but is no device of MAC {} on {}: remove it",
                                      item->name, item->wanted.mac.to_string(), nic_.name),
                          EEXIST};
        }
    }

    void name_what_was(const Settings& before) {
        const std::string alias = encode_settings(before);
        each(
            good(ours), [&](const Item& item) { return net::request_to_set_alias(item.link->index, alias); },
            fails("set the alias of"));
        for (Item* item : good(ours)) item->link->alias = alias;
    }

    void configure() {
        each(
            good(ours), [](const Item& item) { return net::request_to_make_no_addresses(item.link->index); },
            [](Item& item, int code) {
                if (code != EAFNOSUPPORT) fails("keep from making addresses")(item, code);
            });
        each(
            good(to_configure),
            [](const Item& item) { return net::request_to_set_ipv4(item.link->index, device_settings); },
            fails("configure"));
        if (good(any).empty()) return;
        const auto nic = configure_nic(nic_);
        for (Item* item : good(any)) {
            auto ready = nic;
            if (ready && to_configure(*item)) ready = configure_ipv6(*item->link, item->wanted.v6);
            if (!ready) item->error = ready.error();
        }
    }

    void bring_up() {
        each(
            good(any), [](const Item& item) { return net::request_to_set_up(item.link->index); },
            [&](Item& item, int code) {
                if (code != EADDRINUSE) return fails("bring up")(item, code);
                item.error = Error{
                    fmt::format("mac={} is the MAC of {} itself or of another device on it: choose another",
                                item.wanted.mac.to_string(), nic_.name),
                    EADDRINUSE};
            });
    }

    net::Netlink& netlink_;
    const net::Link& nic_;
    std::vector<Item> items_;
};

/// With the last device of a NIC: its settings come back. The text of release().
Result<std::string> put_back(net::Netlink& netlink, const net::Link& last) {
    const int parent = last.parent.value_or(0);
    const auto others = devices_on(netlink, parent);
    if (!others) return tl::unexpected<Error>(others.error());
    const auto nic = net::find_link(netlink, parent);
    const auto before = decode_settings(last.alias);
    if (!others->empty() || !nic || !before) return std::string();
    // The address is gone, which is what a stop is for; stricter settings do no harm to it.
    const auto restored = restore_nic(*nic, *before);
    return restored ? std::string()
                    : fmt::format("{} keeps its settings of a NIC with a virtual MAC: {}", nic->name,
                                  restored.error().message);
}

}  // namespace

std::string device_name(const Mac& mac) {
    std::string name(name_prefix);
    for (const auto byte : mac.bytes) name += fmt::format("{:02x}", byte);
    return name;
}

bool is_device(const net::Link& link) {
    return link.kind == "macvlan" && link.parent && link.name == device_name(link.mac);
}

Result<net::Link> acquire(const net::NetnsLock& /*lock*/, net::Netlink& netlink, const net::Link& nic,
                          const Mac& mac, bool v6) {
    const Wanted wanted{mac, v6};
    auto made = std::move(Making(netlink, nic, {&wanted, 1}).run().front());
    if (!made) return made;
    return net::find_link(netlink, made->name);
}

Result<std::string> release(const net::NetnsLock& /*lock*/, net::Netlink& netlink, const net::Link& device) {
    auto left = net::addresses(netlink, AF_UNSPEC, device.index);
    if (!left) return tl::unexpected<Error>(left.error());
    // Address generation is off on the device, so a link-local address is somebody's floating address too.
    if (!left->empty()) return std::string();
    // The alias as it is now: the device may have been made anew since it was looked up.
    const auto now = net::find_link(netlink, device.name);
    if (!now) return std::string();
    return remove_many(netlink, {&*now, 1});
}

Result<std::string> remove_many(net::Netlink& netlink, std::span<const net::Link> devices) {
    if (devices.empty()) return std::string();
    if (devices.size() == 1) {
        if (auto gone = net::delete_link(netlink, devices[0]); !gone && gone.error().code != ENODEV)
            return tl::unexpected<Error>(gone.error());
        return put_back(netlink, devices[0]);
    }
    // One by one each would wait until the kernel is done with the one before.
    std::vector<net::Request> batch;
    for (const auto& device : devices) batch.push_back(net::request_to_set_group(device.index, going));
    const auto marked = net::change_many(netlink, batch);
    if (!marked) return tl::unexpected<Error>(marked.error());
    auto gone = netlink.change(net::request_to_delete_group(going, NLM_F_ACK),
                               fmt::format("cannot delete {} virtual MACs' devices", devices.size()));
    if (!gone && gone.error().code != ENODEV) return tl::unexpected<Error>(gone.error());
    return put_back(netlink, devices[0]);
}

}  // namespace buoy::vmac
