// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "buoy/ip.hpp"
#include "buoy/result.hpp"

struct nl_sock;
struct nl_msg;
struct nlattr;

namespace buoy::net {

/// One netlink message being composed: a fixed header, then attributes. Running out of memory while
/// composing aborts.
class Request {
  public:
    /// `type` is an RTM_* or similar; `flags` NLM_F_* besides NLM_F_REQUEST, which is always set.
    template <typename Header>
    Request(int type, int flags, const Header& header) : Request(type, flags, &header, sizeof header) {}

    Request& put_u8(int attribute, std::uint8_t value);
    Request& put_u32(int attribute, std::uint32_t value);
    Request& put_string(int attribute, const std::string& value);
    Request& put_bytes(int attribute, std::span<const std::uint8_t> bytes);
    Request& put_address(int attribute, const IpAddress& address);
    template <typename Value>
    Request& put_value(int attribute, const Value& value) {
        return put_bytes(attribute, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
    }
    /// Opens a nested attribute; attributes put from here on are inside it, until end_nest().
    nlattr* begin_nest(int attribute);
    void end_nest(nlattr* nest);

    [[nodiscard]] nl_msg* message() const { return message_.get(); }

  private:
    Request(int type, int flags, const void* header, std::size_t size);
    std::shared_ptr<nl_msg> message_;
};

/// A conversation with the kernel about the network namespace in which it was opened (netlink(7)).
/// Calls block until the kernel has answered, which it does from memory.
class Netlink {
  public:
    /// `protocol` is NETLINK_ROUTE or another NETLINK_* family.
    static Result<Netlink> open(int protocol = NETLINK_ROUTE);

    /// Sends a request that changes something and waits for the kernel's word on it. The error's code
    /// is the kernel's errno; its message begins with `what` and carries the kernel's explanation.
    Result<void> change(const Request& request, std::string_view what);

    /// Sends a request that asks for objects; `each` sees every message that comes back. For a dump,
    /// pass NLM_F_DUMP in the request; one during which the objects changed is repeated, so that none is
    /// missing (NLM_F_DUMP_INTR), and `each` sees the last. After an error it has seen nothing.
    Result<void> query(const Request& request, std::string_view what,
                       const std::function<void(const nlmsghdr&)>& each);

    /// The socket as libnl knows it, for the object layers of libnl-route.
    [[nodiscard]] nl_sock* socket() const { return socket_.get(); }

  private:
    explicit Netlink(nl_sock* socket);
    std::shared_ptr<nl_sock> socket_;
};

}  // namespace buoy::net
