// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace buoy::runtime {

/// Opens the log: the journal of systemd where it runs, else syslog; standard error as well when `to_stderr`.
void open_log(bool to_stderr);
void close_log();

void log_info(const std::string& text);
void log_notice(const std::string& text);
void log_warning(const std::string& text);
void log_error(const std::string& text);

}  // namespace buoy::runtime
