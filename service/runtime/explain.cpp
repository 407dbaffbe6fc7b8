// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "service/io/beats.hpp"
#include "service/runtime/status.hpp"
#include "service/runtime/texts.hpp"

namespace buoy::runtime {

namespace {

using Lines = std::vector<std::string>;

std::string name_of_place(const View& view, core::NodeIndex i) {
    return view.names.of(view.ownership.agreed().voters[i].id);
}

void explain_place(const View& view, const core::Pool& pool, core::NodeIndex i, std::size_t place,
                   Lines& lines) {
    const core::AgreedState& agreed = view.ownership.agreed();
    std::vector<std::string> said;
    if (agreed.voters[i].id == view.ownership.self()) said.emplace_back("this node");
    if (agreed.voters[i].lost) said.emplace_back("lost");
    if (agreed.voters[i].drained) said.emplace_back("drained");
    if (core::has(pool.no_carrier, i)) said.emplace_back("its NIC has no carrier");
    if (core::has(pool.failed_open, i))
        said.emplace_back("an open failed there; `buoy pool cleanup` tries again");
    const auto& condemned = view.status.condemned;
    if (std::ranges::find(condemned, agreed.voters[i].id) != condemned.end())
        said.emplace_back("condemned by a majority: not heard for a lease");
    lines.push_back(fmt::format("{}. {}{}{}", place, name_of_place(view, i), said.empty() ? "" : ": ",
                                fmt::join(said, ", ")));
}

void explain_waiting(const View& view, const core::Pool& pool, const PoolFacts& facts, std::uint32_t slot,
                     Lines& lines) {
    const core::AgreedState& agreed = view.ownership.agreed();
    const auto state = view.ownership.holding().state({pool.id, slot});
    const auto list = pool.list(slot);
    if (list.empty()) {
        lines.emplace_back("Nobody holds it: the pool has no member.");
        return;
    }
    const core::Voter& first = agreed.voters[list.front()];
    const bool ours = first.id == view.ownership.self();
    const std::string owner = view.names.of(first.id);
    if (is_withheld(facts, slot)) {
        const auto claim = std::ranges::find(facts.claims, facts.addresses[slot], &ClaimedAddress::ip);
        lines.push_back(fmt::format(
            "It is this node's, which does not answer for it: a host outside the pool claims it, MAC {}.",
            claim->mac.to_string()));
        lines.emplace_back(
            "The node asks 10 s after the last claim, and answers again when nobody else does "
            "(on_conflict=release).");
        return;
    }
    if (state == core::Holding::State::open) {
        lines.push_back(
            ours ? fmt::format(
                       "This node holds it: it is first in the list, and its lease has {} ms left.",
                       std::max<std::int64_t>(0, (view.ownership.deadline() - view.now).count() / 1'000'000))
                 : "This node holds it: everyone before it in the list is condemned by a majority.");
        return;
    }
    lines.push_back(fmt::format("This node does not hold it ({}).", name_of(state)));
    if (!view.status.quorate) lines.emplace_back("It waits for quorum: without it a node closes everything.");
    if (!view.status.primary)
        lines.emplace_back(
            "It waits for a primary configuration: too few of those that hold the cluster's state are here.");
    if (view.status.cut_off)
        lines.emplace_back(
            "This node is out until beats go to and fro between it and a majority: let UDP port " +
            std::to_string(io::beats_port) + " through on all of Corosync's networks.");
    else if (view.ownership.out())
        lines.emplace_back("This node is out: it has closed everything and asks to rejoin.");
    if (ours && view.status.primary && !view.ownership.out())
        lines.emplace_back(
            "It waits until every voter has said that it knows of the last change, or a majority for a "
            "lease.");
    if (!ours && first.lost && agreed.waits_for_fencing(pool))
        lines.push_back(fmt::format(
            "It stays {0}'s until {0} is fenced, or `buoy confirm-down {0}` vouches for it: {1}", owner,
            pool.config.on_loss == core::OnLoss::fenced
                ? "the pool has on_loss=fenced."
                : "with fewer than three voters silence is no proof."));
}

}  // namespace

nlohmann::json explain_slot(const View& view, const core::Pool& pool, std::uint32_t slot) {
    const PoolFacts facts = view.facts(pool.config);
    Lines lines;
    std::size_t place = 0;
    for (const core::NodeIndex i : pool.list(slot)) explain_place(view, pool, i, ++place, lines);
    const auto pin = std::ranges::find(pool.pins, slot, &core::PinnedSlot::slot);
    if (pin != pool.pins.end()) lines.push_back(fmt::format("It is pinned to {}.", view.names.of(pin->node)));
    explain_waiting(view, pool, facts, slot, lines);
    nlohmann::json answer{{"ok", true}, {"pool", pool.config.name}, {"slot", slot}, {"lines", lines}};
    if (slot < facts.addresses.size()) answer["address"] = facts.addresses[slot].to_string();
    return answer;
}

}  // namespace buoy::runtime
