// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "buoy/time.hpp"

namespace buoy::gate {

/// What went through the gate for one slot, and what did not.
struct Counters {
    std::uint64_t packets = 0;  ///< passed, both directions
    std::uint64_t bytes = 0;    ///< of these
    std::uint64_t dropped = 0;  ///< packets
    bool operator==(const Counters&) const = default;
};

/// The packet gate of this network namespace: gate.bpf.c on the links of pools, with its maps pinned, so that
/// both outlive the daemon and the lease ends whoever is alive. Needs CAP_BPF, CAP_NET_ADMIN and a BPF file
/// system (bpf(2)).
///
/// What the program looks at is memory that both share: opening, shutting and renewing are plain stores.
/// set_deadline() may be called from any thread, the rest from one.
class Gate {
  public:
    /// Loads the program and takes up maps that an earlier daemon pinned in `pins`. Shut for everything, and
    /// what was managed is so no longer.
    static Result<std::unique_ptr<Gate>> load(const std::string& pins = "/sys/fs/bpf/buoy");
    /// Shuts. Program and maps stay.
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    /// Puts the program on a link, in place of an earlier daemon's. Other filters stay, and see what passes.
    Result<void> attach(int link);
    Result<void> detach(int link);
    /// Takes the maps' pins away: with nothing attached the gate is gone.
    void unpin();

    /// From here on frames for and from the address pass only while its slot is open. Error code ENOSPC when
    /// there are too many.
    Result<void> manage(const IpAddress& ip);
    /// The address is nobody's business here any more.
    void forget(const IpAddress& ip);

    /// Whether frames of a managed address may pass, before the deadline.
    void open(const IpAddress& ip);
    void shut(const IpAddress& ip);
    void set_deadline(TimePoint deadline);
    [[nodiscard]] Counters counters(const IpAddress& ip) const;

    enum class Direction : std::uint8_t { ingress, egress };
    /// The program's descriptor, for tests and benches (BPF_PROG_TEST_RUN, bpf(2)).
    [[nodiscard]] int program(Direction direction) const;

  private:
    struct State;
    explicit Gate(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace buoy::gate
