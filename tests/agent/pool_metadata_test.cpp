// SPDX-License-Identifier: GPL-2.0-or-later
// ocf/pool.xml against the table of parameters that the code reads, both ways.
#include <gtest/gtest.h>

#include <map>
#include <pugixml.hpp>
#include <set>
#include <string>

#include "pool/metadata.hpp"
#include "pool/parameters.hpp"

namespace buoy::agent {
namespace {

class pool_metadata_xml : public testing::Test {
  protected:
    void SetUp() override {
        const auto parsed = document_.load_buffer(pool_metadata.data(), pool_metadata.size());
        ASSERT_TRUE(parsed) << parsed.description();
        agent_ = document_.child("resource-agent");
        for (const auto& parameter : agent_.child("parameters").children("parameter"))
            parameters_[parameter.attribute("name").value()] = parameter;
    }
    pugi::xml_document document_;
    pugi::xml_node agent_;
    std::map<std::string, pugi::xml_node> parameters_;
};

TEST_F(pool_metadata_xml, has_every_parameter_of_the_table) {
    for (const auto& info : pool::pool_parameters) {
        const std::string name(info.name);
        ASSERT_TRUE(parameters_.contains(name)) << name;
        const auto node = parameters_[name];
        EXPECT_EQ(node.child("content").attribute("type").value(), info.type) << name;
        EXPECT_EQ(node.child("content").attribute("default").value(), info.default_value) << name;
        EXPECT_EQ(node.attribute("reloadable").as_bool(), info.reloadable) << name;
        EXPECT_GT(std::string(node.child("longdesc").text().get()).size(), 10U) << name;
    }
}

TEST_F(pool_metadata_xml, has_no_other_parameters) {
    std::set<std::string> table;
    for (const auto& info : pool::pool_parameters) table.insert(std::string(info.name));
    for (const auto& [name, node] : parameters_) EXPECT_TRUE(table.contains(name)) << name;
}

TEST_F(pool_metadata_xml, defaults_are_what_the_code_takes) {
    pool::ParameterTexts given{{"addresses", "10.0.0.1"}};
    const auto unset = pool::parse("web", given);
    for (const auto& [name, node] : parameters_)
        if (const std::string value = node.child("content").attribute("default").value(); !value.empty())
            given[name] = value;
    const auto set = pool::parse("web", given);
    ASSERT_TRUE(unset);
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_EQ(*set, *unset);
}

TEST_F(pool_metadata_xml, every_option_of_a_choice_is_taken) {
    for (const auto& [name, node] : parameters_)
        for (const auto& option : node.child("content").children("option"))
            EXPECT_TRUE(
                pool::parse("web", {{"addresses", "10.0.0.1"}, {name, option.attribute("value").value()}}))
                << name << '=' << option.attribute("value").value();
}

TEST_F(pool_metadata_xml, requires_the_addresses_alone) {
    for (const auto& [name, node] : parameters_)
        EXPECT_EQ(node.attribute("required").as_bool(), name == "addresses") << name;
}

}  // namespace
}  // namespace buoy::agent
