// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "buoy/ip.hpp"

namespace buoy::cli {

namespace {

using nlohmann::json;

std::string text(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

bool flag(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::vector<std::string> texts(const json& object, const char* name) {
    std::vector<std::string> all;
    const auto found = object.find(name);
    if (found == object.end() || !found->is_array()) return all;
    for (const auto& item : *found)
        if (item.is_string()) all.push_back(item.get<std::string>());
    return all;
}

/// The objects of a list.
template <typename Each>
void for_each_in(const json& object, const char* name, Each each) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_array()) return;
    for (const auto& item : *found)
        if (item.is_object()) each(item);
}

Node read_node(const json& object) {
    Node node;
    node.name = text(object, "name");
    node.id = number(object, "id");
    node.voter = flag(object, "voter");
    node.lost = flag(object, "lost");
    node.condemned = flag(object, "condemned");
    node.drained = flag(object, "drained");
    if (object.contains("heard_ms")) node.heard_ms = number(object, "heard_ms");
    return node;
}

Slot read_slot(const json& object) {
    return {number(object, "slot"),  text(object, "address"),  text(object, "mac"), texts(object, "list"),
            text(object, "owner"),   text(object, "state"),    text(object, "pin"), number(object, "packets"),
            number(object, "bytes"), number(object, "dropped")};
}

Pool read_pool(const json& object) {
    Pool pool;
    pool.name = text(object, "name");
    pool.nic = text(object, "nic");
    pool.on_loss = text(object, "on_loss");
    pool.rebalance = text(object, "rebalance");
    pool.started = flag(object, "started");
    pool.failed_open = flag(object, "failed_open");
    pool.no_carrier = flag(object, "no_carrier");
    pool.no_carrier_because = text(object, "no_carrier_because");
    pool.waits_for_fencing = flag(object, "waits_for_fencing");
    pool.members = texts(object, "members");
    pool.not_eligible = texts(object, "not_eligible");
    pool.slots = number(object, "slots");
    pool.buckets = number(object, "buckets") > 0;
    pool.hash = text(object, "hash");
    pool.l2 = text(object, "l2");
    pool.addresses = texts(object, "addresses");
    pool.held = number(object, "held");
    if (const auto weights = object.find("weights"); weights != object.end() && weights->is_object())
        for (const auto& [name, weight] : weights->items())
            if (weight.is_number()) pool.weights.emplace_back(name, weight.get<std::int64_t>());
    for_each_in(object, "table", [&](const json& slot) { pool.table.push_back(read_slot(slot)); });
    for_each_in(object, "conflicts", [&](const json& one) {
        pool.conflicts.push_back({text(one, "address"), text(one, "mac"), number(one, "claims"),
                                  number(one, "last_ms"), flag(one, "withheld")});
    });
    return pool;
}

SlotName named(const Pool& pool, const Slot& slot) {
    return {pool.name, slot.index,
            slot.address.empty() ? fmt::format("{}/{}", pool.name, slot.index) : slot.address};
}

Result<SlotName> by_index(const Status& status, const std::string& name, const std::string& index) {
    const Pool* pool = status.pool(name);
    if (pool == nullptr)
        return fail(fmt::format("there is no pool '{}'; `buoy pool list` shows those there are", name));
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), number);
    const auto slot = std::ranges::find(pool->table, number, &Slot::index);
    if (error != std::errc{} || end != index.data() + index.size() || slot == pool->table.end())
        return fail(
            fmt::format("pool {} has no slot '{}': its slots are 0 to {}", name, index, pool->slots - 1));
    return named(*pool, *slot);
}

}  // namespace

std::int64_t Pool::owned_by(std::string_view node) const {
    return std::ranges::count(table, node, &Slot::owner);
}

const Pool* Status::pool(std::string_view name) const {
    const auto found = std::ranges::find(pools, name, &Pool::name);
    return found == pools.end() ? nullptr : &*found;
}

Status read_status(const json& reply) {
    Status status;
    status.node = text(reply, "node");
    status.cluster = text(reply, "cluster");
    status.phase = text(reply, "phase");
    status.primary = flag(reply, "primary");
    status.quorate = flag(reply, "quorate");
    status.out = flag(reply, "out");
    status.cut_off = flag(reply, "cut_off");
    status.close_failed = flag(reply, "close_failed");
    status.lease_ms = number(reply, "lease_ms");
    status.beat_ms = number(reply, "beat_ms");
    status.lease_left_ms = number(reply, "lease_left_ms");
    status.ring = text(reply, "ring");
    status.entries = number(reply, "entries");
    status.counted_ms = number(reply, "counted_ms");
    for_each_in(reply, "nodes", [&](const json& node) { status.nodes.push_back(read_node(node)); });
    for_each_in(reply, "pools", [&](const json& pool) { status.pools.push_back(read_pool(pool)); });
    return status;
}

Result<SlotName> find_slot(const Status& status, const std::string& text) {
    // IPv6 has no '/', and pools have no ':' in their names.
    if (const auto slash = text.find('/'); slash != std::string::npos)
        return by_index(status, text.substr(0, slash), text.substr(slash + 1));
    const auto ip = IpAddress::parse(text);
    if (!ip)
        return fail(fmt::format(
            "'{}' is no slot: name its address, such as 192.0.2.10, or POOL/INDEX, such as web/0", text));
    for (const auto& pool : status.pools)
        if (std::ranges::count(pool.addresses, ip->to_string()) != 0)
            return fail(fmt::format("{} is shared by the buckets {}/0 to {}/{}: name one of them",
                                    ip->to_string(), pool.name, pool.name, pool.slots - 1));
    // A pool that has no members any more is meant only if there is no other.
    std::vector<SlotName> found;
    for (const bool empty : {false, true}) {
        if (!found.empty()) break;
        for (const auto& pool : status.pools)
            for (const auto& slot : pool.table)
                if (pool.members.empty() == empty && slot.address == ip->to_string())
                    found.push_back(named(pool, slot));
    }
    if (found.empty())
        return fail(
            fmt::format("no pool has the address {}; `buoy pool list` shows what there is", ip->to_string()));
    if (found.size() > 1)
        return fail(
            fmt::format("{} is in the pools {} and {}: name it as {}/{}, and take it out of one of them",
                        ip->to_string(), found[0].pool, found[1].pool, found[0].pool, found[0].index));
    return found.front();
}

}  // namespace buoy::cli
