// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "buoy/result.hpp"
#include "service/core/ownership.hpp"

namespace buoy::runtime {

/// The journal on disk: PATH, and PATH.1 to PATH.N of which PATH.N is the oldest. Each file begins where the
/// one before it ends, with a daemon's beginning or the whole state of its core, so that each can be replayed
/// by itself. Written by a thread of its own, so that a slow disk delays nobody; what it cannot keep up with
/// is dropped, which a line in the journal says, and a state after it.
class JournalFile {
  public:
    struct Limits {
        std::size_t bytes_per_file = std::size_t{16} << 20;
        int old_files = 3;
        std::size_t bytes_waiting = std::size_t{8} << 20;
    };

    /// A journal that is there is rotated away, so that PATH begins with this daemon.
    static Result<std::unique_ptr<JournalFile>> open(std::filesystem::path path, Limits limits);
    /// Writes what is waiting.
    ~JournalFile();
    JournalFile(const JournalFile&) = delete;
    JournalFile& operator=(const JournalFile&) = delete;

    /// Takes a line without its newline. Never blocks on the disk.
    void append(std::string line);
    /// Whether the file is full, or lines before here are missing: then append_state() is due.
    [[nodiscard]] bool wants_state();
    /// Takes a copy of the state that the lines so far have led to. The thread makes text of it, and begins
    /// the next file with it where the last one is full.
    void append_state(const core::Ownership& state);
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    JournalFile(std::filesystem::path path, Limits limits) : path_(std::move(path)), limits_(limits) {}
    // Where a state belongs: behind so much of what was waiting when it came.
    struct Head {
        std::unique_ptr<const core::Ownership> state;
        std::size_t behind = 0;
        bool begins_file = false;
    };
    void run();
    void write_out(const std::string& lines, std::vector<Head> heads);
    void put(std::string_view text);
    bool put_missing();
    void rotate();
    bool begin();

    const std::filesystem::path path_;
    const Limits limits_;
    std::FILE* file_ = nullptr;  // the thread's, once it runs
    std::size_t missing_ = 0;    // likewise: lines that came and are not in the file
    bool torn_ = false;          // likewise: the last of what is there may be half a line
    std::mutex mutex_;
    std::condition_variable filled_;
    std::string waiting_;
    std::vector<Head> heads_;  // by where they belong
    std::size_t in_file_ = 0;  // bytes of it, those that are waiting included
    std::size_t dropped_ = 0;  // since the thread looked last
    bool is_broken_ = false;   // lines are missing, and no state has come after them
    bool ending_ = false;
    std::thread thread_;
};

/// The last `lines` lines of the journal, oldest first, from as many of its files as they take.
Result<std::string> last_lines(const std::filesystem::path& path, std::size_t lines);

}  // namespace buoy::runtime
