// SPDX-License-Identifier: GPL-2.0-or-later
#include "buoy/ip.hpp"

#include <gtest/gtest.h>

namespace buoy {
namespace {

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

TEST(IpAddress, spellings_of_one_address_are_equal) {
    EXPECT_EQ(ip("FE80:0::1"), ip("fe80::1"));
    EXPECT_EQ(ip("2001:db8:0:0:0:0:0:1").to_string(), "2001:db8::1");
    EXPECT_NE(ip("10.0.0.1"), ip("::ffff:10.0.0.1"));
}

TEST(IpAddress, parse_rejects_what_is_not_one) {
    for (const char* text :
         {"", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1/24", "fe80::1%eth0", "::1::", "ip", " 10.0.0.1"})
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    EXPECT_FALSE(IpAddress::parse(std::string_view("10.0.0.1\0x", 10)));
}

TEST(Prefix, contains_compares_the_leading_bits) {
    const Prefix net{ip("10.77.0.0"), 20};
    EXPECT_TRUE(net.contains(ip("10.77.15.255")));
    EXPECT_FALSE(net.contains(ip("10.77.16.0")));
    EXPECT_FALSE(net.contains(ip("2001:db8::1")));
    EXPECT_TRUE((Prefix{ip("0.0.0.0"), 0}.contains(ip("255.1.2.3"))));
    EXPECT_TRUE((Prefix{ip("2001:db8::"), 128}.contains(ip("2001:db8::"))));
    EXPECT_FALSE((Prefix{ip("2001:db8::"), 128}.contains(ip("2001:db8::1"))));
}

TEST(Ipv6, kinds) {
    EXPECT_TRUE(ip("febf::1").v6().is_link_local());
    EXPECT_FALSE(ip("fec0::1").v6().is_link_local());
    EXPECT_TRUE(ip("ff02::1").v6().is_multicast());
}

}  // namespace
}  // namespace buoy
