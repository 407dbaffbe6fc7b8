// SPDX-License-Identifier: GPL-2.0-or-later
// What others do to what is held here, or have left: heard of, and put right.
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "buoy/virtual_mac.hpp"
#include "net/address.hpp"
#include "service/kernel/holder.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::kernel {

void Holder::heard(const nlmsghdr& message) {
    if (const auto address = net::decode_address(message)) {
        if (message.nlmsg_type == RTM_DELADDR)
            vanished(*address);
        else
            appeared(*address);
        return;
    }
    if (message.nlmsg_type == RTM_DELNEIGH) {
        macs_.lost(message);
        for (const Watched& pool : pools_) mend_group(pool);
    }
    if (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK) return;
    const auto& link = *static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
    // Another family's word is of a bridge's port. With a link everything on it is gone.
    if (message.nlmsg_type == RTM_DELLINK && link.ifi_family == AF_UNSPEC) guarded_.erase(link.ifi_index);
    if (!heard_of_device(message)) link_changed_ = true;
}

void Holder::mend_group(const Watched& pool) {
    if (pool.place && pool.place->nic.up && pool.place->nic.carrier) shared_.mend_group(pool.plan->name);
}

void Holder::look_again() {
    for (Watched& pool : pools_) look_at(pool);
    guard();
    listen();
    shared_.put_back();
    for (const Watched& pool : pools_)
        if (pool.place)
            if (const std::string mended = macs_.mend(pool.place->nic.index); !mended.empty())
                tell_(Noticed{mended});
    if (!passing_) return;
    // What is there already stays as it is; what was missing comes back.
    show(all_open());
    remove_strays();
}

void Holder::vanished(const net::Address& address) {
    if (shared_.vanished(address)) return;
    const auto slot = by_ip_.find(address.ip);
    if (slot == by_ip_.end() || !passing_ || withheld_.has(slot->second)) return;
    Open& open = open_.at(slot->second);
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
    if (mine == ours_.end() || shared_.has(address.ip) || leaving_.has(address.ip)) return false;
    const auto slot = by_ip_.find(address.ip);
    if (slot != by_ip_.end() && passing_ && !withheld_.has(slot->second) &&
        open_.at(slot->second).address.link == address.link)
        return false;
    const Watched* pool = watched(mine->second);
    if (pool == nullptr || !pool->place) return false;
    if (pool->place->nic.index == address.link) return net::remove_address(netlink_, address).has_value();
    const auto device = net::find_link(netlink_, address.link);
    if (!device || !vmac::is_device(*device) || device->parent != pool->place->nic.index) return false;
    return macs_.remove({{address.ip, *device}}).has_value();
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
    const auto links = net::links(netlink_);
    if (!there || !links) return tell_(Noticed{(there ? links.error() : there.error()).message});
    // They take their addresses along.
    const auto devices = stray_devices(*links);
    if (auto gone = macs_.remove(devices); !gone) tell_(Noticed{gone.error().message});
    std::size_t removed = devices.size();
    for (const net::Address& address : *there)
        if (remove_stray(address)) ++removed;
    if (removed > 0)
        tell_(Noticed{fmt::format("{} addresses that were here before have been removed", removed)});
}

bool Holder::heard_of_device(const nlmsghdr& message) {
    const auto link = net::decode_link(message);
    if (!link || !vmac::is_device(*link)) return false;
    // Making a device takes several words, and what counts is what is there in the end.
    suspects_.insert(link->index);
    return true;
}

void Holder::look_at_devices() {
    if (suspects_.empty()) return;
    auto links = net::links(netlink_);
    if (!links) return tell_(Noticed{links.error().message});
    const std::set<int> suspects = std::exchange(suspects_, {});
    std::erase_if(*links, [&](const net::Link& link) { return !suspects.contains(link.index); });
    const auto strays = stray_devices(*links);
    for (const auto& [ip, device] : strays)
        tell_(Noticed{fmt::format(
            "{} was made behind our back and is removed: its MAC is that of {}, which is a pool's",
            device.name, ip.to_string())});
    if (auto gone = macs_.remove(strays); !gone) tell_(Noticed{gone.error().message});
}

std::vector<VirtualMacs::Stray> Holder::stray_devices(const std::vector<net::Link>& links) const {
    std::vector<VirtualMacs::Stray> strays;
    for (const net::Link& link : links) {
        if (!vmac::is_device(link)) continue;
        const auto ip = by_mac_.find(link.mac);
        if (ip != by_mac_.end()) strays.push_back({ip->second, link});
    }
    return strays;
}

}  // namespace buoy::kernel
