// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "buoy/ip.hpp"
#include "cli/table.hpp"
#include "pool/parameters.hpp"

namespace buoy::cli {

namespace {

constexpr std::string_view red = "\x1b[1;31m";
constexpr std::string_view plain = "\x1b[0m";

std::string duration_text(std::int64_t ms) {
    if (ms < 1000) return fmt::format("{} ms", ms);
    if (ms < 60'000) return fmt::format("{}.{} s", ms / 1000, ms % 1000 / 100);
    if (ms < 3'600'000) return fmt::format("{} min", ms / 60'000);
    return fmt::format("{} h", ms / 3'600'000);
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
    return fmt::format("{}", fmt::join(words, between));
}

/// Numbers in a row, such as 0-84 86.
std::string ranges_text(const std::vector<std::int64_t>& numbers) {
    std::vector<std::string> ranges;
    for (auto first = numbers.begin(); first != numbers.end();) {
        auto last = first;
        while (std::next(last) != numbers.end() && *std::next(last) == *last + 1) ++last;
        ranges.push_back(first == last ? std::to_string(*first) : fmt::format("{}-{}", *first, *last));
        first = std::next(last);
    }
    return join(ranges, " ");
}

/// Addresses as ranges where they are known, else the slots' numbers.
std::string slots_text(const Pool& pool, std::string_view owner) {
    std::vector<IpAddress> addresses;
    std::vector<std::string> others;
    std::vector<std::int64_t> buckets;
    for (const auto& slot : pool.table) {
        if (slot.owner != owner) continue;
        if (pool.buckets) {
            buckets.push_back(slot.index);
            continue;
        }
        if (const auto ip = IpAddress::parse(slot.address))
            addresses.push_back(*ip);
        else
            others.push_back(fmt::format("{}/{}", pool.name, slot.index));
    }
    if (pool.buckets) return ranges_text(buckets);
    std::string text = pool::addresses_text(addresses);
    if (!others.empty()) text += (text.empty() ? "" : " ") + join(others, " ");
    return text;
}

/// As many words as fit.
std::string fitted(const std::string& text, std::size_t width) {
    constexpr std::string_view more = " ...";
    if (text.size() <= width) return text;
    const auto end = text.rfind(' ', width - more.size());
    return text.substr(0, end == std::string::npos ? width - more.size() : end) + std::string(more);
}

std::string state_of(const Node& node) {
    std::vector<std::string> words = {node.voter ? "voter" : "no voter"};
    if (node.lost) words.emplace_back("lost");
    if (node.condemned) words.emplace_back("condemned");
    if (node.drained) words.emplace_back("drained");
    return join(words, ", ");
}

std::string heard_of(const Status& status, const Node& node) {
    if (node.name == status.node) return "this node";
    return node.heard_ms ? duration_text(*node.heard_ms) + " ago" : "never";
}

std::int64_t weight_of(const Pool& pool, const std::string& node) {
    const auto found = std::ranges::find(pool.weights, node, &std::pair<std::string, std::int64_t>::first);
    return found == pool.weights.end() ? 100 : found->second;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::count(names, name) != 0;
}

/// Members, and whoever else owns something.
std::vector<std::string> nodes_of(const Pool& pool) {
    std::vector<std::string> nodes = pool.members;
    for (const auto& slot : pool.table)
        if (!slot.owner.empty() && !contains(nodes, slot.owner)) nodes.push_back(slot.owner);
    return nodes;
}

std::string settings_of(const Pool& pool) {
    if (pool.buckets)
        return fmt::format("{} bucket{} of {}{}, hash={}, l2={}, on_loss={}, rebalance={}", pool.slots,
                           pool.slots == 1 ? "" : "s", join(pool.addresses, " "),
                           pool.nic.empty() ? "" : " on " + pool.nic, pool.hash, pool.l2, pool.on_loss,
                           pool.rebalance);
    return fmt::format("{} slot{}{}, on_loss={}, rebalance={}", pool.slots, pool.slots == 1 ? "" : "s",
                       pool.nic.empty() ? "" : " on " + pool.nic, pool.on_loss, pool.rebalance);
}

std::string pool_summary(const Pool& pool, const Style& style) {
    std::string text = fmt::format("Pool {}: {}{}\n", pool.name, settings_of(pool),
                                   pool.started ? "" : ", not started on this node");
    std::vector<std::vector<std::string>> rows = {{"node", "weight", "slots", "which"}};
    for (const auto& node : nodes_of(pool))
        rows.push_back({node, std::to_string(weight_of(pool, node)), std::to_string(pool.owned_by(node)),
                        fitted(slots_text(pool, node), std::max<std::size_t>(40, style.width - 24))});
    if (const auto nobodys = pool.owned_by(""); nobodys > 0)
        rows.push_back({"nobody", "", std::to_string(nobodys),
                        fitted(slots_text(pool, ""), std::max<std::size_t>(40, style.width - 24))});
    return text + table_text(rows);
}

void warn_of_cluster(const Status& status, std::vector<std::string>& into) {
    if (!status.quorate)
        into.emplace_back(
            "this node has no quorum, so it holds nothing: bring nodes back until `corosync-quorumtool` says "
            "Quorate");
    else if (!status.primary)
        into.push_back(
            fmt::format("this node is in no primary configuration ({}), so it holds nothing: start buoyd on "
                        "the other nodes; of one that will not come back say `buoy forget NODE`",
                        status.phase));
    if (status.cut_off)
        into.emplace_back(
            "this node is out until beats go to and fro between it and a majority: a packet filter on one of "
            "Corosync's networks may drop them");
    else if (status.out)
        into.emplace_back("this node is out of the agreed order: it holds nothing until it has rejoined");
    if (status.close_failed)
        into.emplace_back(
            "an address could not be removed from this node, which renews no lease until it is: see "
            "`journalctl -u buoyd`");
}

void warn_of_nodes(const Status& status, std::vector<std::string>& into) {
    std::vector<std::string> waiting;
    for (const auto& pool : status.pools)
        if (pool.waits_for_fencing) waiting.push_back(pool.name);
    for (const auto& node : status.nodes) {
        if (node.lost && !waiting.empty())
            into.push_back(fmt::format(
                "{} is lost, and {} wait{} until it is fenced; if it is off for certain say `buoy "
                "confirm-down {}`",
                node.name, join(waiting, ", "), waiting.size() == 1 ? "s" : "", node.name));
        else if (node.lost)
            into.push_back(node.name + " is lost: the others hold its slots");
        else if (node.condemned)
            into.push_back(node.name +
                           " has not been heard by a majority for a lease: the others may hold its slots");
        if (node.drained)
            into.push_back(
                fmt::format("{} is drained: it gets no slots until `buoy undrain {}`", node.name, node.name));
    }
}

/// What is wrong with the node has been said.
bool is_known_to_be_away(const Status& status, const std::string& name) {
    const auto node = std::ranges::find(status.nodes, name, &Node::name);
    return node != status.nodes.end() && (node->lost || node->condemned || node->drained);
}

void warn_of_pool(const Status& status, const Pool& pool, std::vector<std::string>& into) {
    if (pool.on_loss == "unsafe")
        into.push_back(
            fmt::format("pool {} is unsafe: two nodes that lose each other may both answer for an address; "
                        "on_loss=auto prevents it",
                        pool.name));
    if (pool.members.empty())
        into.push_back(fmt::format(
            "pool {0} is started nowhere: start its resource, or `buoy pool remove {0}`", pool.name));
    if (pool.failed_open)
        into.push_back(
            fmt::format("pool {0}: an address could not be added on this node: see `journalctl -u buoyd`, "
                        "then `buoy pool cleanup {0}`",
                        pool.name));
    if (pool.no_carrier)
        into.push_back(fmt::format("pool {}: {}", pool.name,
                                   pool.no_carrier_because.empty() ? "its NIC on this node has no carrier"
                                                                   : pool.no_carrier_because));
    for (const Conflict& one : pool.conflicts)
        into.push_back(
            fmt::format("pool {}: {} is claimed by another host, MAC {}: {} times, last {:.0f} s ago{}",
                        pool.name, one.address, one.mac, one.claims, static_cast<double>(one.last_ms) / 1000,
                        one.withheld ? "; this node does not answer for it until nobody else does" : ""));
    for (const auto& node : pool.not_eligible)
        if (node != status.node && !is_known_to_be_away(status, node))
            into.push_back(
                fmt::format("pool {} cannot use {}: `buoy status` there says why", pool.name, node));
}

/// How much of a picture's cell is a node's.
std::string_view shade(std::int64_t owned, std::int64_t of) {
    if (owned == 0) return "·";
    if (owned == of) return "█";
    if (3 * owned <= of) return "░";
    return 3 * owned <= 2 * of ? "▒" : "▓";
}

std::string bar(const Pool& pool, const std::string& node, std::int64_t columns) {
    std::string text;
    const auto slots = static_cast<std::int64_t>(pool.table.size());
    for (std::int64_t column = 0; column < columns; ++column) {
        const auto from = pool.table.begin() + column * slots / columns;
        const auto to = pool.table.begin() + (column + 1) * slots / columns;
        text +=
            shade(std::count_if(from, to, [&](const Slot& slot) { return slot.owner == node; }), to - from);
    }
    return text;
}

std::string coloured(const std::string& text, std::size_t nth, const Style& style) {
    constexpr std::array colours = {32, 36, 33, 35, 34, 31};
    return style.colour ? fmt::format("\x1b[{}m{}{}", colours[nth % colours.size()], text, plain) : text;
}

std::string note_on(const Status& status, const Pool& pool, const std::string& name) {
    std::vector<std::string> notes;
    const auto node = std::ranges::find(status.nodes, name, &Node::name);
    if (node != status.nodes.end()) {
        if (node->lost) notes.emplace_back("lost");
        if (node->condemned && !node->lost) notes.emplace_back("not heard");
        if (node->drained) notes.emplace_back("drained");
    }
    if (notes.empty() && contains(pool.not_eligible, name)) notes.emplace_back("not eligible");
    return notes.empty() ? "" : "  " + join(notes, ", ");
}

std::string pool_picture(const Status& status, const Pool& pool, const Style& style) {
    auto nodes = nodes_of(pool);
    if (pool.owned_by("") > 0) nodes.emplace_back();
    std::size_t longest = std::string_view("nobody").size();
    for (const auto& node : nodes) longest = std::max(longest, width_of(node));
    const auto room =
        static_cast<std::int64_t>(std::max<std::size_t>(style.width, longest + 40) - longest - 24);
    const auto columns = std::min(room, static_cast<std::int64_t>(pool.table.size()));
    std::string text = fmt::format("{}: {}\n", pool.name, settings_of(pool));
    for (std::size_t i = 0; i < nodes.size(); ++i)
        text += fmt::format("{:<{}} {:>5} {}{}\n", nodes[i].empty() ? "nobody" : nodes[i], longest,
                            pool.owned_by(nodes[i]), coloured(bar(pool, nodes[i], columns), i, style),
                            note_on(status, pool, nodes[i]));
    return text;
}

std::string counts_of(const Pool& pool) {
    std::vector<std::string> counts;
    for (const auto& node : nodes_of(pool)) counts.push_back(fmt::format("{} {}", node, pool.owned_by(node)));
    if (const auto nobodys = pool.owned_by(""); nobodys > 0)
        counts.push_back(fmt::format("nobody {}", nobodys));
    return fmt::format("{}: {}", pool.name, counts.empty() ? "no slots" : join(counts, ", "));
}

std::string name_or_nobody(const std::string& node) {
    return node.empty() ? "nobody" : node;
}

/// Few moves one by one, many by their numbers.
std::string moves_between(const Pool& before, const Pool& now) {
    constexpr std::size_t few = 3;
    std::vector<std::string> moves;
    std::map<std::string, std::int64_t> counts;
    for (std::size_t i = 0; i < std::min(before.table.size(), now.table.size()); ++i) {
        const Slot& slot = now.table[i];
        if (slot.owner == before.table[i].owner) continue;
        const auto way = name_or_nobody(before.table[i].owner) + " to " + name_or_nobody(slot.owner);
        moves.push_back((slot.address.empty() ? std::to_string(slot.index) : slot.address) + ' ' + way);
        ++counts[way];
    }
    if (moves.size() <= few) return join(moves, ", ");
    std::vector<std::string> summed;
    for (const auto& [way, count] : counts) summed.push_back(fmt::format("{} {}", count, way));
    return join(summed, ", ");
}

void compare_nodes(const Status& before, const Status& now, std::vector<std::string>& lines) {
    for (const auto& node : now.nodes) {
        const auto was = std::ranges::find(before.nodes, node.name, &Node::name);
        if (was == before.nodes.end()) {
            lines.push_back(fmt::format("{}: {}", node.name, state_of(node)));
        } else if (state_of(*was) != state_of(node)) {
            lines.push_back(fmt::format("{}: {}", node.name, state_of(node)));
        }
    }
    for (const auto& node : before.nodes)
        if (std::ranges::find(now.nodes, node.name, &Node::name) == now.nodes.end())
            lines.push_back(node.name + ": no longer in the cluster");
}

}  // namespace

std::vector<std::string> warnings(const Status& status) {
    std::vector<std::string> all;
    warn_of_cluster(status, all);
    warn_of_nodes(status, all);
    for (const auto& pool : status.pools) warn_of_pool(status, pool, all);
    return all;
}

std::string warnings_text(const Status& status, const Style& style) {
    const auto wrong = warnings(status);
    std::string text = wrong.empty() ? "" : "\n";
    for (const auto& warning : wrong)
        text +=
            style.colour ? fmt::format("{}! {}{}\n", red, warning, plain) : fmt::format("! {}\n", warning);
    return text;
}

std::string status_text(const Status& status, const Style& style) {
    std::string text =
        fmt::format("Cluster {}, as {} sees it: {}, {}\n", status.cluster, status.node,
                    status.primary ? "primary" : "not primary", status.quorate ? "quorate" : "not quorate");
    text +=
        fmt::format("Lease {} ms, of which {} ms are left; beats every {} ms; configuration {}, entry {}\n\n",
                    status.lease_ms, status.lease_left_ms, status.beat_ms, status.ring, status.entries);
    std::vector<std::vector<std::string>> rows = {{"node", "id", "state", "heard"}};
    for (const auto& node : status.nodes)
        rows.push_back({node.name, std::to_string(node.id), state_of(node), heard_of(status, node)});
    text += table_text(rows);
    for (const auto& pool : status.pools) text += '\n' + pool_summary(pool, style);
    if (status.pools.empty())
        text += "\nNo pools: `pcs resource create NAME ocf:buoy:pool addresses=... clone` makes one\n";
    return text + warnings_text(status, style);
}

std::string pools_text(const Status& status) {
    if (status.pools.empty()) return "No pools\n";
    std::vector<std::vector<std::string>> rows = {
        {"pool", "nic", "slots", "held here", "members", "on_loss", "rebalance"}};
    for (const auto& pool : status.pools)
        rows.push_back({pool.name, pool.nic.empty() ? "-" : pool.nic, std::to_string(pool.slots),
                        std::to_string(pool.held), pool.members.empty() ? "none" : join(pool.members, " "),
                        pool.on_loss, pool.rebalance});
    return table_text(rows);
}

std::string pool_text(const Status& status, const Pool& pool) {
    std::vector<std::vector<std::string>> rows = {
        {"slot", "address", "owner", "then", "pinned to", "gate of " + status.node}};
    for (const auto& slot : pool.table) {
        const auto& list = slot.list;
        rows.push_back({fmt::format("{}/{}", pool.name, slot.index),
                        slot.address.empty() ? "-" : slot.address, name_or_nobody(slot.owner),
                        list.size() < 2 ? "-" : join({list.begin() + 1, list.end()}, " "),
                        slot.pin.empty() ? "-" : slot.pin, slot.state});
    }
    const auto has_mac = [](const Slot& slot) { return !slot.mac.empty(); };
    if (std::ranges::any_of(pool.table, has_mac)) {
        rows[0].insert(rows[0].begin() + 2, "virtual MAC");
        for (std::size_t i = 0; i < pool.table.size(); ++i)
            rows[i + 1].insert(rows[i + 1].begin() + 2, has_mac(pool.table[i]) ? pool.table[i].mac : "-");
    }
    return fmt::format("Pool {}: {}{}\n", pool.name, settings_of(pool),
                       pool.started ? "" : ", not started on this node") +
           table_text(rows);
}

std::string explain_text(const nlohmann::json& reply) {
    const auto text = [&](const char* name) {
        const auto found = reply.find(name);
        return found == reply.end() ? std::string()
               : found->is_string() ? found->get<std::string>()
                                    : found->dump();
    };
    std::string all = fmt::format("Slot {}/{}", text("pool"), text("slot"));
    if (const auto address = text("address"); !address.empty()) all += ", " + address;
    all += '\n';
    if (const auto lines = reply.find("lines"); lines != reply.end() && lines->is_array())
        for (const auto& line : *lines)
            if (line.is_string()) all += "  " + line.get<std::string>() + '\n';
    return all;
}

std::string watch_picture(const Status& status, const Style& style, const std::vector<Load>& loads) {
    std::string text = fmt::format("{}, as {} sees it: {}, {}, lease {} ms\n", status.cluster, status.node,
                                   status.primary ? "primary" : "not primary",
                                   status.quorate ? "quorate" : "not quorate", status.lease_ms);
    for (const auto& pool : status.pools) {
        text += '\n' + pool_picture(status, pool, style);
        const auto load = std::ranges::find(loads, pool.name, &Load::pool);
        if (load != loads.end())
            text += fmt::format("through the gate of {}: {}\n", status.node, load_text(*load));
    }
    if (status.pools.empty()) text += "\nNo pools\n";
    return text + warnings_text(status, style);
}

std::vector<std::string> watch_lines(const Status* before, const Status& now) {
    std::vector<std::string> lines;
    const auto standing = [](const Status& s) {
        return fmt::format("{}: {}, {}{}", s.node, s.primary ? "primary" : "not primary",
                           s.quorate ? "quorate" : "not quorate", s.out ? ", out" : "");
    };
    if (before == nullptr || standing(*before) != standing(now)) lines.push_back(standing(now));
    if (before != nullptr) compare_nodes(*before, now, lines);
    for (const auto& pool : now.pools) {
        const Pool* was = before == nullptr ? nullptr : before->pool(pool.name);
        if (was == nullptr) {
            lines.push_back(counts_of(pool));
            continue;
        }
        const auto moves = moves_between(*was, pool);
        if (!moves.empty())
            lines.push_back(counts_of(pool) + "; " + moves);
        else if (counts_of(*was) != counts_of(pool))
            lines.push_back(counts_of(pool));
    }
    if (before != nullptr)
        for (const auto& pool : before->pools)
            if (now.pool(pool.name) == nullptr) lines.push_back(pool.name + ": removed");
    return lines;
}

std::string left_text(const Left& left) {
    if (left.pools.empty() && left.problems.empty()) return "No pool is started on this node.\n";
    std::string text;
    for (const auto& problem : left.problems) text += problem + '\n';
    for (const auto& pool : left.pools) {
        if (pool.carried.empty()) {
            text += fmt::format("Pool {} is started here; the kernel has none of its {} addresses.\n",
                                pool.name, pool.slots);
            continue;
        }
        text += fmt::format("Pool {} is started here; the kernel still has {} of its {} addresses:\n",
                            pool.name, pool.carried.size(), pool.slots);
        std::map<std::string, std::vector<IpAddress>> by_link;
        for (const auto& [address, link] : pool.carried)
            if (const auto ip = IpAddress::parse(address)) by_link[link].push_back(*ip);
        for (const auto& [link, addresses] : by_link)
            text += fmt::format("  {}: {}\n", link, pool::addresses_text(addresses));
    }
    return text;
}

nlohmann::json left_json(const std::string& error, const Left& left) {
    nlohmann::json all = nlohmann::json::array();
    for (const auto& pool : left.pools) {
        nlohmann::json carried = nlohmann::json::array();
        for (const auto& [address, link] : pool.carried)
            carried.push_back({{"address", address}, {"link", link}});
        all.push_back({{"name", pool.name}, {"slots", pool.slots}, {"carried", carried}});
    }
    return {{"ok", false}, {"error", error}, {"pools", all}, {"problems", left.problems}};
}

}  // namespace buoy::cli
