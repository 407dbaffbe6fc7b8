// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/arp.hpp"

#include "tests/fuzz/require.hpp"
#include "wire/ethernet.hpp"

using namespace buoy;
using namespace buoy::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input(data, size);
    if (const auto arp = decode_arp_packet(input)) {
        const auto packet = encode_arp_packet(*arp);
        fuzz::require(packet == Frame(data, data + arp_size), "encoding gives the bytes that were decoded");
    }
    const auto arp = decode_arp(input);
    if (!arp) {
        fuzz::require(!arp.error().message.empty(), "a refusal says why");
        return 0;
    }
    fuzz::require(decode_arp(encode_arp(broadcast_mac, arp->sender_mac, *arp)) == arp,
                  "decoding what was encoded gives the same value");
    fuzz::require(!(arp->is_probe() && arp->is_gratuitous()), "no packet is a probe and gratuitous");
    const auto ethernet = decode_ethernet(input);
    fuzz::require(ethernet && decode_arp_packet(ethernet->payload) == arp,
                  "a frame holds the packet that its payload is");
    return 0;
}
