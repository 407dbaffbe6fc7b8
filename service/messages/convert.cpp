// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/messages/convert.hpp"

#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <bit>

namespace buoy::messages {
namespace {

// Fields of a newer minor version travel along as they came.
std::string unknown_of(const google::protobuf::Message& m) {
    std::string bytes;
    m.GetReflection()->GetUnknownFields(m).SerializeToString(&bytes);
    return bytes;
}
void put_unknown(const std::string& bytes, google::protobuf::Message& m) {
    if (!bytes.empty()) m.GetReflection()->MutableUnknownFields(&m)->ParseFromString(bytes);
}

template <typename E>
bool read_enum(std::uint32_t from, E last, E& to) {
    if (from > static_cast<std::uint32_t>(last)) return false;
    to = static_cast<E>(from);
    return true;
}

void write(const RingId& from, proto::RingId& to) {
    to.set_seq(from.ring.seq);
    to.set_node(from.ring.node.value);
    to.set_change(from.change);
}
RingId read(const proto::RingId& from) {
    return {{from.seq(), {from.node()}}, from.change()};
}
void write(const Tag& from, proto::Tag& to) {
    write(from.ring, *to.mutable_ring());
    to.set_entries(from.entries);
}
Tag read(const proto::Tag& from) {
    return {read(from.ring()), from.entries()};
}
void write(const Outing& from, proto::Outing& to) {
    to.set_incarnation(from.incarnation.value);
    to.set_count(from.count);
}
Outing read(const proto::Outing& from) {
    return {{from.incarnation()}, from.count()};
}

void write(const core::PoolConfig& from, proto::PoolConfig& to) {
    to.set_name(from.name);
    to.set_hash(from.hash);
    to.set_slots(from.slots);
    to.set_on_loss(static_cast<std::uint32_t>(from.on_loss));
    to.set_rebalance(static_cast<std::uint32_t>(from.rebalance));
    if (!from.parameters.empty()) to.set_parameters(from.parameters);
}
bool read(const proto::PoolConfig& from, core::PoolConfig& to) {
    to.name = from.name();
    to.hash = from.hash();
    to.slots = from.slots();
    to.parameters = from.parameters();
    return to.name.size() <= core::max_name && to.slots <= core::max_slots &&
           to.parameters.size() <= core::max_parameters &&
           read_enum(from.on_loss(), core::OnLoss::unsafe, to.on_loss) &&
           read_enum(from.rebalance(), core::Rebalance::never, to.rebalance);
}

struct WriteBody {
    proto::Body& to;
    void operator()(const core::Move& e) const {
        to.mutable_move()->set_pool(e.pool);
        for (const std::uint32_t slot : e.slots) to.mutable_move()->add_slots(slot);
        to.mutable_move()->set_node(e.node.value);
    }
    void operator()(const core::Rejoin& e) const {
        proto::Rejoin& m = *to.mutable_rejoin();
        m.set_node(e.node.value);
        write(e.outing, *m.mutable_outing());
        write(e.electorate, *m.mutable_electorate());
        for (const auto& pool : e.pools) m.add_pools(pool);
    }
    void operator()(const core::Lost& e) const { to.mutable_lost()->set_node(e.node.value); }
    void operator()(const core::Leave& e) const {
        to.mutable_leave()->set_node(e.node.value);
        write(e.electorate, *to.mutable_leave()->mutable_electorate());
    }
    void operator()(const core::Fenced& e) const {
        proto::Fenced& m = *to.mutable_fenced();
        m.set_node(e.node.value);
        write(e.outing, *m.mutable_outing());
        write(e.electorate, *m.mutable_electorate());
        m.set_proof(static_cast<std::uint32_t>(e.proof));
        m.set_user(e.user);
    }
    void operator()(const core::CountLeases& e) const {
        write(e.electorate, *to.mutable_count_leases()->mutable_electorate());
    }
    void operator()(const core::JoinPool& e) const {
        to.mutable_join_pool()->set_node(e.node.value);
        write(e.config, *to.mutable_join_pool()->mutable_config());
    }
    void operator()(const core::LeavePool& e) const {
        to.mutable_leave_pool()->set_node(e.node.value);
        to.mutable_leave_pool()->set_pool(e.pool);
    }
    void operator()(const core::RemovePool& e) const { to.mutable_remove_pool()->set_pool(e.pool); }
    void operator()(const core::SetWeight& e) const {
        to.mutable_set_weight()->set_pool(e.pool);
        to.mutable_set_weight()->set_node(e.node.value);
        to.mutable_set_weight()->set_weight(e.weight);
    }
    void operator()(const core::Pin& e) const {
        to.mutable_pin()->set_pool(e.pool);
        to.mutable_pin()->set_slot(e.slot);
        to.mutable_pin()->set_node(e.node.value);
    }
    void operator()(const core::SetRebalance& e) const {
        to.mutable_set_rebalance()->set_pool(e.pool);
        to.mutable_set_rebalance()->set_rebalance(static_cast<std::uint32_t>(e.rebalance));
    }
    void operator()(const core::Drain& e) const {
        to.mutable_drain()->set_node(e.node.value);
        to.mutable_drain()->set_on(e.on);
    }
    void operator()(const core::SetAilment& e) const {
        proto::SetAilment& m = *to.mutable_set_ailment();
        m.set_node(e.node.value);
        m.set_pool(e.pool);
        m.set_ailment(static_cast<std::uint32_t>(e.ailment));
        m.set_on(e.on);
    }
    void operator()(const core::Unknown& e) const { put_unknown(e.bytes, to); }
};

bool named(const std::string& pool) {
    return !pool.empty() && pool.size() <= core::max_name;
}

bool read(const proto::Rejoin& m, core::EntryBody& to) {
    core::Rejoin e{{m.node()}, read(m.outing()), read(m.electorate()), {}};
    if (static_cast<std::size_t>(m.pools_size()) > core::max_pools) return false;
    for (const auto& pool : m.pools()) {
        if (!named(pool)) return false;
        e.pools.push_back(pool);
    }
    to = std::move(e);
    return true;
}
bool read(const proto::Fenced& m, core::EntryBody& to) {
    core::Fenced e{{m.node()}, read(m.outing()), read(m.electorate()), {}, m.user()};
    if (e.user.size() > core::max_text || !read_enum(m.proof(), core::Proof::clean, e.proof)) return false;
    to = std::move(e);
    return true;
}

bool read(const proto::Body& from, core::EntryBody& to) {
    using K = proto::Body::KindCase;
    switch (from.kind_case()) {
        case K::kMove:
            to = core::Move{from.move().pool(),
                            {from.move().slots().begin(), from.move().slots().end()},
                            {from.move().node()}};
            return named(from.move().pool()) &&
                   static_cast<std::size_t>(from.move().slots_size()) <= core::max_slots;
        case K::kRejoin:
            return read(from.rejoin(), to);
        case K::kLost:
            to = core::Lost{{from.lost().node()}};
            return true;
        case K::kLeave:
            to = core::Leave{{from.leave().node()}, read(from.leave().electorate())};
            return true;
        case K::kFenced:
            return read(from.fenced(), to);
        case K::kCountLeases:
            to = core::CountLeases{read(from.count_leases().electorate())};
            return true;
        case K::kJoinPool: {
            core::JoinPool e{{from.join_pool().node()}, {}};
            if (!read(from.join_pool().config(), e.config) || !named(e.config.name)) return false;
            to = std::move(e);
            return true;
        }
        case K::kLeavePool:
            to = core::LeavePool{{from.leave_pool().node()}, from.leave_pool().pool()};
            return named(from.leave_pool().pool());
        case K::kRemovePool:
            to = core::RemovePool{from.remove_pool().pool()};
            return named(from.remove_pool().pool());
        case K::kSetWeight:
            to = core::SetWeight{
                from.set_weight().pool(), {from.set_weight().node()}, from.set_weight().weight()};
            return named(from.set_weight().pool());
        case K::kPin:
            to = core::Pin{from.pin().pool(), from.pin().slot(), {from.pin().node()}};
            return named(from.pin().pool());
        case K::kSetRebalance: {
            core::SetRebalance e{from.set_rebalance().pool(), {}};
            if (!named(e.pool) ||
                !read_enum(from.set_rebalance().rebalance(), core::Rebalance::never, e.rebalance))
                return false;
            to = std::move(e);
            return true;
        }
        case K::kDrain:
            to = core::Drain{{from.drain().node()}, from.drain().on()};
            return true;
        case K::kSetAilment: {
            const proto::SetAilment& m = from.set_ailment();
            core::SetAilment e{{m.node()}, m.pool(), {}, m.on()};
            if (!named(e.pool) || !read_enum(m.ailment(), core::Ailment::failed_open, e.ailment))
                return false;
            to = std::move(e);
            return true;
        }
        case K::KIND_NOT_SET:
            to = core::Unknown{unknown_of(from)};
            return true;
    }
    return false;
}

template <typename Repeated>
void write_together(const std::vector<core::Together>& from, Repeated& to) {
    for (const core::Together& t : from) {
        auto* m = to.Add();
        m->set_node(t.node.value);
        m->set_process(t.process);
        m->set_configurations(t.configurations);
    }
}
template <typename Repeated>
bool read_together(const Repeated& from, std::vector<core::Together>& to) {
    if (static_cast<std::size_t>(from.size()) > 2 * core::max_nodes) return false;
    for (const auto& m : from) to.push_back({{m.node()}, m.process(), m.configurations()});
    return true;
}
template <typename Repeated>
void write_voters(const std::vector<core::VoterSeen>& from, Repeated& to) {
    for (const core::VoterSeen& v : from) {
        auto* m = to.Add();
        m->set_node(v.node.value);
        write(v.outing, *m->mutable_outing());
    }
}
template <typename Repeated>
bool read_voters(const Repeated& from, std::vector<core::VoterSeen>& to) {
    if (static_cast<std::size_t>(from.size()) > core::max_nodes) return false;
    for (const auto& m : from) to.push_back({{m.node()}, read(m.outing())});
    return true;
}

void write(const core::Pool& from, proto::Pool& to) {
    to.set_id(from.id.value);
    write(from.config, *to.mutable_config());
    to.set_members(from.members);
    to.set_no_carrier(from.no_carrier);
    to.set_failed_open(from.failed_open);
    for (const core::Weight& w : from.weights) {
        auto* m = to.add_weights();
        m->set_node(w.node.value);
        m->set_weight(w.weight);
    }
    for (const core::PinnedSlot& p : from.pins) {
        auto* m = to.add_pins();
        m->set_slot(p.slot);
        m->set_node(p.node.value);
    }
    to.set_lists(std::string(from.lists.begin(), from.lists.end()));
    if (std::ranges::any_of(from.changed, [](auto c) { return c != 0; }))
        to.mutable_changed()->Add(from.changed.begin(), from.changed.end());
    put_unknown(from.unknown, to);
}
bool read(const proto::Pool& from, core::Pool& to) {
    to.id = {from.id()};
    if (!read(from.config(), to.config)) return false;
    to.members = from.members();
    to.no_carrier = from.no_carrier();
    to.failed_open = from.failed_open();
    for (const auto& m : from.weights()) to.weights.push_back({{m.node()}, m.weight()});
    for (const auto& m : from.pins()) to.pins.push_back({m.slot(), {m.node()}});
    to.width = static_cast<std::uint32_t>(std::popcount(to.members));
    to.lists.assign(from.lists().begin(), from.lists().end());
    if (from.changed_size() == 0)
        to.changed.assign(to.config.slots, 0);
    else
        to.changed.assign(from.changed().begin(), from.changed().end());
    to.unknown = unknown_of(from);
    return true;
}

}  // namespace

void write(const core::Entry& from, proto::Entry& to) {
    write(from.ring, *to.mutable_ring());
    to.set_sender(from.sender.value);
    to.set_request(from.request.value);
    std::visit(WriteBody{*to.mutable_body()}, from.body);
    put_unknown(from.unknown, to);
}
bool read(const proto::Entry& from, core::Entry& to) {
    to.ring = read(from.ring());
    to.sender = {from.sender()};
    to.request = {from.request()};
    to.unknown = unknown_of(from);
    return read(from.body(), to.body);
}

namespace {
bool is_lease(Duration lease) {
    return lease >= Duration{} && lease <= core::max_lease;
}
}  // namespace

void write(const core::Hello& from, proto::Hello& to) {
    to.set_sender(from.sender.value);
    to.set_incarnation(from.incarnation.value);
    to.set_ring_seq(from.ring.seq);
    to.set_ring_node(from.ring.node.value);
    to.set_change(from.change);
    write_together(from.together, *to.mutable_together());
    to.set_quorate(from.quorate);
    to.set_expected(from.expected);
    to.set_has_state(from.has_state);
    to.set_holding(from.holding);
    to.set_lease(from.lease.count());
    to.set_longest_lease(from.longest_lease.count());
    write(from.tag, *to.mutable_tag());
    to.set_hash(from.hash);
    write_voters(from.voters, *to.mutable_voters());
    write_voters(from.silent, *to.mutable_silent());
    put_unknown(from.unknown, to);
}
bool read(const proto::Hello& from, core::Hello& to) {
    to.sender = {from.sender()};
    to.incarnation = {from.incarnation()};
    to.ring = {from.ring_seq(), {from.ring_node()}};
    to.change = from.change();
    to.quorate = from.quorate();
    to.expected = from.expected();
    to.has_state = from.has_state();
    to.holding = from.holding();
    to.lease = Duration(from.lease());
    to.longest_lease = Duration(from.longest_lease());
    if (!is_lease(to.lease) || !is_lease(to.longest_lease)) return false;
    to.tag = read(from.tag());
    to.hash = from.hash();
    to.unknown = unknown_of(from);
    return read_together(from.together(), to.together) && read_voters(from.voters(), to.voters) &&
           read_voters(from.silent(), to.silent);
}

void write(const core::Snapshot& from, proto::SnapshotPart& to) {
    to.set_sender(from.sender.value);
    to.set_ring_seq(from.ring.seq);
    to.set_ring_node(from.ring.node.value);
    write_together(from.together, *to.mutable_together());
    to.set_to(from.to.value);
    to.set_hold(from.hold);
    put_unknown(from.unknown, to);
}
bool read(const proto::SnapshotPart& from, core::Snapshot& to) {
    to.sender = {from.sender()};
    to.ring = {from.ring_seq(), {from.ring_node()}};
    to.to = {from.to()};
    to.hold = from.hold();
    to.unknown = unknown_of(from);
    return read_together(from.together(), to.together);
}

void write(const core::AgreedState& from, proto::State& to) {
    write(from.tag, *to.mutable_tag());
    write(from.voters_changed, *to.mutable_voters_changed());
    to.set_leases_count(from.leases_count);
    for (std::uint32_t i = 0; i < core::max_nodes; ++i) {
        const core::Voter& v = from.voters[i];
        if (v.id.value == 0) continue;
        proto::Voter& m = *to.add_voters();
        m.set_place(i);
        m.set_id(v.id.value);
        m.set_lost(v.lost);
        m.set_drained(v.drained);
        write(v.outing, *m.mutable_outing());
    }
    for (const core::Pool& p : from.pools) write(p, *to.add_pools());
    to.set_pools_made(from.pools_made);
    put_unknown(from.unknown, to);
}
bool read(const proto::State& from, core::AgreedState& to) {
    to.tag = read(from.tag());
    to.voters_changed = read(from.voters_changed());
    to.leases_count = from.leases_count();
    for (const auto& m : from.voters()) {
        if (m.place() >= core::max_nodes || to.voters[m.place()].id.value != 0) return false;
        to.voters[m.place()] = {{m.id()}, m.lost(), m.drained(), read(m.outing())};
    }
    if (static_cast<std::size_t>(from.pools_size()) > core::max_pools) return false;
    for (const auto& m : from.pools())
        if (!read(m, to.pools.emplace_back())) return false;
    to.pools_made = from.pools_made();
    to.unknown = unknown_of(from);
    return to.unsound() == nullptr;
}

void write(const core::Beat& from, proto::Beat& to) {
    to.set_sender(from.sender.value);
    to.set_incarnation(from.incarnation.value);
    write(from.tag, *to.mutable_tag());
    to.set_hash(from.hash);
    to.set_created(from.created.time_since_epoch().count());
    for (const core::Echo& e : from.echoes) {
        auto* m = to.add_echoes();
        m->set_node(e.node.value);
        m->set_incarnation(e.incarnation.value);
        m->set_created(e.created.time_since_epoch().count());
    }
    for (const NodeId node : from.condemned) to.add_condemned(node.value);
    for (const NodeId node : from.heard) to.add_heard(node.value);
    to.set_owed(from.owed);
}
bool read(const proto::Beat& from, core::Beat& to) {
    to.sender = {from.sender()};
    to.incarnation = {from.incarnation()};
    to.tag = read(from.tag());
    to.hash = from.hash();
    to.created = TimePoint(Duration(from.created()));
    if (static_cast<std::size_t>(from.echoes_size()) > core::max_nodes ||
        static_cast<std::size_t>(from.condemned_size()) > core::max_nodes ||
        static_cast<std::size_t>(from.heard_size()) > core::max_nodes)
        return false;
    for (const auto& m : from.echoes())
        to.echoes.push_back({{m.node()}, {m.incarnation()}, TimePoint(Duration(m.created()))});
    for (const auto node : from.condemned()) to.condemned.push_back({node});
    for (const auto node : from.heard()) to.heard.push_back({node});
    to.owed = from.owed();
    return true;
}

}  // namespace buoy::messages
