# SPDX-License-Identifier: GPL-2.0-or-later
"""The CLI alone: run by `meson test`, with BANGER_CLI naming the program."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support import Bench  # noqa: E402


@pytest.fixture
def bench(tmp_path):
    b = Bench(tmp_path)
    yield b
    b.daemon.close()
