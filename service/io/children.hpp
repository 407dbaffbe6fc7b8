// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "buoy/result.hpp"

namespace buoy::io {

/// What became of a child.
struct ChildResult {
    enum class End { exited, signalled, timed_out, not_started, unknown };
    End end = End::exited;
    int status =
        0;  ///< exit code; number of the signal; errno where it was not started or its end is unknown
    std::string output;  ///< the first 1 MiB of its standard output
    std::string errors;  ///< the first 4 KiB of its standard error

    [[nodiscard]] bool succeeded() const { return end == End::exited && status == 0; }
    /// "exit code 1: no such node", for a message.
    [[nodiscard]] std::string to_string() const;
};

/// Runs programs as children and waits for none of them. Starting one takes a while (the program may have to
/// come from the disk), so a thread of its own does that.
///
/// A child has no input, no descriptors but its output, ordinary scheduling and default signals. It gets
/// SIGKILL when its time is up, and when this object goes.
class Children {
  public:
    using Done = std::function<void(ChildResult)>;

    static Result<Children> open();
    Children(Children&&) noexcept;
    Children& operator=(Children&&) noexcept;
    /// Kills what runs. Nothing is called back then or later.
    ~Children();

    /// Starts a program (looked for in PATH unless argv[0] has a slash). `done` is called once, from
    /// dispatch(), also when it could not be started.
    void run(std::vector<std::string> argv, std::chrono::milliseconds timeout, Done done);

    [[nodiscard]] int fd() const;
    /// To be called when fd() is readable.
    Result<void> dispatch();

  private:
    struct State;
    explicit Children(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace buoy::io
