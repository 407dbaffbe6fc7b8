// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/journal_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "service/journal/journal.hpp"

namespace buoy::runtime {

namespace {

// Lines gather for so long before the thread writes them: once for many beats.
constexpr std::chrono::milliseconds gather{200};

std::filesystem::path numbered(const std::filesystem::path& path, int number) {
    return number == 0 ? path : std::filesystem::path(path.string() + "." + std::to_string(number));
}

}  // namespace

Result<std::unique_ptr<JournalFile>> JournalFile::open(std::filesystem::path path, Limits limits) {
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    std::unique_ptr<JournalFile> made(new JournalFile(std::move(path), limits));
    made->rotate();
    if (!made->begin()) {
        const int code = errno;
        return fail(fmt::format("cannot write the journal {}: {}", made->path_.string(), std::strerror(code)),
                    code);
    }
    made->thread_ = std::thread([owner = made.get()] { owner->run(); });
    return made;
}

JournalFile::~JournalFile() {
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        filled_.notify_one();
        thread_.join();
    }
    if (file_ != nullptr) std::fclose(file_);
}

void JournalFile::append(std::string line) {
    const std::lock_guard lock(mutex_);
    // After one that was dropped the next ones would be out of place.
    if (dropped_ > 0 || waiting_.size() + line.size() > limits_.bytes_waiting) {
        ++dropped_;
        return;
    }
    const bool first = waiting_.empty();
    waiting_ += line;
    waiting_ += '\n';
    in_file_ += line.size() + 1;
    if (first) filled_.notify_one();
}

bool JournalFile::wants_state() {
    const std::lock_guard lock(mutex_);
    return (is_broken_ || in_file_ > limits_.bytes_per_file) && dropped_ == 0;
}

void JournalFile::append_state(const core::Ownership& state) {
    auto copy = std::make_unique<const core::Ownership>(state);
    const std::lock_guard lock(mutex_);
    const bool begins_file = in_file_ > limits_.bytes_per_file;
    heads_.push_back({std::move(copy), waiting_.size(), begins_file});
    if (begins_file) in_file_ = 0;
    is_broken_ = false;
}

bool JournalFile::begin() {
    file_ = std::fopen(path_.c_str(), "we");
    return file_ != nullptr;
}

void JournalFile::rotate() {
    std::error_code ignored;
    for (int i = limits_.old_files; i-- > 0;)
        std::filesystem::rename(numbered(path_, i), numbered(path_, i + 1), ignored);
}

void JournalFile::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        filled_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (!ending_) filled_.wait_for(lock, gather, [this] { return ending_; });
        if (waiting_.empty() && heads_.empty()) return;
        const std::string lines = std::exchange(waiting_, {});
        std::vector<Head> heads = std::exchange(heads_, {});
        const std::size_t dropped = std::exchange(dropped_, 0);
        lock.unlock();
        write_out(lines, std::move(heads));
        missing_ += dropped;
        const bool is_broken = missing_ > 0;
        if (is_broken) put_missing();
        lock.lock();
        is_broken_ = is_broken_ || is_broken;
    }
}

void JournalFile::write_out(const std::string& lines, std::vector<Head> heads) {
    const std::string_view all = lines;
    std::size_t from = 0;
    for (Head& head : heads) {
        put(all.substr(from, head.behind - from));
        from = head.behind;
        if (head.begins_file && file_ != nullptr) {
            std::fclose(file_);
            file_ = nullptr;
            rotate();
        }
        put(journal::write(*head.state) + '\n');
        head.state.reset();
    }
    put(all.substr(from));
}

void JournalFile::put(std::string_view text) {
    // A disk that was full may have room again, for what comes after a word of what is missing.
    const bool there = (file_ != nullptr || begin()) && (missing_ == 0 || put_missing());
    if (there && std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0)
        return;
    torn_ = true;
    missing_ += static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

bool JournalFile::put_missing() {
    if (file_ == nullptr) return false;
    const std::string line = fmt::format("{}{} {} lines, which the disk did not take\n", torn_ ? "\n" : "",
                                         journal::lines_missing, missing_);
    if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0)
        return false;
    missing_ = 0;
    torn_ = false;
    return true;
}

Result<std::string> last_lines(const std::filesystem::path& path, std::size_t lines) {
    std::string text;
    for (int number = 0; number < 100; ++number) {
        std::ifstream file(numbered(path, number), std::ios::binary);
        if (!file) break;
        text.insert(0, std::string(std::istreambuf_iterator<char>(file), {}));
        if (static_cast<std::size_t>(std::ranges::count(text, '\n')) > lines) break;
    }
    if (text.empty()) return fail(fmt::format("there is no journal at {}", path.string()), ENOENT);
    std::size_t at = text.size();
    for (std::size_t seen = 0; at > 0; --at)
        if (text[at - 1] == '\n' && seen++ == lines) break;
    text.erase(0, at);
    // A core's whole state is nothing that was seen or done, and a very long line.
    for (std::size_t here = 0; here < text.size();) {
        const std::size_t next = std::min(text.find('\n', here), text.size() - 1) + 1;
        if (text.compare(here, journal::state_here.size(), journal::state_here) == 0)
            text.erase(here, next - here);
        else
            here = next;
    }
    return text;
}

}  // namespace buoy::runtime
