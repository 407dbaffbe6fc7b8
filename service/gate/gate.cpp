// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/gate/gate.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <vector>

#include "buoy/virtual_mac.hpp"
#include "service/gate/addresses.hpp"
#include "service/gate/gate.h"
#include "service/gate/links.hpp"
#include "service/gate/slots.hpp"

// It takes the types of gate.h for granted.
#include "gate.skel.h"

namespace buoy::gate {

namespace {

constexpr const char* xdp_program = "buoy_gate_xdp";  // as in gate.bpf.c

gate_address key_of(const IpAddress& ip) {
    gate_address key{};
    if (ip.is_v6()) {
        std::ranges::copy(ip.v6().bytes, key.bytes);
        return key;
    }
    key.bytes[10] = key.bytes[11] = 0xff;
    std::ranges::copy(ip.v4().bytes, key.bytes + 12);
    return key;
}

/// As what nobody's address can be, for it would be a group's.
gate_address key_of(const Mac& mac) {
    gate_address key{};
    std::fill_n(key.bytes, 4, 0xff);
    std::ranges::copy(mac.bytes, key.bytes + 10);
    return key;
}

gate_service value_of(const Service& service, std::uint32_t first, const Division& division) {
    static_assert(static_cast<int>(Hash::source) == GATE_SOURCE &&
                  static_cast<int>(Hash::source_port) == GATE_SOURCE_PORT &&
                  static_cast<int>(Hash::tuple) == GATE_TUPLE);
    gate_service value{};
    value.first = first;
    value.count = division.buckets;
    value.seed = division.seed;
    value.fields = static_cast<std::uint8_t>(division.hash);
    value.mac_is = service.answer ? GATE_ANSWER : service.own ? GATE_OWN : GATE_LINKS_MAC;
    if (const auto& mac = service.answer ? service.answer : service.own)
        std::ranges::copy(mac->bytes, value.mac);
    return value;
}

tl::unexpected<Error> failure(int code, const std::string& what) {
    code = code < 0 ? -code : code;
    return fail(fmt::format("{}: {}", what, std::strerror(code)), code);
}

int quiet(libbpf_print_level, const char*, va_list) {
    return 0;
}

/// By the names of their pins, which must not have a dot.
std::string pin(const std::string& pins, const char* name) {
    return pins + "/" + name + "_" GATE_LAYOUT;
}

std::vector<std::filesystem::path> all_pins(const std::string& pins) {
    std::vector<std::filesystem::path> all;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(pins, ignored)) all.push_back(entry.path());
    return all;
}

/// Maps of other layouts: what was loaded with them goes on, shut, until it is replaced on its links or taken
/// off, and needs no pins.
void remove_other_layouts(const std::string& pins) {
    for (const auto& path : all_pins(pins))
        if (!path.filename().string().ends_with("_" GATE_LAYOUT)) unlink(path.c_str());
}

/// The links that earlier daemons put their program on: the keys of this map in every layout.
std::set<int> links_with_earlier(const std::string& pins) {
    std::set<int> links;
    for (const auto& path : all_pins(pins)) {
        if (!path.filename().string().starts_with(GATE_LINKS "_")) continue;
        const int map = bpf_obj_get(path.c_str());
        if (map < 0) continue;
        int link = 0;
        for (const void* before = nullptr; bpf_map_get_next_key(map, before, &link) == 0; before = &link)
            links.insert(link);
        close(map);
    }
    return links;
}

/// Addresses that share their buckets.
struct Group {
    Division division;
    std::uint32_t first = 0;  // of the slots in the table
};

}  // namespace

struct Gate::State {
    std::unique_ptr<gate_bpf, decltype(&gate_bpf::destroy)> program{nullptr, &gate_bpf::destroy};
    std::string pins;
    std::map<IpAddress, std::shared_ptr<Group>> groups;  // of what is managed
    std::set<IpAddress> macs;                            // whose virtual MACs are
    Slots slots{GATE_SLOTS};
    std::optional<Addresses> addresses;
    std::optional<CounterTable> counters;
    std::set<int> before;  // links with an earlier daemon's program

    [[nodiscard]] std::vector<std::pair<const char*, bpf_map*>> maps() const {
        return {{"managed", program->maps.managed},
                {GATE_LINKS, program->maps.links},
                {"counters", program->maps.counters},
                {GATE_STATE, program->maps.bss}};
    }
    [[nodiscard]] std::optional<std::uint32_t> slot_of(const IpAddress& ip, std::uint32_t bucket) const {
        const auto found = groups.find(ip);
        if (found == groups.end() || bucket >= found->second->division.buckets) return std::nullopt;
        return found->second->first + bucket;
    }
    void set(std::uint32_t slot, bool open) const {
        const std::uint64_t bit = std::uint64_t{1} << slot % 64;
        volatile auto& word = program->bss->open_slots[slot / 64];
        word = open ? word | bit : word & ~bit;
    }
    /// Shut, and nothing counted.
    void clear(const Group& group) {
        for (std::uint32_t slot = group.first; slot < group.first + group.division.buckets; ++slot) {
            set(slot, false);
            counters->clear(slot);
        }
    }
};

Gate::Gate(std::unique_ptr<State> state) : state_(std::move(state)) {}

Gate::~Gate() {
    set_deadline({});
}

Result<std::unique_ptr<Gate>> Gate::load(const std::string& pins) {
    libbpf_set_print(quiet);
    auto state = std::make_unique<State>();
    state->pins = pins;
    state->program.reset(gate_bpf::open());
    if (!state->program) return failure(errno, "cannot open the packet gate's program");
    // Of other layouts too, whose maps are not taken up. What cannot be shut ends with its lease.
    static_cast<void>(silence(pins));
    state->before = links_with_earlier(pins);
    if (mkdir(pins.c_str(), 0700) != 0 && errno != EEXIST)
        return failure(errno, fmt::format("cannot make {}; is a BPF file system mounted there?", pins));
    for (const auto& [name, map] : state->maps())
        if (const int set = bpf_map__set_pin_path(map, pin(pins, name).c_str()); set != 0)
            return failure(set, "cannot name a map's pin");
    if (const int loaded = gate_bpf::load(state->program.get()); loaded != 0)
        return failure(loaded,
                       "cannot load the packet gate, which needs CAP_BPF and takes up its maps in " + pins);
    remove_other_layouts(pins);
    state->counters.emplace(bpf_map__fd(state->program->maps.counters));
    static_assert(offsetof(gate_bpf::gate_bpf__bss, deadline) == GATE_DEADLINE_AT);
    state->program->bss->deadline = 0;
    std::ranges::fill(state->program->bss->open_slots, 0);
    // An earlier daemon's addresses: its program is there, and so may they be. They stay shut.
    state->slots.take(GATE_SHUT + 1);
    const gate_service left{.first = GATE_SHUT, .count = 1, .seed = 0, .fields = 0, .mac_is = 0, .mac = {}};
    state->addresses.emplace(bpf_map__fd(state->program->maps.managed), state->program->bss->cells, left);
    return std::unique_ptr<Gate>(new Gate(std::move(state)));
}

Result<void> Gate::attach(int link, Attach how) {
    const auto mac = mac_of(link);
    if (!mac) return tl::unexpected(mac.error());
    gate_link of_it{};
    std::ranges::copy(mac->bytes, of_it.mac);
    if (bpf_map_update_elem(bpf_map__fd(state_->program->maps.links), &link, &of_it, BPF_ANY) != 0)
        return failure(errno, fmt::format("cannot note the MAC of link {}", link));
    // What is to be there is there before what was is taken off.
    auto done = how == Attach::xdp ? attach_xdp(link, program(Direction::ingress, how))
                                   : attach_tc(link, Hook::ingress, program(Direction::ingress, how));
    if (done) done = attach_tc(link, Hook::egress, program(Direction::egress));
    if (done) done = how == Attach::xdp ? detach_tc(link, Hook::ingress) : detach_xdp(link, xdp_program);
    if (done) state_->before.erase(link);
    return done;
}

Result<void> Gate::detach(int link) {
    state_->before.erase(link);
    bpf_map_delete_elem(bpf_map__fd(state_->program->maps.links), &link);
    auto done = detach_xdp(link, xdp_program);
    for (const Hook hook : {Hook::ingress, Hook::egress})
        if (auto off = detach_tc(link, hook); !off && done) done = off;
    return done;
}

void Gate::unpin() {
    for (const auto& [name, map] : state_->maps()) bpf_map__unpin(map, nullptr);
    rmdir(state_->pins.c_str());
}

Result<void> Gate::divide(std::span<const Service> services, const Division& division) {
    std::shared_ptr<Group> group;
    for (const Service& service : services) {
        const auto found = state_->groups.find(service.ip);
        if (found == state_->groups.end()) continue;
        if (group == nullptr) group = found->second;
        if (group != found->second || group->division != division)
            return failure(EEXIST, service.ip.to_string() + " is managed otherwise");
    }
    const bool fresh = group == nullptr;
    if (fresh) {
        const auto first = division.buckets == 0 ? std::nullopt : state_->slots.take(division.buckets);
        if (!first) return failure(ENOSPC, fmt::format("more than {} slots", GATE_SLOTS - 1));
        group = std::make_shared<Group>(Group{division, *first});
        state_->clear(*group);
    }
    std::vector<IpAddress> added;
    for (const Service& service : services) {
        const gate_service value = value_of(service, group->first, division);
        if (const int code = state_->addresses->set(key_of(service.ip), value); code != 0) {
            for (const IpAddress& ip : added) forget(ip);
            if (fresh && added.empty()) state_->slots.give_back(group->first, division.buckets);
            return failure(code, "cannot manage " + service.ip.to_string());
        }
        if (state_->groups.emplace(service.ip, group).second) added.push_back(service.ip);
    }
    return {};
}

Result<void> Gate::manage(const IpAddress& ip, bool virtual_mac) {
    Service service{ip};
    if (virtual_mac) service.own = virtual_mac_of(ip);
    auto done = divide({&service, 1}, Division{});
    if (!done) return done;
    const gate_address mac = key_of(virtual_mac_of(ip));
    if (!virtual_mac) {
        if (state_->macs.erase(ip) > 0) state_->addresses->remove(mac);
        return done;
    }
    const std::uint32_t first = state_->groups.at(ip)->first;
    if (const int code = state_->addresses->set(mac, value_of(service, first, Division{})); code != 0)
        return failure(code, "cannot manage the virtual MAC of " + ip.to_string());
    state_->macs.insert(ip);
    return done;
}

void Gate::forget(const IpAddress& ip) {
    const auto found = state_->groups.find(ip);
    if (found == state_->groups.end()) return;
    const std::shared_ptr<Group> group = found->second;
    state_->groups.erase(found);
    if (state_->macs.erase(ip) > 0) state_->addresses->remove(key_of(virtual_mac_of(ip)));
    const bool last = std::ranges::none_of(state_->groups, [&](const auto& g) { return g.second == group; });
    state_->addresses->remove(key_of(ip));
    if (last) state_->slots.give_back(group->first, group->division.buckets);
}

void Gate::forget_others() {
    for (const gate_address& address : state_->addresses->of_slot(GATE_SHUT))
        state_->addresses->remove(address);
}

const std::set<int>& Gate::links_before() const {
    return state_->before;
}

void Gate::open(const IpAddress& ip, std::uint32_t bucket) {
    if (const auto slot = state_->slot_of(ip, bucket)) state_->set(*slot, true);
}

void Gate::shut(const IpAddress& ip, std::uint32_t bucket) {
    if (const auto slot = state_->slot_of(ip, bucket)) state_->set(*slot, false);
}

void Gate::set_deadline(TimePoint deadline) {
    state_->program->bss->deadline =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, deadline.time_since_epoch().count()));
}

int Gate::program(Direction direction, Attach how) const {
    if (direction == Direction::egress) return bpf_program__fd(state_->program->progs.gate_egress);
    return bpf_program__fd(how == Attach::xdp ? state_->program->progs.buoy_gate_xdp
                                              : state_->program->progs.gate_ingress);
}

Counters Gate::counters(const IpAddress& ip, std::uint32_t bucket) const {
    const auto slot = state_->slot_of(ip, bucket);
    return state_->counters->read({&slot, 1}).front();
}

std::vector<Counters> Gate::counters(std::span<const IpAddress> addresses, std::uint32_t buckets) const {
    std::vector<std::optional<std::uint32_t>> slots;
    slots.reserve(addresses.size() * buckets);
    for (const IpAddress& ip : addresses)
        for (std::uint32_t bucket = 0; bucket < buckets; ++bucket)
            slots.push_back(state_->slot_of(ip, bucket));
    return state_->counters->read(slots);
}

}  // namespace buoy::gate
