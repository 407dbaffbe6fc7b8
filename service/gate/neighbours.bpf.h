/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ARP (RFC 826) and neighbour discovery (RFC 4861) of managed addresses.
 *
 * An address without an answer of its own is the kernel's: what is said and asked about it passes like any
 * packet between the same two. If it has a MAC of its own that is what the kernel's words name in place of
 * the link's. One with an answer is the gate's:
 * - Who asks for it is answered here, by the node that has the asker's bucket; who asks without an address,
 * to find out whether it is in use, by the node that has bucket 0.
 * - The kernel says nothing about it. What it asks from it - it wants to reach a client - leaves with the
 * answer's MAC as the asker's, and what is replied to that comes to all nodes and may be heard by all. */
#ifndef BUOY_GATE_NEIGHBOURS_BPF_H
#define BUOY_GATE_NEIGHBOURS_BPF_H

#include "packet.bpf.h"

#define ARP_REQUEST 1

/* The Ethernet payload of an ARP packet for IPv4. */
struct arp_ipv4 {
    __be16 hardware;
    __be16 protocol;
    __u8 hardware_length;
    __u8 protocol_length;
    __be16 operation;
    __u8 sender_mac[ETH_ALEN];
    __be32 sender_ip;
    __u8 target_mac[ETH_ALEN];
    __be32 target_ip;
} __attribute__((packed));

#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136
#define ND_SOURCE_MAC 1 /* the options' types */
#define ND_TARGET_MAC 2
#define ND_SOLICITED 0x40
#define ND_OVERRIDE 0x20

/* A solicitation or advertisement (RFC 4861 sections 4.3 and 4.4) ... */
struct nd_packet {
    __u8 type;
    __u8 code;
    __be16 checksum;
    __u8 flags;
    __u8 reserved[3];
    struct in6_addr target;
};
/* ... and the option with a MAC that may follow (section 4.6.1), in units of 8 bytes. */
struct nd_mac {
    __u8 type;
    __u8 units;
    __u8 mac[ETH_ALEN];
};

static __always_inline const struct gate_service* managed_ipv4(__be32 ip) {
    const __be32 address[4] = {0, 0, bpf_htonl(0xffff), ip};
    return find(address);
}

static __always_inline const struct gate_service* managed_ipv6(const struct in6_addr* ip) {
    const __be32 address[4] = {ip->in6_u.u6_addr32[0], ip->in6_u.u6_addr32[1], ip->in6_u.u6_addr32[2],
                               ip->in6_u.u6_addr32[3]};
    return find(address);
}

static __always_inline int no_ipv6(const struct in6_addr* ip) {
    return !(ip->in6_u.u6_addr32[0] | ip->in6_u.u6_addr32[1] | ip->in6_u.u6_addr32[2] |
             ip->in6_u.u6_addr32[3]);
}

static __always_inline int same_ipv6(const struct in6_addr* a, const struct in6_addr* b) {
    __u32 differ = 0;
    for (int i = 0; i < 4; ++i) differ |= a->in6_u.u6_addr32[i] ^ b->in6_u.u6_addr32[i];
    return differ == 0;
}

/* The bucket of an ARP packet by the other's address; of one that names nobody else, the first. */
static __always_inline __u32 bucket_of_ipv4(const struct gate_service* service, __be32 client, __be32 ip) {
    struct parties p = {};
    if (client == 0 || client == ip) return 0;
    p.client[0] = bpf_ntohl(client);
    p.service[0] = bpf_ntohl(ip);
    return bucket_of(&p, service);
}

static __always_inline __u32 bucket_of_ipv6(const struct gate_service* service, const struct in6_addr* client,
                                            const struct in6_addr* ip) {
    struct parties p = {};
    if (no_ipv6(client) || client->in6_u.u6_addr8[0] == 0xff || same_ipv6(client, ip)) return 0;
    p.ipv6 = 1;
    from_ipv6(p.client, client);
    from_ipv6(p.service, ip);
    return bucket_of(&p, service);
}

/* Turns a request into its answer, which comes from this node and names the service's MAC. */
static __always_inline enum verdict answer_arp(const struct frame* f, __u32 at, struct arp_ipv4* arp,
                                               const struct gate_service* service) {
    const struct gate_link* link = link_of(f);
    if (!link) return dropped;
    struct ethhdr eth;
    __builtin_memcpy(eth.h_dest, arp->sender_mac, ETH_ALEN);
    __builtin_memcpy(eth.h_source, link->mac, ETH_ALEN);
    const __be32 asked = arp->target_ip;
    arp->operation = bpf_htons(2);
    __builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN);
    arp->target_ip = arp->sender_ip;
    __builtin_memcpy(arp->sender_mac, service->mac, ETH_ALEN);
    arp->sender_ip = asked;
    return put(f, 0, &eth, 2 * ETH_ALEN) && put(f, at, arp, sizeof *arp) ? answered : dropped;
}

/* What the kernel says or asks, with the MAC of an address that has its own. */
static __always_inline enum verdict rename_arp(const struct frame* f, __u32 at,
                                               const struct gate_service* service) {
    if (service->mac_is == GATE_OWN &&
        !put(f, at + __builtin_offsetof(struct arp_ipv4, sender_mac), service->mac, ETH_ALEN))
        return dropped;
    return sent(f, service);
}

static __always_inline enum verdict judge_arp(const struct frame* f, __u32 at) {
    struct arp_ipv4 arp;
    if (!take(f, at, &arp)) return untouched;
    if (arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_length != ETH_ALEN || arp.protocol_length != 4)
        return untouched;
    const __be32 ip = f->leaving ? arp.sender_ip : arp.target_ip;
    const __be32 client = f->leaving ? arp.target_ip : arp.sender_ip;
    /* Announced by who holds it, for this node's own neighbour table; or claimed by a stranger, for the
     * daemon to hear (RFC 5227 section 2.4). The kernel takes nothing in that comes from an address of its
     * own, and what it might say of it does not leave. */
    if (!f->leaving && client == ip) return untouched;
    const struct gate_service* service = managed_ipv4(ip);
    if (!service) return untouched;
    const int request = arp.operation == bpf_htons(ARP_REQUEST);
    if (service->mac_is != GATE_ANSWER) {
        const enum verdict verdict = judge(f, service, bucket_of_ipv4(service, client, ip));
        if (verdict != passed) return verdict;
        return f->leaving ? rename_arp(f, at, service) : received(f, service);
    }
    if (f->leaving) {
        if (!same_mac(arp.sender_mac, service->mac)) {
            if (!request || client == ip) return dropped;
            if (!put(f, at + __builtin_offsetof(struct arp_ipv4, sender_mac), service->mac, ETH_ALEN))
                return dropped;
        }
        return lease_lasts() ? passed : dropped;
    }
    if (!request) return lease_lasts() ? received(f, service) : dropped;
    const enum verdict verdict = judge(f, service, bucket_of_ipv4(service, client, ip));
    return verdict == passed ? answer_arp(f, at, &arp, service) : verdict;
}

static __always_inline __u16 folded(__s64 sum) {
    __u32 folded = (__u32)sum;
    folded = (folded >> 16) + (folded & 0xffff);
    folded = (folded >> 16) + (folded & 0xffff);
    return (__u16)folded;
}

/* Turns a solicitation into the advertisement that answers it (RFC 4861 section 7.2.4). */
static __always_inline enum verdict answer_nd(const struct frame* f, __u32 at, const struct ipv6hdr* asked,
                                              const struct nd_packet* solicitation,
                                              const struct gate_service* service) {
    const struct gate_link* link = link_of(f);
    struct ethhdr eth;
    if (!link || !take(f, 0, &eth)) return dropped;
    struct nd_mac option = {};
    const __u32 after = at + sizeof *asked + sizeof *solicitation;
    if (take_far(f, after, &option, sizeof option) && option.type == ND_SOURCE_MAC && option.units == 1)
        __builtin_memcpy(eth.h_dest, option.mac, ETH_ALEN);
    else
        __builtin_memcpy(eth.h_dest, eth.h_source, ETH_ALEN);
    __builtin_memcpy(eth.h_source, link->mac, ETH_ALEN);

    struct {
        struct ipv6hdr ip;
        struct nd_packet nd;
        struct nd_mac option;
    } answer = {};
    answer.ip.version = 6;
    answer.ip.payload_len = bpf_htons(sizeof answer.nd + sizeof answer.option);
    answer.ip.nexthdr = IPPROTO_ICMPV6;
    answer.ip.hop_limit = 255;
    answer.ip.saddr = solicitation->target;
    answer.ip.daddr = asked->saddr;
    answer.nd.type = ND_ADVERTISEMENT;
    answer.nd.flags = ND_SOLICITED | ND_OVERRIDE;
    answer.nd.target = solicitation->target;
    answer.option.type = ND_TARGET_MAC;
    answer.option.units = 1;
    __builtin_memcpy(answer.option.mac, service->mac, ETH_ALEN);
    if (no_ipv6(&asked->saddr)) {
        /* To all nodes (RFC 4291 section 2.7.1, RFC 2464 section 7). */
        answer.nd.flags = ND_OVERRIDE;
        answer.ip.daddr.in6_u.u6_addr32[0] = bpf_htonl(0xff020000);
        answer.ip.daddr.in6_u.u6_addr32[3] = bpf_htonl(1);
        const __u8 all_nodes[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};
        __builtin_memcpy(eth.h_dest, all_nodes, ETH_ALEN);
    }
    /* Addresses and message lie behind one another; length and protocol complete the pseudo-header (RFC 8200
     * section 8.1). */
    const __s64 sum = bpf_csum_diff(0, 0, (__be32*)&answer.ip.saddr,
                                    sizeof answer - __builtin_offsetof(struct ipv6hdr, saddr),
                                    bpf_htonl(sizeof answer.nd + sizeof answer.option + IPPROTO_ICMPV6));
    answer.nd.checksum = ~folded(sum);
    return resize(f, at + sizeof answer) && put(f, 0, &eth, 2 * ETH_ALEN) &&
                   put(f, at, &answer, sizeof answer)
               ? answered
               : dropped;
}

/* The kernel asks from a service's address, or says where it is: with the service's MAC in the option of this
 * type, and the checksum that goes with it. */
static __always_inline enum verdict rename_nd(const struct frame* f, __u32 at, struct nd_packet* nd,
                                              __u8 type, const struct gate_service* service) {
    struct nd_mac before, after;
    if (!take_far(f, at + sizeof *nd, &before, sizeof before) || before.type != type || before.units != 1)
        return sent(f, service);
    after = before;
    __builtin_memcpy(after.mac, service->mac, ETH_ALEN);
    const __s64 sum =
        bpf_csum_diff((__be32*)&before, sizeof before, (__be32*)&after, sizeof after, (__u16)~nd->checksum);
    nd->checksum = ~folded(sum);
    return put(f, at, nd, sizeof *nd) && put(f, at + sizeof *nd, &after, sizeof after) ? sent(f, service)
                                                                                       : dropped;
}

static __always_inline enum verdict advertise(const struct frame* f, __u32 at,
                                              const struct gate_service* service) {
    struct nd_mac option;
    if (!take_far(f, at + sizeof(struct nd_packet), &option, sizeof option)) return dropped;
    const int of_gate =
        option.type == ND_TARGET_MAC && option.units == 1 && same_mac(option.mac, service->mac);
    return of_gate && lease_lasts() ? passed : dropped;
}

static __always_inline enum verdict judge_nd(const struct frame* f, __u32 at, const struct ipv6hdr* ip,
                                             const struct upper* upper) {
    struct nd_packet nd;
    const struct gate_service* service;
    if (!take_far(f, upper->at, &nd, sizeof nd)) return untouched;
    const int solicitation = nd.type == ND_SOLICITATION;
    if (solicitation != f->leaving) {
        /* Asked about an address of ours, or said about it. */
        service = managed_ipv6(&nd.target);
        if (!service) return untouched;
        if (service->mac_is != GATE_ANSWER) {
            const enum verdict verdict =
                judge(f, service, bucket_of_ipv6(service, f->leaving ? &ip->daddr : &ip->saddr, &nd.target));
            if (verdict != passed) return verdict;
            if (!f->leaving || service->mac_is != GATE_OWN) return received(f, service);
            return rename_nd(f, upper->at, &nd, ND_TARGET_MAC, service);
        }
        if (f->leaving) return advertise(f, upper->at, service);
        /* With extension headers nobody asks. */
        if (upper->at != at + sizeof *ip || ip->version != 6 || ip->hop_limit != 255 || nd.code != 0 ||
            ip->saddr.in6_u.u6_addr8[0] == 0xff || same_ipv6(&ip->saddr, &nd.target))
            return refuse(service);
        const enum verdict verdict = judge(f, service, bucket_of_ipv6(service, &ip->saddr, &nd.target));
        return verdict == passed ? answer_nd(f, at, ip, &nd, service) : verdict;
    }
    if (solicitation) {
        /* Asked by us: not about what is ours, and not by our own MAC. */
        service = managed_ipv6(&nd.target);
        if (service && service->mac_is == GATE_ANSWER) return dropped;
        service = managed_ipv6(&ip->saddr);
        if (!service || service->mac_is == GATE_LINKS_MAC) return untouched;
        const enum verdict verdict = service->mac_is == GATE_OWN ? judge(f, service, 0)
                                     : lease_lasts()             ? passed
                                                                 : dropped;
        return verdict == passed ? rename_nd(f, upper->at, &nd, ND_SOURCE_MAC, service) : verdict;
    }
    /* Said to us, who asked. */
    service = managed_ipv6(&ip->daddr);
    if (!service || service->mac_is != GATE_ANSWER) return untouched;
    return lease_lasts() ? received(f, service) : dropped;
}

#endif
