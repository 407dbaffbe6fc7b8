// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "buoy/ip.hpp"

namespace buoy::gate {

/// What of a connection decides on its bucket.
enum class Hash : std::uint8_t {
    source,       ///< the client's address
    source_port,  ///< and its port
    tuple         ///< and the protocol and the service's address and port
};

/// How the traffic of addresses is divided. All nodes have to have the same.
struct Division {
    std::uint32_t buckets = 1;
    Hash hash = Hash::source_port;
    std::uint32_t seed = 0;
    bool operator==(const Division&) const = default;
};

/// A connection from its client's view. Without ports - fragments, ICMP, ARP and what else has none - ports
/// and protocol are 0: such packets go by their addresses.
struct Connection {
    IpAddress client;
    std::uint16_t client_port = 0;
    IpAddress service;
    std::uint16_t service_port = 0;
    std::uint8_t protocol = 0;  ///< IANA's number: 6 is TCP, 17 is UDP
    bool operator==(const Connection&) const = default;
};

/// The bucket of a connection, below `division.buckets`: Bob Jenkins' lookup3 hash as the kernel has it
/// (jhash2() in include/linux/jhash.h) over 32-bit numbers, modulo the number of buckets. The numbers, each
/// in network byte order: four of the client's address, IPv4 as ::ffff:a.b.c.d; with source_port its port;
/// with tuple protocol << 16 | the client's port, four of the service's address, and the service's port.
std::uint32_t bucket_of(const Connection& connection, const Division& division);

}  // namespace buoy::gate
