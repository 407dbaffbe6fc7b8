// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <string>

#include "service/gate/gate.hpp"
#include "tests/gate/frames.hpp"

namespace buoy::gate {

using namespace std::chrono_literals;
using Direction = Gate::Direction;

inline constexpr Mac link_mac{{2, 0, 0, 0, 0, 0xaa}};

inline TimePoint now() {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return TimePoint(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

/// Where a program is run. The loopback device stands for the link.
struct Way {
    const char* name;
    Direction direction;
    Attach how;
};
inline constexpr Way tc_in{"tc, ingress", Direction::ingress, Attach::tc};
inline constexpr Way tc_out{"tc, egress", Direction::egress, Attach::tc};
inline constexpr Way xdp_in{"XDP", Direction::ingress, Attach::xdp};

enum class Fate { passed, dropped, answered };

struct Ran {
    Fate fate;
    Bytes frame;  ///< as it is now
};

/// A gate in namespaces of its own, run frame by frame in the kernel (BPF_PROG_TEST_RUN, bpf(2)).
class GateTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, to load BPF programs";
        // A BPF file system of its own, seen by nobody else and gone with the process.
        ASSERT_EQ(unshare(CLONE_NEWNS | CLONE_NEWNET), 0);
        ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(mount("bpf", "/mnt", "bpf", 0, "mode=700"), 0);
        ASSERT_TRUE(command("ip link set lo address " + link_mac.to_string() + " up"));
    }
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root, to load BPF programs";
        load();
    }
    void TearDown() override {
        if (!gate_) return;
        ASSERT_TRUE(gate_->detach(loopback()));
        gate_->unpin();
    }
    static bool command(const std::string& line) { return std::system(line.c_str()) == 0; }
    static int loopback() { return static_cast<int>(if_nametoindex("lo")); }

    void load() {
        gate_.reset();
        auto loaded = Gate::load("/mnt/buoy");
        ASSERT_TRUE(loaded) << loaded.error().message;
        gate_ = std::move(*loaded);
        ASSERT_TRUE(gate_->attach(loopback()));
    }
    void lease(Duration left) { gate_->set_deadline(now() + left); }

    /// Nothing where the kernel takes the frame for none: too short for its ethertype.
    std::optional<Ran> run(const Bytes& frame, const Way& way) {
        LIBBPF_OPTS(bpf_test_run_opts, run);
        Bytes after(frame.size() + 256);
        run.data_in = frame.data();
        run.data_size_in = static_cast<std::uint32_t>(frame.size());
        run.data_out = after.data();
        run.data_size_out = static_cast<std::uint32_t>(after.size());
        const int ran = bpf_prog_test_run_opts(gate_->program(way.direction, way.how), &run);
        if (ran == -EINVAL) return std::nullopt;
        EXPECT_EQ(ran, 0);
        after.resize(run.data_size_out);
        return Ran{fate(run.retval, way), after};
    }
    Ran must_run(const Bytes& frame, const Way& way) {
        const auto ran = run(frame, way);
        EXPECT_TRUE(ran) << "no frame to the kernel";
        return ran.value_or(Ran{Fate::dropped, {}});
    }
    bool passes(const Bytes& frame, const Way& way) {
        const Ran ran = must_run(frame, way);
        EXPECT_NE(ran.fate, Fate::answered);
        return ran.fate == Fate::passed;
    }
    std::unique_ptr<Gate> gate_;

  private:
    static Fate fate(std::uint32_t verdict, const Way& way) {
        const bool xdp = way.how == Attach::xdp && way.direction == Direction::ingress;
        if (verdict == (xdp ? std::uint32_t{XDP_PASS} : static_cast<std::uint32_t>(TC_ACT_UNSPEC)))
            return Fate::passed;
        if (verdict == (xdp ? std::uint32_t{XDP_TX} : std::uint32_t{TC_ACT_REDIRECT})) return Fate::answered;
        EXPECT_EQ(verdict, xdp ? std::uint32_t{XDP_DROP} : std::uint32_t{TC_ACT_SHOT});
        return Fate::dropped;
    }
};

}  // namespace buoy::gate
