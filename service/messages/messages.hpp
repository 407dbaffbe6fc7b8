// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "service/core/event.hpp"
#include "service/core/messages.hpp"

namespace buoy::messages {

inline constexpr std::uint32_t major_version = 2;
inline constexpr std::uint32_t minor_version = 0;
/// Of one message on the wire, in bytes. Corosync sends up to 1 MiB in one piece.
inline constexpr std::size_t max_message = std::size_t{1} << 20;
inline constexpr std::size_t max_beat = 1400;  ///< fits an Ethernet frame
inline constexpr std::size_t part_size = 768 * 1024;
inline constexpr std::size_t max_parts = 8;  ///< the largest state of this version has two

/// The bytes of a message, in the order in which they have to be sent: one, or the parts of a snapshot.
std::vector<std::string> encode(const core::Message& message, std::uint64_t cluster);
/// The bytes of a beat; at most max_beat with 32 voters is not promised, at most 1 KiB with 16 is.
std::string encode(const core::Beat& beat, std::uint64_t cluster);

/// Why bytes were not taken.
using core::Refusal;

/// Reads what the group delivers, one message after the other, and puts snapshots together from their parts.
/// Nothing that comes in can make it hold more than one snapshot for each of at most max_nodes senders.
class Decoder {
  public:
    explicit Decoder(std::uint64_t cluster) : cluster_(cluster) {}

    struct NotYet {};  ///< a part of a snapshot, not the last
    using Result = std::variant<core::Entry, core::Hello, core::Snapshot, NotYet, Refusal>;
    /// `sender` is the node that the group names; a message that names another is contradictory.
    Result decode(std::string_view bytes, NodeId sender);
    /// A configuration changed: parts that are still missing will not come.
    void forget_parts() { parts_.clear(); }

  private:
    struct Parts {
        NodeId sender;
        std::uint32_t next = 0;
        std::uint32_t all = 0;
        std::string state;
    };
    std::uint64_t cluster_;
    std::vector<Parts> parts_;
};

/// Reads a beat. The sender is the one it names: who sent it is for the authentication to say.
std::variant<core::Beat, Refusal> decode_beat(std::string_view bytes, std::uint64_t cluster);

}  // namespace buoy::messages
