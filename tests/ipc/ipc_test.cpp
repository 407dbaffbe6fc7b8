// SPDX-License-Identifier: GPL-2.0-or-later
// Both ends of the local protocol, over real sockets.
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <qb/qbipcc.h>
#include <qb/qbloop.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "ipc/client.hpp"
#include "ipc/protocol.hpp"
#include "service/io/ipc_server.hpp"

namespace buoy {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds patience = seconds(30);

std::string name_of_service() {
    return fmt::format("buoyd-test-{}", getpid());
}

/// A loop on a thread of its own with a server on it.
class Daemon {
  public:
    explicit Daemon(io::IpcServer::Handler handler) : posted_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        thread_ = std::thread([this, handler = std::move(handler)] { run(handler); });
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return running_; });
    }
    ~Daemon() {
        post([this] { qb_loop_stop(loop_); });
        thread_.join();
        close(posted_);
    }
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    /// Has something done on the loop's thread.
    void post(std::function<void()> job) {
        {
            const std::lock_guard lock(mutex_);
            jobs_.push_back(std::move(job));
        }
        eventfd_write(posted_, 1);
    }
    std::optional<Error> failed;

  private:
    void run(const io::IpcServer::Handler& handler) {
        loop_ = qb_loop_create();
        qb_loop_poll_add(loop_, QB_LOOP_MED, posted_, POLLIN, this, [](int, int, void* self) {
            static_cast<Daemon*>(self)->run_jobs();
            return 0;
        });
        {
            auto server = io::IpcServer::create(loop_, handler, name_of_service());
            if (!server) failed = server.error();
            {
                const std::lock_guard lock(mutex_);
                running_ = true;
            }
            changed_.notify_all();
            qb_loop_run(loop_);
        }
        qb_loop_destroy(loop_);
    }
    void run_jobs() {
        eventfd_t count = 0;
        eventfd_read(posted_, &count);
        std::deque<std::function<void()>> jobs;
        {
            const std::lock_guard lock(mutex_);
            jobs.swap(jobs_);
        }
        for (const auto& job : jobs) job();
    }

    int posted_;
    qb_loop_t* loop_ = nullptr;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool running_ = false;
    std::deque<std::function<void()>> jobs_;
    std::thread thread_;
};

/// Replies that were asked for and not given, handed from the loop's thread to the test's.
class Kept {
  public:
    void put(io::IpcServer::Reply reply) {
        {
            const std::lock_guard lock(mutex_);
            replies_.push_back(std::move(reply));
        }
        changed_.notify_all();
    }
    io::IpcServer::Reply take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !replies_.empty(); });
        auto reply = std::move(replies_.front());
        replies_.pop_front();
        return reply;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<io::IpcServer::Reply> replies_;
};

void echo(const io::Caller&, json request, const io::IpcServer::Reply& reply) {
    reply({{"ok", true}, {"request", std::move(request)}});
}

ipc::Client connected() {
    auto client = ipc::Client::connect(patience, name_of_service());
    if (!client) throw std::runtime_error(client.error().message);
    return std::move(*client);
}

json answer_to(ipc::Client& client, const json& request) {
    const auto reply = client.request(request, patience);
    EXPECT_TRUE(reply) << reply.error().message;
    return reply.value_or(json());
}

TEST(Ipc, a_request_gets_its_reply) {
    const Daemon daemon(echo);
    auto client = connected();
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(answer_to(client, {{"request", "status"}, {"i", i}}),
                  (json{{"ok", true}, {"request", {{"request", "status"}, {"i", i}}}}));
}

TEST(Ipc, the_caller_is_known) {
    io::Caller seen;
    const Daemon daemon([&](const io::Caller& caller, const json&, const io::IpcServer::Reply& reply) {
        seen = caller;
        reply({{"ok", true}});
    });
    auto client = connected();
    answer_to(client, json::object());
    EXPECT_EQ(seen.pid, getpid());
    EXPECT_EQ(seen.uid, geteuid());
    EXPECT_EQ(seen.gid, getegid());
    EXPECT_TRUE(seen.may_change);
}

TEST(Ipc, a_long_reply_arrives_whole) {
    std::string text;
    while (text.size() < 3 * 1024 * 1024) text += std::to_string(text.size()) + ' ';
    const Daemon daemon([&](const io::Caller&, const json& request, const io::IpcServer::Reply& reply) {
        // Around the ends of pieces as well: {"text":"…"} adds 11 bytes.
        const auto size = request.value("size", text.size());
        reply({{"text", text.substr(0, size)}});
    });
    auto client = connected();
    EXPECT_EQ(answer_to(client, json::object()), (json{{"text", text}}));
    for (const std::size_t pieces : {1, 2, 3})
        for (const int more : {-1, 0, 1}) {
            const std::size_t size = pieces * ipc::max_piece - 11 + static_cast<std::size_t>(more);
            EXPECT_EQ(answer_to(client, {{"size", size}}), (json{{"text", text.substr(0, size)}}));
        }
}

TEST(Ipc, a_late_reply_holds_nobody_else_up) {
    Kept kept;
    Daemon daemon([&](const io::Caller& caller, const json& request, const io::IpcServer::Reply& reply) {
        if (request.contains("late"))
            kept.put(reply);
        else
            echo(caller, request, reply);
    });
    json late_reply;
    std::thread slow([&] {
        auto client = connected();
        late_reply = answer_to(client, {{"late", true}});
    });
    const auto reply = kept.take();
    auto client = connected();
    EXPECT_EQ(answer_to(client, {{"a", 1}}).at("ok"), true);
    daemon.post([&] { reply({{"ok", true}, {"late", "yes"}}); });
    slow.join();
    EXPECT_EQ(late_reply, (json{{"ok", true}, {"late", "yes"}}));
    EXPECT_EQ(answer_to(client, {{"a", 2}}).at("ok"), true);
}

TEST(Ipc, a_reply_to_a_client_that_has_gone_is_dropped) {
    // Outlives the loop, which still has to do with it.
    io::IpcServer::Reply reply;
    Kept kept;
    Daemon daemon([&](const io::Caller& caller, const json& request, const io::IpcServer::Reply& reply) {
        if (request.contains("late"))
            kept.put(reply);
        else
            echo(caller, request, reply);
    });
    {
        auto impatient = connected();
        const auto answer = impatient.request({{"late", true}}, milliseconds(1));
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, ETIMEDOUT);
        reply = kept.take();
        EXPECT_FALSE(impatient.request(json::object(), patience))
            << "the late reply would be taken for this one's";
    }
    daemon.post([&] { reply({{"ok", true}}); });
    auto client = connected();
    EXPECT_EQ(answer_to(client, {{"a", 1}}).at("ok"), true);
    // Once more when the loop has heard that the client has gone.
    daemon.post([&] { reply = nullptr; });
    EXPECT_EQ(answer_to(client, {{"a", 2}}).at("ok"), true);
}

TEST(Ipc, a_reply_that_nobody_gives_is_an_error) {
    const Daemon daemon([](const io::Caller&, const json&, const io::IpcServer::Reply&) {});
    auto client = connected();
    EXPECT_EQ(answer_to(client, json::object()).at("ok"), false);
}

TEST(Ipc, only_the_first_of_two_replies_counts) {
    const Daemon daemon([](const io::Caller&, const json&, const io::IpcServer::Reply& reply) {
        reply({{"n", 1}});
        reply({{"n", 2}});
    });
    auto client = connected();
    EXPECT_EQ(answer_to(client, json::object()).at("n"), 1);
    EXPECT_EQ(answer_to(client, json::object()).at("n"), 1);
}

TEST(Ipc, bytes_that_are_no_characters_do_no_harm) {
    const Daemon daemon([](const io::Caller&, const json&, const io::IpcServer::Reply& reply) {
        reply({{"ok", false}, {"error", "no such file: \xff\xfe"}});
    });
    auto client = connected();
    EXPECT_EQ(answer_to(client, {{"a", "\xff"}}).at("ok"), false);
}

TEST(Ipc, a_request_too_long_is_refused_before_it_is_sent) {
    const Daemon daemon(echo);
    auto client = connected();
    const auto longest = ipc::max_request - json({{"a", ""}}).dump().size();
    EXPECT_EQ(answer_to(client, {{"a", std::string(longest, 'x')}}).at("ok"), true);
    const auto reply = client.request({{"a", std::string(longest + 1, 'x')}}, patience);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, EMSGSIZE);
    EXPECT_EQ(answer_to(client, {{"a", 1}}).at("ok"), true);
}

TEST(Ipc, without_a_daemon_it_is_said) {
    const auto client = ipc::Client::connect(patience, name_of_service());
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ECONNREFUSED);
    EXPECT_NE(client.error().message.find("does not run"), std::string::npos);
}

TEST(Ipc, a_daemon_that_is_stopped_is_not_waited_for) {
    std::mutex stopped;
    Daemon daemon(echo);
    std::unique_lock lock(stopped);
    daemon.post([&] { const std::lock_guard wait(stopped); });
    const auto client = ipc::Client::connect(milliseconds(20), name_of_service());
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ETIMEDOUT);
    lock.unlock();
    auto later = connected();
    EXPECT_EQ(answer_to(later, json::object()).at("ok"), true);
}

TEST(Ipc, a_daemon_that_goes_away_ends_the_waiting) {
    Kept kept;
    auto daemon = std::make_unique<Daemon>(
        [&](const io::Caller&, const json&, const io::IpcServer::Reply& reply) { kept.put(reply); });
    std::thread ending([&] {
        const auto reply = kept.take();
        daemon.reset();
        // The server is gone: nothing happens.
        reply({{"ok", true}});
    });
    auto client = connected();
    const auto reply = client.request(json::object(), patience);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, ECONNRESET);
    ending.join();
}

TEST(Ipc, there_is_one_daemon) {
    const Daemon daemon(echo);
    const Daemon second(echo);
    EXPECT_TRUE(second.failed);
    auto client = connected();
    EXPECT_EQ(answer_to(client, json::object()).at("ok"), true);
}

// What no Client sends.
class Garbage : public testing::Test {
  protected:
    Garbage() : daemon_(echo), raw_(qb_ipcc_connect(name_of_service().c_str(), ipc::max_message)) {}
    ~Garbage() override {
        if (raw_ != nullptr) qb_ipcc_disconnect(raw_);
        // Whatever it was, others are served.
        auto client = connected();
        EXPECT_EQ(answer_to(client, {{"a", 1}}).at("ok"), true);
    }

    void send(std::int32_t id, std::string_view text, std::optional<std::int32_t> claimed = {}) {
        std::vector<char> message(sizeof(qb_ipc_request_header) + text.size());
        qb_ipc_request_header header{};
        header.id = id;
        header.size = claimed.value_or(static_cast<std::int32_t>(message.size()));
        std::memcpy(message.data(), &header, sizeof header);
        std::memcpy(message.data() + sizeof header, text.data(), text.size());
        ASSERT_GT(qb_ipcc_send(raw_, message.data(), message.size()), 0);
    }
    json answer() {
        std::vector<char> buffer(ipc::max_message);
        ssize_t size = 0;
        // In pieces, for libqb looks after the other end when a wait ends.
        do size = qb_ipcc_recv(raw_, buffer.data(), buffer.size(), 100);
        while (size == -EAGAIN || size == -ETIMEDOUT);
        constexpr auto head = sizeof(qb_ipc_response_header);
        if (size < static_cast<ssize_t>(head)) return {{"received", size}};
        return json::parse(buffer.data() + head, buffer.data() + size, nullptr, false);
    }

    Daemon daemon_;
    qb_ipcc_connection_t* raw_;
};

TEST_F(Garbage, that_is_no_json_object_is_answered) {
    for (const std::string_view text :
         {std::string_view(""), std::string_view("x"), std::string_view("{"), std::string_view("[]"),
          std::string_view("null"), std::string_view("\"a\""), std::string_view("{}{}"),
          std::string_view("\0\0", 2), std::string_view("{\"a\":\"\xff\"}")}) {
        send(ipc::request_id, text);
        EXPECT_EQ(answer().value("ok", true), false) << text;
    }
    send(ipc::request_id, "{}");
    EXPECT_EQ(answer().value("ok", false), true);
}

TEST_F(Garbage, nested_without_end_is_answered) {
    send(ipc::request_id, std::string(60'000, '['));
    EXPECT_NE(answer().value("error", "").find("nested"), std::string::npos);
    std::string objects;
    while (objects.size() < 60'000) objects += "{\"a\":";
    send(ipc::request_id, objects);
    EXPECT_NE(answer().value("error", "").find("nested"), std::string::npos);
    // Brackets in text are none.
    send(ipc::request_id, "{\"a\":\"\\\"" + std::string(100, '[') + "\"}");
    EXPECT_EQ(answer().value("ok", false), true);
}

TEST_F(Garbage, asking_for_more_than_there_is_is_answered) {
    send(ipc::more_id, "");
    EXPECT_EQ(answer().value("ok", true), false);
    send(77, "{}");
    EXPECT_EQ(answer().value("ok", true), false);
}

TEST_F(Garbage, a_claim_of_more_bytes_than_came_is_answered) {
    send(ipc::request_id, "{}", 1000);
    EXPECT_EQ(answer().value("ok", true), false);
    send(ipc::request_id, "{}", 1'000'000);
    EXPECT_EQ(answer().value("ok", true), false);
}

TEST_F(Garbage, less_than_a_header_ends_the_conversation) {
    ASSERT_GT(qb_ipcc_send(raw_, "abc", 3), 0);
    EXPECT_LT(answer().value("received", 0), 0);
}

TEST_F(Garbage, a_second_request_before_the_reply_is_passed_over) {
    send(ipc::request_id, R"({"n":1})");
    send(ipc::request_id, R"({"n":2})");
    EXPECT_EQ(answer().at("request").at("n"), 1);
    // The echo is immediate, so both are answered.
    EXPECT_EQ(answer().at("request").at("n"), 2);
}

/// Connects as another user from a process of its own, made before there are threads, and tells the error
/// code.
class OtherUser {
  public:
    OtherUser(uid_t uid, gid_t gid, std::vector<gid_t> others) {
        int go[2];
        int result[2];
        if (pipe(go) != 0 || pipe(result) != 0) throw std::runtime_error("pipe");
        const std::string name = name_of_service();
        child_ = fork();
        if (child_ == 0) {
            char c = 0;
            (void)!read(go[0], &c, 1);
            int code = -1;
            if (setgroups(others.size(), others.data()) == 0 && setresgid(gid, gid, gid) == 0 &&
                setresuid(uid, uid, uid) == 0) {
                auto client = ipc::Client::connect(patience, name);
                code = client ? 0 : client.error().code;
                if (client && !client->request({{"a", 1}}, patience)) code = -2;
            }
            (void)!write(result[1], &code, sizeof code);
            _exit(0);
        }
        close(go[0]);
        close(result[1]);
        go_ = go[1];
        result_ = result[0];
    }
    ~OtherUser() {
        close(go_);
        close(result_);
        int status = 0;
        waitpid(child_, &status, 0);
    }
    OtherUser(const OtherUser&) = delete;
    OtherUser& operator=(const OtherUser&) = delete;

    int code() {
        (void)!write(go_, "g", 1);
        int code = -3;
        (void)!read(result_, &code, sizeof code);
        return code;
    }

  private:
    pid_t child_ = -1;
    int go_ = -1;
    int result_ = -1;
};

TEST(Admission, is_for_root_and_haclient) {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    const auto* group = getgrnam("haclient");
    if (group == nullptr) GTEST_SKIP() << "there is no group haclient here";
    constexpr uid_t nobody = 65534;
    OtherUser stranger(nobody, nobody, {});
    OtherUser member(nobody, group->gr_gid, {});
    OtherUser other_member(nobody, nobody, {4, group->gr_gid});
    const Daemon daemon(echo);
    EXPECT_EQ(stranger.code(), EACCES);
    EXPECT_EQ(member.code(), 0);
    EXPECT_EQ(other_member.code(), 0);
}

}  // namespace
}  // namespace buoy
