// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "service/core/ownership.hpp"
#include "tests/simulation/schedule.hpp"

namespace buoy::simulation {

/// What a run showed.
struct Outcome {
    bool ok = true;
    std::string breach;    ///< what was broken, when, by whom
    std::string found_by;  ///< as docs/ownership.md calls what noticed
    Instant breach_at = 0;
    Instant covered_after = 0;  ///< since things were calm: all awake, and in the last configuration
    Instant held_back = 0;      ///< LM of the longest lease that anybody knew of then, or has now
    std::uint64_t steps = 0;
    std::uint64_t multicasts = 0;
    std::uint64_t most_at_once = 0;  ///< messages in order that one node sent within a lease
    std::uint64_t beats = 0;
    std::uint64_t opens = 0;    ///< slots opened
    std::uint64_t entries = 0;  ///< entries applied, over all nodes
};

/// One line for every event and effect of every node, as they happen.
using Recorder = std::function<void(std::uint32_t node, TimePoint at, const core::Event* event,
                                    const core::Effect* effect)>;

/// What is looked at, besides what gates pass, whether slots are covered and whether equal tags mean equal
/// states.
struct Checks {
    bool thorough =
        false;          ///< every invariant of every core after every step, not only some: half again as slow
    bool rules = true;  ///< the rules seen from outside too, which need not show in a gate
};

/// N real cores, their gates and clocks, over a group that gives what Corosync's gives and no more.
class Cluster {
  public:
    explicit Cluster(const Schedule& schedule, Recorder recorder = {}, const Checks& checks = {});
    /// Runs the schedule to its end, or to the first breach.
    Outcome run();

  private:
    enum class Tick : std::uint8_t {
        pump,
        quorum,
        timer,
        beat,
        resume,
        gate,
        act,
        reform,
        start,
        fencing,
        request,
        heal,
        calm,
        check,
        stop
    };
    struct Happening {
        Instant at = 0;
        std::uint64_t number = 0;
        Tick what = Tick::pump;
        std::uint8_t node = 0;
        std::uint32_t epoch = 0;
        std::uint32_t arg = 0;
        bool operator>(const Happening& o) const { return at != o.at ? at > o.at : number > o.number; }
    };
    struct Item {
        std::uint32_t sender = 0;
        std::uint32_t epoch = 0;
        std::shared_ptr<const core::Event> event;
    };
    struct Configuration {
        CorosyncRing ring;
        std::uint32_t members = 0;  // with ghosts
        std::array<std::uint32_t, 8> epochs{};
        std::vector<Item> log;
        bool process_change = false;
    };
    struct Leg {
        std::size_t configuration = 0;
        std::size_t cut = SIZE_MAX;  // how much is delivered before the next one; no limit yet
    };
    struct GateOrder {
        core::Effect effect;
        Instant at = 0;
    };
    struct Machine {
        std::unique_ptr<core::Ownership> core;
        bool powered = true;
        bool alive = false;  // the daemon
        bool ghost = false;
        bool is_leaving = false;    // asked to shut down, and started again later
        bool must_see_all = false;  // votequorum's wait_for_all, after a boot
        std::uint32_t epoch = 0;
        std::uint64_t incarnation = 0;
        Instant lease = simulation::lease;
        Duration longest_lease{};  // as published last, whatever became of the daemon
        std::int64_t offset = 0;
        std::int64_t drift_ppm = 0;
        Instant busy_until = 0;
        Instant lags_until = 0;
        Instant reads_at = 0;                     // what comes next in the order
        std::uint32_t stall_before = UINT32_MAX;  // effects from now
        Instant stall_span = 0;
        std::deque<core::Effect> todo;
        std::deque<GateOrder> gate_orders;
        Instant gate_free_at = 0;
        std::map<std::uint32_t, std::vector<bool>> gate;  // by pool id: slots
        std::map<std::uint32_t, bool> is_second;          // by pool id, as of the last Open of it
        TimePoint deadline;
        Instant no_carrier_until = 0;
        Instant open_fails_until = 0;
        Instant close_fails_until = 0;
        std::vector<Leg> legs;
        std::size_t delivered = 0;
        bool pumping = false;
        int group = 0;
        std::size_t ring = 0;  // index of rings_
        std::uint64_t quorum_seen = 0;
        std::uint32_t timer = 0;
        Instant counts_from = 0;  // the lease in which its messages are counted
        std::uint64_t sent = 0;   // in it
        Tag tag;
        std::optional<core::Rejoin> last_rejoin;
        std::optional<core::Rejoin> older_rejoin;
        RingId outings_ring;
        Tag voters_changed;
        std::vector<NodeId> voters;
        bool brought_state = false;                           // into the configuration it is in
        Tag rejoined;                                         // the entry that let it in
        std::array<std::optional<TimePoint>, 8> voter_since;  // by node, as this one knows it
        std::array<Outing, 8> outings;                        // likewise: of the last Rejoin
    };
    struct Ring {
        CorosyncRing id;
        std::uint32_t nodes = 0;
    };

    std::uint64_t hash(std::uint64_t a, std::uint64_t b = 0, std::uint64_t c = 0) const;
    bool one_in(std::uint32_t n, std::uint64_t salt) const { return n != 0 && hash(salt, 77) % n == 0; }
    Instant between(Instant least, Instant most, std::uint64_t salt) const;
    void at(Instant when, Tick what, std::uint32_t node, std::uint32_t arg = 0);
    TimePoint local(const Machine& m, Instant t) const;
    Instant true_time(const Machine& m, TimePoint local) const;
    std::uint32_t index(NodeId node) const { return node.value / 10 - 1; }
    NodeId id(std::uint32_t i) const { return {10 * (i + 1)}; }
    bool calm() const { return now_ >= calm_at_; }
    // Invariant 2. Others may hold back for the longest lease that anybody knew of; then it is a lease.
    Instant to_be_covered_by() const {
        return std::max(calm_at_, all_awake_at_) + outcome_.held_back + lease;
    }

    void happen(const Happening& h);
    void carry_on(const Happening& h);
    void step(std::uint32_t i, const core::Event& event);
    void step_core(std::uint32_t i, const core::Event& event);
    void carry_out(std::uint32_t i);
    void carry_out(std::uint32_t i, core::Effect& effect);
    void asked_to_open(std::uint32_t i, const core::Open& open);
    void work_gate(std::uint32_t i);
    void send(std::uint32_t i, const core::Beat& beat);
    void multicast(std::uint32_t i, core::Event event);
    void pump(std::uint32_t i);
    void wake(std::uint32_t i);
    void enter(std::uint32_t i, std::size_t configuration, std::size_t before);
    std::size_t configure(const Ring& ring, std::uint32_t members, bool process_change);
    void reform(bool force);
    void new_ring(std::uint32_t nodes);
    void tell_quorum(std::uint32_t i);
    void start(std::uint32_t i);
    void die(std::uint32_t i, bool ghost);
    void power_off(std::uint32_t i);
    void act(const Action& a);
    void act_on_members(const Action& a);
    void report_fencing(std::uint32_t who, core::FencingAction action, bool ok, Instant after);
    void request(std::uint32_t i, core::Request request);
    void make_calm();
    void end_drains();
    bool passes(std::uint32_t i, bool second, std::uint32_t slot) const;
    void check_exclusive(std::uint32_t opener, bool second, std::uint32_t slot);
    bool agree(std::uint32_t a, std::uint32_t b) const;
    void check_exclusive(std::uint32_t opener);
    void check_state(std::uint32_t i);
    void check_primary(std::uint32_t i);
    void count_message(std::uint32_t i);
    void check_voters(std::uint32_t i);
    void check_electorate(std::uint32_t i);
    void check_beat(std::uint32_t i, const core::Beat& beat);
    void check_unmuted(std::uint32_t i);
    bool able(std::uint32_t i) const;
    bool covered(std::string* why) const;
    void breach(const char* found_by, const std::string& what);
    void rule_breach(const char* found_by, const std::string& what);

    Schedule schedule_;
    Recorder recorder_;
    core::PoolConfig pool_;
    core::PoolConfig second_;       // another one, of as many slots; nobody asks whether they are covered
    bool second_was_open_ = false;  // ever
    Instant now_ = 0;
    Instant calm_at_ = 0;
    Instant all_awake_at_ = 0;  // and in the last configuration
    bool over_ = false;
    Checks checks_;
    bool all_covered_ = false;
    std::uint64_t numbers_ = 0;
    std::uint64_t salts_ = 0;
    std::uint64_t ring_seq_ = 100;
    std::uint64_t requests_ = 0;
    int groups_ = 0;
    std::priority_queue<Happening, std::vector<Happening>, std::greater<>> queue_;
    std::vector<Machine> machines_;
    std::vector<Configuration> configurations_;
    std::vector<Ring> rings_;
    std::array<std::array<Instant, 8>, 8> cut_until_{};
    struct Flying {
        core::Event beat;
        std::uint32_t readers = 0;
    };
    std::deque<Flying> flying_;
    std::vector<std::uint32_t> free_flights_;
    std::vector<core::Event> events_;  // fencing reports and requests to come
    struct TagHash {
        std::size_t operator()(const Tag& t) const {
            return t.ring.ring.seq * 1000003 + t.ring.ring.node.value * 10007 + t.ring.change * 101 +
                   t.entries;
        }
    };
    std::unordered_map<Tag, std::uint64_t, TagHash> hashes_;
    std::map<RingId, std::array<std::int64_t, 8>>
        reached_;  // per ring: the entries each node has applied, and one more
    Outcome outcome_;
};

}  // namespace buoy::simulation
