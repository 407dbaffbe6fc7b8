// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "service/core/check.hpp"

namespace buoy::core {

/// A list of at most `capacity` values, held in place: beats are made and read without an allocation.
template <typename T, std::size_t capacity>
class FixedList {
  public:
    using value_type = T;
    static constexpr std::size_t max = capacity;

    /// Adds at the end. The caller has made sure that there is room.
    constexpr void push_back(const T& value) {
        check(size_ < capacity, "fixed list overflows");
        items_[size_++] = value;
    }
    constexpr void clear() { size_ = 0; }
    [[nodiscard]] constexpr std::size_t size() const { return size_; }
    [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
    [[nodiscard]] constexpr const T& operator[](std::size_t i) const { return items_[i]; }
    [[nodiscard]] constexpr const T* begin() const { return items_.data(); }
    [[nodiscard]] constexpr const T* end() const { return items_.data() + size_; }
    [[nodiscard]] constexpr T* begin() { return items_.data(); }
    [[nodiscard]] constexpr T* end() { return items_.data() + size_; }
    constexpr bool operator==(const FixedList& other) const {
        return std::equal(begin(), end(), other.begin(), other.end());
    }

  private:
    std::array<T, capacity> items_{};
    std::uint32_t size_ = 0;
};

}  // namespace buoy::core
