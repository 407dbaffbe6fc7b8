// SPDX-License-Identifier: GPL-2.0-or-later
// buoyd: the composition root. Every adapter is made and wired here, and nowhere else.
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <boost/program_options.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "net/errors.hpp"
#include "service/io/attributes.hpp"
#include "service/io/beats.hpp"
#include "service/io/boot_clock.hpp"
#include "service/io/children.hpp"
#include "service/io/cluster.hpp"
#include "service/io/cpg.hpp"
#include "service/io/fencing.hpp"
#include "service/io/incarnation.hpp"
#include "service/io/ipc_server.hpp"
#include "service/io/only_one.hpp"
#include "service/io/quorum.hpp"
#include "service/kernel/kernel_thread.hpp"
#include "service/messages/messages.hpp"
#include "service/runtime/driver.hpp"
#include "service/runtime/executor.hpp"
#include "service/runtime/journal_file.hpp"
#include "service/runtime/kept.hpp"
#include "service/runtime/log.hpp"
#include "service/runtime/loop.hpp"
#include "service/runtime/names.hpp"
#include "service/runtime/outbox.hpp"
#include "service/runtime/pools.hpp"
#include "service/runtime/replay.hpp"
#include "service/runtime/requests.hpp"
#include "service/runtime/status.hpp"
#include "service/runtime/texts.hpp"

namespace buoy {
namespace {

namespace options = boost::program_options;
using namespace std::chrono_literals;

// The kernel's side when nobody waits for it, of SCHED_RR: before ordinary work, after everything with a
// deadline.
constexpr int kernel_priority = 10;
/// Corosync's, of SCHED_RR (its "sched_rr"). After every message Corosync passes its token round some thirty
/// times as fast as it can. On a node with few cores a beat or a handover below it would wait for that, for
/// milliseconds; between equals nobody takes the core from another.
int corosyncs_priority() {
    return sched_get_priority_max(SCHED_RR);
}

constexpr auto resend_after = 2ms;

// Slots that change hands together where a node gives up many on request. To open an address takes some 20
// us, most of it the announcement's way through the network: a client of the last one waits for a millisecond
// or two.
constexpr std::uint32_t portion = 64;
constexpr auto longest_goodbye = 10s;
constexpr auto attributes_again = 5s;
constexpr const char* group_name = "buoy";

struct Settings {
    std::chrono::milliseconds lease{500};
    std::chrono::milliseconds beat{50};
    std::string journal = "/var/lib/buoy/journal";
    bool to_stderr = false;
};

/// Everything that the daemon is made of, in the order in which it has to be made.
class Daemon {
  public:
    explicit Daemon(Settings settings) : settings_(std::move(settings)) {}

    Result<void> run() {
        auto ended = work();
        // Whatever the reason: what is not vouched for by a lease is not answered for.
        if (kernel_) leave_kernel();
        return ended;
    }

  private:
    Result<void> work() {
        for (const auto step : {&Daemon::open_requests, &Daemon::open_kernel, &Daemon::open_cluster,
                                &Daemon::open_core, &Daemon::open_streams, &Daemon::open_signals})
            if (auto done = (this->*step)(); !done) return done;
        return loop_->run();
    }

    void leave_kernel() {
        kernel_->set_deadline({});
        kernel_->post(kernel::CloseSlots{{}, true, {}});
        kernel_.reset();
        // With pools it stays, and stays shut, until the next daemon takes it up.
        if (gate_ && pools_ && pools_->configs().empty()) gate_->unpin();
    }

    Result<void> open_cluster() {
        auto watch = io::ClusterWatch::open([this](const io::ClusterInfo& info) { cluster_changed(info); });
        if (!watch) return tl::unexpected<Error>(watch.error());
        cluster_ = std::make_unique<io::ClusterWatch>(std::move(*watch));
        set_names(cluster_->info());
        auto incarnation = io::next_incarnation();
        if (!incarnation) return tl::unexpected<Error>(incarnation.error());
        incarnation_ = *incarnation;
        auto kept = runtime::kept_lease();
        if (!kept) return tl::unexpected<Error>(kept.error());
        status_.longest_lease = *kept;
        decoder_.emplace(cluster_->info().id);
        return loop_->add(cluster_->fd(), false, [this] { return cluster_->dispatch(); });
    }

    // First of all, for it fails where a daemon is running already, whose slots are not ours to close.
    Result<void> open_requests() {
        // Where libqb is told to use sockets in files, a second one would take the first one's away.
        auto alone = io::be_the_only_one("/run/buoy/lock");
        if (!alone) return tl::unexpected<Error>(alone.error());
        lock_ = std::move(*alone);
        auto loop = runtime::Loop::create();
        if (!loop) return tl::unexpected<Error>(loop.error());
        loop_ = std::move(*loop);
        auto server = io::IpcServer::create(
            loop_->handle(),
            [this](const io::Caller& caller, nlohmann::json request, io::IpcServer::Reply reply) {
                requests_->handle(caller.may_change, request, std::move(reply));
            });
        if (!server) return tl::unexpected<Error>(server.error());
        server_ = std::make_unique<io::IpcServer>(std::move(*server));
        return {};
    }

    Result<void> open_kernel() {
        if (auto gate = gate::Gate::load())
            gate_ = std::move(*gate);
        else
            runtime::log_warning(gate.error().message +
                                 "; without it nothing shuts this node up if buoyd is killed");
        auto kernel = kernel::KernelThread::start(gate_.get(), {kernel_priority, corosyncs_priority()});
        if (!kernel) return tl::unexpected<Error>(kernel.error());
        kernel_ = std::move(*kernel);
        pools_ = std::make_unique<runtime::Pools>(
            [this](kernel::Watch watch) { kernel_->post(std::move(watch)); });
        for (const std::string& problem : pools_->load()) runtime::log_warning(problem);
        // What an earlier daemon left goes at once: without a cluster nobody vouches for it.
        kernel_->post(kernel::CloseSlots{{}, true, {}});
        return loop_->add(kernel_->fd(), true, [this]() -> Result<void> {
            take_reports();
            return {};
        });
    }

    void take_reports() {
        for (kernel::Report& report : kernel_->reports()) std::visit([this](auto& r) { on(r); }, report);
    }

    Result<void> open_core() {
        auto journal = runtime::JournalFile::open(settings_.journal, {});
        if (!journal) return tl::unexpected<Error>(journal.error());
        journal_ = std::move(*journal);
        executor_ = std::make_unique<runtime::Executor>(outlets());
        driver_ = std::make_unique<runtime::Driver>(*executor_, io::boot_now, *journal_);
        auto timer = loop_->add_timer([this]() -> Result<void> {
            driver_->take(core::TimerFired{});
            return {};
        });
        if (!timer) return tl::unexpected<Error>(timer.error());
        timer_ = *timer;
        auto resend = loop_->add_timer([this] { return flush(); });
        if (!resend) return tl::unexpected<Error>(resend.error());
        resend_ = *resend;
        auto again = loop_->add_timer([this]() -> Result<void> {
            for (const auto& [pool, value] : shown_) attributes_->set(pool, value);
            return {};
        });
        if (!again) return tl::unexpected<Error>(again.error());
        show_again_ = *again;
        auto goodbye = loop_->add_timer(
            []() -> Result<void> { return fail("not everything could be handed over in time"); });
        if (!goodbye) return tl::unexpected<Error>(goodbye.error());
        goodbye_ = *goodbye;
        requests_ = std::make_unique<runtime::Requests>(*driver_, *pools_, names_, request_outlets());
        return {};
    }

    Result<void> open_streams() {
        auto children = io::Children::open();
        if (!children) return tl::unexpected<Error>(children.error());
        children_ = std::make_unique<io::Children>(std::move(*children));
        const auto warn = [](const std::string& text) { runtime::log_warning(text); };
        auto beats = io::Beats::open(
            cluster_->info(), {},
            {[this](const core::Beat& beat, TimePoint) { driver_->take(core::BeatReceived{beat}); },
             [this](core::Refusal reason) { driver_->take(core::MessageRefused{reason}); }, warn});
        if (!beats) return tl::unexpected<Error>(beats.error());
        beats_ = std::make_unique<io::Beats>(std::move(*beats));
        auto fencing =
            io::Fencing::open(*children_, cluster_->info(),
                              {[this](const core::FencingReported& report) { driver_->take(report); }, warn});
        if (!fencing) return tl::unexpected<Error>(fencing.error());
        fencing_ = std::make_unique<io::Fencing>(std::move(*fencing));
        auto attributes = io::Attributes::open(
            *children_,
            [this](const std::string& pool, const std::string& why) { attribute_failed(pool, why); });
        if (!attributes) return tl::unexpected<Error>(attributes.error());
        attributes_ = std::make_unique<io::Attributes>(std::move(*attributes));
        start_core();
        auto quorum = io::Quorum::open(
            cluster_->info(), [this](const core::QuorumChanged& changed) { driver_->take(changed); });
        if (!quorum) return tl::unexpected<Error>(quorum.error());
        quorum_ = std::make_unique<io::Quorum>(std::move(*quorum));
        auto group = io::Group::join(
            group_name,
            {[this](const core::ConfigurationChanged& changed) { configuration_changed(changed); },
             [this](NodeId sender, std::string_view bytes) { delivered(sender, bytes); }});
        if (!group) return tl::unexpected<Error>(group.error());
        group_ = std::make_unique<io::Group>(std::move(*group));
        outbox_.emplace(cluster_->info().id, [this](std::string_view bytes) { return group_->send(bytes); });
        return watch_streams();
    }

    Result<void> watch_streams() {
        const auto watch = [this](auto& adapter, bool urgent) {
            return loop_->add(adapter->fd(), urgent, [&adapter] { return adapter->dispatch(); });
        };
        if (auto added = watch(beats_, true); !added) return added;
        if (auto added = watch(quorum_, true); !added) return added;
        if (auto added = watch(children_, false); !added) return added;
        if (auto added = watch(fencing_, false); !added) return added;
        if (auto added = watch(attributes_, false); !added) return added;
        return loop_->add(group_->fd(), true, [this]() -> Result<void> {
            if (auto done = group_->dispatch(); !done) return done;
            return flush();
        });
    }

    void start_core() {
        core::Started started;
        started.self = cluster_->info().self;
        started.incarnation = incarnation_;
        started.beat = settings_.beat;
        started.lease = settings_.lease;
        started.longest_lease = status_.longest_lease;
        started.portion = portion;
        started.pools = pools_->configs();
        // What is started here and cannot serve must not join as if it could.
        pollfd waiting{kernel_->fd(), POLLIN, 0};
        while (!pools_->all_known() && poll(&waiting, 1, -1) >= 0) take_reports();
        driver_->take(started);
        for (const core::PoolConfig& config : started.pools)
            driver_->take(core::CarrierChanged{config.name, *pools_->find(config.name)->carrier});
    }

    Result<void> open_signals() {
        sigset_t signals;
        sigemptyset(&signals);
        for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
        signals_ = net::Fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!signals_) return net::fail_errno(errno, "cannot receive signals");
        auto added = loop_->add(signals_.get(), false, [this]() -> Result<void> {
            signalfd_siginfo ignored{};
            if (read(signals_.get(), &ignored, sizeof ignored) != sizeof ignored) return {};
            runtime::log_info("asked to end: handing over what this node holds");
            loop_->arm(goodbye_, io::boot_now() + longest_goodbye);
            requests_->shut_down([](const nlohmann::json&) {});
            return {};
        });
        return added;
    }

    runtime::Outlets outlets() {
        runtime::Outlets out;
        out.multicast = [this](const core::Message& message) {
            if (!outbox_) return;
            // That the group is gone comes out at its next dispatch.
            if (auto put = outbox_->put(message); !put) runtime::log_warning(put.error().message);
            if (!outbox_->empty()) loop_->arm(resend_, io::boot_now() + resend_after);
        };
        out.beat = [this](const core::Beat& beat) { beats_->send(beat); };
        out.kernel = [this](kernel::Order order) { kernel_->post(std::move(order)); };
        out.deadline = [this](TimePoint deadline) { kernel_->set_deadline(deadline); };
        out.timer = [this](TimePoint at) { loop_->arm(timer_, at); };
        out.reply = [this](RequestId id, core::Outcome outcome) { requests_->answered(id, outcome); };
        out.status = [this](const core::Status& status) { publish(status); };
        out.plan = [this](const std::string& name) { return pools_->plan(name); };
        return out;
    }

    runtime::Requests::Outlets request_outlets() {
        runtime::Requests::Outlets out;
        out.view = [this] { return view(); };
        out.kernel = [this](kernel::Order order) { kernel_->post(std::move(order)); };
        out.journal = [this](std::size_t lines) { return runtime::last_lines(journal_->path(), lines); };
        // Pacemaker starts what ran before where it was restarted itself, and has forgotten the attributes.
        out.started = [this] { attributes_->resend(); };
        out.stopped = [this](const std::string& pool) {
            shown_.erase(pool);
            attributes_->erase(pool);
        };
        out.fenced = [this](NodeId node, core::FencingAction action, Duration ended) {
            fencing_->told(node, action, ended);
        };
        out.shut_down = [this] { loop_->stop(); };
        return out;
    }

    runtime::View view() {
        return {driver_->ownership(),
                status_,
                names_,
                cluster_->info().name,
                incarnation_,
                settings_.lease,
                settings_.beat,
                io::boot_now(),
                [this](const core::PoolConfig& config) {
                    runtime::PoolFacts facts;
                    if (const auto parameters = runtime::parameters_of(config))
                        runtime::tell_facts(*parameters, facts);
                    if (const auto* here = pools_->find(config.name)) {
                        facts.nic = here->parameters.nic;
                        facts.no_carrier = here->no_carrier;
                        for (const auto& [ip, of] : here->claims)
                            facts.claims.push_back({ip, of.mac, of.count, of.last, of.withheld});
                    }
                    return facts;
                },
                nullptr};
    }

    Result<void> flush() {
        if (auto sent = outbox_->flush(); !sent) return sent;
        if (!outbox_->empty()) loop_->arm(resend_, io::boot_now() + resend_after);
        return {};
    }

    void configuration_changed(const core::ConfigurationChanged& changed) {
        decoder_->forget_parts();
        driver_->take(changed);
    }

    void delivered(NodeId sender, std::string_view bytes) {
        auto decoded = decoder_->decode(bytes, sender);
        if (auto* entry = std::get_if<core::Entry>(&decoded))
            driver_->take(core::EntryDelivered{std::move(*entry)});
        if (auto* hello = std::get_if<core::Hello>(&decoded))
            driver_->take(core::HelloDelivered{std::move(*hello)});
        if (auto* snapshot = std::get_if<core::Snapshot>(&decoded))
            driver_->take(core::SnapshotDelivered{std::move(*snapshot)});
        if (const auto* reason = std::get_if<core::Refusal>(&decoded))
            driver_->take(core::MessageRefused{*reason});
    }

    void cluster_changed(const io::ClusterInfo& info) {
        set_names(info);
        if (auto set = beats_->set_nodes(info); !set) runtime::log_warning(set.error().message);
        quorum_->set_cluster(info);
        fencing_->set_cluster(info);
    }

    void set_names(const io::ClusterInfo& info) {
        std::map<NodeId, std::string> names;
        for (const io::ClusterNode& node : info.nodes) names.emplace(node.id, node.name);
        names_.set(std::move(names));
    }

    void publish(const core::Status& status) {
        for (const core::PoolStatus& pool : status.pools) {
            if (!pool.started) continue;
            shown_[pool.name] = runtime::in_short(pool, pools_->withheld(pool.name));
            attributes_->set(pool.name, shown_[pool.name]);
        }
        std::vector<io::LostNode> lost;
        // Without a primary configuration nobody becomes lost in the agreed state, and fencing may be what is
        // waited for (rule 0): there every other voter is asked about.
        for (const NodeId node : status.primary ? status.lost : status.voters) {
            if (node == driver_->ownership().self()) continue;
            const auto before = std::ranges::find(lost_, node, &io::LostNode::node);
            lost.push_back(before != lost_.end() ? *before : io::LostNode{node, last_heard(node)});
        }
        if (lost != lost_) fencing_->watch(lost);
        lost_ = std::move(lost);
        if (status.longest_lease != status_.longest_lease)
            if (auto kept = runtime::keep_lease(status.longest_lease); !kept)
                runtime::log_error(kept.error().message);
        log_changes(status);
        status_ = status;
    }

    /// Fencing may well be over before Corosync notices the loss: what counts is when the node was last
    /// heard.
    TimePoint last_heard(NodeId node) const {
        const core::NodeIndex i = driver_->ownership().agreed().find(node);
        const TimePoint heard = i == core::no_index ? TimePoint{} : driver_->ownership().peers().last_beat(i);
        return heard == TimePoint{} ? io::boot_now() : heard;
    }

    void attribute_failed(const std::string& pool, const std::string& why) {
        if (!attributes_fail_)
            runtime::log_warning("cannot show pool " + pool + " to Pacemaker: " + why + "; trying on");
        attributes_fail_ = true;
        loop_->arm(show_again_, io::boot_now() + attributes_again);
    }

    void log_changes(const core::Status& status) {
        if (status.primary != status_.primary)
            runtime::log_notice(status.primary
                                    ? "this node is in the primary configuration"
                                    : "this node is in no primary configuration: its leases run out");
        if (status.quorate != status_.quorate) runtime::log_notice(status.quorate ? "quorum" : "no quorum");
        if (status.out && !status_.out)
            runtime::log_warning("this node is out: everything is closed, and it rejoins");
        if (status.cut_off && !status_.cut_off)
            runtime::log_error(fmt::format(
                "beats do not go to and fro between this node and a majority of the others, though "
                "Corosync does: it stays out until they do; let UDP port {} through on all of "
                "Corosync's networks",
                io::beats_port));
        if (status.resynced && !status_.resynced)
            runtime::log_warning("this node's state differed from the others': it was thrown away");
        if (status.close_failed && !status_.close_failed)
            runtime::log_error("a slot could not be closed: this node renews no lease until it is");
        for (const core::OtherLease& other : status.other_leases)
            if (std::ranges::find(status_.other_leases, other) == status_.other_leases.end())
                runtime::log_error(fmt::format(
                    "{} runs with lease_ms={}, this node with lease_ms={}: they have to "
                    "be equal, and until then one of the two takes no part",
                    names_.of(other.node), other.lease.count() / 1'000'000, settings_.lease.count()));
        for (const NodeId node : status.condemned)
            if (std::ranges::find(status_.condemned, node) == status_.condemned.end())
                runtime::log_warning(names_.of(node) + " has not been heard by a majority for a lease");
        for (const NodeId node : status.lost)
            if (std::ranges::find(status_.lost, node) == status_.lost.end())
                runtime::log_warning(names_.of(node) + " is lost");
    }

    void on(kernel::Done& report) {
        if (driver_) driver_->take(core::EffectDone{report.id});
    }
    void on(kernel::Failed& report) {
        runtime::log_error(fmt::format("{} slots failed: {}", report.slots.size(), report.reason));
        driver_->take(core::EffectFailed{report.id, std::move(report.slots), std::move(report.reason)});
    }
    void on(kernel::Carrier& report) {
        if (!report.carrier) runtime::log_warning("pool " + report.pool + ": " + report.why);
        pools_->set_carrier(report);
        if (!driver_) return;  // told again once the core has started
        driver_->take(core::CarrierChanged{report.pool, report.carrier});
        requests_->carrier_known(report.pool);
    }
    void on(kernel::Noticed& report) { runtime::log_warning(report.text); }
    void on(kernel::Claimed& report) {
        if (!report.text.empty()) runtime::log_warning(report.text);
        pools_->claimed(report, io::boot_now());
        if (report.withheld) publish(status_);
    }
    void on(kernel::Checked& report) { requests_->checked(report); }
    void on(kernel::Counted& report) { requests_->counted(report); }

    Settings settings_;
    net::Fd lock_;
    Incarnation incarnation_;
    runtime::Names names_;
    core::Status status_;
    std::vector<io::LostNode> lost_;
    std::map<std::string, std::string> shown_;  // node attributes, by pool
    bool attributes_fail_ = false;
    net::Fd signals_;
    std::unique_ptr<runtime::Loop> loop_;
    std::unique_ptr<io::ClusterWatch> cluster_;
    std::optional<messages::Decoder> decoder_;
    std::unique_ptr<gate::Gate> gate_;
    std::unique_ptr<kernel::KernelThread> kernel_;
    std::unique_ptr<runtime::JournalFile> journal_;
    std::unique_ptr<runtime::Pools> pools_;
    std::unique_ptr<runtime::Executor> executor_;
    std::unique_ptr<runtime::Driver> driver_;
    std::unique_ptr<runtime::Requests> requests_;
    std::unique_ptr<io::Children> children_;
    std::unique_ptr<io::Beats> beats_;
    std::unique_ptr<io::Fencing> fencing_;
    std::unique_ptr<io::Attributes> attributes_;
    std::unique_ptr<io::Quorum> quorum_;
    std::unique_ptr<io::Group> group_;
    std::optional<runtime::Outbox> outbox_;
    std::unique_ptr<io::IpcServer> server_;
    std::size_t timer_ = 0;
    std::size_t resend_ = 0;
    std::size_t goodbye_ = 0;
    std::size_t show_again_ = 0;
};

/// Real-time scheduling where it is allowed; a child gets ordinary scheduling again.
void take_priority() {
    sched_param how{};
    how.sched_priority = corosyncs_priority();
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &how) != 0)
        runtime::log_warning("no real-time scheduling here: beats may be late on a busy machine");
    // A page that has to come from the disk is a beat that is late.
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) runtime::log_info("memory is not locked");
}

/// A number of milliseconds from the environment, within bounds.
std::chrono::milliseconds from_environment(const char* name, std::chrono::milliseconds otherwise, long least,
                                           long most) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') return otherwise;
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (*end == '\0' && value >= least && value <= most) return std::chrono::milliseconds(value);
    throw options::error(fmt::format("{}={} has to be a number from {} to {}", name, text, least, most));
}

int serve(Settings settings) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
    // Before any thread is: they all inherit it.
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    // Ignored by whoever started us, it would have the kernel take our children before we can ask about them.
    signal(SIGCHLD, SIG_DFL);
    runtime::open_log(settings.to_stderr);
    take_priority();
    Result<void> ended;
    {
        Daemon daemon(std::move(settings));
        ended = daemon.run();
    }
    if (!ended) runtime::log_error(ended.error().message);
    runtime::close_log();
    return ended ? 0 : 1;
}

int main_with_errors(int argc, char** argv) {
    Settings settings;
    options::options_description all("buoyd: keeps pools of addresses afloat (see buoy(8))");
    auto add = all.add_options();
    add("help,h", "shows this");
    add("version", "shows the version");
    add("stderr", "logs to standard error instead of the system's log");
    add("journal", options::value(&settings.journal), "where the journal of events and effects is written");
    add("replay", options::value<std::vector<std::string>>()->multitoken(),
        "repeats files of a journal, the oldest first, and compares what the core does with it");
    options::variables_map given;
    options::store(options::parse_command_line(argc, argv, all), given);
    options::notify(given);
    if (given.contains("help")) {
        std::cout << all;
        return 0;
    }
    if (given.contains("version")) {
        fmt::print("buoyd {}\n", BUOY_VERSION);
        return 0;
    }
    if (given.contains("replay")) return runtime::replay(given["replay"].as<std::vector<std::string>>());
    settings.to_stderr = given.contains("stderr");
    settings.lease = from_environment("BUOY_LEASE_MS", settings.lease, 25, 60000);
    settings.beat = from_environment("BUOY_BEAT_MS", settings.lease / 10, 1, 10000);
    if (2 * settings.beat > settings.lease)
        throw options::error(
            "BUOY_BEAT_MS has to be at most half of BUOY_LEASE_MS: a lease lives by its beats");
    return serve(std::move(settings));
}

}  // namespace
}  // namespace buoy

int main(int argc, char** argv) {
    try {
        return buoy::main_with_errors(argc, argv);
    } catch (const boost::program_options::error& error) {
        fmt::print(stderr, "buoyd: {}; `buoyd --help` shows the options\n", error.what());
        return 2;
    }
}
