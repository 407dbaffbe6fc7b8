/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who a packet is from and for: addresses, ports, and what stands in their way. */
#ifndef BUOY_GATE_PACKET_BPF_H
#define BUOY_GATE_PACKET_BPF_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "frame.bpf.h"
#include "hash.bpf.h"

/* Extension headers that are read over: more than any stack sends. */
#define MOST_EXTENSIONS 6

/* What a packet turned out to be. */
enum kind {
    with_ports,
    without_ports, /* also every fragment: only the first has ports, and they all go one way */
    malformed
};

static __always_inline int has_ports(__u8 protocol) {
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
           protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

static __always_inline void from_ipv6(__u32* to, const struct in6_addr* ip) {
    for (int i = 0; i < 4; ++i) to[i] = bpf_ntohl(ip->in6_u.u6_addr32[i]);
}

static __always_inline void addresses_ipv4(const struct iphdr* ip, int client_sent, struct parties* p) {
    p->client[0] = bpf_ntohl(client_sent ? ip->saddr : ip->daddr);
    p->service[0] = bpf_ntohl(client_sent ? ip->daddr : ip->saddr);
}

static __always_inline void addresses_ipv6(const struct ipv6hdr* ip, int client_sent, struct parties* p) {
    p->ipv6 = 1;
    from_ipv6(p->client, client_sent ? &ip->saddr : &ip->daddr);
    from_ipv6(p->service, client_sent ? &ip->daddr : &ip->saddr);
}

static __always_inline enum kind ports(const struct frame* f, __u32 at, __u8 protocol, int client_sent,
                                       struct parties* p) {
    __be32 both;
    if (!has_ports(protocol)) return without_ports;
    if (!take(f, at, &both)) return malformed;
    p->protocol = protocol;
    const __u16 from = bpf_ntohl(both) >> 16, to = bpf_ntohl(both);
    p->client_port = client_sent ? from : to;
    p->service_port = client_sent ? to : from;
    return with_ports;
}

static __always_inline int sound_ipv4(const struct iphdr* ip) {
    return ip->version == 4 && ip->ihl >= 5;
}

static __always_inline int fragment_ipv4(const struct iphdr* ip) {
    return (ip->frag_off & bpf_htons(0x3fff)) != 0; /* more fragments, or an offset */
}

/* Bytes of ICMP's header, of either version. */
#define ICMP_HEADER 8

/* Errors of ICMP (RFC 792) carry the beginning of the packet that they are about, which went the other way:
 * unreachable, quench, redirect, time exceeded, parameter problem. */
static __always_inline int is_error_ipv4(__u8 type) {
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static __always_inline enum kind read_ipv4(const struct frame* f, __u32 at, const struct iphdr* ip,
                                           struct parties* p) {
    const int client_sent = !f->leaving;
    addresses_ipv4(ip, client_sent, p);
    if (!sound_ipv4(ip)) return malformed;
    if (fragment_ipv4(ip)) return without_ports;
    at += ip->ihl * 4;
    if (ip->protocol != IPPROTO_ICMP) return ports(f, at, ip->protocol, client_sent, p);
    __u8 type;
    struct iphdr inner;
    if (!take_far(f, at, &type, sizeof type)) return malformed;
    if (!is_error_ipv4(type)) return without_ports;
    if (!take_far(f, at + ICMP_HEADER, &inner, sizeof inner) || !sound_ipv4(&inner)) return malformed;
    struct parties of_inner = {};
    addresses_ipv4(&inner, !client_sent, &of_inner);
    /* About a packet of somebody else's, which nobody here has sent. */
    if (of_inner.service[0] != p->service[0]) return without_ports;
    *p = of_inner;
    if (fragment_ipv4(&inner)) return without_ports;
    return ports(f, at + ICMP_HEADER + inner.ihl * 4, inner.protocol, !client_sent, p);
}

/* Goes over the extension headers (RFC 8200 section 4) to what they are in front of. */
static __always_inline enum kind walk(const struct frame* f, __u32* at, __u8* next) {
    for (int i = 0; i < MOST_EXTENSIONS; ++i) {
        struct {
            __u8 next;
            __u8 length;
            __be16 offset; /* of a fragment */
        } header;
        const __u8 type = *next;
        if (type != IPPROTO_HOPOPTS && type != IPPROTO_ROUTING && type != IPPROTO_DSTOPTS &&
            type != IPPROTO_AH && type != IPPROTO_FRAGMENT)
            return with_ports;
        if (!take_far(f, *at, &header, sizeof header)) return malformed;
        if (type == IPPROTO_FRAGMENT) {
            if (header.offset & bpf_htons(0xfff9)) return without_ports; /* offset, or more fragments */
            *at += 8;
        } else {
            *at += type == IPPROTO_AH ? (header.length + 2) * 4 : (header.length + 1) * 8;
        }
        *next = header.next;
    }
    return malformed;
}

/* What follows an IPv6 header and its extension headers. */
struct upper {
    enum kind kind;
    __u32 at;
    __u8 protocol;
    __u8 type; /* of ICMPv6 */
};

static __always_inline void look_ipv6(const struct frame* f, __u32 at, const struct ipv6hdr* ip,
                                      struct upper* upper) {
    upper->kind = with_ports;
    upper->at = at + sizeof *ip;
    upper->protocol = ip->nexthdr;
    if (has_ports(upper->protocol)) return;
    upper->kind = walk(f, &upper->at, &upper->protocol);
    if (upper->kind == with_ports && upper->protocol == IPPROTO_ICMPV6 &&
        !take_far(f, upper->at, &upper->type, sizeof upper->type))
        upper->kind = malformed;
}

static __always_inline enum kind read_ipv6(const struct frame* f, const struct upper* upper,
                                           const struct ipv6hdr* ip, struct parties* p) {
    const int client_sent = !f->leaving;
    addresses_ipv6(ip, client_sent, p);
    if (ip->version != 6) return malformed;
    if (upper->kind != with_ports) return upper->kind;
    /* Errors of ICMPv6 have the types below 128 (RFC 4443 section 2.1). */
    if (upper->protocol != IPPROTO_ICMPV6 || upper->type >= 128)
        return ports(f, upper->at, upper->protocol, client_sent, p);
    struct ipv6hdr inner;
    __u32 at = upper->at + ICMP_HEADER;
    if (!take_far(f, at, &inner, sizeof inner) || inner.version != 6) return malformed;
    struct parties of_inner = {};
    addresses_ipv6(&inner, !client_sent, &of_inner);
    for (int i = 0; i < 4; ++i)
        if (of_inner.service[i] != p->service[i]) return without_ports;
    *p = of_inner;
    at += sizeof inner;
    __u8 protocol = inner.nexthdr;
    const enum kind kind = walk(f, &at, &protocol);
    return kind == with_ports ? ports(f, at, protocol, !client_sent, p) : kind;
}

#endif
