// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <qb/qbloop.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "buoy/result.hpp"

namespace buoy::io {

/// Who asks. The kernel vouches for it.
struct Caller {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    bool may_change = false;  ///< root or group haclient; nobody else gets this far as yet
};

/// The daemon's side of the local protocol (libqb IPC, service "buoyd"), in the network namespace it is made
/// in. Root and members of the group haclient are let in. One at a time in a process; everything happens on
/// the loop's thread, and nothing blocks.
class IpcServer {
  public:
    /// Sends the reply. To be called once, on the loop's thread, at once or any time later. If the client has
    /// gone meanwhile, or the server, nothing happens. A request whose Reply is destroyed uncalled is
    /// answered with an error.
    using Reply = std::function<void(nlohmann::json)>;
    /// A request is a JSON object; what is none was answered before. The caller has no other request waiting.
    using Handler = std::function<void(const Caller& caller, nlohmann::json request, Reply reply)>;

    /// `name` is other than the default in tests only. Error code EADDRINUSE when a daemon is there already.
    static Result<IpcServer> create(qb_loop_t* loop, Handler handler);
    static Result<IpcServer> create(qb_loop_t* loop, Handler handler, const std::string& name);

    IpcServer(IpcServer&&) noexcept;
    IpcServer& operator=(IpcServer&&) noexcept;
    /// Ends all conversations. Not to be destroyed from within a Handler.
    ~IpcServer();

  private:
    struct State;
    explicit IpcServer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace buoy::io
