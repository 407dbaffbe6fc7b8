// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/kernel/virtual_macs.hpp"

#include <fmt/format.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "buoy/virtual_mac.hpp"
#include "net/errors.hpp"
#include "net/link_macs.hpp"
#include "net/netns.hpp"
#include "vmac/virtual_mac.hpp"

namespace buoy::kernel {

namespace {

// Who removes the last device of a NIC changes the NIC's settings, and has agents to fear that do so too.
// They hold the lock for a few milliseconds; anybody may hold it, and is not to keep an address from moving.
constexpr std::chrono::milliseconds patience{100};

int change(const net::Fd& memberships, int option, int link, const Mac& mac) {
    packet_mreq request{};
    request.mr_ifindex = link;
    request.mr_type = PACKET_MR_UNICAST;
    request.mr_alen = static_cast<unsigned short>(mac.bytes.size());
    std::ranges::copy(mac.bytes, request.mr_address);
    return setsockopt(memberships.get(), SOL_PACKET, option, &request, sizeof request) == 0 ? 0 : errno;
}

}  // namespace

Result<void> VirtualMacs::join(Nic& nic, int link, const Mac& mac) {
    // Of no protocol: nothing comes in by it.
    if (!nic.memberships) nic.memberships = net::Fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!nic.memberships) return net::fail_errno(errno, "cannot open a packet socket");
    if (const int code = change(nic.memberships, PACKET_ADD_MEMBERSHIP, link, mac); code != 0)
        return net::fail_errno(code, fmt::format("cannot have {} received", mac.to_string()));
    nic.macs.insert(mac);
    return {};
}

void VirtualMacs::part(Nic& nic, int link, const Mac& mac) {
    // With the link its MACs are gone, and nothing else can go wrong.
    if (nic.macs.erase(mac) > 0) change(nic.memberships, PACKET_DROP_MEMBERSHIP, link, mac);
}

std::vector<Result<void>> VirtualMacs::receive(const net::Link& nic, const std::vector<IpAddress>& ips) {
    std::vector<Result<void>> done;
    for (const IpAddress& ip : ips) {
        const auto before = joined_.find(ip);
        if (before != joined_.end() && before->second == nic.index) {
            done.emplace_back();
            continue;
        }
        if (before != joined_.end()) leave({ip});
        done.push_back(join(nics_[nic.index], nic.index, virtual_mac_of(ip)));
        if (done.back()) joined_.emplace(ip, nic.index);
    }
    return done;
}

void VirtualMacs::leave(const std::vector<IpAddress>& ips) {
    for (const IpAddress& ip : ips) {
        const auto found = joined_.find(ip);
        if (found == joined_.end()) continue;
        const auto nic = nics_.find(found->second);
        part(nic->second, nic->first, virtual_mac_of(ip));
        if (nic->second.macs.empty()) nics_.erase(nic);
        joined_.erase(found);
    }
}

std::string VirtualMacs::join_again(Nic& nic, int link, const Mac& mac) {
    part(nic, link, mac);
    const auto joined = join(nic, link, mac);
    const std::string what = fmt::format(
        "{}, the virtual MAC of an address that this node holds, was taken "
        "off the NIC behind our back",
        mac.to_string());
    return joined ? what + " and has been put back" : what + ", and we " + joined.error().message;
}

void VirtualMacs::lost(const nlmsghdr& message) {
    const auto entry = net::decode_link_mac(message);
    if (!entry) return;
    const auto nic = nics_.find(entry->link);
    if (nic != nics_.end() && nic->second.macs.contains(entry->mac))
        tell_(Noticed{join_again(nic->second, nic->first, entry->mac)});
}

std::string VirtualMacs::mend(int nic) {
    const auto found = nics_.find(nic);
    if (found == nics_.end()) return {};
    auto received = net::link_macs(netlink_, nic);
    if (!received) return received.error().message;
    std::ranges::sort(*received);
    std::vector<Mac> missing;
    std::ranges::set_difference(found->second.macs, *received, std::back_inserter(missing));
    // One that shows none of them shows none at all, as a bridge does.
    if (missing.size() == found->second.macs.size()) return {};
    std::string said;
    for (const Mac& mac : missing) said = join_again(found->second, nic, mac);
    return said;
}

Result<void> VirtualMacs::remove(const std::vector<Stray>& strays) {
    if (strays.empty()) return {};
    std::map<int, std::vector<net::Link>> by_nic;
    std::vector<IpAddress> ips;
    for (const auto& [ip, device] : strays) {
        ips.push_back(ip);
        by_nic[device.parent.value_or(0)].push_back(device);
    }
    const auto lock = net::NetnsLock::take(patience);
    Result<void> done;
    for (const auto& [nic, devices] : by_nic) {
        const auto removed = vmac::remove_many(netlink_, devices);
        if (!removed) done = tl::unexpected<Error>(removed.error());
        if (removed && !removed->empty()) tell_(Noticed{*removed});
    }
    auto unrouted = vmac::unroute(netlink_, ips);
    return done ? unrouted : done;
}

}  // namespace buoy::kernel
