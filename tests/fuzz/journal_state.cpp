// SPDX-License-Identifier: GPL-2.0-or-later
// Any text of a core's whole state is read or refused; what is read is written again as something that reads
// back the same and breaks no invariant.
#include <string_view>

#include "service/core/invariants.hpp"
#include "service/journal/journal.hpp"
#include "tests/fuzz/require.hpp"

using namespace buoy;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto node = journal::parse_state(text)) {
        const std::string again = journal::write(*node);
        const auto back = journal::parse_state(again);
        require(back.has_value(), "a state that was written reads back");
        require(journal::write(*back) == again, "as what it was");
        require(core::Invariants::broken_cheaply(*back) == nullptr, "and is sound");
    }
    return 0;
}
