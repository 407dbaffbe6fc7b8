// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/tools/wire.hpp"

/// What sweep and knock have in common: findings on their way to tests/lab/recorder.py, and the end by the
/// end of the input.
namespace buoy::sweep {

/// The monotonic clock, in ns.
std::int64_t now_ns();

/// IPv4 and IPv6. Ends the program if it is neither.
Ip parse_ip(const std::string& text);

/// Makes reading standard input not wait; then input_ended() may be asked.
void watch_input();
bool input_ended();

struct Record {
    std::uint64_t value;
    std::uint32_t number;
    std::uint16_t about;
    char kind;
    std::uint8_t who;
};
static_assert(sizeof(Record) == 16);

/// What has been seen, on its way to standard output.
class Notes {
  public:
    void add(char kind, std::int64_t value, std::uint32_t number, std::uint16_t about, std::uint8_t who) {
        records_.push_back({static_cast<std::uint64_t>(value), number, about, kind, who});
    }

    /// A number of its own for every host; the first time a record H names it.
    std::uint8_t number_of_host(const std::string& name);
    /// Likewise, with a record M.
    std::uint8_t number_of_mac(const Mac& mac);

    /// Writes if there is much to write, if it was long ago, or `all`.
    void flush(std::int64_t at_ns, bool all = false);

  private:
    std::uint8_t number(std::map<std::string, std::uint8_t>& known, char kind, const std::string& what);

    std::vector<Record> records_;
    std::map<std::string, std::uint8_t> hosts_;
    std::map<std::string, std::uint8_t> macs_;
    std::int64_t flushed_ns_ = 0;
};

}  // namespace buoy::sweep
