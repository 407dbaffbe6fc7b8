// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/io/fence_history.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <pugixml.hpp>

namespace buoy::io {
namespace {

// Takes so many digits off the front.
std::optional<int> digits(std::string_view& text, std::size_t count) {
    int value = 0;
    if (text.size() < count) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + count, value);
    if (error != std::errc{} || end != text.data() + count || text[0] == '-') return std::nullopt;
    text.remove_prefix(count);
    return value;
}

bool skip(std::string_view& text, char expected) {
    if (text.empty() || text[0] != expected) return false;
    text.remove_prefix(1);
    return true;
}

std::optional<std::chrono::nanoseconds> fraction(std::string_view& text) {
    const std::size_t size = std::min(text.find_first_not_of("0123456789"), text.size());
    if (size == 0 || size > 9) return std::nullopt;
    std::int64_t value = *digits(text, size);
    for (std::size_t i = size; i < 9; ++i) value *= 10;
    return std::chrono::nanoseconds(value);
}

// "Z", or what the zone is ahead of it.
std::optional<std::chrono::minutes> zone(std::string_view text) {
    if (text == "Z") return std::chrono::minutes(0);
    const bool behind = text.starts_with('-');
    if (!behind && !text.starts_with('+')) return std::nullopt;
    text.remove_prefix(1);
    const auto hours = digits(text, 2);
    if (!hours || !skip(text, ':')) return std::nullopt;
    const auto minutes = digits(text, 2);
    if (!minutes || !text.empty()) return std::nullopt;
    const std::chrono::minutes ahead(*hours * 60 + *minutes);
    return behind ? -ahead : ahead;
}

std::string identity_of(const pugi::xml_node& event) {
    std::string out;
    for (const pugi::xml_attribute& attribute : event.attributes()) {
        out += attribute.name();
        out += '=';
        out += attribute.value();
        out += '\n';
    }
    return out;
}

}  // namespace

core::FencingAction fencing_action(std::string_view name) {
    if (name == "off") return core::FencingAction::off;
    if (name == "reboot") return core::FencingAction::reboot;
    if (name == "on") return core::FencingAction::on;
    return core::FencingAction::other;
}

std::optional<Duration> parse_pacemaker_time(std::string_view text) {
    using namespace std::chrono;
    const auto y = digits(text, 4);
    if (!y || !skip(text, '-')) return std::nullopt;
    const auto m = digits(text, 2);
    if (!m || !skip(text, '-')) return std::nullopt;
    const auto d = digits(text, 2);
    if (!d || !skip(text, ' ')) return std::nullopt;
    const auto hour = digits(text, 2);
    if (!hour || !skip(text, ':')) return std::nullopt;
    const auto minute = digits(text, 2);
    if (!minute || !skip(text, ':')) return std::nullopt;
    const auto second = digits(text, 2);
    const year_month_day date(year(*y), month(static_cast<unsigned>(*m)), day(static_cast<unsigned>(*d)));
    if (!second || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    std::optional<nanoseconds> rest = nanoseconds(0);
    if (skip(text, '.')) rest = fraction(text);
    skip(text, ' ');
    const auto ahead = zone(text);
    if (!rest || !ahead) return std::nullopt;
    return sys_days(date).time_since_epoch() + hours(*hour) + minutes(*minute) + seconds(*second) + *rest -
           *ahead;
}

Result<std::vector<FenceEvent>> parse_fence_history(std::string_view xml) {
    pugi::xml_document document;
    if (!document.load_buffer(xml.data(), xml.size()))
        return fail("stonith_admin --history: what it printed is no XML");
    const pugi::xml_node result = document.child("pacemaker-result");
    const pugi::xml_node status = result.child("status");
    if (!status) return fail("stonith_admin --history: what it printed has no status");
    if (status.attribute("code").as_int(-1) != 0) {
        const std::string_view detail = status.child("errors").child_value("error");
        return fail(fmt::format("stonith_admin --history: {}{}{}", status.attribute("message").value(),
                                detail.empty() ? "" : ": ", detail));
    }
    std::vector<FenceEvent> events;
    for (const pugi::xpath_node& found : result.select_nodes(".//fence_event")) {
        const pugi::xml_node node = found.node();
        FenceEvent event;
        event.target = node.attribute("target").value();
        event.action = fencing_action(node.attribute("action").value());
        event.succeeded = std::string_view(node.attribute("status").value()) == "success";
        const std::string_view completed = node.attribute("completed").value();
        event.completed = parse_pacemaker_time(completed);
        if (completed.find('.') != std::string_view::npos) event.resolution = std::chrono::microseconds(1);
        event.identity = identity_of(node);
        events.push_back(std::move(event));
    }
    return events;
}

}  // namespace buoy::io
