// SPDX-License-Identifier: GPL-2.0-or-later
// What the commands print for a given answer of the daemon, held against the files in golden/. With
// BUOY_WRITE_GOLDEN=1 in the environment they are written instead: look at the difference before you keep it.
#include "cli/format.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "buoy/ip.hpp"

namespace buoy::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path golden = fs::path(BUOY_SOURCE_DIR) / "tests/cli/golden";

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

json reply(const std::string& name) {
    return json::parse(read(golden / (name + ".json")));
}

Status status(const std::string& name) {
    return read_status(reply(name));
}

/// Its slots dealt out in no order, as after many moves.
Status thousand() {
    auto many = status("thirty");
    auto& pool = many.pools[0];
    pool.table.resize(1000);
    pool.slots = 1000;
    for (std::size_t i = 0; i < pool.table.size(); ++i) {
        pool.table[i].address =
            IpAddress(Ipv4::from_value(0x0a4d0000 + static_cast<std::uint32_t>(i))).to_string();
        pool.table[i].owner = pool.members[i * 7 % 13 % 3];
    }
    return many;
}

void expect_golden(const std::string& name, const std::string& text) {
    const auto path = golden / name;
    if (std::getenv("BUOY_WRITE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(text, read(path)) << name;
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, status) {
    expect_golden(std::string(GetParam()) + ".status", status_text(status(GetParam()), {}));
}

TEST_P(Golden, pools) {
    std::string text = pools_text(status(GetParam()));
    const auto all = status(GetParam());
    for (const auto& pool : all.pools) text += '\n' + pool_text(all, pool);
    expect_golden(std::string(GetParam()) + ".pools", text);
}

TEST_P(Golden, picture) {
    expect_golden(std::string(GetParam()) + ".picture", watch_picture(status(GetParam()), {}));
}

INSTANTIATE_TEST_SUITE_P(Of, Golden,
                         testing::Values("thirty", "lost", "fenced", "minority", "empty", "nobody"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Picture, of_many_slots_has_several_in_a_cell) {
    expect_golden("thousand.status", status_text(thousand(), {}));
    expect_golden("thousand.picture", watch_picture(thousand(), {}));
    expect_golden("thousand.wide", watch_picture(thousand(), {false, 200}));
}

TEST(Picture, with_colours_says_the_same) {
    for (const char* name : {"thirty", "fenced"}) {
        auto text = watch_picture(status(name), {true, 80}) + status_text(status(name), {true, 80});
        EXPECT_NE(text.find("\x1b["), std::string::npos);
        for (auto at = text.find("\x1b["); at != std::string::npos; at = text.find("\x1b["))
            text.erase(at, text.find('m', at) - at + 1);
        EXPECT_EQ(text, watch_picture(status(name), {}) + status_text(status(name), {}));
    }
}

TEST(Lines, say_what_has_changed) {
    const auto before = status("thirty");
    const auto after = status("lost");
    std::string text;
    auto add = [&](const Status* was, const Status& now) {
        for (const auto& line : watch_lines(was, now)) text += line + '\n';
        text += "--\n";
    };
    add(nullptr, before);
    add(&before, before);
    add(&before, after);
    add(&after, before);
    auto one = before;
    one.pools[0].table[3].owner = "n2";
    add(&before, one);
    const auto minority = status("minority");
    add(&before, minority);
    const auto empty = status("empty");
    add(&before, empty);
    expect_golden("changes.lines", text);
}

TEST(Pools, with_virtual_macs_show_them) {
    auto all = status("fenced");
    Pool& pool = all.pools[0];
    EXPECT_EQ(pool_text(all, pool).find("MAC"), std::string::npos);
    pool.table[1].mac = "02:b0:0a:4d:00:3d";
    const auto text = pool_text(all, pool);
    EXPECT_NE(text.find("virtual MAC"), std::string::npos) << text;
    const auto line = text.substr(text.find(pool.table[1].address));
    EXPECT_LT(line.find("02:b0:0a:4d:00:3d"), line.find('\n')) << text;
}

TEST(Explanation, is_the_daemons) {
    expect_golden("slot.explain", explain_text({{"ok", true},
                                                {"pool", "web"},
                                                {"slot", 3},
                                                {"address", "10.77.0.63"},
                                                {"lines", {"1. n1: this node", "This node holds it."}}}));
    EXPECT_EQ(explain_text(json::object()), "Slot /\n");
}

TEST(Left, is_what_the_kernel_has) {
    Left left;
    left.pools = {
        {"mail", 3, {}},
        {"web",
         30,
         {{"10.77.0.60", "eth0"}, {"10.77.0.61", "eth0"}, {"10.77.0.62", "eth0"}, {"2001:db8::1", "eth1"}}}};
    left.problems = {"/run/buoy/pools/a.json cannot be read"};
    expect_golden("left.text", left_text(left) + left_text({}) + left_json("no daemon", left).dump() + '\n');
}

TEST(Slots, are_found_by_address_and_by_number) {
    const auto all = status("thirty");
    const auto by_address = find_slot(all, "2001:0db8:77:0::60");
    ASSERT_TRUE(by_address);
    EXPECT_EQ(by_address->pool, "web");
    EXPECT_EQ(by_address->index, 20);
    EXPECT_EQ(find_slot(all, "web/20")->shown, "2001:db8:77::60");
    for (const char* wrong : {"10.0.0.1", "web/30", "web/-1", "web/", "web/1x", "web", "mail/0", "", "/",
                              "web/99999999999999999999"}) {
        const auto found = find_slot(all, wrong);
        ASSERT_FALSE(found) << wrong;
        EXPECT_FALSE(found.error().message.empty());
    }
}

TEST(Slots, in_two_pools_have_to_be_named_by_pool) {
    auto all = status("thirty");
    all.pools.push_back(all.pools[0]);
    all.pools[1].name = "mail";
    const auto found = find_slot(all, "10.77.0.60");
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("web/0"), std::string::npos) << found.error().message;
    EXPECT_TRUE(find_slot(all, "mail/0"));
    // Nobody asks for what has no members any more.
    all.pools[0].members.clear();
    EXPECT_EQ(find_slot(all, "10.77.0.60")->pool, "mail");
    all.pools[1].members.clear();
    EXPECT_FALSE(find_slot(all, "10.77.0.60"));
}

TEST(Answers, of_any_shape_are_read) {
    const auto whole = reply("fenced");
    // Each value in turn gone or of another type, at every depth.
    const auto flat = whole.flatten();
    for (const auto& [pointer, value] : flat.items())
        for (const auto& other : {json(), json("x"), json(7), json::array(), json::object({{"a", 1}})}) {
            auto changed = whole;
            changed[json::json_pointer(pointer)] = other;
            const auto read = read_status(changed);
            EXPECT_FALSE(status_text(read, {}).empty());
            EXPECT_FALSE(watch_picture(read, {}).empty());
            EXPECT_FALSE(watch_lines(nullptr, read).empty());
            EXPECT_FALSE(pools_text(read).empty());
        }
    EXPECT_FALSE(status_text(read_status(json::array()), {}).empty());
    EXPECT_FALSE(status_text(read_status({{"pools", 5}, {"nodes", {5}}}), {}).empty());
}

}  // namespace
}  // namespace buoy::cli
