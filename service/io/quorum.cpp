// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/quorum.hpp"

#include <corosync/quorum.h>

#include <optional>
#include <span>

#include "service/io/corosync.hpp"

namespace buoy::io {
namespace {

constexpr std::string_view asking = "Corosync's quorum service";

}  // namespace

struct Quorum::State {
    quorum_handle_t handle = 0;
    int fd = -1;
    bool two_node = false;
    std::uint32_t expected = 0;
    std::optional<core::QuorumChanged> last;
    Changed changed;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (handle != 0) quorum_finalize(handle);
    }

    Result<void> connect();
    void tell() {
        last->two_node = two_node;
        last->expected = expected;
        changed(*last);
    }
    static void on_quorum(quorum_handle_t handle, std::uint32_t quorate, quorum_ring_id ring,
                          std::uint32_t count, const std::uint32_t* nodes);
};

// It comes after every new ring, last of all that Corosync tells of it, and when only the votes have changed.
void Quorum::State::on_quorum(quorum_handle_t handle, std::uint32_t quorate, quorum_ring_id ring,
                              std::uint32_t count, const std::uint32_t* nodes) {
    const void* context = nullptr;
    quorum_context_get(handle, &context);
    State& state = *const_cast<State*>(static_cast<const State*>(context));
    core::QuorumChanged event;
    event.ring = {ring.seq, NodeId{ring.nodeid}};
    event.quorate = quorate != 0;
    for (const std::uint32_t node : std::span(nodes, count)) event.nodes.push_back(NodeId{node});
    state.last = std::move(event);
    state.tell();
}

Result<void> Quorum::State::connect() {
    quorum_model_v1_data_t model{};
    model.model = QUORUM_MODEL_V1;
    model.quorum_notify_fn = &on_quorum;
    std::uint32_t type = QUORUM_FREE;
    cs_error_t error = while_busy([&] {
        return quorum_model_initialize(&handle, QUORUM_MODEL_V1,
                                       reinterpret_cast<quorum_model_data_t*>(&model), &type, this);
    });
    if (error != CS_OK) {
        handle = 0;
        return fail_corosync(error, asking);
    }
    if (type != QUORUM_SET)
        return fail(
            "Corosync has no quorum provider; put `provider: corosync_votequorum` into the quorum "
            "section of corosync.conf");
    error = quorum_fd_get(handle, &fd);
    if (error == CS_OK) error = while_busy([&] { return quorum_trackstart(handle, CS_TRACK_CHANGES); });
    if (error != CS_OK) return fail_corosync(error, asking);
    return {};
}

Quorum::Quorum(std::unique_ptr<State> state) : state_(std::move(state)) {}
Quorum::Quorum(Quorum&&) noexcept = default;
Quorum& Quorum::operator=(Quorum&&) noexcept = default;
Quorum::~Quorum() = default;

Result<Quorum> Quorum::open(const ClusterInfo& cluster, Changed changed) {
    auto state = std::make_unique<State>();
    state->two_node = cluster.two_node;
    state->expected = static_cast<std::uint32_t>(cluster.nodes.size());
    state->changed = std::move(changed);
    if (auto done = state->connect(); !done) return tl::unexpected(done.error());
    return Quorum(std::move(state));
}

void Quorum::set_cluster(const ClusterInfo& cluster) {
    const auto expected = static_cast<std::uint32_t>(cluster.nodes.size());
    if (state_->two_node == cluster.two_node && state_->expected == expected) return;
    state_->two_node = cluster.two_node;
    state_->expected = expected;
    if (state_->last) state_->tell();
}

int Quorum::fd() const {
    return state_->fd;
}

Result<void> Quorum::dispatch() {
    return dispatch_some(state_->fd, asking,
                         [this] { return quorum_dispatch(state_->handle, CS_DISPATCH_ONE_NONBLOCKING); });
}

}  // namespace buoy::io
