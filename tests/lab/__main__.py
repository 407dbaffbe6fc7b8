# SPDX-License-Identifier: GPL-2.0-or-later
"""Entry point of `python3 -m lab`; the shell script `lab` at the top calls it."""

import sys

from lab.cli import main

sys.exit(main(sys.argv[1:]))
