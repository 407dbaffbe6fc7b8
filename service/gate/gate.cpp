// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/gate/gate.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "gate.skel.h"
#include "service/gate/gate.h"

namespace buoy::gate {

namespace {

// Before the filters of others, which may end the classification.
constexpr std::uint32_t tc_priority = 1;
constexpr std::uint32_t tc_handle = 0xb0;

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

tl::unexpected<Error> failure(int code, const std::string& what) {
    code = code < 0 ? -code : code;
    return fail(fmt::format("{}: {}", what, std::strerror(code)), code);
}

bpf_tc_hook hook_of(int link, bpf_tc_attach_point point) {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = link;
    hook.attach_point = point;
    return hook;
}

bpf_tc_opts options() {
    bpf_tc_opts opts{};
    opts.sz = sizeof opts;
    opts.handle = tc_handle;
    opts.priority = tc_priority;
    return opts;
}

int quiet(libbpf_print_level, const char*, va_list) {
    return 0;
}

}  // namespace

struct Gate::State {
    std::unique_ptr<gate_bpf, decltype(&gate_bpf::destroy)> program{nullptr, &gate_bpf::destroy};
    std::string pins;
    std::map<IpAddress, std::uint32_t> slots;  // in the table
    std::vector<std::uint32_t> free;

    /// By the names of their pins, which must not have a dot.
    [[nodiscard]] std::map<std::string, bpf_map*> maps() const {
        return {{"managed", program->maps.managed},
                {"counters", program->maps.counters},
                {"state", program->maps.bss}};
    }
    void set(const IpAddress& ip, bool open) {
        const auto found = slots.find(ip);
        if (found == slots.end()) return;
        const std::uint64_t bit = std::uint64_t{1} << found->second % 64;
        volatile auto& word = program->bss->open_slots[found->second / 64];
        word = open ? word | bit : word & ~bit;
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
    if (mkdir(pins.c_str(), 0700) != 0 && errno != EEXIST)
        return failure(errno, fmt::format("cannot make {}; is a BPF file system mounted there?", pins));
    for (const auto& [name, map] : state->maps())
        if (const int set = bpf_map__set_pin_path(map, (pins + "/" + name).c_str()); set != 0)
            return failure(set, "cannot name a map's pin");
    if (const int loaded = gate_bpf::load(state->program.get()); loaded != 0)
        return failure(loaded,
                       "cannot load the packet gate; it needs CAP_BPF and maps of this version in " + pins);
    state->program->bss->deadline = 0;
    std::ranges::fill(state->program->bss->open_slots, 0);
    // An earlier daemon's addresses: what is started here is managed anew.
    gate_address key{};
    const int managed = bpf_map__fd(state->program->maps.managed);
    while (bpf_map_get_next_key(managed, nullptr, &key) == 0) bpf_map_delete_elem(managed, &key);
    for (std::uint32_t slot = GATE_SLOTS; slot-- > 0;) state->free.push_back(slot);
    return std::unique_ptr<Gate>(new Gate(std::move(state)));
}

Result<void> Gate::attach(int link) {
    bpf_tc_hook both = hook_of(link, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
    if (const int made = bpf_tc_hook_create(&both); made != 0 && made != -EEXIST)
        return failure(made, fmt::format("cannot prepare link {} for the packet gate (clsact)", link));
    for (const auto point : {BPF_TC_INGRESS, BPF_TC_EGRESS}) {
        const bpf_tc_hook hook = hook_of(link, point);
        bpf_tc_opts opts = options();
        opts.prog_fd = program(point == BPF_TC_INGRESS ? Direction::ingress : Direction::egress);
        opts.flags = BPF_TC_F_REPLACE;
        if (const int attached = bpf_tc_attach(&hook, &opts); attached != 0)
            return failure(attached, fmt::format("cannot attach the packet gate to link {}", link));
    }
    return {};
}

Result<void> Gate::detach(int link) {
    for (const auto point : {BPF_TC_INGRESS, BPF_TC_EGRESS}) {
        const bpf_tc_hook hook = hook_of(link, point);
        bpf_tc_opts opts = options();
        const int detached = bpf_tc_detach(&hook, &opts);
        if (detached != 0 && detached != -ENOENT && detached != -ENODEV && detached != -EINVAL)
            return failure(detached, fmt::format("cannot take the packet gate off link {}", link));
    }
    return {};
}

void Gate::unpin() {
    for (const auto& [name, map] : state_->maps()) bpf_map__unpin(map, nullptr);
    rmdir(state_->pins.c_str());
}

Result<void> Gate::manage(const IpAddress& ip) {
    if (state_->slots.contains(ip)) return {};
    if (state_->free.empty()) return failure(ENOSPC, fmt::format("more than {} addresses", GATE_SLOTS));
    const std::uint32_t slot = state_->free.back();
    state_->slots.emplace(ip, slot);
    shut(ip);
    const gate_address key = key_of(ip);
    const gate_range range{slot, 1};
    if (bpf_map_update_elem(bpf_map__fd(state_->program->maps.managed), &key, &range, BPF_ANY) != 0) {
        const int code = errno;
        state_->slots.erase(ip);
        return failure(code, "cannot manage " + ip.to_string());
    }
    const std::vector<gate_counters> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    bpf_map_update_elem(bpf_map__fd(state_->program->maps.counters), &slot, none.data(), BPF_ANY);
    state_->free.pop_back();
    return {};
}

void Gate::forget(const IpAddress& ip) {
    const auto found = state_->slots.find(ip);
    if (found == state_->slots.end()) return;
    shut(ip);
    const gate_address key = key_of(ip);
    bpf_map_delete_elem(bpf_map__fd(state_->program->maps.managed), &key);
    state_->free.push_back(found->second);
    state_->slots.erase(found);
}

void Gate::open(const IpAddress& ip) {
    state_->set(ip, true);
}

void Gate::shut(const IpAddress& ip) {
    state_->set(ip, false);
}

void Gate::set_deadline(TimePoint deadline) {
    state_->program->bss->deadline =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, deadline.time_since_epoch().count()));
}

int Gate::program(Direction direction) const {
    return bpf_program__fd(direction == Direction::ingress ? state_->program->progs.gate_ingress
                                                           : state_->program->progs.gate_egress);
}

Counters Gate::counters(const IpAddress& ip) const {
    const auto found = state_->slots.find(ip);
    Counters sum;
    if (found == state_->slots.end()) return sum;
    std::vector<gate_counters> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    if (bpf_map_lookup_elem(bpf_map__fd(state_->program->maps.counters), &found->second, per_cpu.data()) != 0)
        return sum;
    for (const gate_counters& c : per_cpu) {
        sum.packets += c.packets;
        sum.bytes += c.bytes;
        sum.dropped += c.dropped;
    }
    return sum;
}

}  // namespace buoy::gate
