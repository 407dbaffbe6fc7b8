// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/cpg.hpp"

#include <corosync/cpg.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "service/io/configurations.hpp"
#include "service/io/corosync.hpp"

namespace buoy::io {
namespace {

constexpr std::string_view joining = "joining the daemons' group";
constexpr std::string_view group_talk = "the daemons' group";
constexpr int most_at_once = 32;  // callbacks of one dispatch: beats are waiting

core::Member member_of(const cpg_address& address) {
    return {NodeId{address.nodeid}, address.pid};
}

CpgReason reason_of(std::uint32_t reason) {
    switch (reason) {
        case CPG_REASON_JOIN:
            return CpgReason::join;
        case CPG_REASON_LEAVE:
            return CpgReason::leave;
        case CPG_REASON_NODEDOWN:
            return CpgReason::node_down;
        case CPG_REASON_NODEUP:
            return CpgReason::node_up;
        case CPG_REASON_PROCDOWN:
            return CpgReason::process_down;
        default:
            return CpgReason::other;
    }
}

std::vector<CpgChange> changes(std::span<const cpg_address> addresses) {
    std::vector<CpgChange> out;
    for (const cpg_address& address : addresses)
        out.push_back({member_of(address), reason_of(address.reason)});
    return out;
}

}  // namespace

struct Group::State {
    cpg_handle_t handle = 0;
    int fd = -1;
    cpg_name name{};
    core::Member self;
    std::size_t max_size = 0;
    unsigned undelivered = 0;
    bool called = false;  ///< by libcpg, since the flag was cleared
    Callbacks callbacks;
    Configurations configurations{{}};

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();

    Result<void> connect();
    Result<void> wait_for_predecessor();
    void tell(const Configurations::Change& change) const {
        if (change) callbacks.changed(*change);
    }

    static State& of(cpg_handle_t handle) {
        void* context = nullptr;
        cpg_context_get(handle, &context);
        State& state = *static_cast<State*>(context);
        state.called = true;
        return state;
    }
    static void on_deliver(cpg_handle_t handle, const cpg_name*, std::uint32_t node, std::uint32_t pid,
                           void* bytes, std::size_t size);
    static void on_members(cpg_handle_t handle, const cpg_name*, const cpg_address* members,
                           std::size_t member_count, const cpg_address* left, std::size_t left_count,
                           const cpg_address* joined, std::size_t joined_count);
    static void on_ring(cpg_handle_t handle, cpg_ring_id ring, std::uint32_t, const std::uint32_t*);
};

Group::State::~State() {
    if (handle == 0) return;
    // cpg_finalize asks Corosync and waits for the answer, for as long as Corosync may be stopped. Without a
    // connection it does not, and Corosync sees us leave all the same.
    if (fd >= 0) shutdown(fd, SHUT_RDWR);
    cpg_finalize(handle);
}

void Group::State::on_deliver(cpg_handle_t handle, const cpg_name*, std::uint32_t node, std::uint32_t pid,
                              void* bytes, std::size_t size) {
    State& state = of(handle);
    if (core::Member{NodeId{node}, pid} == state.self && state.undelivered > 0) --state.undelivered;
    state.callbacks.delivered(NodeId{node}, {static_cast<const char*>(bytes), size});
}

void Group::State::on_members(cpg_handle_t handle, const cpg_name*, const cpg_address* members,
                              std::size_t member_count, const cpg_address* left, std::size_t left_count,
                              const cpg_address* joined, std::size_t joined_count) {
    State& state = of(handle);
    std::vector<core::Member> now;
    for (const cpg_address& address : std::span(members, member_count)) now.push_back(member_of(address));
    state.tell(state.configurations.members(std::move(now), changes({left, left_count}),
                                            changes({joined, joined_count})));
}

void Group::State::on_ring(cpg_handle_t handle, cpg_ring_id ring, std::uint32_t, const std::uint32_t*) {
    State& state = of(handle);
    state.tell(state.configurations.ring({ring.seq, NodeId{ring.nodeid}}));
}

Result<void> Group::State::connect() {
    cpg_model_v1_data_t model{};
    model.model = CPG_MODEL_V1;
    model.cpg_deliver_fn = &on_deliver;
    model.cpg_confchg_fn = &on_members;
    model.cpg_totem_confchg_fn = &on_ring;
    model.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF;
    cs_error_t error = while_busy([&] {
        return cpg_model_initialize(&handle, CPG_MODEL_V1, reinterpret_cast<cpg_model_data_t*>(&model), this);
    });
    if (error != CS_OK) {
        handle = 0;
        return fail_corosync(error, joining);
    }
    std::uint32_t size = 0;
    unsigned node = 0;
    error = cpg_fd_get(handle, &fd);
    if (error == CS_OK) error = cpg_max_atomic_msgsize_get(handle, &size);
    if (error == CS_OK) error = while_busy([&] { return cpg_local_get(handle, &node); });
    if (error != CS_OK) return fail_corosync(error, joining);
    max_size = size;
    self = {NodeId{node}, static_cast<std::uint32_t>(getpid())};
    configurations = Configurations(self);
    return {};
}

// Corosync may not have noticed yet that the daemon before us is gone.
Result<void> Group::State::wait_for_predecessor() {
    int attempts = 0;
    do {
        std::array<cpg_address, CPG_MEMBERS_MAX> members{};
        int count = 0;
        const cs_error_t error =
            while_busy([&] { return cpg_membership_get(handle, &name, members.data(), &count); });
        if (error != CS_OK) return fail_corosync(error, joining);
        bool alone = true;
        for (const cpg_address& member : std::span(members).first(static_cast<std::size_t>(count)))
            if (member.nodeid == self.node.value) alone = false;
        if (alone) return {};
    } while (wait_before_retry(attempts));
    return fail(fmt::format("{}: another buoyd is in it on this node; stop that first", joining), EEXIST);
}

Group::Group(std::unique_ptr<State> state) : state_(std::move(state)) {}
Group::Group(Group&&) noexcept = default;
Group& Group::operator=(Group&&) noexcept = default;
Group::~Group() = default;

Result<Group> Group::join(std::string_view group_name, Callbacks callbacks) {
    auto state = std::make_unique<State>();
    state->callbacks = std::move(callbacks);
    if (group_name.empty() || group_name.size() > CPG_MAX_NAME_LENGTH)
        return fail(fmt::format("{}: its name has to have 1 to {} characters", joining, CPG_MAX_NAME_LENGTH),
                    EINVAL);
    state->name.length = static_cast<std::uint32_t>(group_name.size());
    std::memcpy(state->name.value, group_name.data(), group_name.size());
    if (auto done = state->connect(); !done) return tl::unexpected(done.error());
    if (auto done = state->wait_for_predecessor(); !done) return tl::unexpected(done.error());
    const cs_error_t error = while_busy([&] { return cpg_join(state->handle, &state->name); });
    if (error != CS_OK) return fail_corosync(error, joining);
    return Group(std::move(state));
}

Result<void> Group::send(std::string_view bytes) {
    State& state = *state_;
    if (bytes.size() > state.max_size)
        return fail(fmt::format("{}: a message of {} bytes is too long", group_talk, bytes.size()), EMSGSIZE);
    if (state.undelivered >= most_undelivered)
        return fail(fmt::format("{}: {} messages are on their way", group_talk, state.undelivered), EAGAIN);
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    const cs_error_t error = cpg_mcast_joined(state.handle, CPG_TYPE_AGREED, &piece, 1);
    if (error != CS_OK) return fail_corosync(error, group_talk);
    ++state.undelivered;
    return {};
}

std::size_t Group::max_size() const {
    return state_->max_size;
}

unsigned Group::undelivered() const {
    return state_->undelivered;
}

int Group::fd() const {
    return state_->fd;
}

Result<void> Group::dispatch() {
    State& state = *state_;
    for (int left = most_at_once; left > 0; --left) {
        state.called = false;
        const cs_error_t error = cpg_dispatch(state.handle, CS_DISPATCH_ONE_NONBLOCKING);
        if (error != CS_OK && error != CS_ERR_TRY_AGAIN) return fail_corosync(error, group_talk);
        if (state.called) continue;
        // libcpg takes one kind of broken connection for success.
        if (hung_up(state.fd)) return fail_corosync(CS_ERR_LIBRARY, group_talk);
        break;
    }
    return {};
}

}  // namespace buoy::io
