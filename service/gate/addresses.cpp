// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/gate/addresses.hpp"

#include <bpf/bpf.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "buoy/ip.hpp"

namespace buoy::gate {

namespace {

std::uint32_t cell_of(const gate_address& address) {
    const auto& b = address.bytes;
    std::uint32_t folded = 0;
    for (std::size_t i = 0; i < sizeof b; i += 4)
        folded ^= Ipv4{{b[i], b[i + 1], b[i + 2], b[i + 3]}}.value();
    return gate_cell_of(folded);
}

}  // namespace

bool Addresses::Before::operator()(const gate_address& a, const gate_address& b) const {
    return std::memcmp(a.bytes, b.bytes, sizeof a.bytes) < 0;
}

Addresses::Addresses(int map, gate_cell* cells, const gate_service& left)
    : map_(map), cells_(cells), by_cell_(GATE_CELLS) {
    std::vector<gate_address> keys;
    gate_address key{};
    for (const void* before = nullptr; bpf_map_get_next_key(map_, before, &key) == 0; before = &keys.back())
        keys.push_back(key);
    for (const gate_address& address : keys) {
        bpf_map_update_elem(map_, &address, &left, BPF_EXIST);
        by_cell_[cell_of(address)].emplace(address, left);
    }
    for (std::uint32_t cell = 0; cell < GATE_CELLS; ++cell) show(cell);
}

int Addresses::set(const gate_address& address, const gate_service& service) {
    const std::uint32_t cell = cell_of(address);
    const auto before = by_cell_[cell].find(address);
    if (before != by_cell_[cell].end() && std::memcmp(&before->second, &service, sizeof service) == 0)
        return 0;
    if (bpf_map_update_elem(map_, &address, &service, BPF_ANY) != 0) return errno;
    by_cell_[cell].insert_or_assign(address, service);
    show(cell);
    return 0;
}

void Addresses::remove(const gate_address& address) {
    bpf_map_delete_elem(map_, &address);
    const std::uint32_t cell = cell_of(address);
    by_cell_[cell].erase(address);
    show(cell);
}

std::vector<gate_address> Addresses::of_slot(std::uint32_t first) const {
    std::vector<gate_address> found;
    for (const Same& same : by_cell_)
        for (const auto& [address, service] : same)
            if (service.first == first) found.push_back(address);
    return found;
}

void Addresses::show(std::uint32_t cell) {
    const Same& same = by_cell_[cell];
    gate_cell& shown = cells_[cell];
    const std::atomic_ref managed(shown.managed);
    // The program asks the map until the cell is whole again.
    managed.store(2, std::memory_order_seq_cst);
    if (same.size() == 1) {
        shown.address = same.begin()->first;
        shown.service = same.begin()->second;
    }
    managed.store(static_cast<std::uint32_t>(same.size()), std::memory_order_seq_cst);
}

}  // namespace buoy::gate
