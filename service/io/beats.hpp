// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "buoy/result.hpp"
#include "buoy/time.hpp"
#include "service/core/event.hpp"
#include "service/core/messages.hpp"
#include "service/io/cluster.hpp"

namespace buoy::io {

/// Everything that became of beats. A beat travels by every link, so all but the first of its copies are
/// duplicates.
struct BeatCounters {
    std::uint64_t sent = 0;  ///< datagrams
    std::uint64_t send_failed = 0;
    std::uint64_t received = 0;    ///< beats handed on
    std::uint64_t duplicates = 0;  ///< of the newest beat of its sender
    // Dropped:
    std::uint64_t unknown_address = 0;  ///< comes from an address of no other node
    std::uint64_t wrong_key = 0;        ///< not of our key, tampered with, or without any where we have one
    std::uint64_t other_cluster = 0;
    std::uint64_t malformed = 0;      ///< or too large
    std::uint64_t newer_major = 0;    ///< of a newer version of the protocol
    std::uint64_t contradictory = 0;  ///< names another node than its address does
    std::uint64_t old = 0;            ///< older than the newest of its sender: replayed or overtaken
    bool operator==(const BeatCounters&) const = default;
};

/// The same on every node; not assigned to anyone by IANA.
inline constexpr std::uint16_t beats_port = 5440;

/// Beats over UDP, unicast to every other node on each of Corosync's links, authenticated by a key derived
/// from the cluster's secret where there is one. Callbacks must not call set_nodes().
class Beats {
  public:
    struct Settings {
        std::uint16_t port = beats_port;
    };
    struct Callbacks {
        /// An authentic beat, newer than all of its sender's before. `arrived` is the kernel's time of
        /// receipt, in boot-clock time: not later than now, and not before the last time that nothing was
        /// waiting.
        std::function<void(const core::Beat&, TimePoint arrived)> received;
        /// A datagram was dropped. Finer reasons are in counters().
        std::function<void(core::Refusal)> refused;
        /// Something for the log, in words: told once, not per datagram.
        std::function<void(const std::string&)> warn;
    };

    /// Fails when the port is taken on one of our addresses.
    static Result<Beats> open(const ClusterInfo& cluster, Settings settings, Callbacks callbacks);

    Beats(Beats&&) noexcept;
    Beats& operator=(Beats&&) noexcept;
    ~Beats();

    /// Sends to every other node. Never blocks; what the kernel does not take is counted and gone.
    void send(const core::Beat& beat);

    /// The nodelist has changed: other nodes, other addresses. The secret stays as it was.
    Result<void> set_nodes(const ClusterInfo& cluster);

    [[nodiscard]] const BeatCounters& counters() const;
    [[nodiscard]] bool authenticated() const;
    [[nodiscard]] int fd() const;
    /// To be called when fd() is readable. Calls back for what is there, but not for ever.
    Result<void> dispatch();

  private:
    struct State;
    explicit Beats(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace buoy::io
