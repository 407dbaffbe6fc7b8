/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the gate's program and the daemon both know of its maps. */
#ifndef BUOY_GATE_H
#define BUOY_GATE_H

#include <linux/types.h>

#define GATE_SLOTS 16384

/* A managed address in network byte order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
struct gate_address {
    __u8 bytes[16];
};

/* Where a managed address's slots are in the table: one, or as many as it has buckets. */
struct gate_range {
    __u32 first;
    __u32 count;
};

struct gate_counters {
    __u64 packets; /* passed, both directions */
    __u64 bytes;   /* of these */
    __u64 dropped; /* packets */
};

#endif
