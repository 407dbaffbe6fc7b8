// SPDX-License-Identifier: GPL-2.0-or-later
// The gate: decides packet by packet whether this node may answer for a slot (design, section 5). A frame for
// or from a managed address passes while its slot is open here and the lease lasts; past the deadline it is
// dropped, whoever is alive. Everything else passes untouched. Attached with tc at ingress and egress
// (tc-bpf(8)).
#include "gate.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

char gate_license[] SEC("license") = "GPL";

/* Nanoseconds of the boot clock (CLOCK_BOOTTIME). 0: shut. */
volatile __u64 deadline;
/* One bit per slot: open here. */
volatile __u64 open_slots[GATE_SLOTS / 64];

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct gate_address);
    __type(value, struct gate_range);
    __uint(max_entries, GATE_SLOTS);
} managed SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct gate_counters);
    __uint(max_entries, GATE_SLOTS);
} counters SEC(".maps");

enum direction { ingress, egress };

/* Ethernet, two VLAN tags, IPv6, and neighbour discovery without options: bytes. */
enum { most_headers = 14 + 8 + 40 + 24 };

/* The Ethernet payload of an ARP packet for IPv4 (RFC 826). */
struct arp_ipv4 {
    __be16 hardware;
    __be16 protocol;
    __u8 hardware_length;
    __u8 protocol_length;
    __be16 operation;
    __u8 sender_mac[ETH_ALEN];
    __u8 sender_ip[4];
    __u8 target_mac[ETH_ALEN];
    __u8 target_ip[4];
} __attribute__((packed));

struct vlan_tag {
    __be16 tci;
    __be16 inner;
};

/* Neighbour solicitation and advertisement (RFC 4861 sections 4.3 and 4.4). */
struct nd_packet {
    struct icmp6hdr header;
    struct in6_addr target;
};
#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136

static __always_inline void from_ipv4(struct gate_address* to, const void* ip) {
    __builtin_memset(to->bytes, 0, 10);
    to->bytes[10] = to->bytes[11] = 0xff;
    __builtin_memcpy(&to->bytes[12], ip, 4);
}

/* Whether the packet may go on, for a managed address; -1 where it is none. */
static __always_inline int judge(struct __sk_buff* skb, const struct gate_address* address) {
    const struct gate_range* range = bpf_map_lookup_elem(&managed, address);
    if (!range) return -1;
    __u32 slot = range->first;
    if (slot >= GATE_SLOTS) return 0;
    /* The clock is read last: it costs the most, and most of what is dropped is not ours in the first place.
     */
    const int pass = (open_slots[slot / 64] >> (slot % 64) & 1) && bpf_ktime_get_boot_ns() < deadline;
    struct gate_counters* count = bpf_map_lookup_elem(&counters, &slot);
    if (count && pass) {
        count->packets++;
        count->bytes += skb->len;
    } else if (count) {
        count->dropped++;
    }
    return pass;
}

static __always_inline int judge_arp(struct __sk_buff* skb, void* data, void* end, enum direction way) {
    const struct arp_ipv4* arp = data;
    if ((void*)(arp + 1) > end) return -1;
    if (arp->protocol != bpf_htons(ETH_P_IP) || arp->hardware_length != ETH_ALEN || arp->protocol_length != 4)
        return -1;
    struct gate_address address;
    from_ipv4(&address, way == ingress ? arp->target_ip : arp->sender_ip);
    return judge(skb, &address);
}

static __always_inline int judge_ipv4(struct __sk_buff* skb, void* data, void* end, enum direction way) {
    const struct iphdr* ip = data;
    if ((void*)(ip + 1) > end) return -1;
    struct gate_address address;
    from_ipv4(&address, way == ingress ? (const void*)&ip->daddr : (const void*)&ip->saddr);
    return judge(skb, &address);
}

static __always_inline int judge_ipv6(struct __sk_buff* skb, void* data, void* end, enum direction way) {
    const struct ipv6hdr* ip = data;
    if ((void*)(ip + 1) > end) return -1;
    struct gate_address address;
    const struct nd_packet* nd = (const void*)(ip + 1);
    /* What is asked, or said, about an address is in the packet, not in its header. */
    if (ip->nexthdr == IPPROTO_ICMPV6 && (void*)(nd + 1) <= end) {
        const __u8 type = nd->header.icmp6_type;
        if ((way == ingress && type == ND_SOLICITATION) || (way == egress && type == ND_ADVERTISEMENT)) {
            __builtin_memcpy(address.bytes, &nd->target, sizeof address.bytes);
            const int verdict = judge(skb, &address);
            if (verdict >= 0) return verdict;
        }
    }
    __builtin_memcpy(address.bytes, way == ingress ? (const void*)&ip->daddr : (const void*)&ip->saddr,
                     sizeof address.bytes);
    return judge(skb, &address);
}

static __always_inline int gate(struct __sk_buff* skb, enum direction way) {
    /* The headers that are looked at may lie outside the linear part. */
    if (skb->data_end - skb->data < most_headers && skb->len > skb->data_end - skb->data &&
        bpf_skb_pull_data(skb, skb->len < most_headers ? skb->len : most_headers) < 0)
        return TC_ACT_SHOT;
    void* data = (void*)(long)skb->data;
    void* end = (void*)(long)skb->data_end;
    const struct ethhdr* eth = data;
    if ((void*)(eth + 1) > end) return TC_ACT_UNSPEC;
    __be16 type = eth->h_proto;
    void* payload = (void*)(eth + 1);
    for (int i = 0; i < 2; ++i) {
        const struct vlan_tag* tag = payload;
        if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD)) break;
        if ((void*)(tag + 1) > end) return TC_ACT_UNSPEC;
        type = tag->inner;
        payload = (void*)(tag + 1);
    }
    int verdict = -1;
    if (type == bpf_htons(ETH_P_IP))
        verdict = judge_ipv4(skb, payload, end, way);
    else if (type == bpf_htons(ETH_P_IPV6))
        verdict = judge_ipv6(skb, payload, end, way);
    else if (type == bpf_htons(ETH_P_ARP))
        verdict = judge_arp(skb, payload, end, way);
    /* What may pass is for the next filter to see; nobody after us may let in what may not. */
    return verdict == 0 ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int gate_ingress(struct __sk_buff* skb) {
    return gate(skb, ingress);
}

SEC("tc")
int gate_egress(struct __sk_buff* skb) {
    return gate(skb, egress);
}
