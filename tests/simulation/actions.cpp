// SPDX-License-Identifier: GPL-2.0-or-later
// What a schedule's actions do to the cluster, and how it calms down.
#include <algorithm>

#include "tests/simulation/cluster.hpp"

namespace buoy::simulation {

using core::Event;
using core::Fault;
using core::fault;

void Cluster::request(std::uint32_t i, core::Request request) {
    events_.push_back(core::Requested{{++requests_}, std::move(request)});
    at(now_ + between(1000, beat / 50, ++salts_), Tick::request, i,
       static_cast<std::uint32_t>(events_.size() - 1));
}

void Cluster::report_fencing(std::uint32_t who, core::FencingAction action, bool ok, Instant after) {
    for (std::uint32_t j = 0; j < machines_.size(); ++j) {
        if (j == who || !machines_[j].alive) continue;
        events_.push_back(core::FencingReported{id(who), action, ok, local(machines_[j], now_)});
        at(now_ + after + between(1000, beat, ++salts_), Tick::fencing, j,
           static_cast<std::uint32_t>(events_.size() - 1));
    }
}

void Cluster::act(const Action& a) {
    const std::uint32_t n = a.a % static_cast<std::uint32_t>(machines_.size());
    Machine& m = machines_[n];
    switch (a.kind) {
        case Kind::pause:
            m.busy_until = std::max(m.busy_until, now_ + a.span);
            return;
        case Kind::stall:
            m.stall_before = a.b;
            m.stall_span = a.span;
            return;
        case Kind::crash:
            die(n, false);
            return at(now_ + a.span, Tick::start, n);
        case Kind::ghost:
            die(n, true);
            return at(now_ + a.span, Tick::start, n);
        case Kind::power_off:
            power_off(n);
            return at(now_ + a.span, Tick::start, n);
        case Kind::cut:
            cut_until_[n][a.b % machines_.size()] = now_ + a.span;
            return;
        case Kind::configure:
        case Kind::partition:
            for (std::uint32_t j = 0; j < machines_.size(); ++j) {
                machines_[j].group = static_cast<int>(a.a >> j & 1);
                if (a.kind == Kind::configure) continue;
                for (std::uint32_t k = 0; k < machines_.size(); ++k)
                    if ((a.a >> j & 1) != (a.a >> k & 1))
                        cut_until_[j][k] = std::max(cut_until_[j][k], now_ + a.span);
            }
            if (a.kind == Kind::partition) {
                at(now_ + a.span, Tick::heal, 255);
                return at(now_ + a.span / 3, Tick::reform, 255);
            }
            return reform(true);
        case Kind::fence:
            power_off(n);
            report_fencing(n, core::FencingAction::reboot, true, a.span / 4);
            return at(now_ + a.span, Tick::start, n);
        case Kind::fence_fails:
            return report_fencing(n, core::FencingAction::off, fault(Fault::fence_truth), a.span / 8);
        case Kind::fence_on:
            return report_fencing(n, core::FencingAction::on, true, a.span / 8);
        default:
            return act_on_members(a);
    }
}

void Cluster::act_on_members(const Action& a) {
    const std::uint32_t n = a.a % static_cast<std::uint32_t>(machines_.size());
    const std::uint32_t other = a.b % static_cast<std::uint32_t>(machines_.size());
    Machine& m = machines_[n];
    const auto later = [&](Event event) {
        events_.push_back(std::move(event));
        at(now_ + a.span, Tick::request, n, static_cast<std::uint32_t>(events_.size() - 1));
    };
    const auto inject = [&](std::uint32_t by, const core::EntryBody& body) {
        const Machine& sender = machines_[by];
        if (!sender.alive || sender.core->phase() != core::Ownership::Phase::primary) return;
        multicast(by, core::EntryDelivered{{sender.core->agreed().tag.ring, id(by), {}, body, {}}});
    };
    switch (a.kind) {
        case Kind::move:
            return request(n, core::Move{"web", {a.b % schedule_.slots}, id(n)});
        case Kind::drain:
            request(other, core::Drain{id(n), true});
            return later(core::Requested{{++requests_}, core::Drain{id(n), false}});
        case Kind::weight:
            return request(n, core::SetWeight{"web", id(n), a.b});
        case Kind::restart_pool:
            request(n, core::StopPool{"web"});
            return later(core::Requested{{++requests_}, core::StartPool{pool_}});
        case Kind::carrier:
            // Every other one stays without carrier to the end, to see who answers then.
            m.no_carrier_until = a.b % 2 == 0 ? now_ + a.span : INT64_MAX;
            events_.push_back(core::CarrierChanged{"web", false});
            at(now_, Tick::request, n, static_cast<std::uint32_t>(events_.size() - 1));
            if (a.b % 2 == 0) later(core::CarrierChanged{"web", true});
            return;
        case Kind::open_fails:
            m.open_fails_until = a.b % 2 == 0 ? now_ + a.span : INT64_MAX;
            return later(core::Requested{{++requests_}, core::ClearFailure{"web"}});
        case Kind::close_fails:
            m.close_fails_until = now_ + a.span;
            return;
        case Kind::second_pool: {
            core::PoolConfig config = second_;
            if (a.b % 4 == 3) config.hash = 8;
            request(n, core::StartPool{config});
            return later(core::Requested{{++requests_}, core::StopPool{second_.name}});
        }
        case Kind::remove_pool:
            return request(n, core::RemovePool{second_.name});
        case Kind::pin:
            return request(n, core::Pin{"web", a.b % schedule_.slots, id(n)});
        case Kind::rebalance:
            return request(n, core::SetRebalance{
                                  "web", a.b % 2 == 0 ? core::Rebalance::automatic : core::Rebalance::never});
        case Kind::lose:
            return inject(other, core::Lost{id(n)});
        case Kind::leave:
            // As a service manager does: the daemon is asked to go, ends, and is started again later.
            m.is_leaving = true;
            request(n, core::Shutdown{});
            return at(now_ + a.span, Tick::start, n, 1);
        case Kind::other_lease:
            if (!m.powered) return;
            die(n, false);
            m.lease = std::array{lease / 4, lease / 2, 2 * lease, 4 * lease}[a.b % 4];
            start(n);
            return at(now_ + a.span, Tick::start, n, 2);
        case Kind::quorum_flap: {
            if (!m.alive || m.quorum_seen == 0) return;
            core::QuorumChanged event;
            event.ring = rings_[m.ring].id;
            event.two_node = machines_.size() == 2;
            event.expected = static_cast<std::uint32_t>(machines_.size());
            for (std::uint32_t j = 0; j < machines_.size(); ++j)
                if (rings_[m.ring].nodes >> j & 1) event.nodes.push_back(id(j));
            events_.push_back(event);
            at(now_, Tick::request, n, static_cast<std::uint32_t>(events_.size() - 1));
            return at(now_ + a.span, Tick::quorum, n);
        }
        case Kind::lag:
            m.lags_until = std::max(m.lags_until, now_ + a.span);
            return;
        case Kind::replay:
            if (m.last_rejoin) inject(n, m.older_rejoin ? *m.older_rejoin : *m.last_rejoin);
            return;
        default:
            return;
    }
}

void Cluster::make_calm() {
    for (auto& row : cut_until_) row.fill(0);
    outcome_.held_back = lease / 10 * 11;
    for (std::uint32_t i = 0; i < machines_.size(); ++i) {
        Machine& m = machines_[i];
        m.group = 0;
        m.close_fails_until = 0;
        m.stall_before = UINT32_MAX;
        // Who is paused still may sleep on, and who lags lag; only then is there calm.
        all_awake_at_ = std::max({all_awake_at_, m.busy_until, m.lags_until, m.reads_at, m.gate_free_at});
        outcome_.held_back = std::max(outcome_.held_back, m.longest_lease.count() / 10 * 11);
        if (m.open_fails_until != INT64_MAX) m.open_fails_until = 0;
    }
    for (std::uint32_t i = 0; i < machines_.size(); ++i) {
        if (machines_[i].lease != lease || machines_[i].is_leaving) {
            die(i, false);
            machines_[i].lease = lease;
            machines_[i].is_leaving = false;
        }
        start(i);
        request(i, core::ClearFailure{"web"});
        request(i, core::StartPool{pool_});
    }
    reform(true);
    at(now_ + beat, Tick::check, 255);
}

// A drain that waited for a primary configuration may come into force at any time; an operator would end it.
void Cluster::end_drains() {
    for (std::uint32_t i = 0; i < machines_.size(); ++i) {
        const Machine& m = machines_[i];
        if (!m.alive || m.core->phase() != core::Ownership::Phase::primary) continue;
        for (const core::Voter& v : m.core->agreed().voters)
            if (v.drained) request(i, core::Drain{v.id, false});
        return;
    }
}

}  // namespace buoy::simulation
