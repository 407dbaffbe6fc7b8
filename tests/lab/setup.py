# SPDX-License-Identifier: GPL-2.0-or-later
"""Set-up."""


def set_up(verbose: bool = False) -> None:
    """To come."""
