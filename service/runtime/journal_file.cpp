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
    if (waiting_.size() + line.size() > limits_.bytes_waiting) {
        ++dropped_;
        return;
    }
    const bool first = waiting_.empty();
    waiting_ += line;
    waiting_ += '\n';
    if (first) filled_.notify_one();
}

bool JournalFile::begin() {
    file_ = std::fopen(path_.c_str(), "we");
    written_ = 0;
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
        if (waiting_.empty()) return;
        std::string lines = std::exchange(waiting_, {});
        if (const std::size_t dropped = std::exchange(dropped_, 0); dropped > 0)
            lines += fmt::format("{} {} lines, as the disk was too slow\n", journal::lines_missing, dropped);
        lock.unlock();
        if (file_ != nullptr && written_ > limits_.bytes_per_file) {
            std::fclose(file_);
            file_ = nullptr;
            rotate();
        }
        // A disk that was full may have room again.
        if (file_ != nullptr || begin()) {
            written_ += std::fwrite(lines.data(), 1, lines.size(), file_);
            std::fflush(file_);
        }
        lock.lock();
    }
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
    return text.substr(at);
}

}  // namespace buoy::runtime
