// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// Bytes in network order, written one after the other and read with every step checked.
namespace buoy::wire {

/// A whole frame as it is sent, Ethernet header included, frame check sequence not.
using Frame = std::vector<std::uint8_t>;
/// Bytes that were received and may be anything.
using Bytes = std::span<const std::uint8_t>;

/// Appends to a frame.
class Writer {
  public:
    explicit Writer(Frame& frame) : frame_(frame) {}
    Writer& u8(std::uint8_t value) {
        frame_.push_back(value);
        return *this;
    }
    Writer& u16(std::uint16_t value) {
        return u8(static_cast<std::uint8_t>(value >> 8)).u8(static_cast<std::uint8_t>(value));
    }
    /// The bytes of a Mac, Ipv4 or Ipv6.
    template <typename Address>
    Writer& address(const Address& value) {
        frame_.insert(frame_.end(), value.bytes.begin(), value.bytes.end());
        return *this;
    }

  private:
    Frame& frame_;
};

/// Reads from the front. Reading past the end gives zeros and is remembered: ok() is asked once, at the end.
class Reader {
  public:
    explicit Reader(Bytes bytes) : rest_(bytes) {}
    std::uint8_t u8() { return take<1>()[0]; }
    std::uint16_t u16() {
        const auto bytes = take<2>();
        return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
    }
    template <typename Address>
    Address address() {
        return Address{take<sizeof(Address)>()};
    }
    void skip(std::size_t count) {
        ok_ = ok_ && count <= rest_.size();
        rest_ = ok_ ? rest_.subspan(count) : Bytes{};
    }
    [[nodiscard]] Bytes rest() const { return rest_; }
    [[nodiscard]] bool ok() const { return ok_; }

  private:
    template <std::size_t count>
    std::array<std::uint8_t, count> take() {
        std::array<std::uint8_t, count> bytes{};
        if (ok_ && count <= rest_.size()) std::copy_n(rest_.begin(), count, bytes.begin());
        skip(count);
        return bytes;
    }
    Bytes rest_;
    bool ok_ = true;
};

}  // namespace buoy::wire
