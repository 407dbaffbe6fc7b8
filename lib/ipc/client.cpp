// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <qb/qbipcc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "ipc/protocol.hpp"

namespace buoy::ipc {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// libqb looks for a daemon that has died only when a wait ends, so it waits in pieces.
constexpr milliseconds longest_wait{100};

/// More than any reply there is; a broken daemon must not fill the memory.
constexpr std::size_t longest_reply = std::size_t{64} * 1024 * 1024;

class Deadline {
  public:
    explicit Deadline(milliseconds timeout) : at_(Clock::now() + timeout) {}
    [[nodiscard]] milliseconds left() const {
        return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(at_ - Clock::now()));
    }
    [[nodiscard]] bool passed() const { return left() == milliseconds(0); }

  private:
    Clock::time_point at_;
};

tl::unexpected<Error> no_daemon(int code) {
    return fail(
        "buoyd does not run on this node: start a pool with Pacemaker, or `systemctl start buoyd`; its log "
        "says why it ended",
        code);
}

tl::unexpected<Error> not_allowed() {
    return fail("buoyd lets only root and members of the group haclient in: use sudo", EACCES);
}

tl::unexpected<Error> too_late(milliseconds timeout) {
    return fail(
        fmt::format("buoyd has not answered within {} ms: it is stopped or overloaded; `journalctl -u buoyd` "
                    "says what it does",
                    timeout.count()),
        ETIMEDOUT);
}

tl::unexpected<Error> gone() {
    return fail("buoyd went away before it answered: its log says why; ask again once it runs", ECONNRESET);
}

tl::unexpected<Error> not_connected(int code) {
    switch (code) {
        case ECONNREFUSED:
        case ENOENT:
            return no_daemon(ECONNREFUSED);
        case EACCES:
        case EPERM:
            return not_allowed();
        case EAGAIN:
            return fail("buoyd has too many to talk to: end programs that keep asking it, or use sudo",
                        EAGAIN);
        case ENOTCONN:
        case ECONNRESET:
        case EPIPE:
            return gone();
        default:
            return fail(fmt::format("cannot talk to buoyd: {}", std::strerror(code)), code);
    }
}

/// Waits for the daemon's word on a connection that was asked for. A stopped daemon gives none.
Result<qb_ipcc_connection_t*> finish(qb_ipcc_connection_t* connection, int fd, milliseconds timeout) {
    const Deadline deadline(timeout);
    pollfd waited{fd, POLLIN, 0};
    int ready = 0;
    do ready = poll(&waited, 1, static_cast<int>(deadline.left().count()));
    while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        // libqb leaves the descriptor of an unfinished connection to whoever asked for it.
        qb_ipcc_disconnect(connection);
        close(fd);
        return too_late(timeout);
    }
    // On failure it has freed the connection.
    if (const int code = qb_ipcc_connect_continue(connection); code != 0) return not_connected(-code);
    return connection;
}

}  // namespace

struct Client::Connection {
    explicit Connection(qb_ipcc_connection_t* connection) : ipc(connection), buffer(max_message) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { qb_ipcc_disconnect(ipc); }

    Result<void> send(std::int32_t id, const std::string& text, const Deadline& deadline,
                      milliseconds timeout);
    /// Appends a piece; true if it is the last.
    Result<bool> receive(std::string& into, const Deadline& deadline, milliseconds timeout);

    qb_ipcc_connection_t* ipc;
    std::vector<char> buffer;
    bool over = false;
};

Result<void> Client::Connection::send(std::int32_t id, const std::string& text, const Deadline& deadline,
                                      milliseconds timeout) {
    qb_ipc_request_header header{};
    header.id = id;
    header.size = static_cast<std::int32_t>(sizeof header + text.size());
    std::memcpy(buffer.data(), &header, sizeof header);
    std::ranges::copy(text, buffer.data() + sizeof header);
    for (;;) {
        const auto sent = qb_ipcc_send(ipc, buffer.data(), static_cast<std::size_t>(header.size));
        if (sent == header.size) return {};
        if (sent != -EAGAIN) return not_connected(sent < 0 ? static_cast<int>(-sent) : EIO);
        if (deadline.passed()) return too_late(timeout);
        // There is nothing to wait for: what is full is the other end's socket.
        poll(nullptr, 0, 5);
    }
}

Result<bool> Client::Connection::receive(std::string& into, const Deadline& deadline, milliseconds timeout) {
    for (;;) {
        const auto wait = std::min(deadline.left(), longest_wait);
        const auto size = qb_ipcc_recv(ipc, buffer.data(), buffer.size(), static_cast<int>(wait.count()));
        if (size == -EAGAIN || size == -ETIMEDOUT || size == -EINTR) {
            if (deadline.passed()) return too_late(timeout);
            continue;
        }
        if (size < 0) return gone();
        qb_ipc_response_header header{};
        if (static_cast<std::size_t>(size) < sizeof header || into.size() > longest_reply)
            return fail("buoyd's answer makes no sense: do `buoy` and `buoyd` have the same version?",
                        EBADMSG);
        std::memcpy(&header, buffer.data(), sizeof header);
        into.append(buffer.data() + sizeof header, static_cast<std::size_t>(size) - sizeof header);
        return header.error != more_to_come;
    }
}

Client::Client(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(milliseconds timeout) {
    return connect(timeout, service_name);
}

Result<Client> Client::connect(milliseconds timeout, const std::string& name) {
    int fd = -1;
    auto* asked = qb_ipcc_connect_async(name.c_str(), max_message, &fd);
    if (asked == nullptr) return not_connected(errno);
    auto connected = finish(asked, fd, timeout);
    if (!connected) return tl::unexpected<Error>(connected.error());
    auto connection = std::make_unique<Connection>(*connected);
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    // Abstract socket names are anybody's.
    if (qb_ipcc_auth_get(connection->ipc, &pid, &uid, &gid) != 0 || (uid != 0 && uid != geteuid()))
        return fail(
            fmt::format("what answers as buoyd is process {} of user {}, not root's: end it", pid, uid),
            EACCES);
    return Client(std::move(connection));
}

Result<json> Client::request(const json& request, milliseconds timeout) {
    if (connection_->over) return gone();
    const std::string text = request.dump(-1, ' ', false, json::error_handler_t::replace);
    if (text.size() > max_request)
        return fail(fmt::format("a request of {} bytes is too long for buoyd, which takes {}", text.size(),
                                max_request),
                    EMSGSIZE);
    connection_->over = true;
    const Deadline deadline(timeout);
    std::string answer;
    if (auto sent = connection_->send(request_id, text, deadline, timeout); !sent)
        return tl::unexpected<Error>(sent.error());
    for (;;) {
        const auto last = connection_->receive(answer, deadline, timeout);
        if (!last) return tl::unexpected<Error>(last.error());
        if (*last) break;
        if (auto sent = connection_->send(more_id, "", deadline, timeout); !sent)
            return tl::unexpected<Error>(sent.error());
    }
    auto reply = json::parse(answer, nullptr, false);
    if (!reply.is_object())
        return fail("buoyd's answer makes no sense: do `buoy` and `buoyd` have the same version?", EBADMSG);
    connection_->over = false;
    return reply;
}

Result<json> ask(const json& request, milliseconds timeout) {
    auto client = Client::connect();
    if (!client) return tl::unexpected<Error>(client.error());
    auto reply = client->request(request, timeout);
    if (!reply) return reply;
    if (reply->value("ok", false)) return reply;
    return fail(reply->value("error", "buoyd refused without saying why"));
}

}  // namespace buoy::ipc
