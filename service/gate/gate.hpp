// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/mac.hpp"
#include "buoy/result.hpp"
#include "buoy/time.hpp"
#include "service/gate/bucket.hpp"
#include "service/gate/counters.hpp"
#include "service/gate/silence.hpp"

namespace buoy::gate {

/// An address whose traffic goes through the gate.
struct Service {
    IpAddress ip;
    /// With it the gate itself answers who asks for the address (ARP, RFC 826; neighbour discovery, RFC
    /// 4861), on the node that has the bucket of the asking address, and keeps the kernel from answering.
    /// Frames to this MAC are the node's where their bucket is open. It is a group MAC, or one that nobody
    /// sends from.
    std::optional<Mac> answer = std::nullopt;
    /// With it what leaves from the address leaves from this MAC, and says so of itself, and frames to it are
    /// the node's: what a device with the MAC would do, as long as the slot is open. Not with an answer, and
    /// for a single slot.
    std::optional<Mac> own = std::nullopt;
    bool operator==(const Service&) const = default;
};

/// Where the program sits at ingress. At egress it is always tc.
enum class Attach : std::uint8_t { tc, xdp };

/// The packet gate of this network namespace: gate.bpf.c on the links of pools, with its maps pinned, so that
/// both outlive the daemon and the lease ends whoever is alive. Needs CAP_BPF, CAP_NET_ADMIN and a BPF file
/// system (bpf(2)).
///
/// What the program looks at is memory that both share: opening, shutting and renewing are plain stores.
/// set_deadline() may be called from any thread, the rest from one.
class Gate {
  public:
    /// Loads the program and takes up maps that an earlier daemon of the same layout pinned in `pins`. Shut
    /// for everything. What was managed stays so, and shut, until it is managed anew or forgotten.
    static Result<std::unique_ptr<Gate>> load(const std::string& pins = pins_directory);
    /// Shuts. Program and maps stay.
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    /// Puts the program on a link, in place of an earlier daemon's. Other tc filters stay, and see what
    /// passes; another XDP program is an error that names it (code EBUSY). To be called again when the link's
    /// MAC has changed.
    Result<void> attach(int link, Attach how = Attach::tc);
    Result<void> detach(int link);
    /// Takes the maps' pins away: with nothing attached the gate is gone.
    void unpin();

    /// From here on frames for and from these addresses pass only while the slot of their bucket is open. All
    /// of them, of both families, share the buckets. Again with the same division it adds addresses and
    /// changes answers; an address that is divided otherwise has to be forgotten first (code EEXIST). Code
    /// ENOSPC when there are too many slots. On an error no address was added.
    Result<void> divide(std::span<const Service> services, const Division& division);
    /// One address, one slot. With a virtual MAC (virtual_mac_of()) that is the address's own, and whatever
    /// leaves from it or comes to it is the slot's too.
    Result<void> manage(const IpAddress& ip, bool virtual_mac = false);
    /// The address is nobody's business here any more. The slots of buckets go with their last address.
    void forget(const IpAddress& ip);
    /// Forgets what an earlier daemon managed and this one does not.
    void forget_others();
    /// Links on which an earlier daemon, of whatever layout, put the program and this one did not, by index.
    [[nodiscard]] const std::set<int>& links_before() const;

    /// Whether frames of a managed address's bucket may pass, before the deadline.
    void open(const IpAddress& ip, std::uint32_t bucket = 0);
    void shut(const IpAddress& ip, std::uint32_t bucket = 0);
    void set_deadline(TimePoint deadline);
    /// Of a bucket, over all addresses that share it.
    [[nodiscard]] Counters counters(const IpAddress& ip, std::uint32_t bucket = 0) const;
    /// The same of every bucket, 0 to `buckets` - 1, of each of these, in a few calls to the kernel. Nothing
    /// was counted for what is not managed.
    [[nodiscard]] std::vector<Counters> counters(std::span<const IpAddress> addresses,
                                                 std::uint32_t buckets) const;

    enum class Direction : std::uint8_t { ingress, egress };
    /// The program's descriptor, for tests and benches (BPF_PROG_TEST_RUN, bpf(2)).
    [[nodiscard]] int program(Direction direction, Attach how = Attach::tc) const;

  private:
    struct State;
    explicit Gate(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace buoy::gate
