// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"
#include "buoy/time.hpp"
#include "net/fd.hpp"
#include "net/link.hpp"
#include "net/neighbor.hpp"
#include "service/kernel/group.hpp"
#include "service/kernel/plan.hpp"

namespace buoy::kernel {

/// Sends whole frames on one link, many with one system call.
class FrameSender {
  public:
    static Result<FrameSender> open(const net::Link& link);
    /// Sends the frames in order. What a full queue or a shut gate swallows is lost (ENOBUFS); the first that
    /// cannot be sent for another reason is the error.
    Result<void> send(const std::vector<std::vector<std::uint8_t>>& frames);
    [[nodiscard]] const net::Link& link() const { return link_; }

  private:
    FrameSender(net::Fd fd, net::Link link) : fd_(std::move(fd)), link_(std::move(link)) {}
    net::Fd fd_;
    net::Link link_;
};

/// The announcements of the slots that are held here (design, section 6): a first burst inside the open,
/// repeats by the pool's schedule, and refreshing. Repeats are paced, those of the newest slots first, so
/// that a thousand of them neither delay what else the thread has to do nor overrun a switch.
class Announcements {
  public:
    struct Held {
        std::vector<IpAddress> ips;
        Plan pool;
        const net::Link* link = nullptr;
        std::optional<Group> group = std::nullopt;  ///< at whose MACs the addresses are; none: at the link's
        std::optional<Mac> own = std::nullopt;      ///< virtual MAC that they are at, and speak with
    };
    /// Tells what a slot is now; nothing when it is no longer held, or not to be announced.
    using LookUp = std::function<std::optional<Held>(SlotId)>;
    /// The MAC that the kernel knows of a neighbour on a link, if it knows one.
    using MacOf = std::function<std::optional<Mac>(const net::Link&, const IpAddress&)>;
    /// A neighbour that is told by unicast; without a MAC it has to be asked for it.
    struct Told {
        IpAddress ip;
        std::optional<Mac> mac;
    };
    /// Whom this node knows on a link, the most important first.
    using Around = std::function<std::vector<Told>(const net::Link&)>;
    Announcements(LookUp look_up, MacOf mac_of, Around around)
        : look_up_(std::move(look_up)), mac_of_(std::move(mac_of)), around_(std::move(around)) {}

    /// Of many slots each is told of once before any is told of in another form: a frame that says nothing
    /// new would only keep the others waiting.
    enum class Part : std::uint8_t {
        all,
        first,  ///< one form, by broadcast
        told,   ///< the neighbours that are to be told at once, by unicast
        rest,   ///< all but the first
    };
    /// Announces the slots at once.
    Result<void> burst(const std::vector<SlotId>& slots, Part part = Part::all);
    /// Adds the repeats that the pool's schedule has for slots whose first burst was at `first`. A little
    /// after each, so that nobody else waits for it, the neighbours that this node knows are told by unicast,
    /// for the routers that ignore broadcasts; not of addresses whose MAC is the same on all nodes.
    void repeat(const PoolPlan& plan, const std::vector<SlotId>& slots, TimePoint first);
    /// Announces the slots once more, in all forms, when nothing has been opened for a little, and before the
    /// repeats: what moves at the same time is to be told of once first.
    void again(const std::vector<SlotId>& slots, TimePoint now);
    /// When run() is due; TimePoint::max() if never.
    [[nodiscard]] TimePoint next() const;
    /// Sends what is due, as far as the pace allows. A repeat that cannot be sent is lost; its error is
    /// returned.
    Result<void> run(TimePoint now);
    /// Sends frames that are no announcements, at once.
    Result<void> send(const net::Link& link, const std::vector<std::vector<std::uint8_t>>& frames);
    /// Forgets links: they are looked at anew.
    void forget_links() { senders_.clear(); }

  private:
    struct Batch {
        std::vector<SlotId> slots;
        Duration refresh{};          ///< 0: not again
        std::size_t neighbours = 0;  ///< of each slot so many are told by unicast; 0: all, by broadcast
    };
    /// Tells neighbours by unicast.
    Result<void> tell_around(const std::vector<SlotId>& slots, std::size_t neighbours);
    Result<FrameSender*> sender(const net::Link& link);

    LookUp look_up_;
    MacOf mac_of_;
    Around around_;
    std::map<int, FrameSender> senders_;
    std::multimap<TimePoint, Batch> due_;
    std::set<SlotId> again_;
    TimePoint again_at_;
    TimePoint again_since_;
};

}  // namespace buoy::kernel
