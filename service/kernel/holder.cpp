// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/holder.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/address.hpp"
#include "net/batch.hpp"
#include "net/sysctl.hpp"

namespace buoy::kernel {

namespace {

// So many addresses are added before they are announced: a large open is heard of piece by piece.
constexpr std::size_t slots_at_once = 64;

bool gone(int code) {
    return code == EADDRNOTAVAIL || code == ENODEV;
}

std::string because(const std::vector<std::pair<SlotId, int>>& failures) {
    return failures.empty() ? std::string() : std::string(std::strerror(failures.front().second));
}

std::vector<SlotId> slots_of(const std::vector<std::pair<SlotId, int>>& failures) {
    std::vector<SlotId> slots;
    for (const auto& [slot, code] : failures) slots.push_back(slot);
    return slots;
}

}  // namespace

Holder::Holder(net::Netlink netlink, gate::Gate* gate, Tell tell)
    : netlink_(std::move(netlink)),
      gate_(gate),
      tell_(std::move(tell)),
      shared_(netlink_, gate, tell_),
      passing_(gate != nullptr),
      announcements_([this](SlotId slot) { return held(slot); }) {}

std::optional<Announcements::Held> Holder::held(SlotId slot) {
    const auto found = open_.find(slot);
    const Plan shared = shared_.announces(slot);
    if (shared == nullptr && (found == open_.end() || !passing_)) return std::nullopt;
    const Plan& plan = shared != nullptr ? shared : found->second.pool;
    const Watched* pool = watched(plan->name);
    if (pool == nullptr || !pool->place) return std::nullopt;
    if (shared == nullptr) return Announcements::Held{{found->second.ip}, plan, &pool->place->nic};
    return Announcements::Held{plan->addresses, plan, &pool->place->nic, group_of(*plan)};
}

Result<std::unique_ptr<Holder>> Holder::open(gate::Gate* gate, Tell tell) {
    auto netlink = net::Netlink::open();
    if (!netlink) return tl::unexpected<Error>(netlink.error());
    return std::unique_ptr<Holder>(new Holder(std::move(*netlink), gate, std::move(tell)));
}

void Holder::carry_out(const Order& order, TimePoint now) {
    now_ = now;
    std::visit([this](const auto& o) { on(o); }, order);
}

Holder::Watched* Holder::watched(const std::string& pool) {
    const auto found = std::ranges::find_if(pools_, [&](const Watched& w) { return w.plan->name == pool; });
    return found == pools_.end() ? nullptr : &*found;
}

void Holder::on(const Watch& order) {
    std::vector<Watched> pools;
    for (const Plan& plan : order.pools) {
        const Watched* before = watched(plan->name);
        // A copy: what is moved from has no plan any more, and is looked at for the next.
        pools.push_back(before != nullptr ? *before : Watched{});
        pools.back().plan = plan;
    }
    pools_ = std::move(pools);
    // The addresses first: without the gate nothing keeps them quiet.
    shared_.leave_others(order.pools);
    const auto before = std::exchange(ours_, {});
    for (const Watched& pool : pools_)
        for (const IpAddress& ip : pool.plan->addresses) ours_.emplace(ip, pool.plan->name);
    if (gate_ != nullptr)
        for (const auto& [ip, pool] : before)
            if (!ours_.contains(ip)) gate_->forget(ip);
    for (Watched& pool : pools_) look_at(pool);
    guard();
    // What an earlier daemon left is no pool's any more.
    if (gate_ != nullptr) gate_->forget_others();
}

void Holder::guard() {
    if (gate_ == nullptr) return;
    // Where addresses are, be their pool without a place meanwhile, the gate stays.
    std::set<int> wanted = shared_.links();
    for (const auto& [slot, open] : open_) wanted.insert(open.address.link);
    for (Watched& pool : pools_) {
        if (pool.place) wanted.insert(pool.place->nic.index);
        const Result<void> done = guard(pool);
        if (done) continue;
        // Without the gate nothing may be held: this node has to do without the pool.
        pool.place.reset();
        pool.carrier = false;
        pool.why = done.error().message;
        tell_(Carrier{pool.plan->name, false, pool.why});
    }
    std::erase_if(guarded_, [&](const auto& guarded) {
        if (wanted.contains(guarded.first)) return false;
        if (auto off = gate_->detach(guarded.first); !off) tell_(Noticed{off.error().message});
        return true;
    });
    if (!gate_->links_before().empty()) clear_links_before();
}

void Holder::clear_links_before() {
    // What an earlier daemon left where its pool no longer has its place is not seen as stray.
    const auto there = net::addresses(netlink_, AF_UNSPEC);
    if (!there) return tell_(Noticed{there.error().message});
    for (const int link : std::set(gate_->links_before())) {
        const bool carries = std::ranges::any_of(
            *there, [&](const net::Address& a) { return a.link == link && ours_.contains(a.ip); });
        if (carries) continue;
        if (auto off = gate_->detach(link); !off) tell_(Noticed{off.error().message});
    }
}

Result<void> Holder::guard(const Watched& pool) {
    // Managed first: once the gate is there it is to know what it is about.
    Result<void> done;
    if (pool.plan->buckets) {
        done = shared_.divide(*pool.plan);
    } else {
        for (const IpAddress& ip : pool.plan->addresses)
            if (done) done = gate_->manage(ip);
    }
    if (!done || !pool.place) return done;
    const net::Link& nic = pool.place->nic;
    Guarded wanted{nic.mac, pool.plan->attach};
    // A link has one hook, and one pool that asks for it is enough.
    for (const Watched& other : pools_)
        if (other.place && other.place->nic.index == nic.index && other.plan->attach == gate::Attach::xdp)
            wanted.attach = gate::Attach::xdp;
    if (const auto before = guarded_.find(nic.index); before == guarded_.end() || before->second != wanted) {
        if (done = gate_->attach(nic.index, wanted.attach); !done) return done;
        guarded_.insert_or_assign(nic.index, wanted);
    }
    return pool.plan->buckets ? shared_.stand(pool.plan, *pool.place) : done;
}

void Holder::look_at(Watched& pool) {
    auto place = find_place(netlink_, *pool.plan);
    if (place && pool.plan->buckets && gate_ == nullptr)
        place = fail(
            "buckets need the packet gate, which could not be loaded; the log of buoyd's start says why");
    if (place) {
        pool.place = std::move(*place);
        const net::Link& nic = pool.place->nic;
        const bool carrier = (nic.up && nic.carrier) || pool.plan->ignore_carrier;
        const std::string why = carrier   ? ""
                                : !nic.up ? nic.name + " is down; `ip link set up dev " + nic.name + "`"
                                          : nic.name + " has no carrier";
        if (!carrier) pool.back_at = TimePoint::max();
        if (pool.told && carrier == pool.carrier) return;
        if (pool.told && carrier && now_ < pool.back_at && pool.plan->hold > Duration{}) {
            if (pool.back_at == TimePoint::max()) pool.back_at = now_ + pool.plan->hold;
            if (now_ < pool.back_at) return;
        }
        pool.back_at = TimePoint::max();
        pool.carrier = carrier;
        pool.why = why;
        // Deleting an address must not take its neighbours in the same network along (ip-sysctl).
        const auto promote = net::Sysctl::ipv4(nic.name, "promote_secondaries");
        if (promote.get().value_or(1) == 0)
            if (auto set = promote.set(1); !set) tell_(Noticed{set.error().message});
    } else {
        if (pool.told && !pool.carrier && pool.why == place.error().message) return;
        pool.place.reset();
        pool.carrier = false;
        pool.why = place.error().message;
    }
    pool.told = true;
    tell_(Carrier{pool.plan->name, pool.carrier, pool.why});
}

void Holder::on(const OpenSlots& order) {
    Failures failures;
    std::vector<SlotId> slots;
    std::vector<SlotId> first;  // buckets
    std::string reason;
    for (const Placed& placed : order.slots) {
        Watched* pool = placed.pool == nullptr ? nullptr : watched(placed.pool->name);
        if (pool == nullptr || !pool->place || (pool->plan->buckets && !shared_.stands(pool->plan->name))) {
            failures.emplace_back(placed.slot, ENODEV);
            reason = pool == nullptr ? "the pool is not started here" : pool->why;
            continue;
        }
        if (pool->plan->buckets) {
            shared_.open(placed.slot, *pool->plan);
            if (placed.slot.index == 0) first.push_back(placed.slot);
            continue;
        }
        open_.insert_or_assign(placed.slot, Open{pool->plan, placed.ip, pool->place->address(placed.ip)});
        by_ip_.insert_or_assign(placed.ip, placed.slot);
        slots.push_back(placed.slot);
    }
    if (passing_) {
        auto refused = show(slots);
        if (!refused.empty()) reason = because(refused);
        for (const SlotId slot : slots_of(refused)) {
            if (gate_ != nullptr) gate_->shut(open_.at(slot).ip);
            by_ip_.erase(open_.at(slot).ip);
            open_.erase(slot);
        }
        failures.insert(failures.end(), refused.begin(), refused.end());
    }
    if (failures.empty())
        tell_(Done{order.id});
    else
        tell_(Failed{order.id, slots_of(failures), reason});
    // Where the first bucket goes makes no difference to anybody but a neighbour that knew the addresses at
    // another MAC, as at the pool's beginning.
    for (const SlotId slot : first) {
        if (auto told = announcements_.burst({slot}); !told) tell_(Noticed{told.error().message});
        announcements_.repeat(*shared_.announces(slot), {slot}, now_);
    }
}

Holder::Failures Holder::show(const std::vector<SlotId>& slots) {
    Failures failures;
    std::vector<SlotId> shown;
    for (std::size_t at = 0; at < slots.size(); at += slots_at_once) {
        const std::size_t end = std::min(slots.size(), at + slots_at_once);
        std::vector<net::Request> batch;
        for (std::size_t i = at; i < end; ++i) {
            Open& open = open_.at(slots[i]);
            open.added = ++additions_;
            // Before the announcement, which has to go through the gate like everything else.
            if (gate_ != nullptr) gate_->open(open.ip);
            batch.push_back(net::request_to_add(open.address));
        }
        std::vector<SlotId> added(slots.begin() + static_cast<std::ptrdiff_t>(at),
                                  slots.begin() + static_cast<std::ptrdiff_t>(end));
        auto refused = net::change_many(netlink_, batch);
        if (!refused) {
            tell_(Noticed{refused.error().message});
            for (const SlotId slot : added) failures.emplace_back(slot, refused.error().code);
            continue;
        }
        for (const auto& [index, code] : *refused)
            if (code != EEXIST) failures.emplace_back(slots[at + index], code);
        for (const SlotId slot : slots_of(failures)) std::erase(added, slot);
        announce(added, Announcements::Part::first, failures);
        shown.insert(shown.end(), added.begin(), added.end());
        if (!added.empty()) announcements_.repeat(*open_.at(added.front()).pool, added, now_);
        // Beats are of the same priority, and have less time.
        sched_yield();
    }
    announce(shown, Announcements::Part::rest, failures);
    return failures;
}

void Holder::announce(std::vector<SlotId>& slots, Announcements::Part part, Failures& failures) {
    const auto told = announcements_.burst(slots, part);
    if (told) return;
    // An address that its neighbours were not told of is of no use to them.
    tell_(Noticed{told.error().message});
    for (const SlotId slot : slots) failures.emplace_back(slot, told.error().code);
    hide(std::exchange(slots, {}));
}

Holder::Failures Holder::hide(std::vector<SlotId> slots) {
    // The oldest address of a network is its primary one, and removing that makes the kernel look at all
    // others: where many go, it goes last.
    std::ranges::sort(slots, std::ranges::greater(), [&](SlotId s) { return open_.at(s).added; });
    std::vector<net::Request> batch;
    for (const SlotId slot : slots) batch.push_back(net::request_to_remove(open_.at(slot).address));
    Failures failures;
    auto refused = net::change_many(netlink_, batch);
    if (!refused) {
        tell_(Noticed{refused.error().message});
        for (const SlotId slot : slots) failures.emplace_back(slot, refused.error().code);
        return failures;
    }
    for (const auto& [index, code] : *refused)
        if (!gone(code)) failures.emplace_back(slots[index], code);
    return failures;
}

void Holder::on(const CloseSlots& order) {
    for (const SlotId slot : order.everything ? shared_.all_open() : order.slots) shared_.shut(slot);
    std::vector<SlotId> slots;
    for (const SlotId slot : order.everything ? all_open() : order.slots)
        if (open_.contains(slot)) slots.push_back(slot);
    if (gate_ != nullptr) {
        // From here on nothing gets through, so the successor need not wait until the addresses are gone.
        for (const SlotId slot : slots) gate_->shut(open_.at(slot).ip);
        tell_(Done{order.id});
    }
    const Failures failures = passing_ ? hide(slots) : Failures{};
    for (const SlotId slot : slots) {
        const bool failed = std::ranges::find(failures, slot, &Failures::value_type::first) != failures.end();
        if (failed && gate_ == nullptr) continue;
        by_ip_.erase(open_.at(slot).ip);
        open_.erase(slot);
    }
    if (order.everything) remove_strays();
    if (gate_ != nullptr) {
        if (!failures.empty())
            tell_(Noticed{fmt::format("{} addresses could not be removed ({}); the gate is shut for them",
                                      failures.size(), because(failures))});
    } else if (failures.empty()) {
        tell_(Done{order.id});
    } else {
        tell_(Failed{order.id, slots_of(failures), because(failures)});
    }
}

void Holder::on(const AnnounceSlots& order) {
    if (auto told = announcements_.burst(order.slots); !told) tell_(Noticed{told.error().message});
}

void Holder::on(const Check& order) {
    if (const Watched* pool = watched(order.pool)) mend_group(*pool);
    const auto there = net::addresses(netlink_, AF_UNSPEC);
    if (!there) return tell_(Checked{order.number, there.error().message});
    std::string problem = shared_.missing(order.pool, *there);
    for (const auto& [slot, open] : open_) {
        if (open.pool->name != order.pool || !passing_) continue;
        const bool found = std::ranges::any_of(
            *there, [&](const auto& a) { return a.ip == open.ip && a.link == open.address.link; });
        if (!found) problem = open.ip.to_string() + " is held by this node, and not on its NIC";
    }
    for (const net::Address& address : *there) {
        const auto mine = ours_.find(address.ip);
        if (mine == ours_.end() || mine->second != order.pool || shared_.has(address.ip)) continue;
        if (!by_ip_.contains(address.ip) || !passing_)
            problem = address.ip.to_string() + " is on this node, which does not hold it";
    }
    tell_(Checked{order.number, problem});
}

void Holder::on(const Count& order) {
    Counted counted{order.number, now_, {}};
    for (const Watched& pool : pools_) {
        if (gate_ == nullptr) break;
        const std::vector<IpAddress>& addresses = pool.plan->addresses;
        counted.pools[pool.plan->name] =
            pool.plan->buckets ? gate_->counters({addresses.data(), 1}, pool.plan->buckets->division.buckets)
                               : gate_->counters(addresses, 1);
    }
    tell_(std::move(counted));
}

std::vector<SlotId> Holder::all_open() const {
    std::vector<SlotId> slots;
    for (const auto& [slot, open] : open_) slots.push_back(slot);
    return slots;
}

void Holder::run(TimePoint now, TimePoint deadline) {
    now_ = now;
    if (const bool pass = now < deadline || gate_ != nullptr; pass != passing_) {
        if (pass) {
            passing_ = true;
            for (const auto& [slot, code] : show(all_open()))
                tell_(Noticed{fmt::format("cannot put {} back after a lapsed lease: {}",
                                          open_.at(slot).ip.to_string(), std::strerror(code))});
        } else {
            hide(all_open());
            passing_ = false;
        }
    }
    for (Watched& pool : pools_)
        if (pool.back_at <= now) look_at(pool);
    if (auto told = announcements_.run(now); !told) tell_(Noticed{told.error().message});
}

TimePoint Holder::next(TimePoint deadline) const {
    TimePoint due = announcements_.next();
    for (const Watched& pool : pools_) due = std::min(due, pool.back_at);
    return gate_ == nullptr && passing_ && !open_.empty() ? std::min(due, deadline) : due;
}

void Holder::heard(const nlmsghdr& message) {
    if (const auto address = net::decode_address(message)) {
        if (message.nlmsg_type == RTM_DELADDR)
            vanished(*address);
        else
            appeared(*address);
        return;
    }
    if (message.nlmsg_type == RTM_DELNEIGH)
        for (const Watched& pool : pools_) mend_group(pool);
    if (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK) return;
    const auto& link = *static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
    // Another family's word is of a bridge's port. With a link everything on it is gone.
    if (message.nlmsg_type == RTM_DELLINK && link.ifi_family == AF_UNSPEC) guarded_.erase(link.ifi_index);
    for (Watched& pool : pools_) look_at(pool);
    guard();
}

void Holder::mend_group(const Watched& pool) {
    if (pool.place && pool.place->nic.up && pool.place->nic.carrier) shared_.mend_group(pool.plan->name);
}

void Holder::look_again() {
    for (Watched& pool : pools_) look_at(pool);
    guard();
    shared_.put_back();
    if (!passing_) return;
    // What is there already stays as it is; what was missing comes back.
    show(all_open());
    remove_strays();
}

void Holder::vanished(const net::Address& address) {
    if (shared_.vanished(address)) return;
    const auto slot = by_ip_.find(address.ip);
    if (slot == by_ip_.end() || !passing_) return;
    const Open& open = open_.at(slot->second);
    if (open.address.link != address.link) return;
    const auto added = net::add_address(netlink_, open.address);
    // Our own removal, heard of late, after which it was added again.
    if (!added && added.error().code == EEXIST) return;
    const std::string what = address.ip.to_string() + " was removed behind our back";
    if (!added) return tell_(Noticed{what + ", and " + added.error().message});
    if (auto told = announcements_.burst({slot->second}); !told) tell_(Noticed{told.error().message});
    tell_(Noticed{what + " and has been put back"});
}

bool Holder::remove_stray(const net::Address& address) {
    const auto mine = ours_.find(address.ip);
    if (mine == ours_.end() || shared_.has(address.ip)) return false;
    if (by_ip_.contains(address.ip) && passing_) return false;
    const Watched* pool = watched(mine->second);
    if (pool == nullptr || !pool->place || pool->place->nic.index != address.link) return false;
    return net::remove_address(netlink_, address).has_value();
}

void Holder::appeared(const net::Address& address) {
    // Where it cannot be removed it was one of ours, closed since.
    if (remove_stray(address))
        tell_(Noticed{
            fmt::format("{} was added behind our back and has been removed: its pool gives it to another "
                        "node, or to none",
                        address.ip.to_string())});
}

void Holder::remove_strays() {
    const auto there = net::addresses(netlink_, AF_UNSPEC);
    if (!there) return tell_(Noticed{there.error().message});
    std::size_t removed = 0;
    for (const net::Address& address : *there)
        if (remove_stray(address)) ++removed;
    if (removed > 0)
        tell_(Noticed{fmt::format("{} addresses that were here before have been removed", removed)});
}

}  // namespace buoy::kernel
