// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "buoy/result.hpp"

namespace buoy::net {

/// One integer setting of the calling thread's network namespace, named by its path under /proc/sys/net
/// (networking/ip-sysctl in the kernel's documentation).
class Sysctl {
  public:
    explicit Sysctl(std::string path) : path_(std::move(path)) {}
    /// `net.ipv4.conf.LINK.KEY`; the link "all" stands for every link.
    static Sysctl ipv4(const std::string& link, const std::string& key) {
        return Sysctl("ipv4/conf/" + link + "/" + key);
    }
    /// `net.ipv6.conf.LINK.KEY`
    static Sysctl ipv6(const std::string& link, const std::string& key) {
        return Sysctl("ipv6/conf/" + link + "/" + key);
    }

    [[nodiscard]] Result<int> get() const;
    /// Writes the value. Fails with EROFS or EACCES where /proc/sys may not be written.
    [[nodiscard]] Result<void> set(int value) const;

  private:
    std::string path_;
};

}  // namespace buoy::net
