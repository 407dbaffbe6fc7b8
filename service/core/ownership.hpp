// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "service/core/agreed_state.hpp"
#include "service/core/effect.hpp"
#include "service/core/event.hpp"
#include "service/core/exchange.hpp"
#include "service/core/holding.hpp"
#include "service/core/peers.hpp"
#include "service/core/recorded.hpp"

namespace buoy::core {

/// Who may answer for a slot (design, section 4): one node's part, as a pure state machine. Events go in with
/// their time, effects come out to be carried out in their order; the results of Close and Open come back as
/// events. Not thread-safe. Total: any event is taken at any time; what makes no sense is counted and
/// dropped.
///
/// Streams - the agreed order, beats, quorum, fencing, requests - may be interleaved in any way. Within the
/// agreed order (configurations, entries, Hellos, snapshots) events have to come as the group delivers them.
class Ownership {
  public:
    /// Takes one event at `now`, this node's boot-clock time. Time that runs backwards counts as standing
    /// still.
    Effects step(TimePoint now, const Event& event);

    /// Where the node is in the present configuration.
    enum class Phase : std::uint8_t {
        idle,        ///< in no configuration yet
        exchanging,  ///< saying Hello; also for as long as the configuration is not primary
        installing,  ///< the configuration is primary; what it does not let us hold is closing
        primary,     ///< entries are applied
        applying,    ///< an entry is being applied; what it does not let us hold is closing
        resyncing,   ///< others are primary; our state was thrown away and a snapshot is due
    };

    [[nodiscard]] Phase phase() const { return phase_; }
    /// Events of the agreed order that wait for a Close to be answered.
    [[nodiscard]] std::size_t waiting() const { return queue_.size(); }
    [[nodiscard]] bool has_state() const { return has_state_; }
    [[nodiscard]] bool out() const { return out_; }
    [[nodiscard]] bool muted() const { return muted_; }
    [[nodiscard]] const AgreedState& agreed() const { return agreed_; }
    [[nodiscard]] std::uint64_t agreed_hash() const { return hash_; }
    [[nodiscard]] const Holding& holding() const { return holding_; }
    [[nodiscard]] const Peers& peers() const { return peers_; }
    [[nodiscard]] TimePoint deadline() const { return deadline_; }
    [[nodiscard]] NodeId self() const { return settings_.self; }
    /// How often messages were dropped for this reason.
    [[nodiscard]] std::uint64_t refused(Refusal reason) const {
        return refused_[static_cast<std::size_t>(reason)];
    }

    /// The first invariant that this node breaks, by name, or nullptr. What was read from a file is asked
    /// this first.
    [[nodiscard]] const char* unsound() const;

  private:
    friend struct Invariants;
    template <typename T>
    friend struct journal::Fields;

    using Ordered = std::variant<ConfigurationChanged, Entry, Hello, Snapshot>;
    struct LocalPool {
        PoolConfig config;
        bool stopping = false;
        bool failed_open = false;
    };
    struct Pending {
        RequestId id;
        Request request;
        TimePoint since;
        bool begun = false;
    };
    struct Asked {
        std::size_t kind = 0;
        NodeId node;
        std::string pool;
        std::uint64_t detail = 0;
        std::optional<TimePoint> refused_until{};  // it came back, and would be refused again before
        bool operator==(const Asked& other) const {
            return kind == other.kind && node == other.node && pool == other.pool && detail == other.detail;
        }
    };
    // Slots that living members give up on somebody's wish go in portions of Moves before the entry that asks
    // for it: the first ones are announced while the last ones still answer where they were. It is a matter
    // of time alone: the entry does whatever they did not.
    struct Handover {
        bool goes_on = false;
        Asked goal;                 // the entry
        std::uint32_t portion = 0;  // slots in each
        std::vector<Move> rest;     // the next one last
        std::uint64_t entry = 0;    // of the last one that was applied
        TimePoint since;            // when the last one was asked for
    };
    struct Proven {
        VoterSeen who;
        Proof proof = Proof::fenced;
        std::string user;
    };
    struct Memberless {
        PoolId pool;
        TimePoint since;  // as this node saw it
    };
    struct LastSeen {
        NodeId node;
        TimePoint at;
    };
    // Our own Hellos in this configuration, as the proof that it still is one (see few_voters).
    struct Order {
        std::uint64_t sent = 0;
        std::uint64_t back = 0;
        std::uint64_t asked = 0;                // the number of the one that is waited for; 0: none
        TimePoint asked_at;                     // when that was sent
        TimePoint answered = TimePoint::min();  // when the one was sent that came back last
        TimePoint vouched = TimePoint::min();   // when the order was certainly still everybody's
    };

    // ownership.cpp: dispatch, the timer, beats, status.
    void on(const TimerFired& event);
    void on(const Started& event);
    void on(const ConfigurationChanged& event);
    void on(const QuorumChanged& event);
    void on(const EntryDelivered& event);
    void on(const HelloDelivered& event);
    void on(const SnapshotDelivered& event);
    void on(const BeatReceived& event);
    void on(const FencingReported& event);
    void on(const EffectDone& event);
    void on(const EffectFailed& event);
    void on(const CarrierChanged& event);
    void on(const Requested& event);
    void on(const MessageRefused& event);
    void answered(EffectId id, const std::vector<SlotId>& failed);
    void react();
    void send_beat();
    void publish();
    [[nodiscard]] Status status() const;
    void refuse(Refusal reason) { ++refused_[static_cast<std::size_t>(reason)]; }
    template <typename E>
    void emit(E&& effect) {
        effects_->push(Effect(std::forward<E>(effect)));
    }
    void saw(NodeId node);
    [[nodiscard]] TimePoint last_seen(NodeId node) const;

    // ownership_order.cpp: the agreed order.
    void deliver(Ordered event);
    void drain();
    void process(const ConfigurationChanged& event);
    void process(const Entry& entry);
    void process(const Hello& hello);
    void process(const Snapshot& snapshot);
    void say_hello();
    void decide();
    void hold_back();
    void install(AgreedState base, bool same, Duration hold_lease);
    void send_snapshot(AgreedState state, NodeId to, bool hold);
    void try_commit();
    void commit_entry();
    void commit_install();
    void resync();

    // ownership_slots.cpp: holding, leases, outings.
    [[nodiscard]] Peers::Self standing() const;
    [[nodiscard]] bool counts_as_silent(const AgreedState& agreed, const Pool& pool, NodeIndex who,
                                        NodeMask known) const;
    [[nodiscard]] bool absence_suffices(const AgreedState& agreed, const Pool& pool) const;
    [[nodiscard]] bool first_in_line(const AgreedState& agreed, const Pool& pool, std::uint32_t slot,
                                     NodeMask known) const;
    [[nodiscard]] bool may_be_here(const AgreedState& agreed, const Pool& pool) const;
    [[nodiscard]] std::vector<SlotId> to_close(const AgreedState& agreed, NodeMask known, bool leaving) const;
    void close(std::vector<SlotId> slots);
    void leave();
    void blank();
    [[nodiscard]] bool by_membership() const;
    [[nodiscard]] bool hears_nobody();
    [[nodiscard]] bool may_rejoin() const;
    void look_for_others();
    [[nodiscard]] bool cut_off() const {
        return apart_since_ != TimePoint::max() && now_ - apart_since_ > margin_;
    }
    void renew();
    [[nodiscard]] TimePoint vouched() const;
    [[nodiscard]] bool few_voters() const;
    void ask_the_order();
    void hello_returned();
    void shorten_lease();
    void set_deadline(TimePoint deadline);
    [[nodiscard]] bool membership_holds() const;
    [[nodiscard]] bool two_node_survivor() const;
    [[nodiscard]] bool barrier_passed(const Pool& pool, std::uint32_t slot) const;
    [[nodiscard]] std::uint64_t entry_of(const Tag& tag) const;
    [[nodiscard]] std::uint64_t voters_entry() const { return entry_of(agreed_.voters_changed); }
    void open_slots();
    void open_in(const Pool& pool, std::vector<SlotId>& opened);

    // ownership_asks.cpp: what this node wants in the order, and requests.
    void ask();
    void ask_for_self();
    void ask_for_others();
    void ask_for_pools();
    void ask_to_forget_pools(NodeId lowest);
    bool order(const EntryBody& body, RequestId request = {});
    [[nodiscard]] static Asked key_of(const EntryBody& body, RequestId request);

    // ownership_handover.cpp: planned handovers in portions.
    bool hand_over_before(const EntryBody& goal, RequestId request = {});
    bool hands_over_before_leaving();
    [[nodiscard]] bool is_given_in_vain(const Pool& pool) const;
    [[nodiscard]] Handover plan(const EntryBody& goal, RequestId request) const;
    [[nodiscard]] bool portion_settled() const;
    void portion_applied();
    void opened_what_was_owed();

    void serve();
    std::optional<Outcome> serve(Pending& pending);
    std::optional<Outcome> serve(Pending& pending, const StartPool& request);
    std::optional<Outcome> serve(Pending& pending, const StopPool& request);
    std::optional<Outcome> serve(Pending& pending, const ClearFailure& request);
    std::optional<Outcome> serve(Pending& pending, const ConfirmDown& request);
    std::optional<Outcome> serve(Pending& pending, const Shutdown& request);
    template <typename E>
    std::optional<Outcome> serve_entry(const Pending& pending, const E& entry);
    [[nodiscard]] bool in_vain(const Entry& entry, Outcome outcome) const;
    void entry_returned(const Entry& entry, Outcome outcome);
    bool prove(NodeId node, Proof proof, const std::string& user);
    [[nodiscard]] bool has_carrier(std::string_view pool) const;
    [[nodiscard]] LocalPool* local(std::string_view name);
    [[nodiscard]] const LocalPool* local(std::string_view name) const;
    [[nodiscard]] NodeIndex self_index(const AgreedState& agreed) const {
        return agreed.find(settings_.self);
    }

    Started settings_;
    Duration margin_{};  // LM
    bool started_ = false;
    TimePoint now_;
    TimePoint started_at_;
    Effects* effects_ = nullptr;  // of the step that runs

    Phase phase_ = Phase::idle;
    Exchange exchange_;
    bool has_state_ = false;
    AgreedState agreed_;
    std::uint64_t hash_ = 0;
    AgreedState next_;  // what an entry or a configuration makes of it, while closes are on their way
    Entry next_entry_;
    Outcome next_outcome_ = Outcome::applied;
    Duration next_hold_{};  // nobody opens anything for LM of this lease; zero: no such wait
    bool next_same_ = false;
    std::deque<Ordered> queue_;  // delivered, and waiting for those closes
    std::vector<Entry> replay_;  // delivered since our Hello while a snapshot is due
    std::vector<NodeId> resyncing_;
    bool hello_delivered_ = false;  // ours, while resyncing
    bool snapshot_sent_ = false;

    Peers peers_;
    Barrier barrier_;
    Holding holding_;
    TimePoint deadline_;
    Order order_;
    Tag no_leases_since_;  // the electorate of which every voter was seen not to take silence for proof any
                           // more
    TimePoint installed_at_;
    TimePoint deaf_since_ = TimePoint::max();
    TimePoint apart_since_ = TimePoint::max();  // out, and in touch with no majority
    TimePoint hold_until_;
    Duration longest_lease_{};  // see Status
    bool out_ = true;
    bool muted_ = true;
    Outing outing_;
    Tag joined_at_;
    bool joined_ = false;
    NodeMask opened_past_ = 0;
    TimePoint opened_past_since_;

    std::vector<LocalPool> pools_;
    std::vector<std::string> no_carrier_;  // pools, started here or not, whose interface has none
    std::vector<Pending> pending_;
    std::vector<Asked> asked_;
    Handover handover_;
    std::vector<SlotId> owed_;  // moved to us in portions, and not open yet
    std::vector<Proven> proven_;
    std::vector<LastSeen> seen_;
    std::vector<Memberless> memberless_;  // pools that nobody has started any more
    bool shutting_down_ = false;
    bool left_last_ = false;  // our Leave was refused: there is nobody else

    TimePoint next_beat_;
    TimePoint retry_close_at_;
    bool beat_now_ = false;
    bool dirty_ = true;  // something changed that may let a slot open
    bool resynced_ = false;
    bool status_due_ = false;
    Status published_;
    std::array<std::uint64_t, static_cast<std::size_t>(Refusal::count_)> refused_{};
};

}  // namespace buoy::core
