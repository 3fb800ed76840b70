# SPDX-License-Identifier: GPL-2.0-or-later
"""A state directory that lost its database: nothing else of it is taken for rubbish."""

import shutil
import subprocess
from pathlib import Path

import suite


def files(folder):
    return sorted(str(path.relative_to(folder)) for kind in ("images", "kernels", "vms")
                  for path in (folder / kind).rglob("*"))


def test_a_lost_database_loses_nothing_else(busybox):
    state = Path(suite.settings()["state_dir"])
    suite.stop()
    before = files(state)
    assert any(name.endswith(".ext4") for name in before), before
    aside = suite.DIR / "aside"
    aside.mkdir()
    for path in state.glob("banger.db*"):
        shutil.move(path, aside)
    try:
        for _ in range(2):  # a service manager tries again
            done = subprocess.run([suite.DIR / "start"], capture_output=True, text=True,
                                  check=False)
            assert done.returncode != 0
            assert "banger.db is gone or empty" in done.stderr, done.stderr
            assert files(state) == before
    finally:
        for path in state.glob("banger.db*"):
            path.unlink()
        for path in aside.iterdir():
            shutil.move(path, state)
        aside.rmdir()
        suite.start()
    assert files(state) == before
    assert busybox in [image["name"] for image in suite.banger_json("image", "list")]
