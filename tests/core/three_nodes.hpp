// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <variant>

#include "service/core/invariants.hpp"
#include "service/core/ownership.hpp"

namespace buoy::core {

/// Three nodes in one group whose messages arrive at once, in one order.
class ThreeNodes : public testing::Test {
  protected:
    static constexpr CorosyncRing ring{8, {1}};
    static constexpr Duration lease{std::chrono::milliseconds(500)};
    static constexpr Duration beat{std::chrono::milliseconds(50)};

    /// The daemons begin together, none of them with a state.
    void begin(std::uint32_t portion = 0) {
        for (std::uint32_t n = 1; n <= 3; ++n) step(n, Started{{n}, {1}, beat, lease, {}, {}, portion});
        ConfigurationChanged configuration{ring, {}, {}, {}};
        QuorumChanged quorum{ring, true, false, 3, {}};
        for (std::uint32_t n = 1; n <= 3; ++n) {
            configuration.members.push_back({{n}, 100 + n});
            quorum.nodes.push_back({n});
        }
        for (std::uint32_t n = 1; n <= 3; ++n) step(n, configuration);
        for (std::uint32_t n = 1; n <= 3; ++n) step(n, quorum);
        settle();
    }
    RequestId ask(std::uint32_t node, Request request) {
        step(node, Requested{{++requests_}, std::move(request)});
        settle();
        return {requests_};
    }
    /// Lets time go by.
    void pass(Duration span) {
        for (const TimePoint end = now_ + span; now_ < end;) {
            now_ += beat / 2;
            for (std::uint32_t n = 1; n <= 3; ++n) step(n, TimerFired{});
            settle();
        }
    }
    /// Delivers everything, until nothing is on its way but the answers to Opens on slow nodes.
    void settle() {
        while (!answers_.empty() || !order_.empty() || !beats_.empty()) {
            if (!answers_.empty()) {
                const auto [node, effect] = answers_.front();
                answers_.pop_front();
                step(node, EffectDone{effect});
            } else if (!beats_.empty()) {
                const Beat one = beats_.front();
                beats_.pop_front();
                for (std::uint32_t n = 1; n <= 3; ++n)
                    if (one.sender.value != n && n != unheard) step(n, BeatReceived{one});
            } else {
                const Message message = order_.front();
                order_.pop_front();
                deliver(message);
            }
        }
    }
    void step(std::uint32_t n, const Event& event) {
        if (n == down) return;
        const Effects effects = nodes[n - 1].step(now_ += std::chrono::microseconds(1), event);
        for (std::size_t i = 0; i < effects.size(); ++i) {
            if (const auto* m = std::get_if<Multicast>(&effects[i])) order_.push_back(m->message);
            if (const auto* b = std::get_if<SendBeat>(&effects[i])) {
                if (n != unheard) beats_.push_back(b->beat);
                said[n - 1] = b->beat;
            }
            if (const auto* close = std::get_if<Close>(&effects[i])) answers_.emplace_back(n, close->id);
            if (const auto* open = std::get_if<Open>(&effects[i])) {
                if (slow == n)
                    unanswered.emplace_back(n, *open);
                else
                    answers_.emplace_back(n, open->id);
            }
            if (const auto* reply = std::get_if<Reply>(&effects[i]))
                replies.insert_or_assign(reply->id.value, reply->outcome);
        }
        Invariants::hold(nodes[n - 1]);
    }
    /// The next Open that a slow node was asked for is carried out, if there is one.
    bool answer_one() {
        if (unanswered.empty()) return false;
        answers_.emplace_back(unanswered.front().first, unanswered.front().second.id);
        unanswered.pop_front();
        settle();
        return true;
    }
    /// Orders an entry in a node's name.
    void order(std::uint32_t sender, const EntryBody& body) {
        order_.push_back(Entry{nodes[0].agreed().tag.ring, {sender}, {}, body, {}});
    }
    [[nodiscard]] std::uint32_t open_on(std::uint32_t n) const {
        const Pool* pool = nodes[n - 1].agreed().pool("web");
        return pool == nullptr ? 0 : nodes[n - 1].holding().open_count(pool->id);
    }

    std::array<Ownership, 3> nodes;
    std::array<Beat, 3> said;  ///< last
    std::deque<std::pair<std::uint32_t, Open>> unanswered;
    std::map<std::uint64_t, Outcome> replies;
    std::vector<EntryBody> ordered;  ///< every entry, in order
    std::uint32_t slow = 0;          ///< whose Opens take until they are answered by hand
    std::uint32_t down = 0;          ///< who does nothing any more
    std::uint32_t unheard = 0;       ///< whose beats do not come through, nor do others' to it

  private:
    void deliver(const Message& message) {
        const auto* entry = std::get_if<Entry>(&message);
        if (entry != nullptr) ordered.push_back(entry->body);
        for (std::uint32_t n = 1; n <= 3; ++n) {
            if (entry != nullptr) step(n, EntryDelivered{*entry});
            if (const auto* hello = std::get_if<Hello>(&message)) step(n, HelloDelivered{*hello});
            if (const auto* snapshot = std::get_if<Snapshot>(&message)) step(n, SnapshotDelivered{*snapshot});
        }
    }

    TimePoint now_{std::chrono::seconds(10)};
    std::deque<Message> order_;
    std::deque<Beat> beats_;
    std::deque<std::pair<std::uint32_t, EffectId>> answers_;
    std::uint64_t requests_ = 0;
};

}  // namespace buoy::core
