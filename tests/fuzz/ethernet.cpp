// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/ethernet.hpp"

#include "tests/fuzz/require.hpp"

using namespace buoy;
using namespace buoy::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto frame = decode_ethernet(Bytes(data, size));
    if (!frame) {
        fuzz::require(!frame.error().message.empty(), "a refusal says why");
        return 0;
    }
    fuzz::require(encode_ethernet(frame->header, frame->payload) == Frame(data, data + size),
                  "encoding what was decoded gives the same bytes");
    return 0;
}
