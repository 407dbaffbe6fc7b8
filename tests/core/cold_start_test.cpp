// SPDX-License-Identifier: GPL-2.0-or-later
// Daemons that begin together, none of them with a state.
#include "tests/core/three_nodes.hpp"

namespace buoy::core {
namespace {

class cold_start : public ThreeNodes {
  protected:
    void start_pool() {
        for (std::uint32_t n = 1; n <= 3; ++n) ask(n, StartPool{{"web", 1, 30, {}, {}, {}}});
        pass(4 * lease);
    }
};

}  // namespace

TEST_F(cold_start, all_serve) {
    begin();
    start_pool();
    for (std::uint32_t n = 1; n <= 3; ++n) EXPECT_EQ(open_on(n), 10U);
}

TEST_F(cold_start, the_others_serve_where_one_is_not_heard) {
    unheard = 2;
    begin();
    start_pool();
    EXPECT_EQ(open_on(1), 15U);
    EXPECT_EQ(open_on(2), 0U);
    EXPECT_EQ(open_on(3), 15U);
}

}  // namespace buoy::core
