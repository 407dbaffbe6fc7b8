// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/netlink.hpp"

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "net/errors.hpp"

namespace buoy::net {

namespace {

using Message = std::unique_ptr<nl_msg, decltype(&nlmsg_free)>;

// Each time somebody changed what was being listed; on a node with hundreds of addresses starting at once
// that is often.
constexpr int most_dumps = 100;

/// What one exchange has brought so far; libnl's callbacks fill it.
struct Exchange {
    std::vector<Message> messages;
    int error = 0;
    std::string explanation;
    bool interrupted = false;  ///< the objects changed while they were listed: some may be missing
};

int on_message(nl_msg* message, void* context) {
    nlmsg_get(message);
    static_cast<Exchange*>(context)->messages.emplace_back(message, nlmsg_free);
    return NL_OK;
}

int on_interruption(nl_msg* /*message*/, void* context) {
    static_cast<Exchange*>(context)->interrupted = true;
    return NL_OK;
}

/// The text behind an extended acknowledgement (NLMSGERR_ATTR_MSG), or nothing.
std::string explanation_in(const nlmsgerr& error) {
    const auto* header =
        reinterpret_cast<const nlmsghdr*>(reinterpret_cast<const char*>(&error) - NLMSG_HDRLEN);
    if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    std::size_t offset = sizeof(nlmsgerr);
    if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) offset += error.msg.nlmsg_len - NLMSG_HDRLEN;
    const std::size_t length = header->nlmsg_len - NLMSG_HDRLEN;
    if (NLMSG_ALIGN(offset) >= length) return {};
    auto* attributes = reinterpret_cast<nlattr*>(const_cast<char*>(reinterpret_cast<const char*>(&error)) +
                                                 NLMSG_ALIGN(offset));
    const nlattr* text =
        nla_find(attributes, static_cast<int>(length - NLMSG_ALIGN(offset)), NLMSGERR_ATTR_MSG);
    return text == nullptr ? std::string() : std::string(static_cast<const char*>(nla_data(text)));
}

int on_error(sockaddr_nl* /*from*/, nlmsgerr* error, void* context) {
    auto* exchange = static_cast<Exchange*>(context);
    exchange->error = -error->error;
    exchange->explanation = explanation_in(*error);
    return NL_STOP;
}

int on_end(nl_msg* /*message*/, void* /*context*/) {
    return NL_STOP;
}

Result<void> converse(nl_sock* socket, const Request& request, std::string_view what, Exchange& exchange) {
    // A request that is sent again counts as another one.
    nlmsg_hdr(request.message())->nlmsg_seq = NL_AUTO_SEQ;
    if (const int sent = nl_send_auto(socket, request.message()); sent < 0)
        return fail(fmt::format("{}: {}", what, nl_geterror(sent)), EIO);
    const std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT), nl_cb_put);
    if (!callbacks) std::abort();
    nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_message, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interruption, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_end, nullptr);
    nl_cb_set(callbacks.get(), NL_CB_FINISH, NL_CB_CUSTOM, on_end, nullptr);
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &exchange);
    const int received = nl_recvmsgs(socket, callbacks.get());
    if (exchange.error != 0) {
        auto error = system_error(exchange.error, what);
        if (!exchange.explanation.empty()) error.message += " (" + exchange.explanation + ")";
        return tl::unexpected<Error>(std::move(error));
    }
    if (received < 0) return fail(fmt::format("{}: {}", what, nl_geterror(received)), EIO);
    return {};
}

void must(int result) {
    if (result < 0) std::abort();
}

}  // namespace

Request::Request(int type, int flags, const void* header, std::size_t size)
    : message_(nlmsg_alloc_simple(type, flags), nlmsg_free) {
    if (!message_) std::abort();
    must(nlmsg_append(message_.get(), const_cast<void*>(header), size, NLMSG_ALIGNTO));
}

Request& Request::put_u8(int attribute, std::uint8_t value) {
    return put_value(attribute, value);
}
Request& Request::put_u32(int attribute, std::uint32_t value) {
    return put_value(attribute, value);
}

Request& Request::put_string(int attribute, const std::string& value) {
    must(nla_put_string(message_.get(), attribute, value.c_str()));
    return *this;
}

Request& Request::put_bytes(int attribute, std::span<const std::uint8_t> bytes) {
    must(nla_put(message_.get(), attribute, static_cast<int>(bytes.size()), bytes.data()));
    return *this;
}

Request& Request::put_address(int attribute, const IpAddress& address) {
    return put_bytes(attribute, {address.data(), address.size()});
}

nlattr* Request::begin_nest(int attribute) {
    nlattr* nest = nla_nest_start(message_.get(), attribute);
    if (nest == nullptr) std::abort();
    return nest;
}

void Request::end_nest(nlattr* nest) {
    nla_nest_end(message_.get(), nest);
}

Netlink::Netlink(nl_sock* socket) : socket_(socket, nl_socket_free) {}

Result<Netlink> Netlink::open(int protocol) {
    nl_sock* socket = nl_socket_alloc();
    if (socket == nullptr) return fail("cannot allocate a netlink socket", ENOMEM);
    Netlink netlink(socket);
    // Requests say themselves whether they want one: to a query the object is the answer.
    nl_socket_disable_auto_ack(socket);
    if (nl_connect(socket, protocol) < 0) return fail_errno(errno, "cannot open a netlink socket");
    // Both only sharpen what the kernel says or sends; one that knows neither serves as well.
    const int on = 1;
    setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    return netlink;
}

Result<void> Netlink::change(const Request& request, std::string_view what) {
    Exchange exchange;
    return converse(socket(), request, what, exchange);
}

Result<void> Netlink::query(const Request& request, std::string_view what,
                            const std::function<void(const nlmsghdr&)>& each) {
    for (int dumps = 0; dumps < most_dumps; ++dumps) {
        Exchange exchange;
        if (auto asked = converse(socket(), request, what, exchange); !asked) return asked;
        if (exchange.interrupted) continue;
        for (const auto& message : exchange.messages) each(*nlmsg_hdr(message.get()));
        return {};
    }
    return fail(fmt::format("{}: they changed whenever they were listed", what), EAGAIN);
}

}  // namespace buoy::net
