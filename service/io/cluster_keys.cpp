// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/cluster_keys.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace buoy::io {
namespace {

constexpr std::string_view node_prefix = "nodelist.node.";
constexpr int most_links = 8;  // of knet

template <typename Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string_view value_of(const ClusterKeys& keys, std::string_view key) {
    const auto found = keys.find(key);
    return found == keys.end() ? std::string_view{} : std::string_view(found->second);
}

// The positions in the nodelist: they need not be without gaps.
std::vector<std::uint32_t> positions(const ClusterKeys& keys) {
    std::vector<std::uint32_t> out;
    for (auto i = keys.lower_bound(node_prefix); i != keys.end() && i->first.starts_with(node_prefix); ++i) {
        const std::string_view rest = std::string_view(i->first).substr(node_prefix.size());
        const auto position = number<std::uint32_t>(rest.substr(0, rest.find('.')));
        if (position && std::ranges::find(out, *position) == out.end()) out.push_back(*position);
    }
    std::ranges::sort(out);
    return out;
}

// Corosync writes a member's addresses as "r(0) ip(10.0.0.1) r(1) ip(10.0.1.1) ".
std::optional<IpAddress> member_address(std::string_view text, int link) {
    const std::string mark = fmt::format("r({}) ip(", link);
    const auto at = text.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(at + mark.size());
    const auto address = IpAddress::parse(rest.substr(0, rest.find(')')));
    return address ? std::optional(*address) : std::nullopt;
}

ClusterNode node_at(const ClusterKeys& keys, const KnownNames& names, std::uint32_t position, NodeId id) {
    const std::string prefix = fmt::format("{}{}.", node_prefix, position);
    ClusterNode node{id, std::string(value_of(keys, prefix + "name")), {}, {}};
    if (node.name.empty()) node.name = std::to_string(id.value);
    const std::string_view joined = value_of(keys, fmt::format("runtime.members.{}.ip", id.value));
    for (int link = 0; link < most_links; ++link) {
        const std::string_view text = value_of(keys, fmt::format("{}ring{}_addr", prefix, link));
        if (text.empty()) continue;
        auto address = IpAddress::parse(text);
        if (!address) {
            if (const auto known = member_address(joined, link))
                address = *known;
            else if (const auto found = names.find(text); found != names.end())
                address = found->second;
            else
                continue;
        }
        node.addresses.push_back(*address);
        node.links.push_back(static_cast<std::uint8_t>(link));
    }
    return node;
}

}  // namespace

std::uint64_t cluster_id(std::string_view name) {
    // What sodium calls generic is BLAKE2b: the same everywhere, and needs no initialisation.
    std::array<unsigned char, 16> digest{};
    crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(name.data()),
                       name.size(), nullptr, 0);
    std::uint64_t id = 0;
    for (int i = 0; i < 8; ++i) id = id << 8 | digest[static_cast<std::size_t>(i)];
    return id;
}

const ClusterNode* ClusterInfo::find(NodeId node) const {
    const auto found = std::ranges::find(nodes, node, &ClusterNode::id);
    return found == nodes.end() ? nullptr : &*found;
}

Result<ClusterInfo> assemble(const ClusterKeys& keys, const KnownNames& names) {
    ClusterInfo info;
    info.name = value_of(keys, "totem.cluster_name");
    info.id = cluster_id(info.name);
    info.two_node = value_of(keys, "runtime.votequorum.two_node") == "1";
    const auto here = number<std::uint32_t>(value_of(keys, "nodelist.local_node_pos"));
    for (const std::uint32_t position : positions(keys)) {
        const auto id =
            number<std::uint32_t>(value_of(keys, fmt::format("{}{}.nodeid", node_prefix, position)));
        if (!id || *id == 0)
            return fail(fmt::format(
                "corosync.conf: entry {} of the nodelist has no nodeid; give every node one", position + 1));
        if (info.find({*id}) != nullptr)
            return fail(fmt::format("corosync.conf: two nodes have the nodeid {}; give each its own", *id));
        info.nodes.push_back(node_at(keys, names, position, {*id}));
        if (here == position) info.self = {*id};
    }
    if (info.nodes.empty())
        return fail("corosync.conf has no nodelist; list the nodes there, with name, nodeid and ring0_addr");
    if (info.self == NodeId{}) return fail("corosync.conf: this node is not in the nodelist; add it there");
    return info;
}

std::vector<std::string> names_in(const ClusterKeys& keys) {
    std::vector<std::string> out;
    for (const std::uint32_t position : positions(keys))
        for (int link = 0; link < most_links; ++link) {
            const std::string_view text =
                value_of(keys, fmt::format("{}{}.ring{}_addr", node_prefix, position, link));
            if (!text.empty() && !IpAddress::parse(text) && std::ranges::find(out, text) == out.end())
                out.emplace_back(text);
        }
    return out;
}

}  // namespace buoy::io
