// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/simulation/cluster.hpp"

#include <algorithm>
#include <bit>

#include "service/core/check.hpp"
#include "service/core/invariants.hpp"

namespace buoy::simulation {

using core::Event;
using core::Fault;

Cluster::Cluster(const Schedule& schedule, Recorder recorder, const Checks& checks)
    : schedule_(schedule), recorder_(std::move(recorder)), checks_(checks) {
    pool_ = {"web", 42, schedule_.slots, schedule_.on_loss, schedule_.rebalance};
    second_ = {"db", 7, schedule_.slots, schedule_.on_loss, schedule_.rebalance};
    calm_at_ = 2 * lease + schedule_.chaos_beats * beat;
    machines_.resize(schedule_.nodes);
    for (std::uint32_t i = 0; i < schedule_.nodes; ++i) {
        Machine& m = machines_[i];
        m.offset = static_cast<std::int64_t>(hash(1, i) % 1'000'000'000'000);
        m.drift_ppm = static_cast<std::int64_t>(hash(2, i) % 48'000) - 24'000;
    }
}

std::uint64_t Cluster::hash(std::uint64_t a, std::uint64_t b, std::uint64_t c) const {
    std::uint64_t x =
        schedule_.seed * 0x9e3779b97f4a7c15ULL + a * 0xbf58476d1ce4e5b9ULL + b * 0x94d049bb133111ebULL + c;
    for (int i = 0; i < 2; ++i) {
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9ULL;
        x ^= x >> 27;
        x *= 0x94d049bb133111ebULL;
    }
    return x ^ x >> 31;
}

Instant Cluster::between(Instant least, Instant most, std::uint64_t salt) const {
    return least + static_cast<Instant>(hash(salt, 3) % static_cast<std::uint64_t>(most - least + 1));
}

void Cluster::at(Instant when, Tick what, std::uint32_t node, std::uint32_t arg) {
    queue_.push({std::max(when, now_), ++numbers_, what, static_cast<std::uint8_t>(node),
                 node < machines_.size() ? machines_[node].epoch : 0, arg});
}

TimePoint Cluster::local(const Machine& m, Instant t) const {
    return TimePoint(Duration(m.offset + t + t / 1000 * m.drift_ppm / 1000));
}

Instant Cluster::true_time(const Machine& m, TimePoint local) const {
    const std::int64_t l = local.time_since_epoch().count() - m.offset;
    Instant t = l / 1000 * 1'000'000 / (1'000'000 + m.drift_ppm) * 1000;
    while (this->local(m, t) < local) t += 1000;
    return t;
}

Outcome Cluster::run() {
    std::uint32_t all = 0;
    for (std::uint32_t i = 0; i < machines_.size(); ++i) {
        all |= 1U << i;
        Machine& m = machines_[i];
        m.alive = true;
        m.incarnation = 1;
        m.core = std::make_unique<core::Ownership>();
    }
    new_ring(all);
    for (std::uint32_t i = 0; i < machines_.size(); ++i)
        step(i, core::Started{id(i), {1}, Duration(beat), Duration(lease), {pool_}, {}, schedule_.portion});
    for (std::uint32_t k = 0; k < schedule_.actions.size(); ++k)
        at(schedule_.actions[k].at, Tick::act, 255, k);
    at(calm_at_, Tick::calm, 255);
    at(calm_at_ + 14 * lease, Tick::stop, 255);
    while (!over_ && !queue_.empty()) {
        const Happening h = queue_.top();
        queue_.pop();
        now_ = h.at;
        happen(h);
    }
    return outcome_;
}

void Cluster::happen(const Happening& h) {
    if (h.node < machines_.size()) {
        Machine& m = machines_[h.node];
        const bool for_daemon = h.what != Tick::start;
        if (for_daemon && h.epoch != m.epoch) {
            if (h.what == Tick::beat) --flying_[h.arg].readers;
            return;
        }
        if (for_daemon && h.what != Tick::gate && now_ < m.busy_until) {
            // Under its old number: what waits for a paused node keeps its order.
            Happening later = h;
            later.at = m.busy_until;
            queue_.push(later);
            return;
        }
    }
    carry_on(h);
}

void Cluster::carry_on(const Happening& h) {
    switch (h.what) {
        case Tick::pump:
            machines_[h.node].pumping = false;
            return pump(h.node);
        case Tick::quorum:
            return tell_quorum(h.node);
        case Tick::timer:
            if (machines_[h.node].timer == h.arg) step(h.node, core::TimerFired{});
            return;
        case Tick::beat: {
            step(h.node, flying_[h.arg].beat);
            if (--flying_[h.arg].readers == 0) free_flights_.push_back(h.arg);
            return;
        }
        case Tick::resume:
            return carry_out(h.node);
        case Tick::gate:
            return work_gate(h.node);
        case Tick::act:
            return act(schedule_.actions[h.arg]);
        case Tick::reform:
            return reform(h.arg != 0);
        case Tick::start:
            // Once things are calm everybody has been started anew who had to.
            if (h.arg != 0 && calm()) return;
            if (h.arg == 2) {
                die(h.node, false);
                machines_[h.node].lease = lease;
                return start(h.node);
            }
            if (h.arg == 1) {
                machines_[h.node].is_leaving = false;
                die(h.node, false);
                return at(now_ + lease / 4, Tick::start, h.node);
            }
            return start(h.node);
        case Tick::fencing:
        case Tick::request: {
            const Event event = events_[h.arg];
            if (const auto* quorum = std::get_if<core::QuorumChanged>(&event);
                quorum != nullptr && quorum->ring.seq < machines_[h.node].quorum_seen)
                return;
            if (const auto* carrier = std::get_if<core::CarrierChanged>(&event);
                carrier != nullptr && carrier->carrier && now_ < machines_[h.node].no_carrier_until)
                return;
            return step(h.node, event);
        }
        case Tick::heal:
            for (Machine& m : machines_) m.group = 0;
            return reform(false);
        case Tick::calm:
            return make_calm();
        case Tick::check: {
            std::string why;
            if (covered(&why)) {
                all_covered_ = true;
                outcome_.covered_after = std::max<Instant>(0, now_ - std::max(calm_at_, all_awake_at_));
                over_ = true;
            } else {
                if (now_ > to_be_covered_by())
                    breach("a slot that nobody covers",
                           "not covered a lease after things became calm: " + why);
                end_drains();
                at(now_ + beat, Tick::check, 255);
            }
            return;
        }
        case Tick::stop: {
            std::string why;
            if (!covered(&why))
                breach("a slot that nobody covers", "not covered long after things became calm: " + why);
            over_ = true;
            return;
        }
    }
}

namespace {
struct Broken {
    const char* name;
};
}  // namespace

void Cluster::step(std::uint32_t i, const Event& event) {
    if (!machines_[i].alive) return;
    core::on_broken = [](const char* name) { throw Broken{name}; };
    try {
        step_core(i, event);
    } catch (const Broken& broken) {
        breach("the core's invariants",
               "node " + std::to_string(i) + " breaks the invariant: " + broken.name);
    }
    core::on_broken = nullptr;
}

void Cluster::step_core(std::uint32_t i, const Event& event) {
    Machine& m = machines_[i];
    ++outcome_.steps;
    const TimePoint at = local(m, now_);
    const bool was_muted = m.core->muted();
    const bool was_out = m.core->out();
    core::Effects effects = m.core->step(at, event);
    if (recorder_) recorder_(i, at, &event, nullptr);
    for (std::size_t k = 0; k < effects.size(); ++k) {
        if (recorder_) recorder_(i, at, nullptr, &effects[k]);
        if (const auto* beat = std::get_if<core::SendBeat>(&effects[k])) check_beat(i, beat->beat);
        if (const auto* open = std::get_if<core::Open>(&effects[k])) asked_to_open(i, *open);
        m.todo.push_back(std::move(effects[k]));
    }
    if (checks_.thorough) core::Invariants::hold(*m.core);
    if (m.core->has_state() && m.core->agreed().tag != m.tag) check_state(i);
    if (was_out && !m.core->out()) m.rejoined = m.tag;
    if (was_muted && !m.core->muted()) check_unmuted(i);
    if (!m.todo.empty()) carry_out(i);
}

void Cluster::carry_out(std::uint32_t i) {
    Machine& m = machines_[i];
    const std::uint32_t epoch = m.epoch;
    while (!m.todo.empty() && m.epoch == epoch && m.alive) {
        if (now_ < m.busy_until) return at(m.busy_until, Tick::resume, i);
        // What people are told holds nothing up: schedules keep their meaning when more is said.
        if (const auto* published = std::get_if<core::PublishStatus>(&m.todo.front())) {
            m.longest_lease = published->status.longest_lease;
            m.todo.pop_front();
            continue;
        }
        if (m.stall_before == 0) {
            m.stall_before = UINT32_MAX;
            m.busy_until = now_ + m.stall_span;
            return at(m.busy_until, Tick::resume, i);
        }
        if (m.stall_before != UINT32_MAX) --m.stall_before;
        if (!calm() && now_ > 2 * lease && one_in(schedule_.stalls, ++salts_)) {
            m.busy_until = now_ + between(beat / 10, lease, salts_);
            return at(m.busy_until, Tick::resume, i);
        }
        core::Effect effect = std::move(m.todo.front());
        m.todo.pop_front();
        carry_out(i, effect);
    }
}

void Cluster::carry_out(std::uint32_t i, core::Effect& effect) {
    Machine& m = machines_[i];
    if (auto* timer = std::get_if<core::ArmTimer>(&effect)) {
        at(true_time(m, timer->at), Tick::timer, i, ++m.timer);
    } else if (auto* deadline = std::get_if<core::SetGateDeadline>(&effect)) {
        const bool was_live = local(m, now_) < m.deadline;
        m.deadline = deadline->deadline;
        if (!was_live && local(m, now_) < m.deadline) check_exclusive(i);
    } else if (std::holds_alternative<core::Close>(effect) || std::holds_alternative<core::Open>(effect)) {
        // The gate's work takes its time, and is done in the order in which it was asked for.
        const std::uint64_t salt = ++salts_;
        const Instant takes =
            calm() ? beat / 100 : between(beat / 100, one_in(20, salt) ? lease : beat / 5, salt + 1);
        m.gate_free_at = std::max(m.gate_free_at, now_) + takes;
        at(m.gate_free_at, Tick::gate, i);
        m.gate_orders.push_back({std::move(effect), m.gate_free_at});
    } else if (auto* message = std::get_if<core::Multicast>(&effect)) {
        if (auto* entry = std::get_if<core::Entry>(&message->message)) {
            if (auto* rejoin = std::get_if<core::Rejoin>(&entry->body)) {
                if (m.last_rejoin && m.last_rejoin->outing != rejoin->outing) m.older_rejoin = m.last_rejoin;
                m.last_rejoin = *rejoin;
            }
            multicast(i, core::EntryDelivered{std::move(*entry)});
        } else if (auto* hello = std::get_if<core::Hello>(&message->message)) {
            multicast(i, core::HelloDelivered{std::move(*hello)});
        } else {
            multicast(i, core::SnapshotDelivered{std::get<core::Snapshot>(std::move(message->message))});
        }
    } else if (auto* beat = std::get_if<core::SendBeat>(&effect)) {
        send(i, beat->beat);
    }
}

void Cluster::send(std::uint32_t i, const core::Beat& sent) {
    ++outcome_.beats;
    std::uint32_t flight = 0;
    if (free_flights_.empty()) {
        flight = static_cast<std::uint32_t>(flying_.size());
        flying_.push_back({core::BeatReceived{sent}, 0});
    } else {
        flight = free_flights_.back();
        free_flights_.pop_back();
        std::get<core::BeatReceived>(flying_[flight].beat).beat = sent;
    }
    Flying& f = flying_[flight];
    f.readers = 0;
    const bool noise = !calm() && now_ > 2 * lease;
    for (std::uint32_t j = 0; j < machines_.size(); ++j) {
        if (j == i || !machines_[j].alive) continue;
        const std::uint64_t salt = hash(static_cast<std::uint64_t>(now_), i, j);
        if (now_ < cut_until_[i][j] || (noise && one_in(schedule_.lossy, salt))) continue;
        const bool late = noise && one_in(schedule_.slow, salt + 1);
        ++f.readers;
        at(now_ + between(beat / 200, late ? 3 * lease : beat / 10, salt), Tick::beat, j, flight);
    }
    if (f.readers == 0) free_flights_.push_back(flight);
}

void Cluster::multicast(std::uint32_t i, Event event) {
    ++outcome_.multicasts;
    Machine& m = machines_[i];
    count_message(i);
    if (m.legs.empty()) return;
    // What is sent while the ring breaks goes out in the next one.
    Configuration& c = configurations_[m.legs.back().configuration];
    c.log.push_back({i, m.epoch, std::make_shared<const Event>(std::move(event))});
    for (std::uint32_t j = 0; j < machines_.size(); ++j)
        if (c.members >> j & 1) wake(j);
}

void Cluster::wake(std::uint32_t i) {
    Machine& m = machines_[i];
    if (!m.alive || m.pumping) return;
    m.pumping = true;
    const bool slow = !calm() && now_ > 2 * lease && schedule_.sluggish == i + 1 && one_in(3, ++salts_);
    m.reads_at = now_ + between(beat / 200, slow ? lease : beat / 20, ++salts_);
    at(m.reads_at, Tick::pump, i);
}

void Cluster::pump(std::uint32_t i) {
    Machine& m = machines_[i];
    if (!m.alive || m.legs.empty()) return;
    if (now_ < m.lags_until) {
        m.pumping = true;
        return at(m.lags_until, Tick::pump, i);
    }
    const Leg leg = m.legs.front();
    const Configuration& c = configurations_[leg.configuration];
    const std::size_t limit = std::min(leg.cut, c.log.size());
    if (m.delivered < limit) {
        const auto event = c.log[m.delivered++].event;
        if (m.delivered < limit || m.legs.size() > 1) wake(i);
        return step(i, *event);
    }
    if (m.legs.size() == 1) return;
    const std::size_t before = m.legs.front().configuration;
    m.legs.erase(m.legs.begin());
    m.delivered = 0;
    wake(i);
    enter(i, m.legs.front().configuration, before);
}

void Cluster::enter(std::uint32_t i, std::size_t configuration, std::size_t before) {
    const Configuration& c = configurations_[configuration];
    // Whoever was behind has read by now what was in the order.
    if (calm()) all_awake_at_ = std::max(all_awake_at_, now_);
    // A node that is still about to take a state takes it before it sees this.
    const core::Ownership& node = *machines_[i].core;
    machines_[i].brought_state = node.has_state() || node.phase() == core::Ownership::Phase::installing;
    core::ConfigurationChanged event;
    event.ring = c.ring;
    for (std::uint32_t j = 0; j < machines_.size(); ++j) {
        const bool is = c.members >> j & 1;
        const bool was = before != SIZE_MAX && configurations_[before].members >> j & 1;
        const bool again = is && was && c.epochs[j] != configurations_[before].epochs[j];
        if (is) event.members.push_back({id(j), 1000 + c.epochs[j]});
        if (is && (!was || again)) event.joined.push_back(id(j));
        if (was && (!is || again)) event.left.push_back({id(j), core::Departed::node_down});
    }
    step(i, event);
}

std::size_t Cluster::configure(const Ring& ring, std::uint32_t members, bool process_change) {
    const std::size_t number = configurations_.size();
    Configuration c;
    c.ring = ring.id;
    c.members = members;
    c.process_change = process_change;
    std::uint32_t alive = 0;
    for (std::uint32_t j = 0; j < machines_.size(); ++j) {
        c.epochs[j] = machines_[j].epoch;
        if (members >> j & 1 && machines_[j].alive) alive |= 1U << j;
        if (machines_[j].ghost && ring.nodes >> j & 1) c.members |= 1U << j;
    }
    std::uint32_t done = 0;
    for (std::uint32_t i = 0; i < machines_.size(); ++i) {
        if (!(alive >> i & 1) || done >> i & 1) continue;
        if (machines_[i].legs.empty()) {
            done |= 1U << i;
            continue;
        }
        // Those who come from the same configuration deliver the same of it; the rest of what they sent comes
        // along.
        const std::size_t old = machines_[i].legs.back().configuration;
        std::uint32_t together = 0;
        std::size_t least = 0;
        for (std::uint32_t j = i; j < machines_.size(); ++j) {
            if (!(alive >> j & 1) || machines_[j].legs.empty() ||
                machines_[j].legs.back().configuration != old)
                continue;
            together |= 1U << j;
            if (machines_[j].legs.size() == 1) least = std::max(least, machines_[j].delivered);
        }
        done |= together;
        const auto& log = configurations_[old].log;
        const std::size_t cut =
            process_change ? log.size() : least + hash(++salts_, 5) % (log.size() - least + 1);
        for (std::size_t k = cut; k < log.size(); ++k)
            if (together >> log[k].sender & 1 && machines_[log[k].sender].epoch == log[k].epoch)
                c.log.push_back(log[k]);
        for (std::uint32_t j = i; j < machines_.size(); ++j)
            if (together >> j & 1) machines_[j].legs.back().cut = cut;
    }
    configurations_.push_back(std::move(c));
    for (std::uint32_t j = 0; j < machines_.size(); ++j) {
        if (!(alive >> j & 1)) continue;
        Machine& m = machines_[j];
        const bool first = m.legs.empty();
        m.legs.push_back({number, SIZE_MAX});
        if (first) {
            // A daemon that has just joined: it gets its first configuration like a message.
            m.legs.insert(m.legs.begin(), {0, 0});
            m.delivered = 0;
        }
        wake(j);
    }
    return number;
}

void Cluster::new_ring(std::uint32_t nodes) {
    Ring ring;
    ring.nodes = nodes;
    ring.id = {++ring_seq_ * 4, id(static_cast<std::uint32_t>(std::countr_zero(nodes)))};
    rings_.push_back(ring);
    std::uint32_t members = 0;
    for (std::uint32_t j = 0; j < machines_.size(); ++j) {
        if (!(nodes >> j & 1)) continue;
        machines_[j].ring = rings_.size() - 1;
        if (machines_[j].alive) members |= 1U << j;
        if (nodes == (1U << machines_.size()) - 1) machines_[j].must_see_all = false;
        at(now_ + between(1000, calm() ? beat / 10 : lease / 2, ++salts_), Tick::quorum, j);
    }
    if (configurations_.empty())
        configurations_.push_back({});  // the one nobody is in, where new daemons come from
    configure(ring, members, false);
}

void Cluster::tell_quorum(std::uint32_t i) {
    Machine& m = machines_[i];
    if (!m.powered || !m.alive) return;
    const Ring& ring = rings_[m.ring];
    if (ring.id.seq < m.quorum_seen) return;
    m.quorum_seen = ring.id.seq;
    core::QuorumChanged event;
    event.ring = ring.id;
    const auto count = static_cast<std::size_t>(std::popcount(ring.nodes));
    event.two_node = machines_.size() == 2;
    event.expected = static_cast<std::uint32_t>(machines_.size());
    // Leniency is for those who have a state: a half that has none must not begin anew beside one that has.
    bool lenient = schedule_.lenient && now_ > 2 * lease;
    for (std::uint32_t j = 0; j < machines_.size(); ++j)
        if (ring.nodes >> j & 1 && machines_[j].alive && !machines_[j].core->has_state()) lenient = false;
    event.quorate = lenient || 2 * count > machines_.size() || (machines_.size() == 2 && !m.must_see_all);
    for (std::uint32_t j = 0; j < machines_.size(); ++j)
        if (ring.nodes >> j & 1) event.nodes.push_back(id(j));
    step(i, event);
}

// Corosync forms new rings where the nodes that see each other are no longer those of their ring.
void Cluster::reform(bool force) {
    std::map<int, std::uint32_t> groups;
    for (std::uint32_t j = 0; j < machines_.size(); ++j)
        if (machines_[j].powered) groups[machines_[j].group] |= 1U << j;
    for (const auto& [group, nodes] : groups) {
        const Machine& first = machines_[static_cast<std::size_t>(std::countr_zero(nodes))];
        bool same = rings_[first.ring].nodes == nodes;
        for (std::uint32_t j = 0; j < machines_.size(); ++j)
            if (nodes >> j & 1 && machines_[j].ring != first.ring) same = false;
        if (!same || force) new_ring(nodes);
    }
}

void Cluster::start(std::uint32_t i) {
    Machine& m = machines_[i];
    if (m.alive) return;
    const bool booted = !m.powered;
    if (booted) {
        m.powered = true;
        m.must_see_all = machines_.size() == 2;
        m.offset = static_cast<std::int64_t>(hash(++salts_, 9) % 1'000'000'000) - now_;
        reform(true);
    }
    m.ghost = false;
    m.alive = true;
    ++m.epoch;
    ++m.incarnation;
    m.core = std::make_unique<core::Ownership>();
    m.legs.clear();
    m.todo.clear();
    m.gate_orders.clear();
    m.gate_free_at = 0;
    m.pumping = false;
    m.busy_until = 0;
    m.lags_until = 0;
    m.stall_before = UINT32_MAX;
    m.delivered = 0;
    m.quorum_seen = 0;
    m.tag = {};
    m.voter_since = {};
    m.outings = {};
    m.voters_changed = {};
    m.voters.clear();
    core::Started event{id(i), {m.incarnation}, Duration(beat),   Duration(m.lease),
                        {},    m.longest_lease, schedule_.portion};
    if (!booted) event.pools.push_back(pool_);
    step(i, event);
    if (booted) request(i, core::StartPool{pool_});
    std::uint32_t members = 1U << i;
    for (std::uint32_t j = 0; j < machines_.size(); ++j)
        if (machines_[j].alive && machines_[j].ring == m.ring) members |= 1U << j;
    configure(rings_[m.ring], members, true);
    at(now_ + between(1000, beat, ++salts_), Tick::quorum, i);
    if (now_ < m.no_carrier_until) {
        events_.push_back(core::CarrierChanged{"web", false});
        at(now_, Tick::request, i, static_cast<std::uint32_t>(events_.size() - 1));
        if (m.no_carrier_until != INT64_MAX) {
            events_.push_back(core::CarrierChanged{"web", true});
            at(m.no_carrier_until, Tick::request, i, static_cast<std::uint32_t>(events_.size() - 1));
        }
    }
}

// The daemon dies. Its gate, in the kernel, does not.
void Cluster::die(std::uint32_t i, bool ghost) {
    Machine& m = machines_[i];
    if (!m.alive) return;
    m.alive = false;
    m.ghost = ghost;
    ++m.epoch;
    m.core.reset();
    std::uint32_t members = 0;
    for (std::uint32_t j = 0; j < machines_.size(); ++j)
        if (machines_[j].alive && machines_[j].ring == m.ring) members |= 1U << j;
    if (m.powered && !ghost && members != 0) configure(rings_[m.ring], members, true);
}

void Cluster::power_off(std::uint32_t i) {
    Machine& m = machines_[i];
    if (!m.powered) return;
    m.powered = false;
    die(i, false);
    m.gate.clear();
    m.deadline = {};
    at(now_ + between(lease / 5, 3 * lease, ++salts_), Tick::reform, 255);
}

}  // namespace buoy::simulation
