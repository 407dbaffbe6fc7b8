// SPDX-License-Identifier: GPL-2.0-or-later
// The gate: decides packet by packet whether this node may answer for a slot (design, section 5). A frame for
// or from a managed address passes while the slot of its bucket is open here and the lease lasts; past the
// deadline it is dropped, whoever is alive. An address with a MAC of its own is on the link like any other;
// the gate puts its MAC into what leaves and passes, so nothing is ever sent from it that may not. Everything
// else passes untouched. Attached with tc at egress, and at ingress with tc or as XDP (tc-bpf(8)).
//
// What is wrong with a frame: too short to say for whom it is, it passes, and the kernel has no use for it
// either. For an address with several buckets, and without what the bucket is made of - cut ports, a header
// that contradicts itself, more extension headers than anybody sends, an ICMP error about nothing - it is
// dropped by all nodes. Checksums are not looked at.
#include <linux/pkt_cls.h>

#include "frame.bpf.h"
#include "hash.bpf.h"
#include "maps.bpf.h"
#include "neighbours.bpf.h"
#include "packet.bpf.h"

char gate_license[] SEC("license") = "GPL";

static __always_inline enum verdict settle(const struct frame* f, const struct gate_service* service,
                                           enum kind kind, const struct parties* p) {
    if (kind == malformed) return refuse(service);
    const enum verdict verdict = judge(f, service, bucket_of(p, service));
    if (verdict != passed) return verdict;
    return f->leaving ? sent(f, service) : received(f, service);
}

static __always_inline enum verdict judge_ipv4(const struct frame* f, __u32 at) {
    struct iphdr ip;
    if (!take(f, at, &ip)) return untouched;
    const struct gate_service* service = managed_ipv4(f->leaving ? ip.saddr : ip.daddr);
    if (!service) return untouched;
    struct parties p = {};
    const enum kind kind = service->count > 1 ? read_ipv4(f, at, &ip, &p) : without_ports;
    return settle(f, service, kind, &p);
}

static __always_inline enum verdict judge_ipv6(const struct frame* f, __u32 at) {
    struct ipv6hdr ip;
    struct upper upper;
    if (!take(f, at, &ip)) return untouched;
    look_ipv6(f, at, &ip, &upper);
    if (upper.kind == with_ports && upper.protocol == IPPROTO_ICMPV6 &&
        (upper.type == ND_SOLICITATION || upper.type == ND_ADVERTISEMENT)) {
        /* What is asked, or said, about an address is in the packet, not in its header. */
        const enum verdict verdict = judge_nd(f, at, &ip, &upper);
        if (verdict != untouched) return verdict;
    }
    const struct gate_service* service = managed_ipv6(f->leaving ? &ip.saddr : &ip.daddr);
    if (!service) return untouched;
    struct parties p = {};
    const enum kind kind = service->count > 1 ? read_ipv6(f, &upper, &ip, &p) : without_ports;
    return settle(f, service, kind, &p);
}

static __always_inline enum verdict judge_payload(const struct frame* f) {
    __be16 type;
    __u32 at = sizeof(struct ethhdr);
    if (!take(f, at - sizeof type, &type)) return untouched;
    for (int i = 0; i < 2; ++i) {
        struct {
            __be16 control;
            __be16 inner;
        } tag;
        if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD)) break;
        if (!take_far(f, at, &tag, sizeof tag)) return untouched;
        type = tag.inner;
        at += sizeof tag;
    }
    if (type == bpf_htons(ETH_P_IP)) return judge_ipv4(f, at);
    if (type == bpf_htons(ETH_P_IPV6)) return judge_ipv6(f, at);
    if (type == bpf_htons(ETH_P_ARP)) return judge_arp(f, at);
    return untouched;
}

/* What is not from a managed address, but from its virtual MAC - somebody's device has it - tells switches
 * where the MAC is all the same. And what is not for the address, but for its virtual MAC is for the
 * address's holder: to be forwarded, where the address is the way out of a network. */
static __always_inline enum verdict judge_mac(const struct frame* f) {
    struct ethhdr eth;
    if (!take(f, 0, &eth)) return untouched;
    const __u8* mac = f->leaving ? eth.h_source : eth.h_dest;
    if (mac[0] != GATE_MAC_FIRST || (mac[1] != GATE_MAC_IPV4 && mac[1] != GATE_MAC_IPV6)) return untouched;
    const __be32 key[4] = {0xffffffff, 0, bpf_htonl(mac[0] << 8 | mac[1]),
                           bpf_htonl((__u32)mac[2] << 24 | mac[3] << 16 | mac[4] << 8 | mac[5])};
    const struct gate_service* service = find(key);
    if (!service) return untouched;
    const enum verdict verdict = judge(f, service, 0);
    return verdict == passed ? received(f, service) : verdict;
}

static __always_inline enum verdict gate(const struct frame* f) {
    const enum verdict verdict = judge_payload(f);
    return verdict == untouched ? judge_mac(f) : verdict;
}

static __always_inline int gate_tc(struct __sk_buff* skb, int leaving) {
    const struct frame f = {.context = skb,
                            .data = (void*)(long)skb->data,
                            .end = (void*)(long)skb->data_end,
                            .link = skb->ifindex,
                            .xdp = 0,
                            .leaving = leaving};
    switch (gate(&f)) {
        case dropped:
            return TC_ACT_SHOT;
        case answered:
            return bpf_redirect(skb->ifindex, 0);
        default:
            /* What may pass is for the next filter to see; nobody after us may let in what may not. */
            return TC_ACT_UNSPEC;
    }
}

SEC("tc")
int gate_ingress(struct __sk_buff* skb) {
    return gate_tc(skb, 0);
}

SEC("tc")
int gate_egress(struct __sk_buff* skb) {
    return gate_tc(skb, 1);
}

/* By its name a later daemon knows it for the gate's. */
SEC("xdp.frags")
int buoy_gate_xdp(struct xdp_md* xdp) {
    const struct frame f = {.context = xdp,
                            .data = (void*)(long)xdp->data,
                            .end = (void*)(long)xdp->data_end,
                            .link = xdp->ingress_ifindex,
                            .xdp = 1,
                            .leaving = 0};
    switch (gate(&f)) {
        case dropped:
            return XDP_DROP;
        case answered:
            return XDP_TX;
        default:
            return XDP_PASS;
    }
}
