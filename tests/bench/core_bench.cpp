// SPDX-License-Identifier: GPL-2.0-or-later
// The core's own figures: a beat, a membership change, placement; and how often a beat allocates.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "service/core/ownership.hpp"
#include "service/core/placement.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};
}

void* operator new(std::size_t size) {
    ++allocations;
    if (void* p = std::malloc(size)) return p;
    std::abort();
}
void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    std::free(p);
}

using namespace buoy;
using namespace buoy::core;

namespace {

NodeId id(std::uint32_t i) {
    return {i + 1};
}
constexpr CorosyncRing ring{100, {1}};

// A state in which `nodes` are voters and members of one pool.
AgreedState state_of(std::uint32_t nodes, std::uint32_t slots) {
    AgreedState state;
    std::vector<NodeId> members;
    for (std::uint32_t i = 0; i < nodes; ++i) members.push_back(id(i));
    state.begin({ring, 0}, members, {});
    for (std::uint32_t i = 0; i < nodes; ++i) state.apply(Rejoin{id(i), {{1}, 1}, state.voters_changed, {}});
    for (std::uint32_t i = 0; i < nodes; ++i) state.apply(JoinPool{id(i), {"web", 1, slots, {}, {}}});
    return state;
}

// The lease's beat of every other node, made new each time.
Beat beat_of(std::uint32_t from, const Tag& tag, std::uint64_t hash, TimePoint created, TimePoint echoed,
             std::uint32_t nodes) {
    Beat b;
    b.sender = id(from);
    b.incarnation = {1};
    b.tag = tag;
    b.hash = hash;
    b.created = created;
    for (std::uint32_t i = 0; i < nodes; ++i)
        if (i != from) b.echoes.push_back({id(i), {1}, echoed});
    return b;
}

// Brings a fresh core into a primary configuration of so many nodes and slots. False when it did not get in.
bool bring_in(Ownership& core, TimePoint& now, std::uint32_t nodes, std::uint32_t slots) {
    core.step(now,
              Started{id(0), {1}, Duration(50'000'000), Duration(500'000'000), {{"web", 1, slots, {}, {}}}});
    core.step(now, EffectDone{{1}});
    ConfigurationChanged change{ring, {}, {}, {}};
    QuorumChanged quorum{ring, true, false, nodes, {}};
    std::vector<Together> together;
    for (std::uint32_t i = 0; i < nodes; ++i) {
        change.members.push_back({id(i), 7});
        quorum.nodes.push_back(id(i));
        together.push_back({id(i), 7, 1});
    }
    core.step(now, quorum);
    Effects hello = core.step(now, change);
    AgreedState old = state_of(nodes, slots);
    for (std::uint32_t i = 1; i < nodes; ++i) {
        Hello h;
        h.sender = id(i);
        h.incarnation = {1};
        h.ring = ring;
        h.together = together;
        h.quorate = h.has_state = true;
        h.lease = h.longest_lease = Duration(500'000'000);
        h.tag = old.tag;
        h.hash = old.hash();
        for (const Voter& v : old.voters)
            if (v.id.value != 0) h.voters.push_back({v.id, v.outing});
        core.step(now, HelloDelivered{h});
    }
    Hello own;
    std::uint64_t change_number = 0;
    for (std::size_t k = 0; k < hello.size(); ++k)
        if (const auto* sent = std::get_if<Multicast>(&hello[k]))
            if (const auto* h = std::get_if<Hello>(&sent->message)) own = *h, change_number = h->change;
    core.step(now, HelloDelivered{own});
    AgreedState begun = old;
    std::vector<NodeId> members = quorum.nodes;
    begun.begin({ring, change_number}, members, {});
    core.step(now, SnapshotDelivered{{id(1), ring, together, {}, false, begun, {}}});
    // The node asks for its Rejoin when it hears a majority that hears it.
    for (std::uint32_t i = 1; i < nodes; ++i) {
        now += std::chrono::microseconds(100);
        const Beat beat = beat_of(i, core.agreed().tag, core.agreed_hash(), now, now, nodes);
        Effects asked = core.step(now, BeatReceived{beat});
        for (std::size_t k = 0; k < asked.size(); ++k)
            if (const auto* sent = std::get_if<Multicast>(&asked[k]))
                if (const auto* entry = std::get_if<Entry>(&sent->message))
                    core.step(now, EntryDelivered{*entry});
    }
    return core.phase() == Ownership::Phase::primary && !core.out();
}

// What a rotation of the journal costs the driver.
void state_copied(benchmark::State& state) {
    const auto nodes = static_cast<std::uint32_t>(state.range(0));
    const auto slots = static_cast<std::uint32_t>(state.range(1));
    Ownership core;
    TimePoint now{std::chrono::seconds(100)};
    bring_in(core, now, nodes, slots);
    if (!core.has_state()) return state.SkipWithError("the node has no state");
    for (auto _ : state) benchmark::DoNotOptimize(std::make_unique<const Ownership>(core));
}

BENCHMARK(state_copied)->Args({3, 4096})->Args({16, 4096})->Unit(benchmark::kMicrosecond);

void beat_step(benchmark::State& state) {
    const auto nodes = static_cast<std::uint32_t>(state.range(0));
    const auto slots = static_cast<std::uint32_t>(state.range(1));
    Ownership core;
    TimePoint now{std::chrono::seconds(100)};
    if (!bring_in(core, now, nodes, slots)) return state.SkipWithError("the node is not in");
    // Twice around, so that everything is known and open.
    std::vector<Event> beats;
    for (int round = 0; round < 3; ++round)
        for (std::uint32_t i = 1; i < nodes; ++i) {
            now += std::chrono::microseconds(100);
            core.step(now, BeatReceived{beat_of(i, core.agreed().tag, core.agreed_hash(), now, now, nodes)});
        }
    for (std::uint32_t i = 1; i < nodes; ++i)
        beats.push_back(BeatReceived{beat_of(i, core.agreed().tag, core.agreed_hash(), now, now, nodes)});
    std::size_t k = 0;
    std::uint64_t allocated = 0;
    std::uint64_t renewed = 0;
    for (auto _ : state) {
        now += std::chrono::microseconds(3);
        Beat& beat = std::get<BeatReceived>(beats[k]).beat;
        beat.created = now;
        for (Echo& e : beat.echoes) e.created = now;
        k = (k + 1) % beats.size();
        const std::uint64_t before = allocations;
        Effects effects = core.step(now, beats[k == 0 ? beats.size() - 1 : k - 1]);
        allocated += allocations - before;
        renewed += effects.size();
        benchmark::DoNotOptimize(effects);
    }
    state.counters["allocations"] = static_cast<double>(allocated);
    state.counters["renewals"] =
        benchmark::Counter(static_cast<double>(renewed), benchmark::Counter::kAvgIterations);
}
BENCHMARK(beat_step)->Args({16, 4096})->Args({32, 4096});

void membership_change(benchmark::State& state) {
    const auto nodes = static_cast<std::uint32_t>(state.range(0));
    const auto slots = static_cast<std::uint32_t>(state.range(1));
    Ownership core;
    TimePoint now{std::chrono::seconds(100)};
    if (!bring_in(core, now, nodes, slots)) return state.SkipWithError("the node is not in");
    const NodeId other = id(nodes - 1);
    const NodeIndex place = core.agreed().find(other);
    std::uint32_t count = 1;
    bool lost = false;
    for (auto _ : state) {
        now += std::chrono::microseconds(10);
        EntryBody body = Lost{other};
        if (lost) body = Rejoin{other, {{1}, ++count}, core.agreed().voters_changed, {"web"}};
        lost = !lost;
        Effects effects = core.step(now, EntryDelivered{{core.agreed().tag.ring, other, {}, body, {}}});
        benchmark::DoNotOptimize(effects);
        state.PauseTiming();
        for (std::size_t k = 0; k < effects.size(); ++k)
            if (const auto* close = std::get_if<Close>(&effects[k])) core.step(now, EffectDone{close->id});
        if (core.agreed().voters[place].lost != lost) return state.SkipWithError("the entry was not applied");
        state.ResumeTiming();
    }
}
BENCHMARK(membership_change)->Args({32, 4096})->Unit(benchmark::kMillisecond);

void placement(benchmark::State& state) {
    const auto nodes = static_cast<std::uint32_t>(state.range(0));
    AgreedState agreed = state_of(nodes, static_cast<std::uint32_t>(state.range(1)));
    std::vector<PlacementMember> members;
    for (std::uint32_t i = 0; i < nodes; ++i)
        members.push_back({static_cast<NodeIndex>(i), 100, true, false});
    auto lists = agreed.pools[0].lists;
    bool lost = false;
    for (auto _ : state) {
        lost = !lost;
        members[3].eligible = !lost;
        place(lists, {members, {}, Rebalance::automatic});
        benchmark::DoNotOptimize(lists.data());
    }
}
BENCHMARK(placement)->Args({32, 4096})->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
