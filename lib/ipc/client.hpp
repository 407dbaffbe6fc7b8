// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "buoy/result.hpp"

namespace buoy::ipc {

/// A conversation with this node's buoyd: one request, one reply, each a JSON object. Reaches the daemon of
/// the network namespace it is opened in.
class Client {
  public:
    /// Waits at most `timeout` for a daemon that is there but busy. Error codes: ECONNREFUSED when no daemon
    /// runs; EACCES when this user may not talk to it, or it does not belong to root; ETIMEDOUT.
    static Result<Client> connect(std::chrono::milliseconds timeout = std::chrono::seconds(5));
    /// To a service of another name, for tests.
    static Result<Client> connect(std::chrono::milliseconds timeout, const std::string& name);

    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    ~Client();

    /// Sends a request and waits for all of the reply, whatever it says (`ok` may be false). After an error
    /// the conversation is over: only a new one goes on. Error codes: ETIMEDOUT; ECONNRESET when the daemon
    /// went away meanwhile; EMSGSIZE for a request that is too long.
    Result<nlohmann::json> request(const nlohmann::json& request, std::chrono::milliseconds timeout);

  private:
    struct Connection;
    explicit Client(std::unique_ptr<Connection> connection);
    std::unique_ptr<Connection> connection_;
};

/// Sends one request over a conversation of its own and gives the reply; one that is not `ok` is an error
/// with the daemon's message.
Result<nlohmann::json> ask(const nlohmann::json& request, std::chrono::milliseconds timeout);

}  // namespace buoy::ipc
