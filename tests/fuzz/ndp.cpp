// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ndp.hpp"

#include "tests/fuzz/require.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv6.hpp"

using namespace buoy;
using namespace buoy::wire;

namespace {

void check(const Ndp& ndp) {
    const auto packet = encode_ndp_packet(ndp);
    fuzz::require(decode_ndp_packet(packet) == ndp, "decoding what was encoded gives the same value");
    const auto frame = encode_ndp(multicast_mac(ndp.destination), Mac{}, ndp);
    fuzz::require(
        decode_neighbor_solicitation(frame).has_value() != decode_neighbor_advertisement(frame).has_value(),
        "a message is a solicitation or an advertisement, not both");
}

/// The packet in `frame` with the checksum that it should have: chance alone would hardly ever find it, and
/// what is read behind that check would stay untried.
Frame with_right_checksum(Bytes frame) {
    const auto ethernet = decode_ethernet(frame);
    if (!ethernet) return {};
    const auto ip = decode_ipv6(ethernet->payload);
    if (!ip || ip->payload.size() < 4) return {};
    Frame message(ip->payload.begin(), ip->payload.end());
    message[2] = message[3] = 0;
    const auto sum = checksum(ip->header.source, ip->header.destination, next_header_icmpv6, message);
    message[2] = static_cast<std::uint8_t>(sum >> 8);
    message[3] = static_cast<std::uint8_t>(sum);
    return encode_ipv6(ip->header, message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes frame(data, size);
    if (const auto ndp = decode_ndp(frame))
        check(*ndp);
    else
        fuzz::require(!ndp.error().message.empty(), "a refusal says why");
    if (const auto ndp = decode_ndp_packet(frame)) check(*ndp);
    if (const auto ndp = decode_ndp_packet(with_right_checksum(frame))) check(*ndp);
    return 0;
}
