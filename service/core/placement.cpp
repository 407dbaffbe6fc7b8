// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/core/placement.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>

#include "service/core/check.hpp"

namespace buoy::core {
namespace {

using Counts = std::array<std::int64_t, max_nodes>;  // by position in `members`
constexpr std::uint8_t nobody = 0xff;

// How many of `total` slots each of `among` is due, in proportion to weight: the floor of its share or one
// more. Those that have more than their floor already (`now`) get the odd ones first, so that less has to
// move; `fixed` slots cannot leave their member, which is due at least those.
Counts due(std::span<const PlacementMember> members, NodeMask among, std::int64_t total, const Counts& now,
           const Counts& fixed) {
    Counts out{};
    bool settled = false;
    while (!settled && among != 0) {
        settled = true;
        std::int64_t weights = 0;
        for (NodeIndex i = 0; i < members.size(); ++i)
            if (has(among, i)) weights += members[i].weight;
        const auto weight = [&](NodeIndex i) -> std::int64_t { return weights == 0 ? 1 : members[i].weight; };
        const std::int64_t sum = weights == 0 ? std::popcount(among) : weights;
        std::int64_t odd = total;
        std::array<NodeIndex, max_nodes> order{};
        std::size_t count = 0;
        for (NodeIndex i = 0; i < members.size(); ++i) {
            if (!has(among, i)) continue;
            out[i] = total * weight(i) / sum;
            odd -= out[i];
            order[count++] = i;
        }
        const auto keenness = [&](NodeIndex i) {
            return std::tuple(weight(i) > 0, now[i] > out[i], total * weight(i) % sum);
        };
        std::stable_sort(order.begin(), order.begin() + count,
                         [&](NodeIndex a, NodeIndex b) { return keenness(a) > keenness(b); });
        for (std::size_t k = 0; k < count && odd > 0; ++k, --odd) ++out[order[k]];
        for (NodeIndex i = 0; i < members.size(); ++i)
            if (has(among, i) && fixed[i] > out[i]) {
                out[i] = fixed[i];
                total -= fixed[i];
                among &= ~bit(i);
                settled = false;
            }
    }
    return out;
}

class Placement {
  public:
    Placement(std::span<NodeIndex> lists, const PlacementInput& input)
        : lists_(lists),
          members_(input.members),
          pins_(input.pins),
          rebalance_(input.rebalance),
          width_(members_.size()),
          slots_(lists.size() / width_) {
        position_.fill(nobody);
        for (NodeIndex i = 0; i < width_; ++i) {
            position_[members_[i].index] = i;
            if (members_[i].eligible) eligible_ |= bit(i);
        }
    }

    void run() {
        if (eligible_ == 0) return;
        first_.assign(slots_, nobody);
        second_.assign(slots_, nobody);
        choose_first();
        choose_second();
        third_counts_.assign(width_ * width_ * width_, 0);
        for (std::size_t s = 0; s < slots_; ++s) write(s);
    }

  private:
    std::uint8_t at(std::size_t slot, std::size_t place) const {
        return position_[lists_[slot * width_ + place]];
    }

    // The first in the slot's list that is in `among`.
    std::uint8_t leading(std::size_t slot, NodeMask among) const {
        for (std::size_t k = 0; k < width_; ++k)
            if (has(among, at(slot, k))) return at(slot, k);
        return nobody;
    }

    void choose_first() {
        Counts now{};
        Counts fixed{};
        std::vector<std::uint8_t> movable(slots_,
                                          0);  // 2: its owner may not answer, so that moving it costs nothing
        std::int64_t total = 0;
        for (std::size_t s = 0; s < slots_; ++s) {
            const std::uint8_t owner = at(s, 0);
            const std::uint8_t pinned = pins_.empty() || pins_[s] == no_index ? nobody : position_[pins_[s]];
            if (members_[owner].keeps) {
                first_[s] = owner;
                continue;
            }
            ++total;
            if (pinned != nobody && has(eligible_, pinned)) {
                first_[s] = pinned;
                ++fixed[pinned];
            } else {
                first_[s] = leading(s, eligible_);
                movable[s] = has(eligible_, owner) ? 1 : 2;
            }
            ++now[first_[s]];
        }
        if (rebalance_ == Rebalance::automatic)
            even_out(now, due(members_, eligible_, total, now, fixed), movable);
        counts_ = now;
        total_ = total;
    }

    void even_out(Counts& now, const Counts& target, const std::vector<std::uint8_t>& movable) {
        for (const std::uint8_t kind : {std::uint8_t{2}, std::uint8_t{1}}) {
            for (std::size_t s = 0; s < slots_; ++s) {
                const std::uint8_t from = first_[s];
                if (movable[s] != kind || now[from] <= target[from]) continue;
                NodeMask wanting = 0;
                for (NodeIndex i = 0; i < width_; ++i)
                    if (has(eligible_, i) && now[i] < target[i]) wanting |= bit(i);
                if (wanting == 0) return;
                first_[s] = leading(s, wanting);
                --now[from];
                ++now[first_[s]];
            }
        }
    }

    // Second places: were the first one gone, everyone should have what is due to it without it.
    void choose_second() {
        for (NodeIndex i = 0; i < width_; ++i) {
            const NodeMask rest = eligible_ & ~bit(i);
            if (rest == 0) continue;
            Counts now = counts_;
            std::int64_t group = 0;
            for (std::size_t s = 0; s < slots_; ++s)
                if (first_[s] == i) {
                    ++group;
                    ++now[leading(s, rest)];
                }
            if (group == 0) continue;
            const Counts target =
                due(members_, rest, members_[i].eligible ? total_ : total_ + group, now, Counts{});
            Counts room{};
            for (NodeIndex j = 0; j < width_; ++j)
                if (has(rest, j)) room[j] = std::max<std::int64_t>(0, target[j] - counts_[j]);
            // Twice over: who stands second already stays so where there is room, then the others fill up.
            for (std::size_t s = 0; s < slots_; ++s) {
                if (first_[s] != i) continue;
                const std::uint8_t next = leading(s, rest);
                if (room[next] > 0) {
                    --room[next];
                    second_[s] = next;
                }
            }
            for (std::size_t s = 0; s < slots_; ++s) {
                if (first_[s] != i || second_[s] != nobody) continue;
                NodeMask with_room = 0;
                for (NodeIndex j = 0; j < width_; ++j)
                    if (has(rest, j) && room[j] > 0) with_room |= bit(j);
                second_[s] = leading(s, with_room != 0 ? with_room : rest);
                if (with_room != 0) --room[second_[s]];
            }
        }
    }

    // Third places go evenly within equal first and second ones; deeper ones in turn, slot by slot.
    std::uint8_t choose_third(std::size_t slot, NodeMask rest) {
        std::uint32_t* counts = &third_counts_[(first_[slot] * width_ + second_[slot]) * width_];
        std::uint8_t best = nobody;
        for (std::size_t k = 0; k < width_; ++k) {
            const std::uint8_t i = at(slot, k);
            if (!has(rest, i)) continue;
            if (best == nobody || std::uint64_t{counts[i] + 1} * std::max(1U, members_[best].weight) <
                                      std::uint64_t{counts[best] + 1} * std::max(1U, members_[i].weight))
                best = i;
        }
        ++counts[best];
        return best;
    }

    void write(std::size_t slot) {
        std::array<NodeIndex, max_nodes> out{};
        std::size_t n = 0;
        NodeMask rest = eligible_;
        NodeMask placed = 0;
        const auto put = [&](std::uint8_t i) {
            out[n++] = members_[i].index;
            rest &= ~bit(i);
            placed |= bit(i);
        };
        put(first_[slot]);
        if (second_[slot] != nobody) put(second_[slot]);
        if (rest != 0) put(choose_third(slot, rest));
        for (std::size_t k = 0; k < width_ && rest != 0; ++k) {
            const auto i = static_cast<std::uint8_t>((slot + k) % width_);
            if (has(rest, i)) put(i);
        }
        for (std::size_t k = 0; k < width_; ++k)
            if (const std::uint8_t i = at(slot, k); !has(placed, i)) put(i);
        check(n == width_, "a placed list holds every member once");
        std::copy_n(out.begin(), width_, lists_.begin() + static_cast<std::ptrdiff_t>(slot * width_));
    }

    std::span<NodeIndex> lists_;
    std::span<const PlacementMember> members_;
    std::span<const NodeIndex> pins_;
    Rebalance rebalance_;
    std::size_t width_;
    std::size_t slots_;
    std::array<std::uint8_t, 256> position_{};
    NodeMask eligible_ = 0;
    std::vector<std::uint8_t> first_;
    std::vector<std::uint8_t> second_;
    std::vector<std::uint32_t> third_counts_;
    Counts counts_{};
    std::int64_t total_ = 0;
};

}  // namespace

void place(std::span<NodeIndex> lists, const PlacementInput& input) {
    if (input.members.empty() || lists.empty()) return;
    check(input.members.size() <= max_nodes && lists.size() % input.members.size() == 0,
          "placement gets whole lists of at most max_nodes members");
    Placement(lists, input).run();
}

}  // namespace buoy::core
