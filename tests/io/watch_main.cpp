// SPDX-License-Identifier: GPL-2.0-or-later
// Joins the daemons' group of a test and prints what the adapters tell, one JSON object a line. Commands come
// from standard input, one a line: "say TEXT", "flood COUNT SIZE", "counters", "lost ID", "found",
// "set POOL VALUE", "erase POOL", "quit".
#include <fmt/format.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "service/io/attributes.hpp"
#include "service/io/beats.hpp"
#include "service/io/boot_clock.hpp"
#include "service/io/children.hpp"
#include "service/io/cluster.hpp"
#include "service/io/cpg.hpp"
#include "service/io/fencing.hpp"
#include "service/io/incarnation.hpp"
#include "service/io/quorum.hpp"

namespace {

using namespace buoy;
using nlohmann::json;

void print(const json& line) {
    std::cout << line.dump() << std::endl;
}

std::string text(const CorosyncRing& ring) {
    return fmt::format("{}.{:x}", ring.node.value, ring.seq);
}

json ids(const std::vector<NodeId>& nodes) {
    json out = json::array();
    for (const NodeId node : nodes) out.push_back(node.value);
    return out;
}

json describe(const io::ClusterInfo& info) {
    json nodes = json::object();
    for (const io::ClusterNode& node : info.nodes) {
        json addresses = json::array();
        for (const IpAddress& address : node.addresses) addresses.push_back(address.to_string());
        nodes[node.name] = {{"id", node.id.value}, {"addresses", addresses}};
    }
    return {{"event", "cluster"}, {"self", info.self.value},   {"name", info.name},
            {"nodes", nodes},     {"two_node", info.two_node}, {"secret", info.authkey.has_value()}};
}

json describe(const core::ConfigurationChanged& event) {
    json members = json::array();
    for (const core::Member& member : event.members) members.push_back(member.node.value);
    json left = json::object();
    for (const core::Departure& departure : event.left)
        left[std::to_string(departure.node.value)] = static_cast<int>(departure.reason);
    return {{"event", "configuration"},
            {"ring", text(event.ring)},
            {"members", members},
            {"joined", ids(event.joined)},
            {"left", left}};
}

json describe(const core::QuorumChanged& event) {
    return {{"event", "quorum"},         {"ring", text(event.ring)},   {"quorate", event.quorate},
            {"nodes", ids(event.nodes)}, {"two_node", event.two_node}, {"expected", event.expected}};
}

class Watch {
  public:
    int run();

  private:
    Result<void> open();
    Result<void> open_beats();
    Result<void> open_tools();
    Result<void> dispatch(int fd);
    Result<void> flush();
    bool take_commands();
    bool obey(const std::string& line);
    void beat();
    void tell_counters() const;

    Incarnation incarnation_;
    std::optional<io::ClusterWatch> cluster_;
    std::optional<io::Group> group_;
    std::optional<io::Quorum> quorum_;
    std::optional<io::Beats> beats_;
    std::optional<io::Children> children_;
    std::optional<io::Fencing> fencing_;
    std::optional<io::Attributes> attributes_;
    std::string input_;
    std::vector<std::string> waiting_;
    std::size_t refused_sends_ = 0;
    std::uint64_t delivered_bytes_ = 0;
};

Result<void> Watch::open() {
    const auto incarnation = io::next_incarnation();
    if (!incarnation) return tl::unexpected(incarnation.error());
    incarnation_ = *incarnation;
    auto cluster = io::ClusterWatch::open([this](const io::ClusterInfo& info) {
        print(describe(info));
        quorum_->set_cluster(info);
        if (auto done = beats_->set_nodes(info); !done)
            print({{"event", "warning"}, {"text", done.error().message}});
    });
    if (!cluster) return tl::unexpected(cluster.error());
    cluster_.emplace(std::move(*cluster));
    print(describe(cluster_->info()));
    if (auto done = open_beats(); !done) return done;
    if (auto done = open_tools(); !done) return done;
    auto quorum =
        io::Quorum::open(cluster_->info(), [](const core::QuorumChanged& event) { print(describe(event)); });
    if (!quorum) return tl::unexpected(quorum.error());
    quorum_.emplace(std::move(*quorum));
    auto group = io::Group::join(
        "buoy-test", {[](const core::ConfigurationChanged& event) { print(describe(event)); },
                      [this](NodeId sender, std::string_view bytes) {
                          delivered_bytes_ += bytes.size();
                          if (bytes.size() < 100)
                              print({{"event", "delivered"}, {"sender", sender.value}, {"text", bytes}});
                      }});
    if (!group) return tl::unexpected(group.error());
    group_.emplace(std::move(*group));
    return {};
}

Result<void> Watch::open_beats() {
    io::Beats::Callbacks callbacks;
    callbacks.received = [](const core::Beat& beat, TimePoint arrived) {
        const auto age = std::chrono::duration_cast<std::chrono::microseconds>(io::boot_now() - arrived);
        print({{"event", "beat"},
               {"sender", beat.sender.value},
               {"incarnation", beat.incarnation.value},
               {"age_us", age.count()}});
    };
    callbacks.refused = [](core::Refusal reason) {
        print({{"event", "refused"}, {"reason", static_cast<int>(reason)}});
    };
    callbacks.warn = [](const std::string& text) { print({{"event", "warning"}, {"text", text}}); };
    auto beats = io::Beats::open(cluster_->info(), {}, std::move(callbacks));
    if (!beats) return tl::unexpected(beats.error());
    beats_.emplace(std::move(*beats));
    return {};
}

Result<void> Watch::open_tools() {
    auto children = io::Children::open();
    if (!children) return tl::unexpected(children.error());
    children_.emplace(std::move(*children));
    io::Fencing::Callbacks callbacks;
    callbacks.reported = [](const core::FencingReported& report) {
        const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(io::boot_now() - report.at);
        print({{"event", "fencing"},
               {"node", report.node.value},
               {"action", static_cast<int>(report.action)},
               {"succeeded", report.succeeded},
               {"age_ms", age.count()}});
    };
    callbacks.warn = [](const std::string& text) { print({{"event", "warning"}, {"text", text}}); };
    auto fencing = io::Fencing::open(*children_, cluster_->info(), std::move(callbacks));
    if (!fencing) return tl::unexpected(fencing.error());
    fencing_.emplace(std::move(*fencing));
    auto attributes = io::Attributes::open(*children_, [](const std::string& pool, const std::string& why) {
        print({{"event", "attribute-failed"}, {"pool", pool}, {"text", why}});
    });
    if (!attributes) return tl::unexpected(attributes.error());
    attributes_.emplace(std::move(*attributes));
    return {};
}

// What waits goes out in its order.
Result<void> Watch::flush() {
    while (!waiting_.empty()) {
        const auto sent = group_->send(waiting_.front());
        if (!sent && sent.error().code == EAGAIN) {
            ++refused_sends_;
            return {};
        }
        if (!sent) return sent;
        waiting_.erase(waiting_.begin());
    }
    return {};
}

bool Watch::take_commands() {
    std::array<char, 4096> buffer{};
    const ssize_t size = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size <= 0) return false;
    input_.append(buffer.data(), static_cast<std::size_t>(size));
    for (auto end = input_.find('\n'); end != std::string::npos; end = input_.find('\n')) {
        const std::string line = input_.substr(0, end);
        input_.erase(0, end + 1);
        if (!obey(line)) return false;
    }
    return true;
}

bool Watch::obey(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "quit") return false;
    if (command == "counters") tell_counters();
    if (command == "say") waiting_.push_back(line.substr(4));
    if (command == "lost") {
        std::uint32_t node = 0;
        words >> node;
        fencing_->watch({{{node}, io::boot_now()}});
    }
    if (command == "found") fencing_->watch({});
    if (command == "set" || command == "erase") {
        std::string pool;
        std::string value;
        words >> pool >> value;
        if (command == "set")
            attributes_->set(pool, value);
        else
            attributes_->erase(pool);
    }
    if (command == "flood") {
        std::size_t count = 0;
        std::size_t size = 0;
        words >> count >> size;
        waiting_.insert(waiting_.end(), count, std::string(size, 'x'));
    }
    return true;
}

void Watch::tell_counters() const {
    const io::BeatCounters& counters = beats_->counters();
    print({{"event", "counters"},
           {"sent", counters.sent},
           {"send_failed", counters.send_failed},
           {"received", counters.received},
           {"duplicates", counters.duplicates},
           {"wrong_key", counters.wrong_key},
           {"old", counters.old},
           {"undelivered", group_->undelivered()},
           {"waiting", waiting_.size()},
           {"refused_sends", refused_sends_},
           {"delivered_bytes", delivered_bytes_}});
}

void Watch::beat() {
    core::Beat beat;
    beat.sender = cluster_->info().self;
    beat.incarnation = incarnation_;
    beat.created = io::boot_now();
    beats_->send(beat);
}

Result<void> Watch::dispatch(int fd) {
    if (fd == cluster_->fd()) return cluster_->dispatch();
    if (fd == group_->fd()) return group_->dispatch();
    if (fd == quorum_->fd()) return quorum_->dispatch();
    if (fd == children_->fd()) return children_->dispatch();
    if (fd == fencing_->fd()) return fencing_->dispatch();
    if (fd == attributes_->fd()) return attributes_->dispatch();
    return beats_->dispatch();
}

int Watch::run() {
    if (auto done = open(); !done) {
        print({{"event", "failed"}, {"text", done.error().message}, {"code", done.error().code}});
        return 1;
    }
    const int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    const itimerspec every{{0, 50'000'000}, {0, 50'000'000}};
    timerfd_settime(timer, 0, &every, nullptr);
    std::array<pollfd, 9> fds{{{STDIN_FILENO, POLLIN, 0},
                               {timer, POLLIN, 0},
                               {cluster_->fd(), POLLIN, 0},
                               {group_->fd(), POLLIN, 0},
                               {quorum_->fd(), POLLIN, 0},
                               {beats_->fd(), POLLIN, 0},
                               {children_->fd(), POLLIN, 0},
                               {fencing_->fd(), POLLIN, 0},
                               {attributes_->fd(), POLLIN, 0}}};
    for (;;) {
        poll(fds.data(), fds.size(), -1);
        if (fds[0].revents != 0) {
            if (!take_commands()) break;
        }
        if (fds[1].revents != 0) {
            std::uint64_t times = 0;
            if (read(timer, &times, sizeof times) > 0) beat();
        }
        for (std::size_t i = 2; i < fds.size(); ++i) {
            if (fds[i].revents == 0) continue;
            if (auto done = dispatch(fds[i].fd); !done) {
                print({{"event", "gone"}, {"text", done.error().message}, {"code", done.error().code}});
                return 2;
            }
        }
        if (auto done = flush(); !done) {
            print({{"event", "gone"}, {"text", done.error().message}, {"code", done.error().code}});
            return 2;
        }
    }
    group_.reset();
    print({{"event", "quit"}});
    return 0;
}

}  // namespace

int main() {
    return Watch().run();
}
