// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/gate/links.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "net/netlink.hpp"

namespace buoy::gate {

namespace {

// Before the filters of others, which may end the classification. Of one priority and kind the kernel runs
// the newest first, and each has a handle of its own: the gate has two, to get in front of the others without
// being away.
constexpr std::uint32_t tc_priority = 1;
constexpr std::array<std::uint32_t, 2> tc_handles{0xb0, 0xb1};

tl::unexpected<Error> failure(int code, const std::string& what) {
    code = code < 0 ? -code : code;
    return fail(fmt::format("{}: {}", what, std::strerror(code)), code);
}

bpf_tc_hook hook_of(int link, int point) {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = link;
    hook.attach_point = static_cast<bpf_tc_attach_point>(point);
    return hook;
}

int point_of(Hook hook) {
    return hook == Hook::ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

bpf_tc_opts options(std::uint32_t handle) {
    bpf_tc_opts opts{};
    opts.sz = sizeof opts;
    opts.handle = handle;
    opts.priority = tc_priority;
    return opts;
}

struct Filter {
    std::string kind;
    std::uint32_t handle;
};

bool is_gates(const Filter& filter) {
    return filter.kind == "bpf" && std::ranges::find(tc_handles, filter.handle) != tc_handles.end();
}

/// Those of the gate's priority, in the order in which they see frames.
Result<std::vector<Filter>> filters_on(int link, Hook hook) {
    auto netlink = net::Netlink::open();
    if (!netlink) return tl::unexpected(netlink.error());
    tcmsg about{};
    about.tcm_family = AF_UNSPEC;
    about.tcm_ifindex = link;
    about.tcm_parent = TC_H_MAKE(TC_H_CLSACT, hook == Hook::ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
    std::vector<Filter> filters;
    const auto seen = netlink->query(
        net::Request(RTM_GETTFILTER, NLM_F_DUMP, about),
        fmt::format("cannot list the tc filters of link {}", link), [&](const nlmsghdr& message) {
            const auto& filter = *static_cast<const tcmsg*>(NLMSG_DATA(&message));
            // Every priority comes once without a handle, for itself.
            if (filter.tcm_info >> 16 != tc_priority || filter.tcm_handle == 0) return;
            filters.push_back({"", filter.tcm_handle});
            auto left = static_cast<int>(message.nlmsg_len - NLMSG_LENGTH(sizeof filter));
            for (const rtattr* a = TCA_RTA(&filter); RTA_OK(a, left); a = RTA_NEXT(a, left))
                if (a->rta_type == TCA_KIND) filters.back().kind = static_cast<const char*>(RTA_DATA(a));
        });
    if (!seen) return tl::unexpected(seen.error());
    return filters;
}

Result<void> take_off(int link, Hook hook, std::uint32_t handle) {
    const bpf_tc_hook at = hook_of(link, point_of(hook));
    bpf_tc_opts opts = options(handle);
    const int detached = bpf_tc_detach(&at, &opts);
    if (detached != 0 && detached != -ENOENT && detached != -ENODEV && detached != -EINVAL)
        return failure(detached, fmt::format("cannot take the packet gate off link {}", link));
    return {};
}

struct Descriptor {
    explicit Descriptor(int n) : number(n) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number >= 0) close(number);
    }
    int number;
};

/// veth's own XDP leaves a frame's type as it was before the program gave it another MAC, and sends nothing
/// back where the peer has no XDP: there the kernel's general one serves.
std::uint32_t mode_for(int link) {
    ifreq request{};
    ethtool_drvinfo driver{};
    driver.cmd = ETHTOOL_GDRVINFO;
    request.ifr_data = reinterpret_cast<char*>(&driver);
    const Descriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const bool is_veth = if_indextoname(static_cast<unsigned>(link), request.ifr_name) != nullptr &&
                         ioctl(any.number, SIOCETHTOOL, &request) == 0 &&
                         std::string(driver.driver) == "veth";
    return is_veth ? XDP_FLAGS_SKB_MODE : 0;
}

std::string name_of(int program) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    return bpf_obj_get_info_by_fd(program, &info, &size) == 0 ? info.name : "";
}

/// The id of the XDP program on a link and the mode it is in (XDP_FLAGS_*_MODE); no id where there is none.
Result<std::pair<std::uint32_t, std::uint32_t>> xdp_on(int link) {
    bpf_xdp_query_opts on{};
    on.sz = sizeof on;
    if (const int asked = bpf_xdp_query(link, 0, &on); asked != 0)
        return failure(asked, fmt::format("cannot see whether link {} has an XDP program", link));
    if (on.drv_prog_id != 0) return std::pair(on.drv_prog_id, std::uint32_t{XDP_FLAGS_DRV_MODE});
    if (on.skb_prog_id != 0) return std::pair(on.skb_prog_id, std::uint32_t{XDP_FLAGS_SKB_MODE});
    if (on.hw_prog_id != 0) return std::pair(on.hw_prog_id, std::uint32_t{XDP_FLAGS_HW_MODE});
    return std::pair(std::uint32_t{0}, std::uint32_t{0});
}

}  // namespace

Result<void> attach_tc(int link, Hook hook, int program) {
    bpf_tc_hook both = hook_of(link, BPF_TC_INGRESS | BPF_TC_EGRESS);
    if (const int made = bpf_tc_hook_create(&both); made != 0 && made != -EEXIST)
        return failure(made, fmt::format("cannot prepare link {} for the packet gate (clsact)", link));
    const auto there = filters_on(link, hook);
    if (!there) return tl::unexpected(there.error());
    for (const Filter& filter : *there)
        if (filter.kind != "bpf")
            return fail(
                fmt::format(
                    "link {} has a \"{}\" filter with handle {:#x} at tc priority {}, where the packet "
                    "gate has to be; give it a priority after that",
                    link, filter.kind, filter.handle, tc_priority),
                EBUSY);
    const bool first = !there->empty() && is_gates(there->front());
    const auto in_use = [&](std::uint32_t handle) {
        return std::ranges::find(*there, handle, &Filter::handle) != there->end();
    };
    const std::uint32_t handle = first                   ? there->front().handle
                                 : in_use(tc_handles[0]) ? tc_handles[1]
                                                         : tc_handles[0];
    const bpf_tc_hook at = hook_of(link, point_of(hook));
    bpf_tc_opts opts = options(handle);
    opts.prog_fd = program;
    opts.flags = BPF_TC_F_REPLACE;
    if (const int attached = bpf_tc_attach(&at, &opts); attached != 0)
        return failure(attached, fmt::format("cannot attach the packet gate to link {}", link));
    for (const Filter& filter : *there)
        if (is_gates(filter) && filter.handle != handle)
            if (auto off = take_off(link, hook, filter.handle); !off) return off;
    return {};
}

Result<void> detach_tc(int link, Hook hook) {
    for (const std::uint32_t handle : tc_handles)
        if (auto off = take_off(link, hook, handle); !off) return off;
    return {};
}

Result<void> attach_xdp(int link, int program) {
    const auto on = xdp_on(link);
    if (!on) return tl::unexpected(on.error());
    const auto [id, mode] = *on;
    bpf_xdp_attach_opts opts{};
    opts.sz = sizeof opts;
    const Descriptor before(id == 0 ? -1 : bpf_prog_get_fd_by_id(id));
    const std::string name = id == 0 ? "" : name_of(before.number);
    if (id != 0 && name != name_of(program))
        return fail(
            fmt::format("link {} has another XDP program, id {} (\"{}\"), which stays; use attach=tc, or "
                        "take it off first",
                        link, id, name),
            EBUSY);
    // The kernel makes sure that nobody put one there meanwhile.
    opts.old_prog_fd = id == 0 ? 0 : before.number;
    const std::uint32_t flags =
        id == 0 ? mode_for(link) | XDP_FLAGS_UPDATE_IF_NOEXIST : mode | std::uint32_t{XDP_FLAGS_REPLACE};
    if (const int attached = bpf_xdp_attach(link, program, flags, &opts); attached != 0)
        return failure(attached, fmt::format("cannot attach the packet gate to link {} with XDP", link));
    return {};
}

Result<void> detach_xdp(int link, const char* name) {
    const auto on = xdp_on(link);
    if (!on || on->first == 0) return {};
    const Descriptor program(bpf_prog_get_fd_by_id(on->first));
    if (program.number < 0 || name_of(program.number) != name) return {};
    bpf_xdp_attach_opts opts{};
    opts.sz = sizeof opts;
    opts.old_prog_fd = program.number;
    const int detached = bpf_xdp_detach(link, on->second | XDP_FLAGS_REPLACE, &opts);
    if (detached != 0 && detached != -ENODEV)
        return failure(detached, fmt::format("cannot take the packet gate's XDP program off link {}", link));
    return {};
}

Result<Mac> mac_of(int link) {
    ifreq request{};
    const Descriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (if_indextoname(static_cast<unsigned>(link), request.ifr_name) == nullptr ||
        ioctl(any.number, SIOCGIFHWADDR, &request) != 0)
        return failure(errno, fmt::format("cannot read the MAC of link {}", link));
    Mac mac;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(request.ifr_hwaddr.sa_data), mac.bytes.size(),
                mac.bytes.begin());
    return mac;
}

}  // namespace buoy::gate
