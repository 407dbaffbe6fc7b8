// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "buoy/result.hpp"

namespace buoy::runtime {

/// The journal on disk: PATH, and PATH.1 to PATH.N of which PATH.N is the oldest. Each file begins where the
/// one before it ends. Written by a thread of its own, so that a slow disk delays nobody; what it cannot keep
/// up with is dropped, which a line in the journal says.
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
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    JournalFile(std::filesystem::path path, Limits limits) : path_(std::move(path)), limits_(limits) {}
    void run();
    void rotate();
    bool begin();

    const std::filesystem::path path_;
    const Limits limits_;
    std::FILE* file_ = nullptr;  // the thread's, once it runs
    std::size_t written_ = 0;
    std::mutex mutex_;
    std::condition_variable filled_;
    std::string waiting_;
    std::size_t dropped_ = 0;
    bool ending_ = false;
    std::thread thread_;
};

/// The last `lines` lines of the journal, oldest first, from as many of its files as they take.
Result<std::string> last_lines(const std::filesystem::path& path, std::size_t lines);

}  // namespace buoy::runtime
