// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing_alert.hpp"

#include <gtest/gtest.h>

#include <map>

namespace buoy::alert {
namespace {

using Variables = std::map<std::string, std::string>;

std::optional<nlohmann::json> request(const Variables& variables) {
    return request_for([&](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
    });
}

// As Pacemaker 2.1.5 runs an alert agent.
Variables off_of_n3() {
    return {
        {"CRM_alert_desc",
         "Operation off of n3 by n1 for stonith_admin.81@n1: OK (ref=6b7b44fa-85d1-4c26-9a9f-8d0b40d6238e)"},
        {"CRM_alert_kind", "fencing"},
        {"CRM_alert_node", "n3"},
        {"CRM_alert_node_sequence", "2"},
        {"CRM_alert_rc", "0"},
        {"CRM_alert_recipient", ""},
        {"CRM_alert_task", "st_notify_fence"},
        {"CRM_alert_timestamp", "06:37:14.310991"},
        {"CRM_alert_timestamp_epoch", "1795243034"},
        {"CRM_alert_timestamp_usec", "310991"},
        {"CRM_alert_version", "2.1.5"},
    };
}

TEST(FencingAlert, success_becomes_a_request) {
    const auto asked = request(off_of_n3());
    ASSERT_TRUE(asked);
    EXPECT_EQ((*asked)["request"], "fencing");
    EXPECT_EQ((*asked)["node"], "n3");
    EXPECT_EQ((*asked)["action"], "off");
    EXPECT_EQ((*asked)["succeeded"], true);
    EXPECT_NEAR((*asked)["ended"].get<double>(), 1'795'243'034.310991, 1e-6);
}

TEST(FencingAlert, a_persons_word_is_an_off) {
    Variables variables = off_of_n3();
    variables["CRM_alert_desc"] = "Operation off of n3 by a human for stonith_admin.97@n1: OK (ref=4c09fc03)";
    EXPECT_EQ((*request(variables))["action"], "off");
}

TEST(FencingAlert, failure_is_nothing_to_tell) {
    Variables variables = off_of_n3();
    variables["CRM_alert_desc"] =
        "Operation reboot of n2 by n1 for stonith_admin.102@n1: Error (ref=a9fb5401)";
    variables["CRM_alert_rc"] = "-61";
    EXPECT_FALSE(request(variables));
}

TEST(FencingAlert, other_alerts_are_nothing_to_tell) {
    Variables variables = off_of_n3();
    variables["CRM_alert_kind"] = "node";
    EXPECT_FALSE(request(variables));
    EXPECT_FALSE(request({}));
}

TEST(FencingAlert, what_is_missing_makes_no_request) {
    for (const char* name :
         {"CRM_alert_desc", "CRM_alert_node", "CRM_alert_rc", "CRM_alert_timestamp_epoch"}) {
        Variables variables = off_of_n3();
        variables.erase(name);
        EXPECT_FALSE(request(variables)) << name;
    }
    Variables variables = off_of_n3();
    variables.erase("CRM_alert_timestamp_usec");
    EXPECT_EQ((*request(variables))["ended"].get<double>(), 1'795'243'034);
}

}  // namespace
}  // namespace buoy::alert
