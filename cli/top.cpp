// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/top.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "cli/table.hpp"

namespace buoy::cli {

namespace {

double rate(std::int64_t before, std::int64_t now, std::int64_t ms) {
    const std::int64_t more = now >= before ? now - before : now;
    return ms <= 0 ? 0 : static_cast<double>(more) * 1000 / static_cast<double>(ms);
}

std::string figure(double value) {
    if (value >= 1e9) return fmt::format("{:.1f} G", value / 1e9);
    if (value >= 1e6) return fmt::format("{:.1f} M", value / 1e6);
    if (value >= 1e4) return fmt::format("{:.1f} k", value / 1e3);
    return fmt::format("{:.0f}", value);
}

std::vector<std::string> row(const std::string& slot, const std::string& owner, const Load& load) {
    return {slot, owner.empty() ? "-" : owner, figure(load.packets), figure(load.bytes),
            figure(load.dropped)};
}

void add(const Load& load, Load& to) {
    to.packets += load.packets;
    to.bytes += load.bytes;
    to.dropped += load.dropped;
}

}  // namespace

std::vector<Load> loads_between(const Status& before, const Status& now) {
    const std::int64_t ms = now.counted_ms - before.counted_ms;
    std::vector<Load> loads;
    for (const Pool& pool : now.pools) {
        const Pool* was = before.pool(pool.name);
        for (std::size_t i = 0; i < pool.table.size(); ++i) {
            const Slot& slot = pool.table[i];
            const Slot none;
            const Slot& then = was != nullptr && i < was->table.size() ? was->table[i] : none;
            loads.push_back(
                {pool.name, slot.address.empty() ? fmt::format("{}/{}", pool.name, slot.index) : slot.address,
                 slot.owner, rate(then.packets, slot.packets, ms), rate(then.bytes, slot.bytes, ms),
                 rate(then.dropped, slot.dropped, ms)});
        }
    }
    std::ranges::stable_sort(loads, [](const Load& a, const Load& b) {
        return std::tie(a.packets, a.bytes, a.dropped) > std::tie(b.packets, b.bytes, b.dropped);
    });
    return loads;
}

std::vector<Load> pool_loads_between(const Status& before, const Status& now) {
    std::vector<Load> sums;
    for (const Pool& pool : now.pools) sums.push_back({.pool = pool.name, .slot = {}, .owner = {}});
    for (const Load& load : loads_between(before, now))
        add(load, *std::ranges::find(sums, load.pool, &Load::pool));
    return sums;
}

std::string load_text(const Load& load) {
    return fmt::format("{} packets/s, {} bytes/s, {} dropped/s", figure(load.packets), figure(load.bytes),
                       figure(load.dropped));
}

std::string top_text(const Status& now, const std::vector<Load>& loads, std::size_t most) {
    std::vector<std::vector<std::string>> rows = {{"slot", "owner", "packets/s", "bytes/s", "dropped/s"}};
    Load sum;
    for (const Load& load : loads) {
        add(load, sum);
        const bool busy = load.packets > 0 || load.dropped > 0;
        if (busy && rows.size() <= most) rows.push_back(row(load.slot, load.owner, load));
    }
    rows.push_back(row("all", "", sum));
    return fmt::format("Through the gate of {}\n", now.node) + table_text(rows);
}

nlohmann::json top_json(const Status& now, const std::vector<Load>& loads) {
    nlohmann::json slots = nlohmann::json::array();
    for (const Load& load : loads)
        slots.push_back({{"pool", load.pool},
                         {"slot", load.slot},
                         {"owner", load.owner.empty() ? nlohmann::json(nullptr) : nlohmann::json(load.owner)},
                         {"packets_per_s", load.packets},
                         {"bytes_per_s", load.bytes},
                         {"dropped_per_s", load.dropped}});
    return {{"ok", true}, {"node", now.node}, {"slots", slots}};
}

}  // namespace buoy::cli
