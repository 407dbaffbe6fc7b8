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
/// child at a time, a tenth of a second after the first change, and an attribute changes every 500 ms at
/// most. What attrd has been given is not given
/// again, but what failed, or was lost with a restart of Pacemaker, is for the caller to set again.
class Attributes {
  public:
    /// Setting or deleting a pool's attribute failed; it counts as never set.
    using Failed = std::function<void(const std::string& pool, const std::string& why)>;

    /// `children` has to outlive it.
    static Result<Attributes> open(Children& children, Failed failed);
    Attributes(Attributes&&) noexcept;
    Attributes& operator=(Attributes&&) noexcept;
    ~Attributes();

    void set(std::string_view pool, std::string value);
    /// Deletes the pool's attribute.
    void erase(std::string_view pool);

    /// Pacemaker was restarted and knows nothing any more: gives it everything again.
    void resend();

    [[nodiscard]] int fd() const;
    /// To be called when fd() is readable.
    Result<void> dispatch();

  private:
    struct State;
    explicit Attributes(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace buoy::io
