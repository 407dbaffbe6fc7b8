# SPDX-License-Identifier: GPL-2.0-or-later
"""The one exception that is shown to the user as a single line."""


class LabError(Exception):
    """Something the user can act on: the message says what is wrong and what would be right."""
