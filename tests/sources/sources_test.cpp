// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "tests/sources/rules.hpp"

namespace buoy::sources {
namespace {

namespace fs = std::filesystem;

const fs::path top = BUOY_SOURCE_DIR;
const PureFolder wire{"lib/wire", "wire/", {"lib/wire/allowed.cpp cstdio"}};

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What no one wrote, as .gitignore has it, and git's own.
bool is_made(const fs::path& path) {
    const std::string name = path.filename();
    static const std::set<std::string> names{".git", ".cache", "__pycache__", "compile_commands.json"};
    return names.contains(name) || (path.parent_path() == top && name.starts_with("build"));
}

/// The files below `folder`, as paths from the top of the tree.
std::vector<std::string> files_below(const fs::path& folder) {
    std::vector<std::string> files;
    for (fs::recursive_directory_iterator at(folder), end; at != end; ++at) {
        if (is_made(at->path()))
            at.disable_recursion_pending();
        else if (at->is_regular_file() && !at->is_symlink())
            files.push_back(at->path().lexically_relative(top));
    }
    return files;
}

TEST(Tree, pure_folders_are_pure) {
    for (const auto& folder : pure_folders()) {
        if (!fs::exists(top / folder.path)) continue;
        for (const auto& path : files_below(top / folder.path))
            for (const auto& fault : impurities(folder, path, read(top / path)))
                ADD_FAILURE() << path << ", " << fault;
    }
}

TEST(Tree, pure_folders_have_sources) {
    EXPECT_GE(files_below(top / "lib/wire").size(), 8U) << "the scan does not see the sources";
}

TEST(Tree, every_file_names_its_licence) {
    const auto files = files_below(top);
    EXPECT_GE(files.size(), 50U) << "the scan does not see the tree";
    for (const auto& path : files) {
        if (!needs_licence(path)) continue;
        EXPECT_TRUE(names_licence(read(top / path)))
            << path << " needs the line: SPDX-License-Identifier: GPL-2.0-or-later";
    }
}

std::vector<std::string> faults(std::string_view text) {
    return impurities(wire, "lib/wire/any.cpp", text);
}

TEST(Journal, names_every_member_of_a_core_s_state) {
    const std::string named = read(top / "service/journal/fields.hpp");
    // The effects of the step that runs, what only the simulation's cores have, and a parameter.
    const std::set<std::string> not_state{"effects_", "stranger_vouched_", "count_", "Self"};
    const std::regex member(R"(\b[a-z][a-z_]*_\b)");
    const std::regex nested(R"(\n    struct (\w+) \{\n([^]*?)\n    \};)");
    const std::regex field(R"(\n {8}[\w:<>, ]+ (\w+)(?: = [^;(]*|\{[^;]*\})?;)");
    std::size_t checked = 0;
    for (const char* part : {"Ownership", "Exchange", "Peers", "Holding"}) {
        std::string file = part;
        file[0] = static_cast<char>(std::tolower(file[0]));
        const std::string code = code_only(read(top / ("service/core/" + file + ".hpp")));
        for (std::sregex_iterator at(code.begin(), code.end(), member), end; at != end; ++at) {
            if (not_state.contains(at->str())) continue;
            EXPECT_TRUE(std::regex_search(named, std::regex("BUOY_F\\(core::\\w+, " + at->str() + "\\)")))
                << part << "::" << at->str() << " is in no journal's state: add it to fields.hpp";
            ++checked;
        }
        for (std::sregex_iterator in(code.begin(), code.end(), nested), end; in != end; ++in) {
            if (not_state.contains((*in)[1])) continue;
            const std::string body = "\n" + (*in)[2].str();
            for (std::sregex_iterator at(body.begin(), body.end(), field), last; at != last; ++at) {
                EXPECT_TRUE(std::regex_search(named, std::regex("BUOY_F\\(core::\\w+::" + (*in)[1].str() +
                                                                ",\\s+" + (*at)[1].str() + "\\)")))
                    << part << "::" << (*in)[1] << "::" << (*at)[1] << " is in no journal's state";
                ++checked;
            }
        }
    }
    EXPECT_GT(checked, 150U) << "the scan does not see the members";
}

TEST(Purity, include_of_a_system_header_is_a_breach) {
    for (const char* name :
         {"<unistd.h>", "<sys/socket.h>", "<linux/if_ether.h>", "<fmt/format.h>", "<netlink/msg.h>",
          "<iostream>", "<fstream>", "<filesystem>", "<thread>", "<random>", "<ctime>", "<cstdio>", "<mutex>",
          "\"net/link.hpp\"", "\"link.hpp\"", "\"wire/../net/link.hpp\"", "\"service/io/clock.hpp\""})
        EXPECT_EQ(faults(std::string("#include ") + name + "\n").size(), 1U) << name;
    EXPECT_EQ(faults("  #  include<unistd.h>").size(), 1U);
    EXPECT_EQ(faults("#include HEADER").size(), 1U);
}

TEST(Purity, include_of_the_standard_library_buoy_or_own_headers_is_none) {
    EXPECT_EQ(faults("#include <vector>\n#include <chrono>\n#include \"buoy/ip.hpp\"\n"
                     "#include \"wire/arp.hpp\"  // why\n"),
              std::vector<std::string>{});
}

TEST(Purity, exception_holds_for_its_file_and_header_only) {
    EXPECT_TRUE(
        impurities(wire, "lib/wire/allowed.cpp", "#include <cstdio>\nstd::fputs(a, stderr);").empty());
    EXPECT_EQ(impurities(wire, "lib/wire/allowed.cpp", "#include <ctime>").size(), 1U);
    EXPECT_EQ(impurities(wire, "lib/wire/other.cpp", "#include <cstdio>").size(), 1U);
}

TEST(Purity, clock_randomness_log_and_system_are_breaches) {
    for (const char* code :
         {"auto t = std::chrono::steady_clock::now();", "auto t = Clock:: now ();", "clock_gettime(id, &t);",
          "time(nullptr);", "int r = std::rand();", "int r = rand ();", "random();", "std::random_device r;",
          "std::mt19937 r;", "std::cerr << x;", "std::clog << x;", "printf(x);", "std::fprintf(stderr, x);",
          "syslog(1, x);", "qb_log(LOG_INFO, x);", "getenv(name);", "fmt::format(x);", "system(x);"})
        EXPECT_EQ(faults(code).size(), 1U) << code;
}

TEST(Purity, names_that_only_look_like_it_are_none) {
    for (const char* code : {"step(now);", "auto knows_now = f(now);", "operand(1);", "lease_time(x);",
                             "at.uptime();", "brand(x);", "buoy::fmt_like(x);", "outputs(x);"})
        EXPECT_EQ(faults(code), std::vector<std::string>{}) << code;
}

TEST(Purity, comments_and_literals_are_not_code) {
    EXPECT_EQ(faults("// as ::now() does\n/* printf(\n rand( */ int a = 1'000; auto s = \"time(\\\"rand(\";"),
              std::vector<std::string>{});
    EXPECT_EQ(faults("/* a */ rand();").size(), 1U);
    EXPECT_EQ(faults("auto s = \"//\"; rand();").size(), 1U);
    EXPECT_EQ(faults("auto c = '\"'; rand(); auto d = '\"';").size(), 1U);
    EXPECT_EQ(faults("int a = 1'000; rand(); int b = 2'000;").size(), 1U);
    EXPECT_EQ(faults("// #include <unistd.h>"), std::vector<std::string>{});
}

TEST(Purity, breach_says_where_and_what) {
    EXPECT_EQ(
        faults("\n\n#include <unistd.h>\n"),
        std::vector<std::string>{"line 3: includes <unistd.h>, which is neither pure standard library, nor "
                                 "\"buoy/…\", nor \"wire/…\""});
    EXPECT_EQ(faults("int a;\nint b = rand();"),
              std::vector<std::string>{"line 2: draws a random number: rand("});
}

TEST(Licence, line_has_to_be_near_the_top) {
    EXPECT_TRUE(names_licence("#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-or-later\n"));
    EXPECT_FALSE(names_licence("\n\n\n\n\n# SPDX-License-Identifier: GPL-2.0-or-later\n"));
    EXPECT_FALSE(names_licence("# SPDX-License-Identifier: MIT\n"));
    EXPECT_FALSE(names_licence(""));
}

TEST(Licence, is_not_asked_of_what_has_no_comments) {
    for (const char* path : {"COPYING", "docs/bench.svg", "a/b.json", "tests/fuzz/seeds/arp/request",
                             "tests/core/golden/crash.txt"})
        EXPECT_FALSE(needs_licence(path)) << path;
    for (const char* path : {"lab", "lib/CMakeLists.txt", ".gitignore", "lib/wire/arp.cpp", "README.md"})
        EXPECT_TRUE(needs_licence(path)) << path;
}

}  // namespace
}  // namespace buoy::sources
