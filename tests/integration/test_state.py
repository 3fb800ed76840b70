# SPDX-License-Identifier: GPL-2.0-or-later
"""A state directory that lost its database: nothing else of it is taken for rubbish."""

import shutil
import subprocess
from pathlib import Path

import oci
import pytest
import suite


def files(folder):
    return sorted(str(path.relative_to(folder)) for kind in ("images", "kernels", "vms")
                  for path in (folder / kind).rglob("*"))


@pytest.fixture
def image(tmp_path):
    """An image that other tests know nothing of; its name."""
    archive = tmp_path / "state.tar"
    archive.write_bytes(oci.tar([oci.directory("etc"), oci.entry("etc/hostname", b"state\n")]))
    suite.banger("image", "import", "--quiet", "state", archive, check=True)
    yield "state"
    suite.banger("image", "delete", "state", check=True)


def test_a_lost_database_loses_nothing_else(image):
    state = Path(suite.settings()["state_dir"])
    assert any(name.endswith(".ext4") for name in files(state))
    suite.stop()
    before = files(state)
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
    assert image in [row["name"] for row in suite.banger_json("image", "list")]
