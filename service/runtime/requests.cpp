// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include "service/runtime/texts.hpp"

namespace buoy::runtime {

namespace {

using nlohmann::json;

json refusal(const std::string& error, const char* outcome = "refused") {
    return {{"ok", false}, {"error", error}, {"outcome", outcome}};
}

json answer_to(core::Outcome outcome) {
    if (succeeded(outcome)) return {{"ok", true}, {"outcome", name_of(outcome)}};
    return refusal(explain(outcome), name_of(outcome));
}

/// A text or a number as text; empty when it is neither, or missing.
std::string text_in(const json& request, const char* field) {
    const auto found = request.find(field);
    if (found == request.end()) return {};
    if (found->is_string()) return found->get<std::string>();
    return found->is_number_integer() ? found->dump() : std::string();
}

}  // namespace

void Requests::handle(bool may_change, const json& request, Reply reply) {
    const std::string name = request.is_object() ? text_in(request, "request") : std::string();
    if (name == "status" && !request.contains("counters")) return reply(status_of(out_.view()));
    if (name == "status")
        return count([reply = std::move(reply)](const View& view) { reply(status_of(view)); });
    if (name == "metrics")
        return count([reply = std::move(reply)](const View& view) {
            reply({{"ok", true}, {"text", metrics_of(view)}});
        });
    if (name == "journal") return journal(request, reply);
    if (name == "explain") return explain(request, std::move(reply));
    if (name == "check-pool") return check_pool(request, std::move(reply));
    if (!may_change) return reply(refusal("this needs to be asked by root or a member of group haclient"));
    if (name == "start-pool") return start_pool(request, std::move(reply));
    if (name == "reload-pool") return reload_pool(request, std::move(reply));
    if (name == "stop-pool") return stop_pool(request, std::move(reply));
    if (name == "fencing") return fencing(request, std::move(reply));
    if (name == "shutdown") return shut_down(std::move(reply));
    auto asked = translate(name, request);
    if (!asked) return reply(refusal(asked.error().message));
    ask_and_reply(std::move(*asked), std::move(reply));
}

Result<NodeId> Requests::node_in(const json& request) const {
    const std::string text = text_in(request, "node");
    if (const auto node = names_.find(text)) return *node;
    for (const core::Voter& voter : driver_.ownership().agreed().voters)
        if (voter.id.value != 0 && std::to_string(voter.id.value) == text) return voter.id;
    std::vector<std::string> known;
    for (const auto& [id, name] : names_.all()) known.push_back(names_.of(id));
    return fail(fmt::format("there is no node '{}'; the cluster has {}", text, fmt::join(known, ", ")));
}

Result<const core::Pool*> Requests::pool_in(const json& request, const char* field) const {
    const std::string name = text_in(request, field);
    const core::Pool* pool = driver_.ownership().agreed().pool(name);
    if (pool == nullptr)
        return fail(fmt::format("there is no pool '{}'; `buoy pool list` shows those there are", name));
    return pool;
}

Result<std::uint32_t> Requests::slot_in(const json& request, const core::PoolConfig& config) const {
    const std::string text = text_in(request, "slot");
    if (!text.empty() && text.size() < 7 &&
        std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
        const auto slot = static_cast<std::uint32_t>(std::stoul(text));
        if (slot < config.slots) return slot;
        return fail(
            fmt::format("pool {} has no slot {}: they are 0 to {}", config.name, slot, config.slots - 1));
    }
    const auto ip = IpAddress::parse(text);
    if (!ip) return fail(fmt::format("slot '{}' is neither a number nor an address", text));
    if (const auto parameters = parameters_of(config)) {
        if (parameters->buckets > 0)
            return fail(fmt::format("pool {}'s slots are buckets: name one as a number from 0 to {}",
                                    config.name, config.slots - 1));
        const auto found = std::ranges::find(parameters->addresses, *ip);
        if (found != parameters->addresses.end())
            return static_cast<std::uint32_t>(found - parameters->addresses.begin());
    }
    return fail(fmt::format("pool {} has no address {}", config.name, ip->to_string()));
}

Result<core::Request> Requests::translate(const std::string& name, const json& request) const {
    NodeId node;
    if (name == "move" || name == "pin" || name == "drain" || name == "undrain" || name == "confirm-down" ||
        name == "forget" || name == "weight") {
        auto found = node_in(request);
        if (!found) return tl::unexpected<Error>(found.error());
        node = *found;
    }
    if (name == "drain" || name == "undrain") return core::Drain{node, name == "drain"};
    if (name == "confirm-down" || name == "forget")
        return core::ConfirmDown{node, core::Proof::operator_word, text_in(request, "user")};
    if (name != "move" && name != "pin" && name != "unpin" && name != "weight" && name != "rebalance" &&
        name != "cleanup" && name != "remove-pool")
        return fail(fmt::format("there is no request '{}': this buoyd may be older than what asks it", name));
    auto pool = pool_in(request);
    if (!pool) return tl::unexpected<Error>(pool.error());
    const core::PoolConfig& config = (*pool)->config;
    if (name == "cleanup") return core::ClearFailure{config.name};
    if (name == "remove-pool") return core::RemovePool{config.name};
    if (name == "weight") {
        const auto weight = request.find("weight");
        if (weight == request.end() || !weight->is_number_unsigned() || *weight > core::max_weight)
            return fail(fmt::format("weight has to be a number from 0 to {}", core::max_weight));
        return core::SetWeight{config.name, node, weight->get<std::uint32_t>()};
    }
    if (name == "rebalance") {
        const std::string mode = text_in(request, "mode");
        if (mode != "auto" && mode != "never") return fail("rebalance is auto or never");
        return core::SetRebalance{config.name,
                                  mode == "auto" ? core::Rebalance::automatic : core::Rebalance::never};
    }
    auto slot = slot_in(request, config);
    if (!slot) return tl::unexpected<Error>(slot.error());
    if (name == "unpin") return core::Pin{config.name, *slot, {}};
    const core::NodeIndex index = driver_.ownership().agreed().find(node);
    if (index == core::no_index || !core::has((*pool)->members, index))
        return fail(fmt::format("pool {} is not started on {}", config.name, names_.of(node)));
    if (name == "pin") return core::Pin{config.name, *slot, node};
    return core::Move{config.name, {*slot}, node};
}

void Requests::ask(core::Request request, std::function<void(core::Outcome)> done) {
    const RequestId id{++last_id_};
    asked_.emplace(id, std::move(done));
    driver_.take(core::Requested{id, std::move(request)});
}

std::string Requests::why_refused(const core::Request& request) const {
    if (const auto* move = std::get_if<core::Move>(&request))
        return fmt::format(
            "{} can hold nothing of pool {} now: it is lost or drained, an open failed there, or its "
            "NIC has no carrier; `buoy explain {}/{}` says which",
            names_.of(move->node), move->pool, move->pool, move->slots.front());
    if (const auto* down = std::get_if<core::ConfirmDown>(&request))
        return fmt::format("{} takes part in the cluster, so it is not down: switch it off first",
                           names_.of(down->node));
    return {};
}

void Requests::ask_and_reply(core::Request request, Reply reply) {
    std::string why = why_refused(request);
    ask(std::move(request), [reply = std::move(reply), why = std::move(why)](core::Outcome outcome) {
        const bool said = outcome == core::Outcome::refused && !why.empty();
        reply(said ? refusal(why, name_of(outcome)) : answer_to(outcome));
    });
}

void Requests::answered(RequestId id, core::Outcome outcome) {
    auto asked = asked_.extract(id);
    if (!asked.empty()) asked.mapped()(outcome);
}

std::optional<std::string> Requests::why_not_started(const pool::PoolParameters& parameters) const {
    const View view = out_.view();
    const auto lease = std::chrono::duration_cast<std::chrono::milliseconds>(view.lease);
    if (parameters.lease != lease)
        return fmt::format(
            "lease_ms={}, but buoyd runs with lease_ms={} on this node: a cluster has one lease; give "
            "every pool the same, and stop all of them to change it",
            parameters.lease.count(), lease.count());
    if (const Pools::Pool* here = pools_.find(parameters.name); here != nullptr)
        if (const std::string differs = pool::difference(parameters, here->parameters); !differs.empty())
            return fmt::format("pool {} is started here with other parameters: {}", parameters.name, differs);
    if (auto shared = shared_with_another(parameters, false)) return shared;
    const core::Pool* pool = driver_.ownership().agreed().pool(parameters.name);
    if (pool == nullptr || pool->members == 0) return std::nullopt;
    const auto theirs = parameters_of(pool->config);
    if (!theirs || pool->config.hash == parameters.fingerprint()) return std::nullopt;
    return fmt::format("pool {} runs with other parameters on other nodes: {}", parameters.name,
                       pool::difference(parameters, *theirs));
}

std::optional<std::string> Requests::shared_with_another(const pool::PoolParameters& parameters,
                                                         bool earlier) const {
    const core::AgreedState& agreed = driver_.ownership().agreed();
    const core::Pool* self = earlier ? agreed.pool(parameters.name) : nullptr;
    std::vector<core::PoolConfig> others = earlier ? std::vector<core::PoolConfig>() : pools_.configs();
    for (const core::Pool& pool : agreed.pools)
        if (pool.members != 0 && (self == nullptr || pool.id < self->id)) others.push_back(pool.config);
    for (const core::PoolConfig& other : others) {
        if (other.name == parameters.name) continue;
        const auto theirs = parameters_of(other);
        if (!theirs) continue;
        std::vector<IpAddress> both;
        std::ranges::set_intersection(parameters.addresses, theirs->addresses, std::back_inserter(both));
        if (!both.empty())
            return fmt::format(
                "addresses: {} is in pool {} too, and an address belongs to one pool: take it "
                "out of one of them",
                both.front().to_string(), other.name);
    }
    return std::nullopt;
}

void Requests::start_pool(const json& request, Reply reply) {
    auto parameters = pool::PoolParameters::from_json(request.value("pool", json::object()));
    if (!parameters) return reply(refusal(parameters.error().message));
    if (const auto why = why_not_started(*parameters)) return reply(refusal(*why, "different_config"));
    if (auto added = pools_.add(*parameters); !added) return reply(refusal(added.error().message));
    auto start = [this, parameters = *parameters, reply = std::move(reply)] {
        const auto done = [this, parameters, reply](core::Outcome outcome) {
            if (!succeeded(outcome)) {
                pools_.remove(parameters.name);
                const auto why = why_not_started(parameters);
                return reply(refusal(why.value_or(runtime::explain(outcome)), name_of(outcome)));
            }
            // Another pool with one of these addresses was started elsewhere at the same time, and came
            // first.
            if (const auto why = shared_with_another(parameters, true))
                return stop_pool({{"name", parameters.name}}, [reply, why = *why](const json&) {
                    reply(refusal(why, "different_config"));
                });
            adjust(parameters);
            out_.started();
            json answer = answer_to(outcome);
            if (const Pools::Pool* here = pools_.find(parameters.name);
                here != nullptr && here->carrier == false)
                answer["note"] = here->no_carrier + ": this node gets no addresses of the pool until it has";
            reply(answer);
        };
        ask(core::StartPool{config_of(parameters)}, done);
    };
    if (pools_.find(parameters->name)->carrier) return start();
    waiting_for_nic_[parameters->name].push_back(std::move(start));
}

void Requests::adjust(const pool::PoolParameters& parameters) {
    const core::Pool* pool = driver_.ownership().agreed().pool(parameters.name);
    if (pool == nullptr) return;
    const NodeId self = driver_.ownership().self();
    if (pool->weight_of(self) != parameters.weight)
        ask(core::SetWeight{parameters.name, self, parameters.weight}, [](core::Outcome) {});
    if (const auto wanted = config_of(parameters).rebalance; pool->config.rebalance != wanted)
        ask(core::SetRebalance{parameters.name, wanted}, [](core::Outcome) {});
}

void Requests::reload_pool(const json& request, Reply reply) {
    auto parameters = pool::PoolParameters::from_json(request.value("pool", json::object()));
    if (!parameters) return reply(refusal(parameters.error().message));
    if (const auto why = why_not_started(*parameters)) return reply(refusal(*why, "different_config"));
    if (pools_.find(parameters->name) == nullptr)
        return reply(refusal("pool " + parameters->name + " is not started on this node", "no_such_pool"));
    if (auto replaced = pools_.replace(*parameters); !replaced)
        return reply(refusal(replaced.error().message));
    adjust(*parameters);
    reply(answer_to(core::Outcome::applied));
}

void Requests::carrier_known(const std::string& pool) {
    auto waiting = waiting_for_nic_.extract(pool);
    if (waiting.empty()) return;
    for (const auto& start : waiting.mapped()) start();
}

void Requests::stop_pool(const json& request, Reply reply) {
    const std::string name = text_in(request, "name");
    if (pools_.find(name) == nullptr) return reply(answer_to(core::Outcome::unchanged));
    ask(core::StopPool{name}, [this, name, reply = std::move(reply)](core::Outcome outcome) {
        if (succeeded(outcome)) {
            pools_.remove(name);
            out_.stopped(name);
        }
        reply(answer_to(outcome));
    });
}

void Requests::check_pool(const json& request, Reply reply) {
    const std::string name = text_in(request, "name");
    const View view = out_.view();
    const core::Pool* pool = view.ownership.agreed().pool(name);
    json answer{{"ok", true},
                {"started", pools_.find(name) != nullptr},
                {"primary", view.status.primary},
                {"members", pool == nullptr ? 0 : std::popcount(pool->members)},
                {"ready", false},
                {"problem", ""}};
    const auto because = [&](const std::string& problem) {
        answer["problem"] = problem;
        reply(answer);
    };
    if (pools_.find(name) == nullptr) return because("");
    // What follows is the cluster's to settle, and no restart of the pool would help it.
    answer["waiting"] = true;
    const core::NodeIndex self = view.ownership.agreed().find(view.ownership.self());
    if (!view.status.quorate) return because("this node has no quorum");
    if (!view.status.primary && !view.status.other_leases.empty())
        return because("this node's lease_ms differs from the others'; `buoy status` shows theirs");
    if (!view.status.primary) return because("this node is not in a primary configuration");
    if (view.status.cut_off)
        return because("beats do not go to and fro between this node and a majority: a packet filter?");
    if (view.ownership.out() || pool == nullptr || self == core::no_index || !core::has(pool->members, self))
        return because("this node has not joined the pool yet");
    answer["waiting"] = false;
    if (view.status.close_failed) return because("an address could not be removed; see the log");
    if (core::has(pool->failed_open, self))
        return because("an address could not be added; see the log, then `buoy pool cleanup " + name + "`");
    const std::uint64_t number = ++last_id_;
    answer["ready"] = true;
    if (const std::size_t withheld = pools_.withheld(name); withheld > 0)
        answer["problem"] = fmt::format(
            "{} of the pool's addresses that are this node's are claimed by other hosts, and not answered "
            "for (on_conflict=release); `buoy status` has their MACs",
            withheld);
    if (core::has(pool->no_carrier, self)) answer["problem"] = pools_.find(name)->no_carrier;
    checks_.emplace(number, [answer, reply = std::move(reply)](json problem) mutable {
        if (!problem.empty()) {
            answer["ready"] = false;
            answer["problem"] = problem;
        }
        reply(answer);
    });
    out_.kernel(kernel::Check{number, name});
}

void Requests::checked(const kernel::Checked& report) {
    auto check = checks_.extract(report.number);
    if (!check.empty()) check.mapped()(report.problem.empty() ? json() : json(report.problem));
}

void Requests::count(std::function<void(const View&)> show) {
    const std::uint64_t number = ++last_id_;
    counts_.emplace(number, std::move(show));
    out_.kernel(kernel::Count{number});
}

void Requests::counted(const kernel::Counted& report) {
    auto asked = counts_.extract(report.number);
    if (asked.empty()) return;
    View view = out_.view();
    view.counted = &report;
    asked.mapped()(view);
}

void Requests::explain(const json& request, Reply reply) {
    auto pool = pool_in(request);
    if (!pool) return reply(refusal(pool.error().message, "no_such_pool"));
    auto slot = slot_in(request, (*pool)->config);
    if (!slot) return reply(refusal(slot.error().message, "no_such_slot"));
    reply(explain_slot(out_.view(), **pool, *slot));
}

void Requests::journal(const json& request, const Reply& reply) {
    const auto lines = request.find("lines");
    auto text = out_.journal(lines != request.end() && lines->is_number_unsigned() ? lines->get<std::size_t>()
                                                                                   : 1000);
    if (!text) return reply(refusal(text.error().message));
    reply({{"ok", true}, {"text", *text}});
}

void Requests::fencing(const json& request, Reply reply) {
    auto node = node_in(request);
    if (!node) return reply(refusal(node.error().message));
    const std::string action = text_in(request, "action");
    const auto ended = request.find("ended");
    const auto success = request.find("succeeded");
    constexpr double latest_s = 9e9;  // what fits nanoseconds in 64 bits
    if (ended == request.end() || !ended->is_number() || !(*ended >= 0.0 && *ended <= latest_s) ||
        success == request.end() || !success->is_boolean())
        return reply(refusal("fencing needs ended (seconds since 1970) and succeeded (true or false)"));
    const auto what = action == "off"      ? core::FencingAction::off
                      : action == "reboot" ? core::FencingAction::reboot
                      : action == "on"     ? core::FencingAction::on
                                           : core::FencingAction::other;
    if (success->get<bool>())
        out_.fenced(*node, what, Duration(static_cast<std::int64_t>(ended->get<double>() * 1e9)));
    reply({{"ok", true}});
}

void Requests::shut_down(Reply reply) {
    ask(core::Shutdown{}, [this, reply = std::move(reply)](core::Outcome outcome) {
        reply(answer_to(outcome));
        out_.shut_down();
    });
}

}  // namespace buoy::runtime
