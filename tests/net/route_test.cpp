// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/route.hpp"

#include <gtest/gtest.h>

namespace buoy::net {
namespace {

constexpr int eth0 = 2;
constexpr int eth1 = 3;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

Route on_link(const char* network, int length, int link, std::uint32_t metric = 0) {
    return {{ip(network), length}, link, std::nullopt, metric, 254, std::nullopt};
}

Route by(const char* gateway, const char* network, int length, int link, std::uint32_t metric = 0) {
    return {{ip(network), length}, link, ip(gateway), metric, 254, std::nullopt};
}

TEST(OnLinkRoute, the_longest_prefix_wins_whatever_the_metric_and_the_order) {
    const std::vector<Route> routes = {on_link("10.0.0.0", 8, eth0, 0), on_link("10.9.0.0", 24, eth1, 900),
                                       on_link("10.9.0.0", 16, eth0, 0)};
    const auto* found = on_link_route(routes, ip("10.9.0.50"));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->link, eth1);
    EXPECT_EQ(found->destination.length, 24);
}

TEST(OnLinkRoute, the_lowest_metric_wins_among_equal_prefixes) {
    const std::vector<Route> routes = {on_link("10.9.0.0", 24, eth0, 200),
                                       on_link("10.9.0.0", 24, eth1, 100)};
    EXPECT_EQ(on_link_route(routes, ip("10.9.0.50"))->link, eth1);
}

TEST(OnLinkRoute, of_equals_the_first) {
    const std::vector<Route> routes = {on_link("10.9.0.0", 24, eth1), on_link("10.9.0.0", 24, eth0)};
    EXPECT_EQ(on_link_route(routes, ip("10.9.0.50"))->link, eth1);
}

TEST(OnLinkRoute, a_link_that_is_asked_for_is_the_only_one) {
    const std::vector<Route> routes = {on_link("10.9.0.48", 28, eth1), on_link("10.9.0.0", 24, eth0)};
    EXPECT_EQ(on_link_route(routes, ip("10.9.0.50"), eth0)->destination.length, 24);
    EXPECT_EQ(on_link_route(routes, ip("10.9.0.50"), 99), nullptr);
}

TEST(OnLinkRoute, gateways_and_default_routes_do_not_count) {
    const std::vector<Route> routes = {by("10.9.0.1", "192.0.2.0", 24, eth0), on_link("0.0.0.0", 0, eth0),
                                       on_link("::", 0, eth0)};
    EXPECT_EQ(on_link_route(routes, ip("192.0.2.1")), nullptr);
    EXPECT_EQ(on_link_route(routes, ip("2001:db8::1")), nullptr);
    EXPECT_EQ(on_link_route({}, ip("192.0.2.1")), nullptr);
}

TEST(DefaultGateway, the_lowest_metric_by_the_link) {
    const std::vector<Route> routes = {
        by("10.9.0.1", "0.0.0.0", 0, eth0, 300), by("10.9.0.2", "0.0.0.0", 0, eth0, 200),
        by("10.9.0.3", "0.0.0.0", 0, eth1, 100), by("10.9.0.4", "198.51.100.0", 24, eth0, 0)};
    EXPECT_EQ(default_gateway(routes), ip("10.9.0.3"));
    EXPECT_EQ(default_gateway(routes, eth0), ip("10.9.0.2"));
    EXPECT_EQ(default_gateway(routes, 99), std::nullopt);
    EXPECT_EQ(default_gateway({on_link("0.0.0.0", 0, eth0)}), std::nullopt);
}

}  // namespace
}  // namespace buoy::net
