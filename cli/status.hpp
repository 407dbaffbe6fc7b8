// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "buoy/result.hpp"

// buoyd's status as values. What an older or newer daemon leaves out, or means otherwise, has its default.
namespace buoy::cli {

struct Node {
    std::string name;
    std::int64_t id = 0;
    bool voter = false;
    bool lost = false;
    bool condemned = false;
    bool drained = false;
    std::optional<std::int64_t> heard_ms;
};

struct Slot {
    std::int64_t index = 0;
    std::string address;            ///< empty where it is not known
    std::string mac;                ///< the address's own virtual one; empty: it has the NIC's
    std::vector<std::string> list;  ///< nodes in the order in which they may answer
    std::string owner;              ///< empty: nobody
    std::string state;              ///< of this node's gate: open, opening, closing, shut or withheld
    std::string pin;                ///< empty: none
    std::int64_t packets = 0;       ///< that passed this node's gate, if counters were asked for
    std::int64_t bytes = 0;         ///< of these
    std::int64_t dropped = 0;       ///< packets
};

/// An address that hosts outside its pool have claimed while this node held it.
struct Conflict {
    std::string address;
    std::string mac;  ///< of the last one
    std::int64_t claims = 0;
    std::int64_t last_ms = 0;  ///< ago
    bool withheld = false;     ///< this node does not answer for it (on_conflict=release)
};

struct Pool {
    std::string name;
    std::string nic;
    std::string on_loss;
    std::string rebalance;
    bool started = false;
    bool failed_open = false;
    bool no_carrier = false;
    std::string no_carrier_because;
    bool waits_for_fencing = false;
    std::vector<std::string> members;
    std::vector<std::string> not_eligible;
    std::vector<std::pair<std::string, std::int64_t>> weights;
    std::int64_t slots = 0;
    std::int64_t held = 0;               ///< by this node
    bool buckets = false;                ///< are what the slots are
    std::string hash;                    ///< of buckets
    std::string l2;                      ///< likewise
    std::vector<std::string> addresses;  ///< that buckets share
    std::vector<Slot> table;
    std::vector<Conflict> conflicts;

    /// Slots that the agreed state gives to the node; of nobody for an empty name.
    [[nodiscard]] std::int64_t owned_by(std::string_view node) const;
};

struct Status {
    std::string node;
    std::string cluster;
    std::string phase;
    bool primary = false;
    bool quorate = false;
    bool out = false;
    bool cut_off = false;  ///< out because beats do not come through
    bool close_failed = false;
    std::int64_t lease_ms = 0;
    std::int64_t beat_ms = 0;
    std::int64_t lease_left_ms = 0;
    std::string ring;
    std::int64_t entries = 0;
    std::int64_t counted_ms = 0;  ///< when the counters were read, by the boot clock
    std::vector<Node> nodes;
    std::vector<Pool> pools;

    [[nodiscard]] const Pool* pool(std::string_view name) const;
};

Status read_status(const nlohmann::json& reply);

/// A slot as people name it: an address, or POOL/INDEX.
struct SlotName {
    std::string pool;
    std::int64_t index = 0;
    std::string shown;  ///< its address if it has one, else POOL/INDEX
};
Result<SlotName> find_slot(const Status& status, const std::string& text);

}  // namespace buoy::cli
