#!/usr/bin/python3 -BSE
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fence agent of the lab, run inside a node: hands the request to the lab's power watcher.

Speaks the fence agents' protocol: options on standard input, one NAME=VALUE a line, or -o and -n.
"""

import socket
import sys

METADATA = """<?xml version="1.0" ?>
<resource-agent name="fence_lab" shortdesc="Power switch of the lab">
<longdesc>Switches nodes of the lab off and on.</longdesc>
<parameters>
<parameter name="action" unique="0" required="1"><getopt mixed="-o, --action=[action]"/>
<content type="string" default="off"/><shortdesc lang="en">Fencing action</shortdesc></parameter>
<parameter name="port" unique="0" required="0"><getopt mixed="-n, --plug=[name]"/>
<content type="string"/><shortdesc lang="en">Node to switch</shortdesc></parameter>
</parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/>
<action name="list"/><action name="monitor"/><action name="metadata"/>
<action name="validate-all"/></actions>
</resource-agent>
"""


def read_options():
    options = {"action": "off", "port": ""}
    arguments = sys.argv[1:]
    while len(arguments) >= 2:
        name, value = arguments[0], arguments[1]
        if name in ("-o", "--action"):
            options["action"] = value
        elif name in ("-n", "--plug"):
            options["port"] = value
        arguments = arguments[2:]
    if len(sys.argv) == 1:
        for line in sys.stdin:
            name, equals, value = line.strip().partition("=")
            if equals and name in ("action", "port", "plug", "nodename"):
                if name == "action" or not options["port"]:
                    options["action" if name == "action" else "port"] = value
    return options


def ask(action, port):
    """One line to the watcher, its answer back: "ok TEXT" or "failed TEXT"."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect("/run/lab/power.sock")
    connection.sendall(("%s %s %s\n" % (action, port or "-", socket.gethostname())).encode())
    answer = b""
    while True:
        part = connection.recv(4096)
        if not part:
            return answer.decode()
        answer += part


def main():
    options = read_options()
    if options["action"] == "metadata":
        sys.stdout.write(METADATA)
        return 0
    if options["action"] == "validate-all":
        return 0
    try:
        verdict, _, text = ask(options["action"], options["port"]).partition(" ")
    except OSError as problem:
        verdict, text = "failed", "no answer from the lab's power watcher: %s\n" % problem
    if verdict == "ok":
        sys.stdout.write(text)
        # fence agents answer a status request with 2 for a node that is off
        return 2 if options["action"] == "status" and text.strip() == "off" else 0
    sys.stderr.write(text)
    return 1


sys.exit(main())
