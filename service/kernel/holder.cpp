// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/holder.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "buoy/virtual_mac.hpp"
#include "net/address.hpp"
#include "net/batch.hpp"
#include "net/neighbor.hpp"
#include "net/route.hpp"
#include "net/sysctl.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::kernel {

namespace {

// So many addresses are added before they are announced: a large open is heard of piece by piece.
constexpr std::size_t slots_at_once = 64;

// Of more slots than these only the first form is announced inside the open, for others may wait for theirs;
// all forms follow a little later.
constexpr std::size_t few_slots = 16;

constexpr std::chrono::seconds gateways_kept{60};

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

Holder::Holder(net::Netlink netlink, gate::Gate* gate, Claims claims, Tell tell)
    : netlink_(std::move(netlink)),
      gate_(gate),
      tell_(std::move(tell)),
      shared_(netlink_, gate, tell_),
      macs_(netlink_, tell_),
      passing_(gate != nullptr),
      announcements_([this](SlotId slot) { return held(slot); },
                     [this](const net::Link& link, const IpAddress& who) {
                         return net::known_mac(netlink_, link, who).value_or(std::nullopt);
                     },
                     [this](const net::Link& link) { return around(link); }),
      claims_(std::move(claims)) {}

const std::set<IpAddress>& Holder::gateways(int link) {
    // A router's routes may be many, and its own gateways seldom change.
    auto [known, fresh] = gateways_.try_emplace(link);
    if (!fresh && now_ - known->second.read < gateways_kept) return known->second.gateways;
    known->second = {now_, {}};
    for (const int family : {AF_INET, AF_INET6})
        for (const net::Route& route : net::routes(netlink_, family).value_or(std::vector<net::Route>{}))
            if (route.link == link && route.gateway) known->second.gateways.insert(*route.gateway);
    return known->second.gateways;
}

std::vector<Announcements::Told> Holder::around(const net::Link& link) {
    const auto known = net::neighbors(netlink_, link.index).value_or(std::vector<net::Neighbor>{});
    // The routers that this node itself uses first, known or not.
    std::vector<Announcements::Told> told;
    for (const IpAddress& gateway : gateways(link.index)) told.push_back({gateway, std::nullopt});
    for (const net::Neighbor& one : known) {
        const auto router = std::ranges::find(told, one.ip, &Announcements::Told::ip);
        if (router != told.end())
            router->mac = one.mac;
        else
            told.push_back({one.ip, one.mac});
    }
    return told;
}

std::optional<Announcements::Held> Holder::held(SlotId slot) {
    return withheld_.has(slot) ? std::nullopt : described(slot);
}

std::optional<Announcements::Held> Holder::described(SlotId slot) {
    const auto found = open_.find(slot);
    const Plan shared = shared_.announces(slot);
    if (shared == nullptr && (found == open_.end() || !passing_)) return std::nullopt;
    const Plan& plan = shared != nullptr ? shared : found->second.pool;
    const Watched* pool = watched(plan->name);
    if (pool == nullptr || !pool->place) return std::nullopt;
    // As the pool's parameters are now, which may be others than at the opening.
    if (shared == nullptr) {
        Announcements::Held slot{{found->second.ip}, pool->plan, &pool->place->nic};
        if (plan->virtual_macs) slot.own = virtual_mac_of(found->second.ip);
        return slot;
    }
    return Announcements::Held{plan->addresses, pool->plan, &pool->place->nic, group_of(*plan)};
}

Result<std::unique_ptr<Holder>> Holder::open(gate::Gate* gate, Tell tell) {
    auto netlink = net::Netlink::open();
    if (!netlink) return tl::unexpected<Error>(netlink.error());
    auto claims = Claims::open();
    if (!claims) return tl::unexpected<Error>(claims.error());
    return std::unique_ptr<Holder>(
        new Holder(std::move(*netlink), gate, std::move(*claims), std::move(tell)));
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
    // While the gate still knows them.
    finish();
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
    by_mac_.clear();
    for (const Watched& pool : pools_)
        for (const IpAddress& ip : pool.plan->addresses)
            if (!pool.plan->buckets) by_mac_.emplace(virtual_mac_of(ip), ip);
    if (gate_ != nullptr)
        for (const auto& [ip, pool] : before)
            if (!ours_.contains(ip)) gate_->forget(ip);
    for (Watched& pool : pools_) look_at(pool);
    guard();
    listen();
    take_back_what_is_kept();
    // What an earlier daemon left is no pool's any more.
    if (gate_ != nullptr) gate_->forget_others();
}

void Holder::guard() {
    if (gate_ == nullptr) return;
    // Where addresses are, be their pool without a place meanwhile, the gate stays.
    std::set<int> wanted = shared_.links();
    for (const auto& [slot, open] : open_) wanted.insert(open.nic);
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
    if (std::ranges::any_of(guarded_, [&](const auto& guarded) { return !wanted.contains(guarded.first); }))
        finish();
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
    const auto links = net::links(netlink_);
    if (!there || !links) return tell_(Noticed{(there ? links.error() : there.error()).message});
    std::map<int, int> nics;  // of devices with virtual MACs
    for (const net::Link& link : *links)
        if (vmac::is_device(link)) nics.emplace(link.index, *link.parent);
    for (const int link : std::set(gate_->links_before())) {
        const bool carries = std::ranges::any_of(*there, [&](const net::Address& a) {
            const auto device = nics.find(a.link);
            return (device == nics.end() ? a.link : device->second) == link && ours_.contains(a.ip);
        });
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
            if (done) done = gate_->manage(ip, pool.plan->virtual_macs);
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

void Holder::listen() {
    std::map<int, std::vector<IpAddress>> wanted;
    for (const Watched& pool : pools_)
        if (pool.place) {
            auto& addresses = wanted[pool.place->nic.index];
            addresses.insert(addresses.end(), pool.plan->addresses.begin(), pool.plan->addresses.end());
        }
    for (auto& [link, addresses] : wanted) std::ranges::sort(addresses);
    if (auto listening = claims_.listen(wanted); !listening) tell_(Noticed{listening.error().message});
}

void Holder::look_at(Watched& pool) {
    auto place = find_place(netlink_, *pool.plan);
    if (place && (pool.plan->buckets || pool.plan->virtual_macs) && gate_ == nullptr)
        place = fail(
            fmt::format("{} the packet gate, which could not be loaded; the log of buoyd's start says why",
                        pool.plan->buckets ? "buckets need" : "mac=auto needs"));
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
            reason = pool == nullptr ? "the pool is not started here, or an earlier pool has the address"
                                     : pool->why;
            continue;
        }
        if (pool->plan->buckets) {
            shared_.open(placed.slot, *pool->plan);
            if (placed.slot.index == 0) first.push_back(placed.slot);
            continue;
        }
        open_.insert_or_assign(placed.slot, Open{pool->plan, placed.ip, pool->place->nic.index,
                                                 pool->place->address(placed.ip)});
        by_ip_.insert_or_assign(placed.ip, placed.slot);
        slots.push_back(placed.slot);
        // It stays as it is, unless the NIC or its network is another one now.
        if (auto left = leaving_.take(placed.ip); left && *left != open_.at(placed.slot).address)
            remove({*left});
        // Who claimed it when it was here before may be gone.
        forget_withheld(placed.slot);
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

Holder::Failures Holder::show(std::vector<SlotId> slots) {
    std::erase_if(slots, [this](SlotId slot) { return withheld_.has(slot); });
    Failures failures;
    std::vector<SlotId> shown;
    for (std::size_t at = 0; at < slots.size(); at += slots_at_once) {
        const std::size_t end = std::min(slots.size(), at + slots_at_once);
        std::vector<SlotId> added(slots.begin() + static_cast<std::ptrdiff_t>(at),
                                  slots.begin() + static_cast<std::ptrdiff_t>(end));
        for (const SlotId slot : added) {
            Open& open = open_.at(slot);
            open.added = ++additions_;
            // Before the announcement, which has to go through the gate like everything else.
            if (gate_ != nullptr) gate_->open(open.ip);
        }
        receive(added, failures);
        std::vector<net::Request> batch;
        for (const SlotId slot : added) batch.push_back(net::request_to_add(open_.at(slot).address));
        Failures refusals;
        auto refused = net::change_many(netlink_, batch);
        if (!refused) {
            tell_(Noticed{refused.error().message});
            for (const SlotId slot : added) failures.emplace_back(slot, refused.error().code);
            continue;
        }
        for (const auto& [index, code] : *refused)
            if (code != EEXIST) refusals.emplace_back(added[index], code);
        if (!refusals.empty()) {
            leave(slots_of(refusals));
            for (const auto& [slot, code] : refusals) std::erase(added, slot);
            failures.insert(failures.end(), refusals.begin(), refusals.end());
        }
        announce(added, Announcements::Part::first, failures);
        if (slots.size() > few_slots) announce(added, Announcements::Part::told, failures);
        shown.insert(shown.end(), added.begin(), added.end());
        if (!added.empty()) announcements_.repeat(*open_.at(added.front()).pool, added, now_);
        // Beats are of the same priority, and have less time.
        sched_yield();
    }
    if (shown.size() <= few_slots)
        announce(shown, Announcements::Part::rest, failures);
    else
        announcements_.again(shown, now_);
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

void Holder::receive(std::vector<SlotId>& slots, Failures& failures) {
    std::map<std::string, std::vector<SlotId>> by_pool;
    for (const SlotId slot : slots)
        if (const Plan& plan = open_.at(slot).pool; plan->virtual_macs) by_pool[plan->name].push_back(slot);
    for (const auto& [name, of_it] : by_pool) {
        const Watched* pool = watched(name);
        std::vector<IpAddress> ips;
        for (const SlotId slot : of_it) ips.push_back(open_.at(slot).ip);
        const auto done = pool != nullptr && pool->place ? macs_.receive(pool->place->nic, ips)
                                                         : std::vector<Result<void>>{};
        bool said = false;
        for (std::size_t i = 0; i < of_it.size(); ++i) {
            if (i < done.size() && done[i]) continue;
            // Of many that fail for one reason it is said once.
            if (i < done.size() && !std::exchange(said, true)) tell_(Noticed{done[i].error().message});
            failures.emplace_back(of_it[i], i < done.size() ? done[i].error().code : ENODEV);
            std::erase(slots, of_it[i]);
        }
    }
}

void Holder::leave(const std::vector<SlotId>& slots) {
    std::vector<IpAddress> ips;
    for (const SlotId slot : slots) ips.push_back(open_.at(slot).ip);
    macs_.leave(ips);
}

Holder::Failures Holder::hide(std::vector<SlotId> slots) {
    Failures failures;
    leave(slots);
    // The oldest address of a network is its primary one, and removing that makes the kernel look at all
    // others: where many go, it goes last.
    std::ranges::sort(slots, std::ranges::greater(), [&](SlotId s) { return open_.at(s).added; });
    std::vector<net::Request> batch;
    for (const SlotId slot : slots) batch.push_back(net::request_to_remove(open_.at(slot).address));
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

void Holder::remove(const std::vector<net::Address>& addresses) {
    if (addresses.empty()) return;
    std::vector<IpAddress> ips;
    std::vector<net::Request> batch;
    for (const net::Address& address : addresses) {
        ips.push_back(address.ip);
        batch.push_back(net::request_to_remove(address));
    }
    macs_.leave(ips);
    auto refused = net::change_many(netlink_, batch);
    if (!refused) return tell_(Noticed{refused.error().message});
    std::erase_if(*refused, [](const auto& one) { return gone(one.code); });
    if (!refused->empty())
        tell_(Noticed{fmt::format("{} addresses could not be removed ({}); the gate is shut for them",
                                  refused->size(), std::strerror(refused->front().code))});
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
        for (const SlotId slot : slots) {
            const Open& open = open_.at(slot);
            leaving_.add(open.address, open.added, now_);
        }
    }
    const Failures failures = passing_ && gate_ == nullptr ? hide(slots) : Failures{};
    for (const SlotId slot : slots) {
        const bool failed = std::ranges::find(failures, slot, &Failures::value_type::first) != failures.end();
        if (failed) continue;
        forget_withheld(slot);
        by_ip_.erase(open_.at(slot).ip);
        open_.erase(slot);
    }
    if (order.everything) {
        finish();
        remove_strays();
    }
    if (gate_ != nullptr) return;
    if (failures.empty())
        tell_(Done{order.id});
    else
        tell_(Failed{order.id, slots_of(failures), because(failures)});
}

void Holder::on(const AnnounceSlots& order) {
    announcements_.again(order.slots, now_);
}

void Holder::on(const Check& order) {
    if (const Watched* pool = watched(order.pool)) mend_group(*pool);
    const auto there = net::addresses(netlink_, AF_UNSPEC);
    if (!there) return tell_(Checked{order.number, there.error().message});
    std::string problem = shared_.missing(order.pool, *there);
    for (const auto& [slot, open] : open_) {
        if (open.pool->name != order.pool || !passing_ || withheld_.has(slot)) continue;
        const bool found = std::ranges::any_of(
            *there, [&](const auto& a) { return a.ip == open.ip && a.link == open.address.link; });
        if (!found) problem = open.ip.to_string() + " is held by this node, and not on its NIC";
    }
    if (const Watched* pool = watched(order.pool); pool != nullptr && pool->plan->virtual_macs && pool->place)
        if (const std::string mended = macs_.mend(pool->place->nic.index); !mended.empty())
            tell_(Noticed{mended});
    for (const net::Address& address : *there) {
        const auto mine = ours_.find(address.ip);
        if (mine == ours_.end() || mine->second != order.pool || shared_.has(address.ip) ||
            leaving_.has(address.ip))
            continue;
        const auto slot = by_ip_.find(address.ip);
        if (slot == by_ip_.end() || !passing_ || withheld_.has(slot->second))
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
    deadline_ = deadline;
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
    // Once for all words that came together: a NIC is spoken of with each device that is made on it.
    if (std::exchange(link_changed_, false)) {
        for (Watched& pool : pools_) look_at(pool);
        guard();
        listen();
    }
    look_at_devices();
    for (Watched& pool : pools_)
        if (pool.back_at <= now) look_at(pool);
    hear_claims();
    ask_about_withheld();
    for (Claimed& claimed : conflicts_.run(now)) tell_(std::move(claimed));
    if (auto told = announcements_.run(now); !told) tell_(Noticed{told.error().message});
    remove(leaving_.take_due(now));
}

TimePoint Holder::next(TimePoint deadline) const {
    TimePoint due = std::min({announcements_.next(), conflicts_.next(), withheld_.next(), leaving_.next()});
    for (const Watched& pool : pools_) due = std::min(due, pool.back_at);
    return gate_ == nullptr && passing_ && !open_.empty() ? std::min(due, deadline) : due;
}

}  // namespace buoy::kernel
