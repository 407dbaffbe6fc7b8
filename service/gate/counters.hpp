// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace buoy::gate {

/// What went through the gate for one slot, and what did not.
struct Counters {
    std::uint64_t packets = 0;  ///< passed, both directions
    std::uint64_t bytes = 0;    ///< of these
    std::uint64_t dropped = 0;  ///< packets
    bool operator==(const Counters&) const = default;
};

/// The map in which the program counts: for every slot one gate_counters of each CPU. Slots in a row are read
/// with one call to the kernel (BPF_MAP_LOOKUP_BATCH, bpf(2)), on kernels before 5.13 one by one.
class CounterTable {
  public:
    /// A map's descriptor, which stays its owner's.
    explicit CounterTable(int map);

    /// Of each of these, in their order. Nothing was counted for no slot, or where the kernel refuses.
    std::vector<Counters> read(std::span<const std::optional<std::uint32_t>> slots);
    void clear(std::uint32_t slot);

  private:
    void read_run(std::uint32_t first, std::span<Counters> into);
    bool read_batch(std::uint32_t first, std::uint32_t count);
    [[nodiscard]] Counters sum(std::size_t nth) const;

    int map_;
    std::size_t cpus_;
    std::size_t at_once_;  // slots
    bool batches_ = true;  // until the kernel refuses one
    // As the kernel wants them; as long as its longest answer.
    std::vector<std::uint32_t> keys_;
    std::vector<std::uint64_t> values_;
};

}  // namespace buoy::gate
