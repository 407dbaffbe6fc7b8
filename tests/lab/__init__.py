# SPDX-License-Identifier: GPL-2.0-or-later
"""Real Corosync and Pacemaker clusters in network namespaces of one machine."""
