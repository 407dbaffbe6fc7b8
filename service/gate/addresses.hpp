// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "service/gate/gate.h"

namespace buoy::gate {

/// The managed addresses, as the program finds them: a map of the kernel's, and cells in front of it
/// (gate.h). Both are changed only here.
class Addresses {
  public:
    /// `cells` are GATE_CELLS of them in memory that the program sees. What is in the map is taken up, as
    /// `left`.
    Addresses(int map, gate_cell* cells, const gate_service& left);

    /// 0, or an errno.
    int set(const gate_address& address, const gate_service& service);
    void remove(const gate_address& address);
    /// Those whose slot this is.
    [[nodiscard]] std::vector<gate_address> of_slot(std::uint32_t first) const;

  private:
    struct Before {
        bool operator()(const gate_address& a, const gate_address& b) const;
    };
    using Same = std::map<gate_address, gate_service, Before>;  // of one cell

    void show(std::uint32_t cell);

    int map_;
    gate_cell* cells_;
    std::vector<Same> by_cell_;
};

}  // namespace buoy::gate
