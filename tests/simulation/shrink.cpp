// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/simulation/shrink.hpp"

#include <algorithm>

#include "service/journal/journal.hpp"

namespace buoy::simulation {

Outcome run(const Schedule& schedule, core::Fault fault, const Checks& checks) {
    core::injected_fault = fault;
    Outcome outcome = Cluster(schedule, {}, checks).run();
    core::injected_fault = core::Fault::none;
    return outcome;
}

namespace {

bool breaks(const Schedule& s, core::Fault fault, const Checks& checks) {
    return !run(s, fault, checks).ok;
}

bool drop_actions(Schedule& s, core::Fault fault, const Checks& checks) {
    bool any = false;
    for (std::size_t chunk = std::max<std::size_t>(1, s.actions.size() / 2); chunk > 0; chunk /= 2) {
        for (std::size_t from = 0; from < s.actions.size();) {
            Schedule t = s;
            const auto first = t.actions.begin() + static_cast<std::ptrdiff_t>(from);
            t.actions.erase(first,
                            first + static_cast<std::ptrdiff_t>(std::min(chunk, t.actions.size() - from)));
            if (breaks(t, fault, checks)) {
                s = std::move(t);
                any = true;
            } else {
                from += chunk;
            }
        }
    }
    return any;
}

bool try_change(Schedule& s, core::Fault fault, const Checks& checks, void (*change)(Schedule&)) {
    Schedule t = s;
    change(t);
    if (t == s || !breaks(t, fault, checks)) return false;
    s = std::move(t);
    return true;
}

}  // namespace

std::string journal_of(const Schedule& schedule, core::Fault fault, std::uint32_t which) {
    std::string out;
    core::injected_fault = fault;
    Cluster cluster(schedule, [&](std::uint32_t node, TimePoint at, const core::Event* event,
                                  const core::Effect* effect) {
        if (node != which) return;
        // A daemon that starts again begins a journal of its own.
        if (event != nullptr && std::holds_alternative<core::Started>(*event)) out.clear();
        out += event != nullptr ? journal::write(at, *event) : journal::write(*effect);
        out += '\n';
    });
    cluster.run();
    core::injected_fault = core::Fault::none;
    return out;
}

Schedule shrink(Schedule s, core::Fault fault, const Checks& checks) {
    bool again = true;
    while (again) {
        again = drop_actions(s, fault, checks);
        for (const auto change : std::initializer_list<void (*)(Schedule&)>{
                 [](Schedule& t) { t.slow = 0; }, [](Schedule& t) { t.lossy = 0; },
                 [](Schedule& t) { t.stalls = 0; }, [](Schedule& t) { t.sluggish = 0; },
                 [](Schedule& t) {
                     // Sooner, so that the journals are short.
                     const Instant early = t.actions.empty() ? 0 : t.actions.front().at - 2 * lease;
                     for (Action& a : t.actions) a.at -= std::max<Instant>(0, early);
                 },
                 [](Schedule& t) {
                     const Instant last = t.actions.empty() ? 0 : t.actions.back().at - 2 * lease;
                     t.chaos_beats = std::min(
                         t.chaos_beats, static_cast<std::uint32_t>(std::max<Instant>(0, last) / beat) + 10);
                 },
                 [](Schedule& t) { t.slots = 1; }, [](Schedule& t) { t.nodes = std::max(2U, t.nodes - 1); }})
            again = try_change(s, fault, checks, change) || again;
    }
    return s;
}

}  // namespace buoy::simulation
