# SPDX-License-Identifier: GPL-2.0-or-later
"""banger vm run with a kernel that a catalog has: pulled on the way, and booted."""

import os
from pathlib import Path

import files_server
import pytest
import repo
import suite
import vms

CACHE = Path(os.environ.get("BANGER_CACHE", repo.TOP / "build-cache"))


@pytest.fixture
def catalog(kernel, tmp_path):
    """A catalog with the tests' kernel package as `wanted`."""
    path = Path(suite.settings()["catalog_dir"]) / "test.conf"
    package = sorted(CACHE.glob("linux-image-*-cloud-amd64_*.deb"))[0]
    with files_server.trusted(tmp_path) as files:
        path.write_text(files_server.entry(files, "wanted", package.read_bytes()))
        path.chmod(0o644)
        yield files
        path.unlink()
        suite.banger("kernel", "delete", "wanted", check=True)
        suite.banger("image", "cache", "prune", check=True)


def test_pulled_on_the_way(busybox, catalog):
    run = ["vm", "run", "--rm", "--memory", vms.MEMORY, "--image", busybox, "--kernel", "wanted"]
    never = suite.banger(*run, "--pull", "never", "--", "true")
    assert never.status == 125 and "no kernel" in never.err and not catalog.seen, never
    done = suite.banger(*run, "--", "uname", "-r")
    shown = suite.banger_json("kernel", "show", "wanted")
    assert (done.status, done.out) == (0, shown["version"] + "\n") and "fetch" in done.err, done
    assert shown["modules"] > 10, "the package's own"
