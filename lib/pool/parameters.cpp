// SPDX-License-Identifier: GPL-2.0-or-later
#include "pool/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "buoy/virtual_mac.hpp"
#include "pool/words.hpp"
#include "service/core/limits.hpp"

namespace buoy::pool {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

template <typename Choice>
struct Word {
    std::string_view text;
    Choice value;
};

constexpr std::array on_loss_words = {Word<OnLoss>{"auto", OnLoss::automatic},
                                      Word<OnLoss>{"fenced", OnLoss::fenced},
                                      Word<OnLoss>{"unsafe", OnLoss::unsafe}};
constexpr std::array rebalance_words = {Word<Rebalance>{"auto", Rebalance::automatic},
                                        Word<Rebalance>{"never", Rebalance::never}};
constexpr std::array link_down_words = {Word<LinkDown>{"release", LinkDown::release},
                                        Word<LinkDown>{"ignore", LinkDown::ignore}};
constexpr std::array conflict_check_words = {Word<ConflictCheck>{"off", ConflictCheck::off},
                                             Word<ConflictCheck>{"fast", ConflictCheck::fast},
                                             Word<ConflictCheck>{"rfc5227", ConflictCheck::rfc5227}};
constexpr std::array on_conflict_words = {Word<OnConflict>{"defend", OnConflict::defend},
                                          Word<OnConflict>{"report", OnConflict::report},
                                          Word<OnConflict>{"release", OnConflict::release}};
constexpr std::array hash_words = {Word<Hash>{"source", Hash::source},
                                   Word<Hash>{"source-port", Hash::source_port},
                                   Word<Hash>{"tuple", Hash::tuple}};
constexpr std::array l2_words = {Word<Layer2>{"multicast", Layer2::multicast},
                                 Word<Layer2>{"flood", Layer2::flood}};
constexpr std::array attach_words = {Word<Attach>{"tc", Attach::tc}, Word<Attach>{"xdp", Attach::xdp}};

template <typename Words, typename Choice>
std::string_view word_of(const Words& table, Choice value) {
    return std::ranges::find(table, value, [](const auto& word) { return word.value; })->text;
}

/// A decimal number and nothing else.
std::optional<long> number_in(std::string_view text) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Reads parameters one after the other and keeps the first error, so that the callers read as a list.
class Reader {
  public:
    explicit Reader(const ParameterTexts& texts) : texts_(texts) {}

    [[nodiscard]] std::optional<std::string> text(std::string_view name) const {
        const auto found = texts_.find(name);
        if (found == texts_.end() || found->second.empty()) return std::nullopt;
        return found->second;
    }
    /// `unit` goes into the message and says more where there is more to say.
    long number(std::string_view name, long otherwise, long lowest, long highest, std::string_view unit) {
        const auto given = text(name);
        if (!given) return otherwise;
        const auto value = number_in(*given);
        if (value && *value >= lowest && *value <= highest) return *value;
        reject(fmt::format("{}='{}' is not a number from {} to {}{}{}", name, clipped(*given), lowest,
                           highest, unit.empty() ? "" : " ", unit));
        return otherwise;
    }
    template <typename Words, typename Choice>
    void choice(std::string_view name, const Words& table, Choice& into) {
        const auto given = text(name);
        if (!given) return;
        std::string all;
        for (const auto& word : table) {
            if (word.text == *given) {
                into = word.value;
                return;
            }
            all += (all.empty() ? "" : ", ") + std::string(word.text);
        }
        reject(fmt::format("{}='{}' is none of {}", name, clipped(*given), all));
    }
    void reject(std::string reason) {
        if (!error_) error_ = Error{std::move(reason)};
    }
    [[nodiscard]] const std::optional<Error>& failed() const { return error_; }

  private:
    const ParameterTexts& texts_;
    std::optional<Error> error_;
};

/// Names and altnames of links: ALTIFNAMSIZ is 128 with its NUL.
bool is_link_name(const std::string& name) {
    const auto allowed = [](unsigned char c) { return c > 0x20 && c < 0x7f && c != '/'; };
    return name.size() < 128 && std::ranges::all_of(name, allowed);
}

bool has_family(const PoolParameters& parameters, bool v4) {
    return std::ranges::any_of(parameters.addresses, [v4](const auto& ip) { return ip.is_v4() == v4; });
}

void read_addresses(Reader& reader, PoolParameters& into) {
    auto addresses = parse_addresses(reader.text("addresses").value_or(""));
    if (!addresses) return reader.reject(addresses.error().message);
    into.addresses = std::move(*addresses);
    into.nic = reader.text("nic").value_or("");
    if (!is_link_name(into.nic))
        reader.reject(
            fmt::format("nic='{}' cannot be the name of an interface: that is up to 127 printable "
                        "characters of ASCII without spaces and '/'",
                        clipped(into.nic)));
    const auto local = std::ranges::find_if(
        into.addresses, [](const auto& ip) { return ip.is_v6() && ip.v6().is_link_local(); });
    if (local != into.addresses.end() && into.nic.empty())
        reader.reject(
            fmt::format("nic is not set: {} is link-local, which every interface can have, so nic has to "
                        "say which",
                        local->to_string()));
}

/// A dotted mask as its length in bits; nothing when its ones are not in one run from the left.
std::optional<long> mask_bits(std::string_view text) {
    const auto mask = Ipv4::parse(text);
    if (!mask) return std::nullopt;
    const std::uint32_t inverse = ~mask->value();
    if ((inverse & (inverse + 1)) != 0) return std::nullopt;
    long bits = 32;
    for (auto rest = inverse; rest != 0; rest >>= 1) --bits;
    return bits;
}

void read_prefix(Reader& reader, const std::string& whole, std::string_view word, bool v4,
                 std::optional<int>& into) {
    const int most = v4 ? 32 : 128;
    const auto bits = v4 && word.find('.') != std::string_view::npos ? mask_bits(word) : number_in(word);
    if (!bits || *bits < 1 || *bits > most)
        return reader.reject(fmt::format("cidr_netmask='{}': '{}' is not a number from 1 to {} bits ({})",
                                         clipped(whole), clipped(word), most, v4 ? "IPv4" : "IPv6"));
    into = static_cast<int>(*bits);
}

void read_prefixes(Reader& reader, PoolParameters& into) {
    const auto text = reader.text("cidr_netmask");
    if (!text) return;
    const auto given = words(*text);
    const bool v4 = has_family(into, true);
    if (given.empty() || given.size() > 2)
        return reader.reject(fmt::format(
            "cidr_netmask='{}' is not one length in bits, or one for IPv4 and one for IPv6: 24,64",
            clipped(*text)));
    if (given.size() == 1) return read_prefix(reader, *text, given[0], v4, v4 ? into.prefix4 : into.prefix6);
    read_prefix(reader, *text, given[0], true, into.prefix4);
    read_prefix(reader, *text, given[1], false, into.prefix6);
    // What is of no use here must not make two pools differ.
    if (!v4) into.prefix4.reset();
    if (!has_family(into, false)) into.prefix6.reset();
}

/// In a network of 30 bits or fewer the first address names the network and the last one is everybody's (RFC
/// 922 section 7); in longer ones both are hosts' (RFC 3021).
void check_hosts(Reader& reader, const PoolParameters& given) {
    if (!given.prefix4 || *given.prefix4 > 30) return;
    const std::uint32_t host_bits = ~std::uint32_t{0} >> *given.prefix4;
    for (const IpAddress& ip : given.addresses) {
        if (ip.is_v6()) continue;
        const std::uint32_t host = ip.v4().value() & host_bits;
        if (host != 0 && host != host_bits) continue;
        return reader.reject(
            fmt::format("addresses: {} is the {} address of a network of {} bits, as cidr_netmask "
                        "says, and no host's: leave it out",
                        ip.to_string(), host == 0 ? "network" : "broadcast", *given.prefix4));
    }
}

void read_timing(Reader& reader, PoolParameters& into) {
    const long lease = reader.number("lease_ms", 500, 25, 60'000, "ms");
    const long usual = std::max(5L, lease / 10);
    const auto limit = fmt::format("ms (a third of lease_ms={})", lease);
    into.lease = milliseconds(lease);
    into.beat = milliseconds(reader.number("beat_ms", usual, 5, lease / 3, limit));
    into.hold = milliseconds(reader.number("hold_ms", 1000, 0, 600'000, "ms"));
}

void read_announce_counts(Reader& reader, PoolParameters& into) {
    const auto text = reader.text("announce");
    if (!text) return;
    into.announce = {0, 0};
    for (const auto& word : words(*text)) {
        const auto colon = word.find(':');
        const auto form = word.substr(0, colon);
        const auto count = colon == std::string::npos ? 1 : number_in(word.substr(colon + 1)).value_or(0);
        if (count < 1 || count > 20)
            return reader.reject(
                fmt::format("announce='{}': '{}' does not name 1 to 20 frames, such as reply:2",
                            clipped(*text), clipped(word)));
        const bool both = form == "both";
        if (!both && form != "request" && form != "reply" && form != "none")
            return reader.reject(fmt::format(
                "announce='{}': '{}' is none of request, reply, both, none (each may have a count: reply:2)",
                clipped(*text), clipped(form)));
        if (both || form == "request") into.announce.requests = static_cast<int>(count);
        if (both || form == "reply") into.announce.replies = static_cast<int>(count);
    }
}

void read_announce_to(Reader& reader, PoolParameters& into) {
    const auto text = reader.text("announce_to").value_or("");
    for (const auto& word : words(text)) {
        const auto ip = IpAddress::parse(word);
        if (!ip)
            return reader.reject(
                fmt::format("announce_to='{}': '{}' is not an IP address", clipped(text), clipped(word)));
        if (!has_family(into, ip->is_v4()))
            return reader.reject(
                fmt::format("announce_to='{}': addresses has no {} address that {} could be told of",
                            clipped(text), ip->is_v4() ? "IPv4" : "IPv6", word));
        if (std::ranges::count(into.announce_to, *ip) == 0) into.announce_to.push_back(*ip);
    }
    if (into.announce_to.size() > max_announce_to)
        reader.reject(
            fmt::format("announce_to names {} neighbours, and {} is the most: broadcasts reach the others",
                        into.announce_to.size(), max_announce_to));
}

void read_announcements(Reader& reader, PoolParameters& into) {
    read_announce_counts(reader, into);
    into.announce_refresh = seconds(reader.number("announce_refresh", 0, 0, 86'400, "s"));
    into.announce_pps = static_cast<std::uint32_t>(
        reader.number("announce_pps", into.announce_pps, 10, 10'000'000, "frames a second"));
    read_announce_to(reader, into);
    reader.choice("conflict_check", conflict_check_words, into.conflict_check);
    reader.choice("on_conflict", on_conflict_words, into.on_conflict);
}

void read_buckets(Reader& reader, PoolParameters& into) {
    into.buckets = static_cast<std::uint32_t>(reader.number("buckets", 0, 1, max_buckets, ""));
    reader.choice("hash", hash_words, into.hash);
    if (reader.text("l2") == "answer") reader.reject("l2='answer' is not there yet: use multicast, or flood");
    reader.choice("l2", l2_words, into.l2);
    reader.choice("attach", attach_words, into.attach);
    if (into.buckets > 0 && into.on_conflict == OnConflict::release)
        return reader.reject(
            "on_conflict=release and buckets exclude each other, for all members answer for the addresses: "
            "use defend, or report");
    if (into.buckets > 0) return;
    // What is of no use here must not make two pools differ.
    into.hash = PoolParameters{}.hash;
    into.l2 = PoolParameters{}.l2;
}

void read_mac(Reader& reader, PoolParameters& into) {
    const auto given = reader.text("mac");
    if (!given) return;
    if (*given != "auto")
        return reader.reject(fmt::format(
            "mac='{}' is not auto, which gives every address a MAC made from it; leave mac out, and "
            "they have the interface's",
            clipped(*given)));
    if (into.buckets > 0)
        return reader.reject(
            "mac=auto and buckets exclude each other, for l2 says what MAC buckets have: remove one");
    into.virtual_macs = true;
    std::map<Mac, IpAddress> macs;
    for (const IpAddress& ip : into.addresses)
        if (const auto [other, fresh] = macs.emplace(virtual_mac_of(ip), ip); !fresh)
            return reader.reject(
                fmt::format("mac=auto gives {} and {} the same MAC, {}: leave one of them out",
                            other->second.to_string(), ip.to_string(), other->first.to_string()));
}

std::string announce_text(const AnnounceCounts& counts) {
    std::string text;
    auto add = [&](std::string_view form, int count) {
        if (count == 0) return;
        text += text.empty() ? "" : " ";
        text += count == 1 ? std::string(form) : fmt::format("{}:{}", form, count);
    };
    add("request", counts.requests);
    add("reply", counts.replies);
    return text.empty() ? "none" : text;
}

std::string list_text(const std::vector<IpAddress>& list) {
    std::string text;
    for (const IpAddress& ip : list) text += (text.empty() ? "" : " ") + ip.to_string();
    return text;
}

std::string netmask_text(const PoolParameters& parameters) {
    if (parameters.prefix4 && parameters.prefix6)
        return fmt::format("{},{}", *parameters.prefix4, *parameters.prefix6);
    const auto& only = parameters.prefix4 ? parameters.prefix4 : parameters.prefix6;
    return only ? std::to_string(*only) : "";
}

json agreed_json(const PoolParameters& parameters) {
    const json all = parameters.to_json();
    json agreed = {{"name", all.at("name")}};
    // Of what is not in use nothing, so that the text is what daemons from before it make of the rest.
    const auto of_buckets = [](std::string_view name) {
        return name == "buckets" || name == "hash" || name == "l2";
    };
    const auto in_use = [&](std::string_view name) {
        return name == "mac" ? parameters.virtual_macs : parameters.buckets > 0 || !of_buckets(name);
    };
    for (const auto& info : pool_parameters)
        if (info.agreed && in_use(info.name)) agreed[std::string(info.name)] = all.at(std::string(info.name));
    return agreed;
}

std::string plain(const json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

/// The addresses of one list that are not in the other.
std::string missing_from(const std::vector<IpAddress>& list, const std::vector<IpAddress>& other) {
    std::vector<IpAddress> missing;
    std::ranges::set_difference(list, other, std::back_inserter(missing));
    return missing.empty() ? "none" : clipped(addresses_text(missing));
}

}  // namespace

std::string clipped(std::string_view text) {
    constexpr std::size_t longest = 200;
    return text.size() > longest ? std::string(text.substr(0, longest - 3)) + "..." : std::string(text);
}

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> found;
    constexpr std::string_view separators = " ,\t\r\n";
    for (auto from = text.find_first_not_of(separators); from != std::string_view::npos;) {
        const auto to = std::min(text.find_first_of(separators, from), text.size());
        found.emplace_back(text.substr(from, to - from));
        from = text.find_first_not_of(separators, to);
    }
    return found;
}

Result<void> check_name(const std::string& name) {
    const auto allowed = [](unsigned char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
               c == '-' || c == '.';
    };
    if (!name.empty() && name.size() <= core::max_name && name.front() != '.' &&
        std::ranges::all_of(name, allowed))
        return {};
    return fail(
        fmt::format("'{}' cannot be a pool's name: it takes 1 to {} letters, digits, '_', '-' and '.', not "
                    "beginning with '.'; rename the resource",
                    clipped(name), core::max_name));
}

Result<PoolParameters> parse(const std::string& name, const ParameterTexts& texts) {
    PoolParameters parameters;
    if (auto fits = check_name(name); !fits) return tl::unexpected<Error>(fits.error());
    parameters.name = name;
    Reader reader(texts);
    read_addresses(reader, parameters);
    if (reader.failed()) return tl::unexpected<Error>(*reader.failed());
    read_prefixes(reader, parameters);
    check_hosts(reader, parameters);
    parameters.weight =
        static_cast<std::uint32_t>(reader.number("weight", parameters.weight, 0, core::max_weight, ""));
    reader.choice("rebalance", rebalance_words, parameters.rebalance);
    reader.choice("on_loss", on_loss_words, parameters.on_loss);
    read_timing(reader, parameters);
    read_announcements(reader, parameters);
    reader.choice("link_down", link_down_words, parameters.link_down);
    read_buckets(reader, parameters);
    read_mac(reader, parameters);
    if (reader.failed()) return tl::unexpected<Error>(*reader.failed());
    if (const auto size = parameters.agreed_text().size(); size > core::max_parameters)
        return fail(
            fmt::format("addresses take {} bytes of text, and {} is the most for a pool: use ranges, or make "
                        "several pools",
                        size, core::max_parameters));
    return parameters;
}

json PoolParameters::to_json() const {
    return {{"name", name},
            {"addresses", addresses_text(addresses)},
            {"nic", nic},
            {"cidr_netmask", netmask_text(*this)},
            {"weight", weight},
            {"rebalance", word_of(rebalance_words, rebalance)},
            {"on_loss", word_of(on_loss_words, on_loss)},
            {"lease_ms", lease.count()},
            {"beat_ms", beat.count()},
            {"announce", announce_text(announce)},
            {"announce_refresh", announce_refresh.count()},
            {"announce_pps", announce_pps},
            {"announce_to", list_text(announce_to)},
            {"conflict_check", word_of(conflict_check_words, conflict_check)},
            {"on_conflict", word_of(on_conflict_words, on_conflict)},
            {"link_down", word_of(link_down_words, link_down)},
            {"hold_ms", hold.count()},
            {"buckets", buckets == 0 ? json("") : json(buckets)},
            {"hash", word_of(hash_words, hash)},
            {"l2", word_of(l2_words, l2)},
            {"attach", word_of(attach_words, attach)},
            {"mac", virtual_macs ? "auto" : ""}};
}

std::string PoolParameters::agreed_text() const {
    return agreed_json(*this).dump();
}

std::uint64_t PoolParameters::fingerprint() const {
    // FNV-1a, 64 bits: it has to tell configurations apart that differ by accident, and be the same
    // everywhere.
    std::uint64_t hash = 14695981039346656037U;
    for (const unsigned char byte : agreed_text()) hash = (hash ^ byte) * 1099511628211U;
    return hash;
}

Result<PoolParameters> PoolParameters::from_json(const json& object) {
    if (!object.is_object()) return fail("a pool's parameters are not a JSON object");
    ParameterTexts texts;
    for (const auto& [name, value] : object.items()) {
        const bool known =
            name == "name" || std::ranges::count(pool_parameters, name, &ParameterInfo::name) != 0;
        if (!known) continue;
        if (!value.is_string() && !value.is_number_integer())
            return fail(
                fmt::format("a pool's {} is {} where text or a number belongs", name, clipped(value.dump())));
        texts[name] = plain(value);
    }
    return parse(texts["name"], texts);
}

Result<PoolParameters> PoolParameters::from_text(const std::string& text) {
    return from_json(json::parse(text, nullptr, false));
}

std::string difference(const PoolParameters& here, const PoolParameters& cluster) {
    if (here.addresses != cluster.addresses)
        return fmt::format("addresses differ: only here {}; only in the cluster {}",
                           missing_from(here.addresses, cluster.addresses),
                           missing_from(cluster.addresses, here.addresses));
    const json ours = here.to_json();
    const json theirs = cluster.to_json();
    for (const auto& info : pool_parameters) {
        const std::string name(info.name);
        if (info.agreed && ours.at(name) != theirs.at(name))
            return fmt::format("{} is '{}' here, but '{}' in the cluster", name,
                               clipped(plain(ours.at(name))), clipped(plain(theirs.at(name))));
    }
    return {};
}

}  // namespace buoy::pool
