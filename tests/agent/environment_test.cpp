// SPDX-License-Identifier: GPL-2.0-or-later
#include "ocf/environment.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>

#include "ocf/values.hpp"

namespace buoy::agent {
namespace {

Environment with(const char* name, const char* value) {
    return Environment(std::map<std::string, std::string, std::less<>>{{name, value}});
}

TEST(Environment, reads_pairs_and_passes_over_what_is_none) {
    const std::array<const char*, 7> environ = {"OCF_RESKEY_ip=10.0.0.1",
                                                "OCF_RESKEY_nic=",
                                                "no equals sign",
                                                "=value without a name",
                                                "OCF_RESKEY_a=b=c",
                                                "",
                                                nullptr};
    const auto environment = Environment::read(environ.data());
    EXPECT_EQ(environment.parameter("ip"), "10.0.0.1");
    EXPECT_EQ(environment.parameter("nic"), std::nullopt) << "empty is unset";
    EXPECT_EQ(environment.parameter("a"), "b=c");
    EXPECT_EQ(environment.parameter("absent"), std::nullopt);
}

TEST(Environment, none_at_all) {
    const auto environment = Environment::read(nullptr);
    EXPECT_EQ(environment.parameter("ip"), std::nullopt);
    EXPECT_FALSE(environment.is_probe());
    EXPECT_EQ(environment.check_level(), 0);
}

TEST(Environment, meta_attributes_are_no_parameters) {
    const Environment environment(
        {{"OCF_RESKEY_ip", "x"}, {"OCF_RESKEY_CRM_meta_clone_max", "3"}, {"OCF_ROOT", "/usr/lib/ocf"}});
    EXPECT_EQ(environment.parameter_names(), std::vector<std::string>{"ip"});
    EXPECT_EQ(environment.meta("clone_max"), "3");
}

TEST(Environment, a_probe_has_interval_zero_and_nothing_else) {
    constexpr const char* interval = "OCF_RESKEY_CRM_meta_interval";
    EXPECT_TRUE(with(interval, "0").is_probe());
    for (const char* other : {"10000", "", "00", "0s", "-0"})
        EXPECT_FALSE(with(interval, other).is_probe()) << other;
}

TEST(Environment, a_check_level_is_a_whole_number) {
    EXPECT_EQ(with("OCF_CHECK_LEVEL", "10").check_level(), 10);
    for (const char* other : {"", "x", "10x", " 10", "99999999999"})
        EXPECT_EQ(with("OCF_CHECK_LEVEL", other).check_level(), 0) << other;
}

TEST(ReadBoolean, takes_what_pacemaker_takes) {
    for (const char* text : {"true", "TRUE", "Yes", "on", "1", "y"})
        EXPECT_TRUE(read_boolean("p", text).value());
    for (const char* text : {"false", "No", "OFF", "0", "n"}) EXPECT_FALSE(read_boolean("p", text).value());
    for (const char* text : {"", "2", "tru", "true ", "\xff"}) {
        const auto read = read_boolean("p", text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, Exit::configured);
        EXPECT_NE(read.error().reason.find("p='"), std::string::npos);
    }
}

TEST(ReadNumber, keeps_to_its_bounds) {
    EXPECT_EQ(read_number("p", "1", 1, 3).value(), 1);
    EXPECT_EQ(read_number("p", "3", 1, 3).value(), 3);
    for (const char* text : {"0", "4", "", "+2", "2 ", "0x2", "2.0", "99999999999999999999", "-1"}) {
        const auto read = read_number("p", text, 1, 3, "ms");
        ASSERT_FALSE(read) << text;
        EXPECT_NE(read.error().reason.find("1 to 3 ms"), std::string::npos) << read.error().reason;
    }
}

TEST(ReadWords, are_separated_by_spaces_and_commas_in_any_number) {
    using Words = std::vector<std::string>;
    EXPECT_EQ(read_words(""), Words{});
    EXPECT_EQ(read_words(" , \t"), Words{});
    EXPECT_EQ(read_words(" a,b  c\td,"), (Words{"a", "b", "c", "d"}));
}

}  // namespace
}  // namespace buoy::agent
