// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/ipc_server.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <qb/qbipcs.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "ipc/protocol.hpp"

namespace buoy::io {

namespace {

using nlohmann::json;

constexpr const char* privileged_group = "haclient";

/// Of users other than root, so that these cannot keep the agents out.
constexpr std::size_t most_conversations = 64;

/// What libqb receives into. Its version 2.0.6 believes the size that a message claims to have, so this is
/// more than an unprivileged user's socket can send at once (twice net.core.wmem_max's default).
constexpr std::uint32_t receive_buffer = 512 * 1024;

/// Deeper than any request, and far less deep than what would exhaust the stack.
constexpr int deepest_nesting = 16;

json refusal(std::string_view why) {
    return {{"ok", false}, {"error", why}};
}

/// Before parsing: what is nested without end would be copied and freed by recursion.
bool is_nested_too_deep(std::string_view text) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') in_string = !in_string;
        if (in_string && c == '\\') ++i;
        if (in_string) continue;
        if ((c == '[' || c == '{') && ++depth > deepest_nesting) return true;
        if (c == ']' || c == '}') --depth;
    }
    return false;
}

std::optional<gid_t> group_named(const char* name) {
    group entry{};
    group* found = nullptr;
    std::vector<char> buffer(16 * 1024);
    if (getgrnam_r(name, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return std::nullopt;
    return found->gr_gid;
}

/// libqb tells a client's effective group alone. The others are in /proc, where nothing blocks, unlike a
/// look-up of the user's groups; that the process has the same user still says that it is the one meant.
bool has_supplementary_group(pid_t pid, uid_t uid, gid_t group) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    bool same_user = false;
    for (std::string line; std::getline(status, line);) {
        std::istringstream words(line);
        std::string key;
        words >> key;
        std::vector<unsigned long> numbers;
        if (key != "Uid:" && key != "Groups:") continue;
        for (unsigned long number = 0; words >> number;) numbers.push_back(number);
        if (key == "Uid:") same_user = numbers.size() > 1 && numbers[1] == uid;
        if (key == "Groups:") return same_user && std::ranges::count(numbers, group) != 0;
    }
    return false;
}

/// One client. Shared by its connection and the replies that it waits for.
struct Conversation {
    qb_ipcs_connection_t* connection = nullptr;  ///< null once the client has gone
    int hangup_fd = -1;                          ///< tells when it goes
    Caller caller;
    bool waiting = false;    ///< for a reply
    std::string outgoing{};  ///< the reply
    std::size_t sent = 0;    ///< bytes of it

    [[nodiscard]] bool is_there() const;
    void send_piece();
    void answer(const json& reply);
};
using ConversationPtr = std::shared_ptr<Conversation>;

/// libqb connects to a client's socket with the first answer, and spends a second on trying if there is none.
/// The loop may not have come to hear that the client has gone.
bool Conversation::is_there() const {
    if (connection == nullptr) return false;
    pollfd asked{hangup_fd, POLLRDHUP, 0};
    return poll(&asked, 1, 0) == 0;
}

void Conversation::send_piece() {
    if (!is_there()) return;
    const auto size = std::min(ipc::max_piece, outgoing.size() - sent);
    qb_ipc_response_header header{};
    header.id = ipc::request_id;
    header.size = static_cast<std::int32_t>(sizeof header + size);
    header.error = sent + size < outgoing.size() ? ipc::more_to_come : ipc::last_piece;
    const std::array parts = {iovec{&header, sizeof header}, iovec{outgoing.data() + sent, size}};
    // The client has read everything before, so there is room; if there is none it has not kept to the
    // protocol, and waits in vain.
    (void)qb_ipcs_response_sendv(connection, parts.data(), parts.size());
    sent += size;
    if (sent < outgoing.size()) return;
    outgoing = {};
    sent = 0;
}

void Conversation::answer(const json& reply) {
    waiting = false;
    // Reasons may hold a kernel's or a user's bytes, which need not be characters.
    outgoing = reply.dump(-1, ' ', false, json::error_handler_t::replace);
    sent = 0;
    send_piece();
}

/// A reply that somebody owes.
class Owed {
  public:
    explicit Owed(ConversationPtr conversation) : conversation_(std::move(conversation)) {}
    Owed(const Owed&) = delete;
    Owed& operator=(const Owed&) = delete;
    ~Owed() {
        if (conversation_)
            conversation_->answer(refusal("buoyd could not answer this request: its log says why"));
    }
    void pay(const json& reply) {
        if (conversation_) conversation_->answer(reply);
        conversation_.reset();
    }

  private:
    ConversationPtr conversation_;
};

}  // namespace

struct IpcServer::State {
    qb_loop_t* loop = nullptr;
    qb_ipcs_service_t* service = nullptr;
    Handler handler;
    std::optional<gid_t> group;
    std::size_t unprivileged = 0;  ///< conversations
    /// What libqb last had watched: of a new connection it is the descriptor that tells its end.
    void* watched = nullptr;
    int watched_fd = -1;

    /// libqb's poll functions have no room for a context.
    static State* the_one;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();
    Result<void> run(const std::string& name);
    [[nodiscard]] int admit(const Caller& caller) const;
    void handle(const ConversationPtr& conversation, std::int32_t id, std::string_view text) const;
    void take(const ConversationPtr& conversation, std::string_view text) const;

    static ConversationPtr* context(qb_ipcs_connection_t* connection) {
        return static_cast<ConversationPtr*>(qb_ipcs_context_get(connection));
    }
    static std::int32_t on_accept(qb_ipcs_connection_t* connection, uid_t uid, gid_t gid);
    static void on_created(qb_ipcs_connection_t* connection);
    static std::int32_t on_message(qb_ipcs_connection_t* connection, void* data, std::size_t size);
    static std::int32_t on_closed(qb_ipcs_connection_t* connection);
    static void on_destroyed(qb_ipcs_connection_t* connection);

    static std::int32_t add_job(qb_loop_priority priority, void* data, qb_loop_job_dispatch_fn run);
    static std::int32_t watch(qb_loop_priority priority, std::int32_t fd, std::int32_t events, void* data,
                              qb_ipcs_dispatch_fn_t run);
    static std::int32_t change(qb_loop_priority priority, std::int32_t fd, std::int32_t events, void* data,
                               qb_ipcs_dispatch_fn_t run);
    static std::int32_t unwatch(std::int32_t fd);
};

IpcServer::State* IpcServer::State::the_one = nullptr;

std::int32_t IpcServer::State::add_job(qb_loop_priority priority, void* data, qb_loop_job_dispatch_fn run) {
    return qb_loop_job_add(the_one->loop, priority, data, run);
}

std::int32_t IpcServer::State::watch(qb_loop_priority priority, std::int32_t fd, std::int32_t events,
                                     void* data, qb_ipcs_dispatch_fn_t run) {
    the_one->watched = data;
    the_one->watched_fd = fd;
    return qb_loop_poll_add(the_one->loop, priority, fd, events, data, run);
}

std::int32_t IpcServer::State::change(qb_loop_priority priority, std::int32_t fd, std::int32_t events,
                                      void* data, qb_ipcs_dispatch_fn_t run) {
    return qb_loop_poll_mod(the_one->loop, priority, fd, events, data, run);
}

std::int32_t IpcServer::State::unwatch(std::int32_t fd) {
    return qb_loop_poll_del(the_one->loop, fd);
}

/// 0, or why not, as libqb passes it on to the client.
int IpcServer::State::admit(const Caller& caller) const {
    if (caller.uid == 0) return 0;
    const bool member =
        group && (caller.gid == *group || has_supplementary_group(caller.pid, caller.uid, *group));
    if (!member) return -EACCES;
    return unprivileged < most_conversations ? 0 : -EAGAIN;
}

std::int32_t IpcServer::State::on_accept(qb_ipcs_connection_t* connection, uid_t uid, gid_t gid) {
    qb_ipcs_connection_stats statistics{};
    (void)qb_ipcs_connection_stats_get(connection, &statistics, 0);
    const Caller caller{statistics.client_pid, uid, gid, true};
    if (const int refused = the_one->admit(caller); refused != 0) return refused;
    // For libqb's shared file, by which client and server count messages: nobody else's.
    qb_ipcs_connection_auth_set(connection, uid, gid, 0600);
    auto conversation = std::make_shared<Conversation>();
    conversation->caller = caller;
    qb_ipcs_context_set(connection, new ConversationPtr(std::move(conversation)));
    if (uid != 0) ++the_one->unprivileged;
    return 0;
}

void IpcServer::State::on_created(qb_ipcs_connection_t* connection) {
    auto& conversation = **context(connection);
    conversation.connection = connection;
    if (the_one->watched == connection) conversation.hangup_fd = the_one->watched_fd;
}

std::int32_t IpcServer::State::on_message(qb_ipcs_connection_t* connection, void* data, std::size_t size) {
    // A copy: the client may go, and its context with it, while it is being answered.
    const ConversationPtr conversation = *context(connection);
    qb_ipc_request_header header{};
    // The size is the client's claim. What was received is at most as long as the buffer.
    if (size < sizeof header || size > ipc::max_message) {
        conversation->answer(refusal(fmt::format("a request takes at most {} bytes", ipc::max_request)));
        return 0;
    }
    std::memcpy(&header, data, sizeof header);
    the_one->handle(conversation, header.id,
                    {static_cast<const char*>(data) + sizeof header, size - sizeof header});
    return 0;
}

std::int32_t IpcServer::State::on_closed(qb_ipcs_connection_t* connection) {
    (*context(connection))->connection = nullptr;
    return 0;
}

void IpcServer::State::on_destroyed(qb_ipcs_connection_t* connection) {
    // None for a client that was not let in.
    const std::unique_ptr<ConversationPtr> conversation(context(connection));
    if (!conversation) return;
    qb_ipcs_context_set(connection, nullptr);
    (*conversation)->connection = nullptr;
    if ((*conversation)->caller.uid != 0) --the_one->unprivileged;
}

void IpcServer::State::handle(const ConversationPtr& conversation, std::int32_t id,
                              std::string_view text) const {
    // It has to wait for one reply before it asks again. To answer now would be to answer the wrong question.
    if (conversation->waiting) return;
    if (id == ipc::more_id && !conversation->outgoing.empty()) return conversation->send_piece();
    if (id != ipc::request_id) return conversation->answer(refusal("there is nothing more of the reply"));
    take(conversation, text);
}

void IpcServer::State::take(const ConversationPtr& conversation, std::string_view text) const {
    if (is_nested_too_deep(text)) return conversation->answer(refusal("the request is nested too deep"));
    auto request = json::parse(text, nullptr, false);
    // The parser takes a NUL for the end, whatever follows.
    if (!request.is_object() || text.find('\0') != std::string_view::npos)
        return conversation->answer(refusal("the request is no JSON object"));
    conversation->waiting = true;
    conversation->outgoing = {};
    const auto owed = std::make_shared<Owed>(conversation);
    handler(conversation->caller, std::move(request), [owed](const json& reply) { owed->pay(reply); });
}

Result<void> IpcServer::State::run(const std::string& name) {
    group = group_named(privileged_group);
    qb_ipcs_service_handlers handlers{on_accept, on_created, on_message, on_closed, on_destroyed};
    service = qb_ipcs_create(name.c_str(), 0, QB_IPC_SOCKET, &handlers);
    if (service == nullptr) return fail("no memory for buoyd's local socket", ENOMEM);
    qb_ipcs_poll_handlers polling{add_job, watch, change, unwatch};
    qb_ipcs_poll_handlers_set(service, &polling);
    qb_ipcs_enforce_buffer_size(service, receive_buffer);
    const int code = -qb_ipcs_run(service);
    if (code == 0) return {};
    // It has freed it.
    service = nullptr;
    if (code == EADDRINUSE)
        return fail(
            fmt::format("there is a {} already in this network namespace: `buoy status` asks it", name),
            code);
    return fail(fmt::format("cannot make the local socket {}: {}", name, std::strerror(code)), code);
}

IpcServer::State::~State() {
    if (service != nullptr) qb_ipcs_destroy(service);
    if (the_one == this) the_one = nullptr;
}

IpcServer::IpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
IpcServer::IpcServer(IpcServer&&) noexcept = default;
IpcServer& IpcServer::operator=(IpcServer&&) noexcept = default;
IpcServer::~IpcServer() = default;

Result<IpcServer> IpcServer::create(qb_loop_t* loop, Handler handler) {
    return create(loop, std::move(handler), ipc::service_name);
}

Result<IpcServer> IpcServer::create(qb_loop_t* loop, Handler handler, const std::string& name) {
    if (State::the_one != nullptr) return fail("this process has a local socket already", EBUSY);
    auto state = std::make_unique<State>();
    state->loop = loop;
    state->handler = std::move(handler);
    State::the_one = state.get();
    if (auto running = state->run(name); !running) return tl::unexpected<Error>(running.error());
    return IpcServer(std::move(state));
}

}  // namespace buoy::io
