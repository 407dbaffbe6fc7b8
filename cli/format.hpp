// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/status.hpp"
#include "cli/top.hpp"

// What the commands print, as pure functions.
namespace buoy::cli {

struct Style {
    bool colour = false;
    std::size_t width = 80;  ///< columns of the terminal
};

/// `buoy status`: the cluster, its nodes, which node owns what, and what is wrong with what to do about it.
std::string status_text(const Status& status, const Style& style);
/// `buoy pool list`
std::string pools_text(const Status& status);
/// `buoy pool show NAME`: every slot.
std::string pool_text(const Status& status, const Pool& pool);
/// `buoy explain SLOT`, from the daemon's answer.
std::string explain_text(const nlohmann::json& reply);

/// What is wrong, and what to do about it, one line each.
std::vector<std::string> warnings(const Status& status);

/// `buoy watch` on a terminal: a picture of which node owns which slots, and what goes through this node's
/// gate, as far as that is known: for each pool.
std::string watch_picture(const Status& status, const Style& style, const std::vector<Load>& loads = {});
/// `buoy watch` elsewhere: what has changed, one line each; all there is when there was nothing before.
std::vector<std::string> watch_lines(const Status* before, const Status& now);

/// One pool that the daemon is not there to speak of.
struct LeftPool {
    std::string name;
    std::size_t slots = 0;
    std::vector<std::pair<std::string, std::string>> carried;  ///< address and link, in order of addresses
};
struct Left {
    std::vector<LeftPool> pools;
    std::vector<std::string> problems;  ///< why there may be more
};
std::string left_text(const Left& left);
nlohmann::json left_json(const std::string& error, const Left& left);

}  // namespace buoy::cli
