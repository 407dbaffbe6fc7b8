// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "buoy/virtual_mac.hpp"
#include "service/runtime/texts.hpp"

namespace buoy::runtime {

namespace {

using nlohmann::json;

std::int64_t ms(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

json names_in(const View& view, core::NodeMask mask) {
    json names = json::array();
    for (core::NodeIndex i = 0; i < core::max_nodes; ++i)
        if (core::has(mask, i)) names.push_back(view.names.of(view.ownership.agreed().voters[i].id));
    return names;
}

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
    return std::ranges::find(nodes, node) != nodes.end();
}

json node_of(const View& view, NodeId id) {
    const core::AgreedState& agreed = view.ownership.agreed();
    const core::NodeIndex i = agreed.find(id);
    json node{{"name", view.names.of(id)},
              {"id", id.value},
              {"voter", i != core::no_index},
              {"lost", i != core::no_index && agreed.voters[i].lost},
              {"condemned", contains(view.status.condemned, id)},
              {"drained", i != core::no_index && agreed.voters[i].drained}};
    node["member"] = i != core::no_index && !agreed.voters[i].lost;
    if (i != core::no_index && id != view.ownership.self()) {
        const TimePoint heard = view.ownership.peers().last_beat(i);
        if (heard != TimePoint{}) node["heard_ms"] = ms(view.now - heard);
    }
    return node;
}

const gate::Counters* counters_in(const View& view, const core::Pool& pool, std::uint32_t slot) {
    if (view.counted == nullptr) return nullptr;
    const auto found = view.counted->pools.find(pool.config.name);
    if (found == view.counted->pools.end() || slot >= found->second.size()) return nullptr;
    return &found->second[slot];
}

/// How many of the pool's slots this node answers for. The core's word of a close may come before the
/// kernel's side's.
std::int64_t answered_for(const View& view, const core::Pool& pool, const PoolFacts& facts) {
    return std::max<std::int64_t>(0, view.ownership.holding().open_count(pool.id) - count_withheld(facts));
}

json slot_of(const View& view, const core::Pool& pool, const PoolFacts& facts, std::uint32_t slot) {
    const core::AgreedState& agreed = view.ownership.agreed();
    json list = json::array();
    for (const core::NodeIndex i : pool.list(slot)) list.push_back(view.names.of(agreed.voters[i].id));
    json entry{{"slot", slot}, {"list", list}, {"pin", nullptr}};
    if (slot < facts.addresses.size()) {
        entry["address"] = facts.addresses[slot].to_string();
        if (facts.virtual_macs) entry["mac"] = virtual_mac_of(facts.addresses[slot]).to_string();
    }
    entry["owner"] = list.empty() ? json(nullptr) : list.front();
    entry["state"] =
        is_withheld(facts, slot) ? "withheld" : name_of(view.ownership.holding().state({pool.id, slot}));
    if (const gate::Counters* counters = counters_in(view, pool, slot)) {
        entry["packets"] = counters->packets;
        entry["bytes"] = counters->bytes;
        entry["dropped"] = counters->dropped;
    }
    const auto pin = std::ranges::find(pool.pins, slot, &core::PinnedSlot::slot);
    if (pin != pool.pins.end()) entry["pin"] = view.names.of(pin->node);
    return entry;
}

json pool_of(const View& view, const core::Pool& pool) {
    const core::AgreedState& agreed = view.ownership.agreed();
    const PoolFacts facts = view.facts(pool.config);
    json weights = json::object();
    for (const core::Weight& w : pool.weights) weights[view.names.of(w.node)] = w.weight;
    json table = json::array();
    for (std::uint32_t s = 0; s < pool.config.slots; ++s) table.push_back(slot_of(view, pool, facts, s));
    json shown{{"name", pool.config.name},
               {"nic", facts.nic},
               {"on_loss", name_of(pool.config.on_loss)},
               {"waits_for_fencing", agreed.waits_for_fencing(pool)},
               {"rebalance", name_of(pool.config.rebalance)},
               {"unsafe", pool.config.on_loss == core::OnLoss::unsafe},
               {"members", names_in(view, pool.members)},
               {"not_eligible", names_in(view, pool.members & ~agreed.eligible(pool))},
               {"weights", weights},
               {"slots", pool.config.slots},
               {"held", answered_for(view, pool, facts)},
               {"table", table}};
    const core::NodeIndex self = agreed.find(view.ownership.self());
    const bool here = self != core::no_index;
    shown["started"] = here && core::has(pool.members, self);
    shown["failed_open"] = here && core::has(pool.failed_open, self);
    shown["no_carrier"] = here && core::has(pool.no_carrier, self);
    if (!facts.shared.empty()) {
        shown["buckets"] = pool.config.slots;
        shown["hash"] = facts.hash;
        shown["l2"] = facts.l2;
        shown["addresses"] = json::array();
        for (const IpAddress& ip : facts.shared) shown["addresses"].push_back(ip.to_string());
    }
    shown["conflicts"] = json::array();
    for (const ClaimedAddress& claimed : facts.claims)
        shown["conflicts"].push_back({{"address", claimed.ip.to_string()},
                                      {"mac", claimed.mac.to_string()},
                                      {"claims", claimed.count},
                                      {"withheld", claimed.withheld},
                                      {"last_ms", ms(view.now - claimed.last)}});
    if (!facts.no_carrier.empty()) shown["no_carrier_because"] = facts.no_carrier;
    return shown;
}

/// One figure of every slot that has it.
std::string slot_lines(const View& view, const char* name, std::uint64_t gate::Counters::*figure) {
    std::string text;
    for (const core::Pool& pool : view.ownership.agreed().pools) {
        const PoolFacts facts = view.facts(pool.config);
        for (std::uint32_t slot = 0; slot < pool.config.slots; ++slot) {
            const gate::Counters* counters = counters_in(view, pool, slot);
            if (counters == nullptr || counters->*figure == 0) continue;
            const std::string shown =
                slot < facts.addresses.size() ? facts.addresses[slot].to_string() : std::to_string(slot);
            text += fmt::format("buoy_slot_{}_total{{pool=\"{}\",slot=\"{}\"}} {}\n", name, pool.config.name,
                                shown, counters->*figure);
        }
    }
    return text;
}

json counters_of(const View& view) {
    json counters = json::object();
    for (std::size_t i = 0; i < static_cast<std::size_t>(core::Refusal::count_); ++i) {
        const auto reason = static_cast<core::Refusal>(i);
        counters[std::string("refused_") + name_of(reason)] = view.ownership.refused(reason);
    }
    return counters;
}

std::vector<NodeId> nodes_of(const View& view) {
    std::vector<NodeId> nodes;
    for (const auto& [id, name] : view.names.all()) nodes.push_back(id);
    for (const core::Voter& voter : view.ownership.agreed().voters)
        if (voter.id.value != 0 && !contains(nodes, voter.id)) nodes.push_back(voter.id);
    std::ranges::sort(nodes);
    return nodes;
}

}  // namespace

bool is_withheld(const PoolFacts& facts, std::uint32_t slot) {
    if (slot >= facts.addresses.size()) return false;
    const auto found = std::ranges::lower_bound(facts.claims, facts.addresses[slot], {}, &ClaimedAddress::ip);
    return found != facts.claims.end() && found->ip == facts.addresses[slot] && found->withheld;
}

std::int64_t count_withheld(const PoolFacts& facts) {
    return std::ranges::count_if(facts.claims, &ClaimedAddress::withheld);
}

void tell_facts(const pool::PoolParameters& parameters, PoolFacts& facts) {
    if (parameters.buckets == 0) {
        facts.addresses = parameters.addresses;
        facts.virtual_macs = parameters.virtual_macs;
        return;
    }
    const json all = parameters.to_json();
    facts.shared = parameters.addresses;
    facts.hash = all.at("hash");
    facts.l2 = all.at("l2");
}

json status_of(const View& view) {
    const core::AgreedState& agreed = view.ownership.agreed();
    const core::Status& status = view.status;
    json answer{{"ok", true},
                {"node", view.names.of(view.ownership.self())},
                {"id", view.ownership.self().value},
                {"incarnation", view.incarnation.value},
                {"cluster", view.cluster},
                {"phase", name_of(view.ownership.phase())},
                {"primary", status.primary},
                {"quorate", status.quorate},
                {"out", view.ownership.out()},
                {"close_failed", status.close_failed},
                {"cut_off", status.cut_off},
                {"resynced", status.resynced},
                {"lease_ms", ms(view.lease)},
                {"beat_ms", ms(view.beat)},
                {"lease_left_ms", std::max<std::int64_t>(0, ms(view.ownership.deadline() - view.now))},
                {"ring", fmt::format("{}.{:x}", agreed.tag.ring.ring.node.value, agreed.tag.ring.ring.seq)},
                {"entries", agreed.tag.entries},
                {"silence_counts", agreed.leases_count}};
    if (view.counted != nullptr) answer["counted_ms"] = ms(view.counted->at.time_since_epoch());
    json others = json::object();
    for (const core::OtherLease& other : status.other_leases)
        others[view.names.of(other.node)] = ms(other.lease);
    answer["other_leases_ms"] = others;
    json nodes = json::array();
    for (const NodeId id : nodes_of(view)) nodes.push_back(node_of(view, id));
    answer["nodes"] = nodes;
    json pools = json::array();
    for (const core::Pool& pool : agreed.pools) pools.push_back(pool_of(view, pool));
    answer["pools"] = pools;
    answer["counters"] = counters_of(view);
    return answer;
}

std::string metrics_of(const View& view) {
    const core::AgreedState& agreed = view.ownership.agreed();
    std::string text;
    const auto head = [&](const char* name, const char* type, const char* help) {
        text += fmt::format("# TYPE buoy_{0} {1}\n# HELP buoy_{0} {2}\n", name, type, help);
    };
    head("primary", "gauge", "Whether this node is in the part of the cluster that decides.");
    text += fmt::format("buoy_primary {}\n", int{view.status.primary});
    head("quorate", "gauge", "Whether votequorum says that this node has quorum.");
    text += fmt::format("buoy_quorate {}\n", int{view.status.quorate});
    head("lease_left_seconds", "gauge", "Until the lease of this node ends.");
    const double left = static_cast<double>((view.ownership.deadline() - view.now).count()) / 1e9;
    text += fmt::format("buoy_lease_left_seconds {:.3f}\n", std::max(0.0, left));
    head("slots", "gauge", "Slots of the pool.");
    for (const core::Pool& p : agreed.pools)
        text += fmt::format("buoy_slots{{pool=\"{}\"}} {}\n", p.config.name, p.config.slots);
    head("slots_held", "gauge", "Slots of the pool that this node answers for.");
    for (const core::Pool& p : agreed.pools)
        text += fmt::format("buoy_slots_held{{pool=\"{}\"}} {}\n", p.config.name,
                            answered_for(view, p, view.facts(p.config)));
    head("slots_withheld", "gauge",
         "Slots that are this node's, and that it does not answer for: claimed by others.");
    for (const core::Pool& p : agreed.pools)
        text += fmt::format("buoy_slots_withheld{{pool=\"{}\"}} {}\n", p.config.name,
                            count_withheld(view.facts(p.config)));
    head("members", "gauge", "Nodes on which the pool is started.");
    for (const core::Pool& p : agreed.pools)
        text += fmt::format("buoy_members{{pool=\"{}\"}} {}\n", p.config.name, std::popcount(p.members));
    head("node_condemned", "gauge", "Whether a majority has not heard from the node for a lease.");
    for (const NodeId id : nodes_of(view))
        text += fmt::format("buoy_node_condemned{{node=\"{}\"}} {}\n", view.names.of(id),
                            int{contains(view.status.condemned, id)});
    head("messages_refused", "counter", "Messages that were dropped, by reason.");
    for (std::size_t i = 0; i < static_cast<std::size_t>(core::Refusal::count_); ++i) {
        const auto reason = static_cast<core::Refusal>(i);
        text += fmt::format("buoy_messages_refused_total{{reason=\"{}\"}} {}\n", name_of(reason),
                            view.ownership.refused(reason));
    }
    head("slot_packets", "counter", "Packets that passed this node's gate for the slot.");
    text += slot_lines(view, "packets", &gate::Counters::packets);
    head("slot_bytes", "counter", "Bytes of these.");
    text += slot_lines(view, "bytes", &gate::Counters::bytes);
    head("slot_dropped", "counter", "Packets for the slot that this node's gate dropped.");
    text += slot_lines(view, "dropped", &gate::Counters::dropped);
    head("conflicting_claims", "counter", "Claims by other hosts of addresses that this node held.");
    for (const core::Pool& pool : agreed.pools)
        for (const ClaimedAddress& claimed : view.facts(pool.config).claims)
            text += fmt::format("buoy_conflicting_claims_total{{pool=\"{}\",address=\"{}\"}} {}\n",
                                pool.config.name, claimed.ip.to_string(), claimed.count);
    return text + "# EOF\n";
}

}  // namespace buoy::runtime
