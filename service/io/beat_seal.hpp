// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "buoy/ids.hpp"

namespace buoy::io {

/// What a datagram of beats is around the beat: a kind, a number, the beat, and a tag over all of it where
/// there is a key. The tag is HMAC-SHA-512-256 (libsodium's crypto_auth); beats are no secret.
class BeatSeal {
  public:
    /// Derives the key from the cluster's secret; without one, nothing is authenticated.
    explicit BeatSeal(const std::optional<std::string>& secret);
    BeatSeal(const BeatSeal&) = delete;
    BeatSeal& operator=(const BeatSeal&) = delete;
    ~BeatSeal();

    [[nodiscard]] bool authenticated() const { return authenticated_; }

    /// Makes the datagram; `out` keeps its memory from one to the next.
    void seal(std::uint64_t number, std::string_view beat, std::string& out) const;

    struct Opened {
        std::uint64_t number = 0;
        std::string_view beat;  ///< within the datagram
    };
    enum class Refused { malformed, wrong_key };
    /// Undoes seal(). `wrong_key` is also what has no tag where we have a key, and the reverse.
    [[nodiscard]] std::variant<Opened, Refused> open(std::string_view datagram) const;

  private:
    bool authenticated_ = false;
    std::array<unsigned char, 32> key_{};
};

/// Tells new beats from those seen before. A sender numbers its datagrams upwards; the numbers of a later
/// incarnation are all newer.
class Freshness {
  public:
    enum class Verdict { fresh, same, old };
    /// Remembers the newest of each sender.
    Verdict judge(NodeId sender, Incarnation incarnation, std::uint64_t number);
    /// Nodes that are no more need no room. What was seen of the others stays.
    void keep_only(const std::vector<NodeId>& nodes);

  private:
    struct Newest {
        NodeId sender;
        Incarnation incarnation;
        std::uint64_t number = 0;
    };
    std::vector<Newest> newest_;
};

}  // namespace buoy::io
