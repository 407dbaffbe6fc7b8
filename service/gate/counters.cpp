// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/gate/counters.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>

#include "service/gate/gate.h"

namespace buoy::gate {

namespace {

constexpr std::size_t words = sizeof(gate_counters) / sizeof(std::uint64_t);
static_assert(sizeof(gate_counters) % sizeof(std::uint64_t) == 0, "the kernel pads each CPU's value to this");

// Bytes: what one call to the kernel copies at most.
constexpr std::size_t largest_answer = std::size_t{256} * 1024;

}  // namespace

CounterTable::CounterTable(int map)
    : map_(map),
      cpus_(static_cast<std::size_t>(std::max(1, libbpf_num_possible_cpus()))),
      at_once_(std::clamp<std::size_t>(largest_answer / (cpus_ * sizeof(gate_counters)), 1, GATE_SLOTS)),
      keys_(at_once_),
      values_(at_once_ * cpus_ * words) {}

std::vector<Counters> CounterTable::read(std::span<const std::optional<std::uint32_t>> slots) {
    std::vector<Counters> counters(slots.size());
    for (std::size_t from = 0, to = 0; from < slots.size(); from = to) {
        to = from + 1;
        if (!slots[from]) continue;
        while (to < slots.size() && to - from < at_once_ && slots[to] == *slots[from] + (to - from)) ++to;
        read_run(*slots[from], std::span(counters).subspan(from, to - from));
    }
    return counters;
}

void CounterTable::read_run(std::uint32_t first, std::span<Counters> into) {
    if (batches_) batches_ = read_batch(first, static_cast<std::uint32_t>(into.size()));
    for (std::size_t i = 0; i < into.size(); ++i) {
        const std::uint32_t slot = first + static_cast<std::uint32_t>(i);
        if (batches_)
            into[i] = sum(i);
        else if (bpf_map_lookup_elem(map_, &slot, values_.data()) == 0)
            into[i] = sum(0);
    }
}

bool CounterTable::read_batch(std::uint32_t first, std::uint32_t count) {
    std::uint32_t before = first - 1;  // it begins behind this one
    std::uint32_t last = 0;
    std::uint32_t got = count;
    const int done = bpf_map_lookup_batch(map_, first == 0 ? nullptr : &before, &last, keys_.data(),
                                          values_.data(), &got, nullptr);
    // ENOENT: with these the map has ended.
    return (done == 0 || done == -ENOENT) && got == count && keys_[0] == first;
}

Counters CounterTable::sum(std::size_t nth) const {
    Counters sum;
    const std::uint64_t* value = values_.data() + nth * cpus_ * words;
    for (std::size_t cpu = 0; cpu < cpus_; ++cpu, value += words) {
        sum.packets += value[0];
        sum.bytes += value[1];
        sum.dropped += value[2];
    }
    return sum;
}

void CounterTable::clear(std::uint32_t slot) {
    std::fill_n(values_.begin(), cpus_ * words, 0);
    bpf_map_update_elem(map_, &slot, values_.data(), BPF_ANY);
}

}  // namespace buoy::gate
