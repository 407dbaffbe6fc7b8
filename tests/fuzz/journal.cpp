// SPDX-License-Identifier: GPL-2.0-or-later
// Any line of a journal is read or refused; what is read is written again as something that reads back the
// same.
#include "service/journal/journal.hpp"

#include <string_view>

#include "tests/fuzz/require.hpp"

using namespace buoy;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto line = journal::parse(text)) {
        const std::string again =
            line->is_event ? journal::write(line->at, line->event) : journal::write(line->effect);
        const auto back = journal::parse(again);
        require(back.has_value(), "a line that was written reads back");
        require(line->is_event ? back->event == line->event : back->effect == line->effect, "as what it was");
    }
    return 0;
}
