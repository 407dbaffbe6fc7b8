// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/simulation/schedule.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <sstream>

namespace buoy::simulation {
namespace {

constexpr std::array<const char*, static_cast<std::size_t>(Kind::count_)> kinds{
    "pause",   "stall",       "crash",       "power_off",   "cut",   "configure", "partition",
    "fence",   "fence_fails", "fence_on",    "move",        "drain", "weight",    "restart_pool",
    "carrier", "open_fails",  "close_fails", "lose",        "leave", "ghost",     "quorum_flap",
    "replay",  "other_lease", "second_pool", "remove_pool", "pin",   "rebalance", "lag"};

constexpr std::array<const char*, static_cast<std::size_t>(core::Fault::count_)> faults{
    "none",           "primary",
    "echo-primary",   "echo-ring",
    "echo-entry",     "persist",
    "same-entry",     "order",
    "barrier",        "wait",
    "close",          "mute",
    "mute-wait",      "forget",
    "one-at-a-time",  "conf-barrier",
    "overtaken",      "recount",
    "fence-truth",    "remember",
    "hold",           "newborn",
    "outing",         "close-unacknowledged",
    "stale-snapshot", "ignore-carrier",
    "non-voter-echo", "lease-from-arrival",
    "on-is-fencing",  "two-node-unfenced",
    "any-lease",      "short-hold",
    "few-voters"};

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}
    std::uint32_t roll(std::uint64_t sides) { return static_cast<std::uint32_t>(random_() % sides); }
    bool one_in(std::uint64_t n) { return roll(n) == 0; }
    Instant span(Instant least, Instant most) {
        return least + static_cast<Instant>(random_() % static_cast<std::uint64_t>(most - least + 1));
    }

  private:
    std::mt19937_64 random_;
};

Action make_action(Dice& dice, const Schedule& s, std::uint32_t mood) {
    Action a;
    a.a = dice.roll(s.nodes);
    a.b = dice.roll(s.nodes);
    a.span = dice.span(lease / 10, 4 * lease);
    // Weights of the kinds, by mood: anything; ownership under cuts and pauses; configurations and restarts;
    // voters.
    static constexpr std::array<std::array<std::uint8_t, static_cast<std::size_t>(Kind::count_)>, 4> weights{{
        {4, 3, 3, 2, 5, 4, 3, 2, 1, 1, 6, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 2},
        {6, 4, 1, 1, 9, 3, 2, 0, 0, 0, 14, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 1, 0, 1, 0, 4},
        {3, 2, 6, 2, 4, 12, 3, 1, 0, 0, 7, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 2, 1, 0, 0, 0, 0, 2},
        {3, 2, 2, 2, 4, 6, 2, 4, 2, 2, 6, 1, 0, 0, 0, 0, 0, 1, 6, 1, 1, 2, 1, 2, 1, 0, 0, 3},
    }};
    const auto& w = weights[mood % weights.size()];
    std::uint32_t sum = 0;
    for (const auto x : w) sum += x;
    std::uint32_t pick = dice.roll(sum);
    std::size_t k = 0;
    while (pick >= w[k]) pick -= w[k++];
    a.kind = static_cast<Kind>(k);
    switch (a.kind) {
        case Kind::stall:
            a.b = dice.roll(6);
            break;
        case Kind::configure:
        case Kind::partition:
            a.a = 1 + dice.roll((1U << s.nodes) - 1);
            break;
        case Kind::move:
        case Kind::pin:
            a.b = dice.roll(s.slots);
            break;
        case Kind::second_pool:
            a.b = dice.roll(4);
            break;
        case Kind::weight:
            a.b = dice.roll(4) * 50;
            break;
        case Kind::crash:
            if (dice.one_in(2)) a.span = dice.span(1'000'000, lease / 4);
            break;
        default:
            break;
    }
    return a;
}

}  // namespace

const char* name_of(core::Fault fault) {
    return faults[static_cast<std::size_t>(fault)];
}

core::Fault fault_named(const std::string& name) {
    const auto found = std::ranges::find_if(faults, [&](const char* f) { return name == f; });
    return found == faults.end() ? core::Fault::count_ : static_cast<core::Fault>(found - faults.begin());
}

Schedule make_schedule(std::uint64_t seed, const Mix& mix) {
    Dice dice(seed);
    Schedule s;
    s.seed = seed;
    s.nodes = mix.nodes[dice.roll(mix.nodes.size())];
    s.slots = dice.one_in(10) ? 1 + dice.roll(mix.max_slots) : 1 + dice.roll(std::min(4U, mix.max_slots));
    const std::uint32_t policy = dice.roll(8);
    s.on_loss = policy == 0   ? core::OnLoss::fenced
                : policy == 1 ? core::OnLoss::unsafe
                              : core::OnLoss::automatic;
    s.rebalance = dice.one_in(3) ? core::Rebalance::never : core::Rebalance::automatic;
    s.lenient = s.nodes > 2 && dice.one_in(4);
    const std::uint32_t mood = dice.roll(4);
    s.slow = dice.one_in(3) ? 0 : 2 + dice.roll(20);
    s.lossy = dice.one_in(2) ? 0 : 3 + dice.roll(30);
    s.stalls = dice.one_in(2) ? 0 : 10 + dice.roll(200);
    s.sluggish = dice.one_in(2) ? 0 : 1 + dice.roll(s.nodes);
    s.chaos_beats = 15 + dice.roll(45);
    const Instant from = 2 * lease;
    const Instant to = from + s.chaos_beats * beat;
    const std::uint32_t actions = 2 + dice.roll(4 + (mix.dense ? 3 * s.chaos_beats : s.chaos_beats / 2));
    std::uint32_t crashing =
        0;  // in a lenient schedule only one node forgets, or a half could begin from nothing
    for (std::uint32_t i = 0; i < actions; ++i) {
        Action a = make_action(dice, s, mood);
        a.at = dice.span(from, to);
        const bool forgets = a.kind == Kind::crash || a.kind == Kind::power_off || a.kind == Kind::fence ||
                             a.kind == Kind::ghost || a.kind == Kind::leave || a.kind == Kind::other_lease;
        if (s.lenient && forgets) {
            if (crashing == 0) crashing = a.a + 1;
            a.a = crashing - 1;
        }
        s.actions.push_back(a);
    }
    std::ranges::stable_sort(s.actions, {}, &Action::at);
    s.portion = dice.one_in(2) ? 0 : 1 + dice.roll(3);
    return s;
}

std::string to_text(const Schedule& s) {
    std::ostringstream out;
    out << "schedule seed=" << s.seed << " nodes=" << s.nodes << " slots=" << s.slots
        << " on_loss=" << static_cast<int>(s.on_loss) << " rebalance=" << static_cast<int>(s.rebalance)
        << " lenient=" << s.lenient << " slow=" << s.slow << " lossy=" << s.lossy << " stalls=" << s.stalls
        << " sluggish=" << s.sluggish << " chaos_beats=" << s.chaos_beats << " portion=" << s.portion << '\n';
    for (const Action& a : s.actions)
        out << a.at << ' ' << kinds[static_cast<std::size_t>(a.kind)] << ' ' << a.a << ' ' << a.b << ' '
            << a.span << '\n';
    return out.str();
}

bool from_text(const std::string& text, Schedule& s) {
    std::istringstream in(text);
    std::string line;
    bool begun = false;
    while (std::getline(in, line)) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        if (!begun) {
            std::string word;
            words >> word;
            if (word != "schedule") continue;
            std::uint64_t value[12] = {};
            std::size_t count = 0;
            for (; count < std::size(value) && words >> word; ++count) {
                const auto equals = word.find('=');
                if (equals == std::string::npos) return false;
                value[count] = std::stoull(word.substr(equals + 1));
            }
            // The last one came later, and is 0 where there is none.
            if (count + 1 < std::size(value)) return false;
            s = {};
            s.seed = value[0];
            s.nodes = static_cast<std::uint32_t>(value[1]);
            s.slots = static_cast<std::uint32_t>(value[2]);
            s.on_loss = static_cast<core::OnLoss>(value[3]);
            s.rebalance = static_cast<core::Rebalance>(value[4]);
            s.lenient = value[5] != 0;
            s.slow = static_cast<std::uint32_t>(value[6]);
            s.lossy = static_cast<std::uint32_t>(value[7]);
            s.stalls = static_cast<std::uint32_t>(value[8]);
            s.sluggish = static_cast<std::uint32_t>(value[9]);
            s.chaos_beats = static_cast<std::uint32_t>(value[10]);
            s.portion = static_cast<std::uint32_t>(value[11]);
            begun = true;
            continue;
        }
        Action a;
        std::string kind;
        words >> a.at >> kind >> a.a >> a.b >> a.span;
        const auto found = std::ranges::find_if(kinds, [&](const char* k) { return kind == k; });
        if (!words || found == kinds.end()) return false;
        a.kind = static_cast<Kind>(found - kinds.begin());
        s.actions.push_back(a);
    }
    return begun;
}

}  // namespace buoy::simulation
