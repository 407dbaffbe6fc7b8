/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame, whether tc or XDP has it, and what becomes of it. */
#ifndef BUOY_GATE_FRAME_BPF_H
#define BUOY_GATE_FRAME_BPF_H

#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>

#include "maps.bpf.h"

struct frame {
    void* context; /* struct __sk_buff, struct xdp_md */
    const __u8* data;
    const __u8* end; /* of what is there at once; the frame may be longer */
    __u32 link;
    int xdp;
    int leaving;
};

enum verdict {
    untouched, /* of nobody we manage */
    passed,
    dropped,
    answered /* the frame is now the answer to itself */
};

/* No header that is looked at begins behind this: bytes. */
#define DEEPEST 2048

static __always_inline int take_far(const struct frame* f, __u32 at, void* to, __u32 size) {
    if (at > DEEPEST) return 0;
    return (f->xdp ? bpf_xdp_load_bytes(f->context, at, to, size)
                   : bpf_skb_load_bytes(f->context, at, to, size)) == 0;
}

/* Reads an object that every frame has; whether there was as much. In words: a frame's bytes are aligned to 2
 * at best, and where the kernel minds that it has put the IP header at a multiple of 4. The bound of the
 * offset is put where no compiler can take it away: the verifier of Linux 6.1 does not remember it from
 * before. */
#define take(f, at, object)                                     \
    ({                                                          \
        __u64 offset_ = (at);                                   \
        int there_ = offset_ <= DEEPEST;                        \
        asm volatile("" : "+r"(offset_));                       \
        offset_ &= 2 * DEEPEST - 1;                             \
        const __u8* from_ = (f)->data + offset_;                \
        if (there_ && from_ + sizeof *(object) <= (f)->end)     \
            *(object) = *(const typeof(*(object))*)from_;       \
        else                                                    \
            there_ = take_far(f, at, object, sizeof *(object)); \
        there_;                                                 \
    })

static __always_inline int put(const struct frame* f, __u32 at, const void* from, __u32 size) {
    if (at > DEEPEST) return 0;
    return (f->xdp ? bpf_xdp_store_bytes(f->context, at, (void*)from, size)
                   : bpf_skb_store_bytes(f->context, at, from, size, 0)) == 0;
}

static __always_inline __u32 length(const struct frame* f) {
    return f->xdp ? bpf_xdp_get_buff_len(f->context) : ((struct __sk_buff*)f->context)->len;
}

static __always_inline int resize(const struct frame* f, __u32 to) {
    return (f->xdp ? bpf_xdp_adjust_tail(f->context, (int)to - (int)length(f))
                   : bpf_skb_change_tail(f->context, to, 0)) == 0;
}

static __always_inline int same_mac(const __u8* a, const __u8* b) {
    __u8 differ = 0;
    for (int i = 0; i < ETH_ALEN; ++i) differ |= a[i] ^ b[i];
    return differ == 0;
}

/* The clock is read last: it costs the most, and most of what is dropped is not ours in the first place. */
static __always_inline enum verdict judge(const struct frame* f, const struct gate_service* service,
                                          __u32 bucket) {
    __u32 slot = service->first + bucket;
    if (slot >= GATE_SLOTS) return dropped;
    /* The compiler is not to leave the mask out, for the verifier's sake. */
    __u64 word = slot / 64;
    asm volatile("" : "+r"(word));
    word &= GATE_SLOTS / 64 - 1;
    const int pass = (open_slots[word] >> (slot % 64) & 1) && lease_lasts();
    struct gate_counters* count = bpf_map_lookup_elem(&counters, &slot);
    if (count && pass) {
        count->packets++;
        count->bytes += length(f);
    } else if (count) {
        count->dropped++;
    }
    return pass ? passed : dropped;
}

/* Nobody takes what cannot be given to one. */
static __always_inline enum verdict refuse(const struct gate_service* service) {
    __u32 slot = service->first;
    struct gate_counters* count = bpf_map_lookup_elem(&counters, &slot);
    if (count) count->dropped++;
    return dropped;
}

/* A copy of the number: a frame whose address is taken is no constant to the compiler, which has to leave out
 * what tc or XDP does not have. */
static __always_inline const struct gate_link* link_of(const struct frame* f) {
    __u32 link = f->link;
    return bpf_map_lookup_elem(&links, &link);
}

/* What came for a MAC that is not this node's own, and passes, is made this node's. */
static __always_inline enum verdict received(const struct frame* f, const struct gate_service* service) {
    struct gate_link to;
    if (f->leaving || service->mac_is == GATE_LINKS_MAC || !take(f, 0, &to) ||
        !same_mac(to.mac, service->mac))
        return passed;
    if (!f->xdp) {
        bpf_skb_change_type(f->context, 0 /* PACKET_HOST */);
        return passed;
    }
    const struct gate_link* link = link_of(f);
    return link && put(f, 0, link->mac, ETH_ALEN) ? passed : dropped;
}

/* What leaves, and passes, leaves from the address's own MAC if it has one. */
static __always_inline enum verdict sent(const struct frame* f, const struct gate_service* service) {
    if (!f->leaving || service->mac_is != GATE_OWN) return passed;
    return put(f, ETH_ALEN, service->mac, ETH_ALEN) ? passed : dropped;
}

#endif
