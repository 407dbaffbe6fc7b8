/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which bucket a packet belongs to. bucket.hpp says how it is computed; bucket.cpp does it for everybody
 * else. */
#ifndef BUOY_GATE_HASH_BPF_H
#define BUOY_GATE_HASH_BPF_H

#include <bpf/bpf_endian.h>

#include "gate.h"

/* A packet from its client's view, in host order; an IPv4 address is one number. Without ports they and the
 * protocol are 0. */
struct parties {
    __u32 client[4];
    __u32 service[4];
    __u16 client_port;
    __u16 service_port;
    __u8 protocol;
    __u8 ipv6;
};

static __always_inline __u32 rotated(__u32 word, int by) {
    return word << by | word >> (32 - by);
}

/* __jhash_mix() of include/linux/jhash.h. */
#define JHASH_MIX(a, b, c)                                                                                  \
    (a = (a - c) ^ rotated(c, 4), c += b, b = (b - a) ^ rotated(a, 6), a += c, c = (c - b) ^ rotated(b, 8), \
     b += a, a = (a - c) ^ rotated(c, 16), c += b, b = (b - a) ^ rotated(a, 19), a += c,                    \
     c = (c - b) ^ rotated(b, 4), b += a)

/* __jhash_final() */
static __always_inline __u32 jhash_end(__u32 a, __u32 b, __u32 c) {
    c = (c ^ b) - rotated(b, 14);
    a = (a ^ c) - rotated(c, 11);
    b = (b ^ a) - rotated(a, 25);
    c = (c ^ b) - rotated(b, 16);
    a = (a ^ c) - rotated(c, 4);
    b = (b ^ a) - rotated(a, 14);
    return (c ^ b) - rotated(b, 24);
}

/* jhash2() over 1, 2 or 4 numbers. */
static __always_inline __u32 jhash_ipv4(const struct parties* p, const struct gate_service* service) {
    const __u32 count = service->fields == GATE_SOURCE ? 1 : service->fields == GATE_SOURCE_PORT ? 2 : 4;
    __u32 a = 0xdeadbeef + (count << 2) + service->seed, b = a, c = a;
    a += p->client[0];
    if (service->fields == GATE_SOURCE_PORT) b += p->client_port;
    if (service->fields == GATE_TUPLE) {
        b += (__u32)p->protocol << 16 | p->client_port;
        c += p->service[0];
        JHASH_MIX(a, b, c);
        a += p->service_port;
    }
    return jhash_end(a, b, c);
}

/* jhash2() over 4, 5 or 10 numbers. */
static __always_inline __u32 jhash_ipv6(const struct parties* p, const struct gate_service* service) {
    const __u32 count = service->fields == GATE_SOURCE ? 4 : service->fields == GATE_SOURCE_PORT ? 5 : 10;
    __u32 a = 0xdeadbeef + (count << 2) + service->seed, b = a, c = a;
    a += p->client[0];
    b += p->client[1];
    c += p->client[2];
    JHASH_MIX(a, b, c);
    a += p->client[3];
    if (service->fields == GATE_SOURCE_PORT) b += p->client_port;
    if (service->fields == GATE_TUPLE) {
        b += (__u32)p->protocol << 16 | p->client_port;
        c += p->service[0];
        JHASH_MIX(a, b, c);
        a += p->service[1];
        b += p->service[2];
        c += p->service[3];
        JHASH_MIX(a, b, c);
        a += p->service_port;
    }
    return jhash_end(a, b, c);
}

static __always_inline __u32 bucket_of(const struct parties* p, const struct gate_service* service) {
    if (service->count <= 1) return 0;
    return (p->ipv6 ? jhash_ipv6(p, service) : jhash_ipv4(p, service)) % service->count;
}

#endif
