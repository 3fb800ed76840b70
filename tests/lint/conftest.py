# SPDX-License-Identifier: GPL-2.0-or-later
"""Lint runs without the suite; BANGER_BUILD names the build directory (build)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
