// SPDX-License-Identifier: GPL-2.0-or-later
// buoy-alert: Pacemaker runs it for every alert, on every node; it tells buoyd of fencing that succeeded.
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "fencing_alert.hpp"
#include "ipc/client.hpp"

int main() {
    using namespace std::chrono_literals;
    if (std::getenv("CRM_alert_kind") == nullptr) {
        std::cerr << "buoy-alert is run by Pacemaker. Have it do so by\n"
                     "    pcs alert create path=/usr/lib/buoy/buoy-alert id=buoy\n"
                     "and a node's slots are taken over as soon as fencing it has succeeded.\n";
        return 2;
    }
    const auto request = buoy::alert::request_for([](const char* name) { return std::getenv(name); });
    if (!request) return 0;
    const auto reply = buoy::ipc::ask(*request, 5s);
    // Where no daemon runs, nobody has to know.
    if (reply || reply.error().code == ECONNREFUSED) return 0;
    std::cerr << "buoy-alert: " << reply.error().message << '\n';
    return 1;
}
