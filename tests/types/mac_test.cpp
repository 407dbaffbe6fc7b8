// SPDX-License-Identifier: GPL-2.0-or-later
#include "buoy/mac.hpp"

#include <gtest/gtest.h>

namespace buoy {
namespace {

TEST(Mac, parse_either_separator) {
    const Mac wanted{{0x02, 0x00, 0x5e, 0xAB, 0x00, 0x1f}};
    EXPECT_EQ(Mac::parse("02:00:5e:ab:00:1f").value(), wanted);
    EXPECT_EQ(Mac::parse("02-00-5E-AB-00-1F").value(), wanted);
    EXPECT_EQ(wanted.to_string(), "02:00:5e:ab:00:1f");
}

TEST(Mac, parse_rejects_what_is_not_one) {
    for (const char* text :
         {"", "02:00:5e:ab:00", "02:00:5e:ab:00:1f:00", "02:00:5e-ab:00:1f", "02 00 5e ab 00 1f",
          "0g:00:5e:ab:00:1f", "+2:00:5e:ab:00:1f", "02:00:5e:ab:00:1 "}) {
        const auto mac = Mac::parse(text);
        ASSERT_FALSE(mac) << text;
        EXPECT_NE(mac.error().message.find(text), std::string::npos);
    }
}

TEST(Mac, bits_of_the_first_byte) {
    EXPECT_TRUE(broadcast_mac.is_group());
    EXPECT_TRUE(Mac::parse("01:00:5e:00:00:01")->is_group());
    EXPECT_FALSE(Mac::parse("00:00:5e:00:01:01")->is_local());
    EXPECT_TRUE(Mac::parse("02:00:00:00:00:01")->is_local());
}

}  // namespace
}  // namespace buoy
