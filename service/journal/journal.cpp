// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/journal/journal.hpp"

#include <algorithm>
#include <charconv>
#include <type_traits>

#include "service/journal/fields.hpp"

namespace buoy::journal {
namespace {

template <typename T>
concept Wrapped = requires(T t) {
    t.value;
}
&&!Known<T> && std::is_class_v<T>;
template <typename T>
concept Listed = requires(T t) {
    t.begin();
    t.push_back(*t.begin());
}
&&!std::is_same_v<T, std::string>;
template <typename T>
inline constexpr bool is_array = false;
template <typename T, std::size_t n>
inline constexpr bool is_array<std::array<T, n>> = true;
template <typename T>
inline constexpr bool is_variant = false;
template <typename... Ts>
inline constexpr bool is_variant<std::variant<Ts...>> = true;
template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;

// The greatest value that a list's length may have: lists of a state are the longest.
constexpr std::size_t max_items = core::max_slots * core::max_nodes;

class Writer {
  public:
    template <typename T>
    void value(const T& v) {
        if constexpr (std::is_same_v<T, std::string>) {
            text(v);
        } else if constexpr (std::is_same_v<T, TimePoint>) {
            number(v.time_since_epoch().count());
        } else if constexpr (std::is_same_v<T, Duration>) {
            number(v.count());
        } else if constexpr (std::is_enum_v<T>) {
            number(static_cast<std::uint64_t>(v));
        } else if constexpr (std::is_same_v<T, bool>) {
            out_ += v ? '1' : '0';
        } else if constexpr (std::is_integral_v<T>) {
            number(v);
        } else if constexpr (is_variant<T>) {
            std::visit(
                [this](const auto& x) {
                    out_ += Fields<std::remove_cvref_t<decltype(x)>>::name;
                    value(x);
                },
                v);
        } else if constexpr (is_optional<T>) {
            out_ += v ? "[" : "none";
            if (!v) return;
            value(*v);
            out_ += ']';
        } else if constexpr (Known<T>) {
            out_ += '{';
            bool first = true;
            std::apply([&](const auto&... f) { ((one(f.name, v.*f.member, first)), ...); }, Fields<T>::all);
            out_ += '}';
        } else if constexpr (Listed<T> || is_array<T>) {
            out_ += '[';
            bool first = true;
            for (const auto& x : v) {
                if (!first) out_ += ' ';
                first = false;
                value(x);
            }
            out_ += ']';
        } else {
            static_assert(Wrapped<T>);
            number(v.value);
        }
    }
    std::string take() { return std::move(out_); }
    void raw(std::string_view s) { out_ += s; }
    template <typename I>
    void number(I i) {
        char digits[24];
        const auto [end, error] = std::to_chars(digits, digits + sizeof digits, i);
        out_.append(digits, end);
    }

  private:
    template <typename T>
    void one(const char* name, const T& v, bool& first) {
        if (!first) out_ += ' ';
        first = false;
        out_ += name;
        out_ += '=';
        value(v);
    }
    void text(const std::string& s) {
        constexpr const char* hex = "0123456789abcdef";
        out_ += '"';
        for (const char c : s) {
            const auto u = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                out_ += '\\';
                out_ += c;
            } else if (u >= 0x20 && u < 0x7f) {
                out_ += c;
            } else {
                out_ += "\\x";
                out_ += hex[u >> 4];
                out_ += hex[u & 15];
            }
        }
        out_ += '"';
    }
    std::string out_;
};

class Reader {
  public:
    explicit Reader(std::string_view in) : in_(in) {}

    template <typename T>
    bool value(T& v) {
        if constexpr (std::is_same_v<T, std::string>) {
            return text(v);
        } else if constexpr (std::is_same_v<T, TimePoint>) {
            std::int64_t n = 0;
            if (!number(n)) return false;
            v = TimePoint(Duration(n));
            return true;
        } else if constexpr (std::is_same_v<T, Duration>) {
            std::int64_t n = 0;
            if (!number(n)) return false;
            v = Duration(n);
            return true;
        } else if constexpr (std::is_enum_v<T>) {
            std::underlying_type_t<T> n = 0;
            if (!number(n)) return false;
            v = static_cast<T>(n);
            return in_range(v) || wrong("a value this field can have");
        } else if constexpr (std::is_same_v<T, bool>) {
            std::uint8_t n = 0;
            if (!number(n) || n > 1) return wrong("0 or 1");
            v = n == 1;
            return true;
        } else if constexpr (std::is_integral_v<T>) {
            return number(v);
        } else if constexpr (is_variant<T>) {
            return alternative(v, std::make_index_sequence<std::variant_size_v<T>>());
        } else if constexpr (is_optional<T>) {
            v.reset();
            if (in_.substr(at_, 1) != "[") return eat("none");
            return eat("[") && value(v.emplace()) && eat("]");
        } else if constexpr (Known<T>) {
            if (!eat("{")) return false;
            bool first = true;
            const bool all = std::apply(
                [&](const auto&... f) { return (one(f.name, v.*f.member, first) && ...); }, Fields<T>::all);
            return all && eat("}");
        } else if constexpr (is_array<T>) {
            if (!eat("[")) return false;
            for (std::size_t i = 0; i < v.size(); ++i)
                if ((i != 0 && !eat(" ")) || !value(v[i])) return false;
            return eat("]");
        } else if constexpr (Listed<T>) {
            return list(v);
        } else {
            static_assert(Wrapped<T>);
            return number(v.value);
        }
    }

    template <typename I>
    bool number(I& i) {
        const auto [end, error] = std::from_chars(in_.data() + at_, in_.data() + in_.size(), i);
        if (error != std::errc{}) return wrong("a number in range");
        at_ = static_cast<std::size_t>(end - in_.data());
        return true;
    }
    bool eat(std::string_view what) {
        if (in_.substr(at_, what.size()) != what) return wrong(what);
        at_ += what.size();
        return true;
    }
    bool at_end() { return at_ == in_.size() || wrong("the end of the line"); }
    [[nodiscard]] Error error() const {
        return {"journal: expected " + expected_ + " at byte " + std::to_string(wrong_at_)};
    }

  private:
    bool wrong(std::string_view expected) {
        if (expected_.empty()) {
            expected_ = expected;
            wrong_at_ = at_;
        }
        return false;
    }
    template <typename T>
    bool one(const char* name, T& v, bool& first) {
        if (!first && !eat(" ")) return false;
        first = false;
        return eat(name) && eat("=") && value(v);
    }
    template <typename L>
    bool list(L& v) {
        v.clear();
        if (!eat("[")) return false;
        while (in_.substr(at_, 1) != "]") {
            if constexpr (requires { L::max; }) {
                if (v.size() == L::max) return wrong("fewer items");
            }
            if (v.size() >= max_items) return wrong("fewer items");
            if (!v.empty() && !eat(" ")) return false;
            typename L::value_type item{};
            if (!value(item)) return false;
            v.push_back(std::move(item));
        }
        return eat("]");
    }
    template <typename V, std::size_t... is>
    bool alternative(V& v, std::index_sequence<is...>) {
        const std::size_t brace = in_.find('{', at_);
        if (brace == std::string_view::npos) return wrong("a kind and {");
        const std::string_view kind = in_.substr(at_, brace - at_);
        bool found = false;
        bool good = false;
        const auto one_kind = [&]<std::size_t i>(std::integral_constant<std::size_t, i>) {
            using A = std::variant_alternative_t<i, V>;
            if (found || kind != Fields<A>::name) return;
            found = true;
            at_ = brace;
            A a{};
            good = value(a);
            if (good) v = std::move(a);
        };
        (one_kind(std::integral_constant<std::size_t, is>()), ...);
        return found ? good : wrong("a known kind");
    }
    bool text(std::string& s) {
        s.clear();
        if (!eat("\"")) return false;
        while (at_ < in_.size() && in_[at_] != '"') {
            if (in_[at_] != '\\') {
                s += in_[at_++];
                continue;
            }
            if (in_.substr(at_, 2) == "\\x") {
                unsigned byte = 0;
                const char* first = in_.data() + at_ + 2;
                if (in_.size() < at_ + 4 || std::from_chars(first, first + 2, byte, 16).ptr != first + 2)
                    return wrong("two hexadecimal digits");
                s += static_cast<char>(byte);
                at_ += 4;
            } else {
                if (in_.size() < at_ + 2) return wrong("a character");
                s += in_[at_ + 1];
                at_ += 2;
            }
        }
        return eat("\"");
    }
    static bool in_range(core::OnLoss v) { return v <= core::OnLoss::unsafe; }
    static bool in_range(core::Rebalance v) { return v <= core::Rebalance::never; }
    static bool in_range(core::Proof v) { return v <= core::Proof::clean; }
    static bool in_range(core::Ailment v) { return v <= core::Ailment::failed_open; }
    static bool in_range(core::Outcome v) { return v <= core::Outcome::timed_out; }
    static bool in_range(core::Departed v) { return v <= core::Departed::process_gone; }
    static bool in_range(core::FencingAction v) { return v <= core::FencingAction::other; }
    static bool in_range(core::Refusal v) { return v < core::Refusal::count_; }
    static bool in_range(core::Ownership::Phase v) { return v <= core::Ownership::Phase::resyncing; }
    static bool in_range(core::Holding::State v) { return v <= core::Holding::State::closing; }

    std::string_view in_;
    std::size_t at_ = 0;
    std::size_t wrong_at_ = 0;
    std::string expected_;
};

}  // namespace

std::string write(TimePoint at, const core::Event& event) {
    Writer w;
    w.raw("> ");
    w.value(at);
    w.raw(" ");
    w.value(event);
    return w.take();
}

std::string write(const core::Effect& effect) {
    Writer w;
    w.raw("< ");
    w.value(effect);
    return w.take();
}

std::string write(const core::Ownership& node) {
    Writer w;
    w.raw(state_here);
    w.value(node);
    return w.take();
}

Result<core::Ownership> parse_state(std::string_view text) {
    Reader r(text);
    core::Ownership node;
    if (!r.eat(state_here) || !r.value(node) || !r.at_end()) return tl::unexpected<Error>(r.error());
    if (const char* name = node.unsound())
        return fail("journal: a state in which it is not so that " + std::string(name));
    return node;
}

Result<Line> parse(std::string_view text) {
    if (text.size() > max_line)
        return fail("journal: line of " + std::to_string(text.size()) + " bytes is too long");
    Reader r(text);
    Line line;
    line.is_event = text.substr(0, 1) == ">";
    const bool good = line.is_event
                          ? r.eat("> ") && r.value(line.at) && r.eat(" ") && r.value(line.event) && r.at_end()
                          : r.eat("< ") && r.value(line.effect) && r.at_end();
    if (!good) return tl::unexpected<Error>(r.error());
    return line;
}

namespace {

// Where two texts part, with a little of each.
std::string difference(std::string_view reached, std::string_view written) {
    constexpr std::size_t before = 60;
    constexpr std::size_t shown = 100;
    const auto [a, b] = std::ranges::mismatch(reached, written);
    const auto at = static_cast<std::size_t>(a - reached.begin());
    const std::size_t from = at < before ? 0 : at - before;
    return "..." + std::string(reached.substr(from, shown)) + "... is reached, and ..." +
           std::string(written.substr(from, shown)) + "... is written";
}

// One run of a daemon after the other, line by line.
class Replay {
  public:
    [[nodiscard]] std::size_t events() const { return events_; }
    [[nodiscard]] std::size_t states() const { return states_; }

    // Goes on from a state that was written, whatever was before.
    Result<void> begin_with(std::string_view state) {
        auto node = parse_state(state);
        if (!node) return tl::unexpected<Error>(node.error());
        begin_anew();
        node_ = std::move(*node);
        return {};
    }
    Result<void> take(std::string_view text) {
        if (text.empty() || text.front() == '#') return {};
        if (text.starts_with(state_here)) return compare(text);
        const auto line = parse(text);
        if (!line) return fail(line.error().message);
        if (!line->is_event) {
            if (due_ == effects_.size()) return fail("the core does nothing more here");
            if (!(effects_[due_] == line->effect)) return fail("the core does " + write(effects_[due_]));
            ++due_;
            return {};
        }
        if (auto done = end(); !done) return done;
        effects_ = node_.step(line->at, line->event);
        due_ = 0;
        ++events_;
        return {};
    }
    [[nodiscard]] Result<void> end() const {
        if (due_ != effects_.size()) return fail("the core also does " + write(effects_[due_]));
        return {};
    }
    // Another daemon. The one before may have been killed with its last effects unwritten.
    void begin_anew() {
        node_ = core::Ownership();
        effects_ = {};
        due_ = 0;
    }

  private:
    Result<void> compare(std::string_view state) {
        if (auto done = end(); !done) return done;
        if (const std::string reached = write(node_); reached != state)
            return fail("the events before it lead to another state (or is a file left out here?): " +
                        difference(reached, state));
        ++states_;
        return {};
    }

    core::Ownership node_;
    core::Effects effects_;
    std::size_t due_ = 0;  // effects of the last event that have been seen
    std::size_t events_ = 0;
    std::size_t states_ = 0;  // reached as they are written
};

std::string_view next_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    return line;
}

bool begins_a_run(std::string_view line) {
    // "> TIME started{...}": the longest lines are not parsed twice for it.
    if (!line.starts_with("> ")) return false;
    const std::size_t space = line.find(' ', 2);
    return space != std::string_view::npos && line.substr(space + 1).starts_with("started{");
}

}  // namespace

Result<std::size_t> replay(std::string_view journal) {
    Replay run;
    std::size_t number = 0;
    bool first = true;
    const auto differs = [&](const Error& why) {
        return fail("journal: line " + std::to_string(number) + ": " + why.message);
    };
    while (!journal.empty()) {
        ++number;
        const std::string_view line = next_line(journal);
        const bool resumes = first && line.starts_with(state_here);
        first = first && (line.empty() || line.front() == '#');
        if (auto done = resumes ? run.begin_with(line) : run.take(line); !done) return differs(done.error());
    }
    ++number;
    if (auto done = run.end(); !done) return differs(done.error());
    return run.events();
}

Result<Replayed> replay_files(const std::vector<ReplayedFile>& files) {
    Replay run;
    Replayed replayed;
    bool begun = false;
    bool ever = false;
    for (const ReplayedFile& file : files) {
        std::string_view rest = file.text;
        // A daemon that writes on has its last lines half written.
        rest = rest.substr(0, rest.rfind('\n') + 1);
        for (std::size_t number = 1; !rest.empty(); ++number) {
            const std::string_view line = next_line(rest);
            if (begins_a_run(line)) {
                run.begin_anew();
                begun = ever = true;
            }
            if (line.starts_with(lines_missing)) begun = false;
            const bool resumes = !begun && line.starts_with(state_here);
            begun = begun || resumes;
            ever = ever || resumes;
            replayed.passed_over += !begun && !line.empty();
            if (!begun) continue;
            // Of what a full disk took last there may be half a line.
            if (rest.starts_with(lines_missing) && !resumes && !line.empty() && !parse(line)) {
                begun = false;
                ++replayed.passed_over;
                continue;
            }
            if (auto done = resumes ? run.begin_with(line) : run.take(line); !done)
                return fail(file.name + ":" + std::to_string(number) + ": " + done.error().message);
        }
    }
    replayed.events = run.events();
    replayed.states = run.states();
    if (ever) return replayed;
    return fail((files.empty() ? "the journal" : files.front().name) +
                " has neither a daemon's beginning nor a state in it, which every file of a journal begins "
                "with: it can be read, but not repeated");
}

}  // namespace buoy::journal
