/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the gate's program and the daemon both know of its maps. */
#ifndef BUOY_GATE_H
#define BUOY_GATE_H

#include <linux/types.h>

/* In the names of the maps' pins. To be raised with every change of what follows or of the maps: a daemon
 * takes up the maps of its own layout and no others. */
#define GATE_LAYOUT "4"

/* The map with the deadline, a __u64 at its beginning. The same in every layout: whoever knows no more of one
 * can shut it. */
#define GATE_STATE "state"
#define GATE_DEADLINE_AT 0
/* The map of the links with the program, by their index as a __u32: the same in every layout, likewise. */
#define GATE_LINKS "links"

#define GATE_SLOTS 16384

/* The slot that is never opened: that of addresses which an earlier daemon left. */
#define GATE_SHUT 0

/* An address in network byte order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
struct gate_address {
    __u8 bytes[16];
};

/* Among the managed addresses are virtual MACs, as ffff:ffff:: and the MAC: what leaves from one or comes to
 * it is judged as its address is, whatever is in it. They all begin with 02:b0 or 02:b6 (virtual_mac_of()).
 */
#define GATE_MAC_FIRST 0x02
#define GATE_MAC_IPV4 0xb0
#define GATE_MAC_IPV6 0xb6

/* What a bucket is made of (design, section 5). */
enum gate_fields { GATE_SOURCE, GATE_SOURCE_PORT, GATE_TUPLE };

/* What the MAC of a managed address is to the gate. */
enum gate_mac {
    GATE_LINKS_MAC, /* it has none but its link's */
    GATE_ANSWER,    /* who asks for the address is answered by the gate, with this MAC */
    GATE_OWN        /* what leaves from the address leaves from this MAC */
};

/* A managed address: where its slots are in the table - one, or as many as it has buckets - and which of them
 * a packet belongs to. */
struct gate_service {
    __u32 first;
    __u32 count;
    __u32 seed;
    __u8 fields; /* enum gate_fields */
    __u8 mac_is; /* enum gate_mac */
    __u8 mac[6];
};

/* Managed addresses are in a map, and finding something there takes the kernel longer than all the rest of
 * the program. So there is a cell for all addresses with the same gate_cell_of(): it says that none of them
 * is managed, or which one; only where they are several the map has to be asked. */
struct gate_cell {
    struct gate_address address; /* of the one */
    struct gate_service service;
    __u32 managed; /* how many; enough to ask the map while the cell is being changed */
};

#define GATE_CELLS 4096

/* Addresses in a row have cells of their own. `folded` is the exclusive or of the address's four numbers. */
static inline __u32 gate_cell_of(__u32 folded) {
    return (folded ^ folded >> 12) & (GATE_CELLS - 1);
}

/* A link that the program is on. */
struct gate_link {
    __u8 mac[6]; /* its own */
};

struct gate_counters {
    __u64 packets; /* passed, both directions */
    __u64 bytes;   /* of these */
    __u64 dropped; /* packets */
};

#endif
