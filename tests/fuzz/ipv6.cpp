// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ipv6.hpp"

#include "tests/fuzz/require.hpp"

using namespace buoy;
using namespace buoy::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto packet = decode_ipv6(Bytes(data, size));
    if (!packet) {
        fuzz::require(!packet.error().message.empty(), "a refusal says why");
        return 0;
    }
    const auto encoded = encode_ipv6(packet->header, packet->payload);
    fuzz::require(encoded.size() <= size && encoded == Frame(data, data + encoded.size()),
                  "encoding what was decoded gives the same bytes, without padding");

    const auto& header = packet->header;
    Frame message(packet->payload.begin(), packet->payload.end());
    if (message.size() < 2) return 0;
    message[0] = message[1] = 0;
    const auto sum = checksum(header.source, header.destination, header.next_header, message);
    message[0] = static_cast<std::uint8_t>(sum >> 8);
    message[1] = static_cast<std::uint8_t>(sum);
    fuzz::require(checksum(header.source, header.destination, header.next_header, message) == 0,
                  "a message with its checksum in place sums to zero");
    return 0;
}
