# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of the stand-in for Firecracker that behave as told. Needs nothing of the checkout: the lab
has it too."""

import os
import shutil
from pathlib import Path

MARK, AREA = b"BANGER-FAKE:", 256


def install(source, folder, behaviour="", name="firecracker"):
    """A copy of the program `source` in `folder` that behaves as tests/fake/behaviour.h has it; fit
    to be found by netd: root's own, nobody else's to write. The path."""
    text = MARK + behaviour.encode()
    assert len(text) <= AREA, f"{len(text)} bytes of behaviour"
    program = Path(source).read_bytes()
    assert program.count(MARK) == 1
    at = program.index(MARK)
    assert program[at + len(MARK):at + AREA] == bytes(AREA - len(MARK))
    path = Path(folder) / name
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(program[:at] + text.ljust(AREA, b"\0") + program[at + AREA:])
    shutil.copystat(source, fresh)
    os.chown(fresh, 0, 0)
    fresh.chmod(0o755)
    fresh.rename(path)  # one that runs keeps the old file
    return path
