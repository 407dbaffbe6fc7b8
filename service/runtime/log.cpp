// SPDX-License-Identifier: GPL-2.0-or-later
#include "service/runtime/log.hpp"

#include <qb/qblog.h>
#include <syslog.h>

namespace buoy::runtime {

namespace {

void write(int priority, const std::string& text) {
    qb_log_from_external_source(__func__, "buoyd", "%s", static_cast<std::uint8_t>(priority), 0, 0,
                                text.c_str());
}

}  // namespace

void open_log(bool to_stderr) {
    qb_log_init("buoyd", LOG_DAEMON, LOG_INFO);
    qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, to_stderr ? QB_FALSE : QB_TRUE);
    if (!to_stderr) qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_USE_JOURNAL, 1);
    if (!to_stderr) return;
    qb_log_filter_ctl(QB_LOG_STDERR, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", LOG_INFO);
    qb_log_format_set(QB_LOG_STDERR, "%t %p %b");
    qb_log_ctl(QB_LOG_STDERR, QB_LOG_CONF_ENABLED, QB_TRUE);
}

void close_log() {
    qb_log_fini();
}

void log_info(const std::string& text) {
    write(LOG_INFO, text);
}
void log_notice(const std::string& text) {
    write(LOG_NOTICE, text);
}
void log_warning(const std::string& text) {
    write(LOG_WARNING, text);
}
void log_error(const std::string& text) {
    write(LOG_ERR, text);
}

}  // namespace buoy::runtime
