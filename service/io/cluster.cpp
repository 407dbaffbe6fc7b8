// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/cluster.hpp"

#include <corosync/cmap.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "lib/net/errors.hpp"
#include "lib/net/fd.hpp"
#include "service/io/cluster_keys.hpp"
#include "service/io/corosync.hpp"

namespace buoy::io {
namespace {

constexpr std::string_view reading = "reading Corosync's configuration";
constexpr std::string_view following = "following Corosync's configuration";
constexpr std::size_t longest_secret = 4096;  // bytes; Corosync's own limit
// Kept up to date. `config.` tells when Corosync is in the middle of reading its file anew.
constexpr std::array followed{"nodelist.", "runtime.members.", "runtime.votequorum.two_node", "config."};

template <typename Number>
std::string as_text(const void* data) {
    Number value{};
    std::memcpy(&value, data, sizeof value);
    return std::to_string(value);
}

std::string as_text(cmap_value_types_t type, const void* data, std::size_t size) {
    switch (type) {
        case CMAP_VALUETYPE_INT8:
            return as_text<std::int8_t>(data);
        case CMAP_VALUETYPE_UINT8:
            return as_text<std::uint8_t>(data);
        case CMAP_VALUETYPE_INT16:
            return as_text<std::int16_t>(data);
        case CMAP_VALUETYPE_UINT16:
            return as_text<std::uint16_t>(data);
        case CMAP_VALUETYPE_INT32:
            return as_text<std::int32_t>(data);
        case CMAP_VALUETYPE_UINT32:
            return as_text<std::uint32_t>(data);
        case CMAP_VALUETYPE_INT64:
            return as_text<std::int64_t>(data);
        case CMAP_VALUETYPE_UINT64:
            return as_text<std::uint64_t>(data);
        case CMAP_VALUETYPE_STRING: {
            const std::string_view text(static_cast<const char*>(data), size);
            return std::string(text.substr(0, text.find('\0')));
        }
        default:
            return {};
    }
}

Result<void> read_keys(cmap_handle_t handle, const char* prefix, ClusterKeys& keys) {
    cmap_iter_handle_t iteration = 0;
    if (const cs_error_t error = cmap_iter_init(handle, prefix, &iteration); error != CS_OK)
        return fail_corosync(error, reading);
    std::array<char, CMAP_KEYNAME_MAXLEN + 1> name{};
    std::size_t size = 0;
    cmap_value_types_t type{};
    std::string value;
    while (cmap_iter_next(handle, iteration, name.data(), &size, &type) == CS_OK) {
        value.resize(std::max<std::size_t>(size, sizeof(std::uint64_t)));
        size = value.size();
        // A key that has gone meanwhile is none.
        if (cmap_get(handle, name.data(), value.data(), &size, &type) == CS_OK)
            keys[name.data()] = as_text(type, value.data(), size);
    }
    cmap_iter_finalize(handle, iteration);
    return {};
}

std::optional<IpAddress> look_up(const std::string& name, int family) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0 || found == nullptr) return std::nullopt;
    IpAddress out;
    if (family == AF_INET) {
        Ipv4 address;
        std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr, 4);
        out = address;
    } else {
        Ipv6 address;
        std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(found->ai_addr)->sin6_addr,
                    16);
        out = address;
    }
    freeaddrinfo(found);
    return out;
}

KnownNames look_up_names(const ClusterKeys& keys) {
    // As totem.ip_version says in corosync.conf(5).
    std::vector<int> families{AF_INET6, AF_INET};
    if (const auto version = keys.find("totem.ip_version"); version != keys.end()) {
        if (version->second == "ipv4") families = {AF_INET};
        if (version->second == "ipv6") families = {AF_INET6};
        if (version->second == "ipv4-6") families = {AF_INET, AF_INET6};
    }
    KnownNames names;
    for (const std::string& name : names_in(keys))
        for (const int family : families)
            if (const auto address = look_up(name, family)) {
                names.emplace(name, *address);
                break;
            }
    return names;
}

Result<std::optional<std::string>> read_secret(const ClusterKeys& keys) {
    if (const auto key = keys.find("totem.key"); key != keys.end()) return key->second;
    const auto named = keys.find("totem.keyfile");
    const std::string path = named == keys.end() ? "/etc/corosync/authkey" : named->second;
    const net::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        if (errno == ENOENT) return std::nullopt;
        return net::fail_errno(errno, fmt::format("{}, the cluster's secret, cannot be read", path));
    }
    std::string secret(longest_secret, '\0');
    const ssize_t size = read(file.get(), secret.data(), secret.size());
    if (size < 0) return net::fail_errno(errno, fmt::format("{}, the cluster's secret", path));
    if (size == 0)
        return fail(fmt::format("{}, the cluster's secret, is empty; make one with corosync-keygen", path));
    secret.resize(static_cast<std::size_t>(size));
    return secret;
}

}  // namespace

struct ClusterWatch::State {
    cmap_handle_t handle = 0;
    int fd = -1;
    ClusterKeys keys;
    KnownNames names;
    ClusterInfo info;
    Changed changed;
    bool dirty = false;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (handle != 0) cmap_finalize(handle);
    }

    Result<void> connect();
    Result<void> follow();
    Result<void> read();
    [[nodiscard]] bool being_reloaded() const {
        const auto reload = keys.find("config.reload_in_progress");
        const auto totem = keys.find("config.totemconfig_reload_in_progress");
        return (reload != keys.end() && reload->second == "1") ||
               (totem != keys.end() && totem->second == "1");
    }
    static void notified(cmap_handle_t, cmap_track_handle_t, std::int32_t event, const char* key,
                         cmap_notify_value now, cmap_notify_value, void* user);
};

Result<void> ClusterWatch::State::connect() {
    if (const cs_error_t error = while_busy([this] { return cmap_initialize(&handle); }); error != CS_OK) {
        handle = 0;
        return fail_corosync(error, reading);
    }
    return {};
}

// Before the map is read, so that nothing is missed between the two.
Result<void> ClusterWatch::State::follow() {
    for (const char* prefix : followed) {
        cmap_track_handle_t track = 0;
        const cs_error_t error = while_busy([&] {
            return cmap_track_add(handle, prefix,
                                  CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY | CMAP_TRACK_PREFIX,
                                  &State::notified, this, &track);
        });
        if (error != CS_OK) return fail_corosync(error, following);
    }
    if (const cs_error_t error = cmap_fd_get(handle, &fd); error != CS_OK)
        return fail_corosync(error, following);
    return {};
}

Result<void> ClusterWatch::State::read() {
    for (const char* prefix : {"totem.", "nodelist.", "runtime.members.", "runtime.votequorum."})
        if (auto done = read_keys(handle, prefix, keys); !done) return done;
    names = look_up_names(keys);
    auto secret = read_secret(keys);
    if (!secret) return tl::unexpected(secret.error());
    auto assembled = assemble(keys, names);
    if (!assembled) return tl::unexpected(assembled.error());
    info = std::move(*assembled);
    info.authkey = std::move(*secret);
    return {};
}

void ClusterWatch::State::notified(cmap_handle_t, cmap_track_handle_t, std::int32_t event, const char* key,
                                   cmap_notify_value now, cmap_notify_value, void* user) {
    State& state = *static_cast<State*>(user);
    if (event == CMAP_TRACK_DELETE)
        state.keys.erase(key);
    else
        state.keys[key] = as_text(now.type, now.data, now.len);
    state.dirty = true;
}

Result<ClusterInfo> read_cluster() {
    ClusterWatch::State state;
    if (auto done = state.connect(); !done) return tl::unexpected(done.error());
    if (auto done = state.read(); !done) return tl::unexpected(done.error());
    return std::move(state.info);
}

ClusterWatch::ClusterWatch(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClusterWatch::ClusterWatch(ClusterWatch&&) noexcept = default;
ClusterWatch& ClusterWatch::operator=(ClusterWatch&&) noexcept = default;
ClusterWatch::~ClusterWatch() = default;

Result<ClusterWatch> ClusterWatch::open(Changed changed) {
    auto state = std::make_unique<State>();
    if (auto done = state->connect(); !done) return tl::unexpected(done.error());
    if (auto done = state->follow(); !done) return tl::unexpected(done.error());
    if (auto done = state->read(); !done) return tl::unexpected(done.error());
    state->changed = std::move(changed);
    return ClusterWatch(std::move(state));
}

const ClusterInfo& ClusterWatch::info() const {
    return state_->info;
}

int ClusterWatch::fd() const {
    return state_->fd;
}

Result<void> ClusterWatch::dispatch() {
    State& state = *state_;
    auto done = dispatch_some(state.fd, following,
                              [&] { return cmap_dispatch(state.handle, CS_DISPATCH_ONE_NONBLOCKING); });
    if (!done) return done;
    if (!state.dirty || state.being_reloaded()) return {};
    state.dirty = false;
    // A file that makes no sense is Corosync's business; what was known stays.
    auto assembled = assemble(state.keys, state.names);
    if (!assembled) return {};
    assembled->authkey = state.info.authkey;
    if (*assembled == state.info) return {};
    state.info = std::move(*assembled);
    state.changed(state.info);
    return {};
}

}  // namespace buoy::io
