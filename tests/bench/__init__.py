# SPDX-License-Identifier: GPL-2.0-or-later
"""Buoy measured against its peers, in one lab and one run."""
