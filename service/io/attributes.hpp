// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "buoy/result.hpp"
#include "service/io/children.hpp"

namespace buoy::io {

/// Node attributes that crm_mon -A shows: `buoy-POOL : 7/20`, by attrd_updater. The last value wins; one
/// child at a time, and an attribute changes every 500 ms at most. What fails is tried again after a while,
/// for as long as it is the last value.
class Attributes {
  public:
    /// Told when setting begins to fail, not each time.
    using Warn = std::function<void(const std::string&)>;

    /// `children` has to outlive it.
    static Result<Attributes> open(Children& children, Warn warn);
    Attributes(Attributes&&) noexcept;
    Attributes& operator=(Attributes&&) noexcept;
    ~Attributes();

    void set(std::string_view pool, std::string value);
    /// Deletes the pool's attribute.
    void erase(std::string_view pool);

    [[nodiscard]] int fd() const;
    /// To be called when fd() is readable.
    Result<void> dispatch();

  private:
    struct State;
    explicit Attributes(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace buoy::io
