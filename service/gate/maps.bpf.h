/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the gate's program and the daemon share. */
#ifndef BUOY_GATE_MAPS_BPF_H
#define BUOY_GATE_MAPS_BPF_H

#include <linux/bpf.h>
/* After it: they use its types. */
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "gate.h"

/* Nanoseconds of the boot clock (CLOCK_BOOTTIME). 0: shut. */
volatile __u64 deadline;
/* One bit per slot: open here. */
volatile __u64 open_slots[GATE_SLOTS / 64];
struct gate_cell cells[GATE_CELLS];

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct gate_address);
    __type(value, struct gate_service);
    __uint(max_entries, 2 * GATE_SLOTS); /* addresses, and their virtual MACs */
} managed SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __u32);
    __type(value, struct gate_link);
    __uint(max_entries, 1024);
} links SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct gate_counters);
    __uint(max_entries, GATE_SLOTS);
} counters SEC(".maps");

static __always_inline const struct gate_service* find(const __be32* address) {
    const __u32 folded = bpf_ntohl(address[0] ^ address[1] ^ address[2] ^ address[3]);
    const struct gate_cell* cell = &cells[gate_cell_of(folded)];
    const __u32 managed_here = *(const volatile __u32*)&cell->managed;
    if (managed_here == 0) return 0;
    if (managed_here != 1) return bpf_map_lookup_elem(&managed, address);
    const __be32* there = (const __be32*)cell->address.bytes;
    for (int i = 0; i < 4; ++i)
        if (there[i] != address[i]) return 0;
    return &cell->service;
}

/* The clock goes on while the machine sleeps: a lease that ended meanwhile has ended. The coarse clocks that
 * BPF programs can read do not. */
static __always_inline int lease_lasts(void) {
    return bpf_ktime_get_boot_ns() < deadline;
}

#endif
