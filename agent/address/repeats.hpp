// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "net/address.hpp"
#include "net/announcer.hpp"
#include "net/link.hpp"
#include "ocf/outcome.hpp"

// The repeats of an announcement, sent by a short-lived process of their own, so that a start need not wait
// for them. It holds an abstract socket named after link and address, in their network namespace: by it a
// stop finds the process, ends it and sees it end, without a file that could be stale or unwritable
// (unix(7)).
namespace buoy::agent {

/// Sends the bursts of the schedule that are still to come, from a process that is already detached when this
/// returns. Only one such process exists for an address on a link; an earlier one is ended first.
Outcome<> repeat_in_background(net::Announcer announcer, const net::AnnounceSchedule& schedule,
                               const net::Link& link, const IpAddress& ip);

/// Sends them here, and returns when the last is out.
Outcome<> repeat_here(net::Announcer& announcer, const net::AnnounceSchedule& schedule);

/// Ends the process, if there is one, and waits until it has ended.
void end_repeats(const net::Link& link, const IpAddress& ip);

}  // namespace buoy::agent
