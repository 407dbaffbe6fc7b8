// SPDX-License-Identifier: GPL-2.0-or-later
// Stands in for buoyd where `buoy` itself is tested: answers status with a file's text, and everything else
// with what it was asked. Says READY once it can be asked; ends with its input.
#include <fmt/format.h>
#include <poll.h>
#include <qb/qbloop.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "service/io/ipc_server.hpp"

namespace {

using nlohmann::json;

json answer_to(const json& request, const char* status_file) {
    const auto name = request.value("request", "");
    if (name == "status") {
        std::ifstream file(status_file);
        return json::parse(std::string(std::istreambuf_iterator<char>(file), {}), nullptr, false);
    }
    if (request.value("node", "") == "n9")
        return {{"ok", false},
                {"error", "there is no node 'n9'; the cluster has n1, n2, n3"},
                {"outcome", "no_such_node"}};
    if (name == "journal" || name == "metrics")
        return {{"ok", true}, {"text", name + "'s text\n"}, {"asked", request}};
    if (name == "explain")
        return {{"ok", true},
                {"pool", request["pool"]},
                {"slot", request["slot"]},
                {"lines", {"because"}},
                {"asked", request}};
    const bool was_so = name == "undrain";
    return {{"ok", true}, {"outcome", was_so ? "unchanged" : "applied"}, {"asked", request}};
}

int end_of_input(int, int, void* loop) {
    qb_loop_stop(static_cast<qb_loop_t*>(loop));
    return 0;
}

}  // namespace

int main(int, char** argv) {
    qb_loop_t* loop = qb_loop_create();
    auto server = buoy::io::IpcServer::create(
        loop, [file = argv[1]](const auto&, const json& request, const auto& reply) {
            reply(answer_to(request, file));
        });
    if (!server) {
        fmt::print(stderr, "{}\n", server.error().message);
        return 1;
    }
    qb_loop_poll_add(loop, QB_LOOP_MED, STDIN_FILENO, POLLIN, loop, end_of_input);
    fmt::print("READY\n");
    std::fflush(stdout);
    qb_loop_run(loop);
    return 0;
}
