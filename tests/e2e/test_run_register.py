# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM of an image that was registered: of a file of the user's, which stays as it is."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import microvm
import pytest
import suite
import vms


@pytest.fixture
def registered(kernel, tmp_path):
    """busybox in an ext4 file on a tmpfs, as `own`; the file."""
    folder = Path(tempfile.mkdtemp(prefix="register.", dir=suite.settings()["run_dir"]))
    path = folder / "rootfs.ext4"
    path.write_bytes(b"")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", "-d", microvm.busybox_tree(tmp_path), path,
                    "16M"], check=True)
    suite.banger("image", "register", "-q", "own", path, check=True)
    yield path
    suite.banger("image", "delete", "own", check=True)
    shutil.rmtree(folder)


def test_a_vm_of_it(registered):
    """It writes to a copy, which grew to what a root disk has, and starts again without the file."""
    before = hashlib.sha256(registered.read_bytes()).hexdigest()
    run = ["vm", "run", "--memory", vms.MEMORY, "--image", "own", "--name", "of-file",
           "--system-overlay-size", "256M"]
    done = suite.banger(*run, "--", "sh", "-c", "echo kept >/mark; df -m / | tail -n 1")
    assert done.status == 0 and int(done.out.split()[1]) > 200, done
    suite.banger("vm", "stop", "of-file", check=True)
    assert hashlib.sha256(registered.read_bytes()).hexdigest() == before
    registered.rename(registered.with_suffix(".away"))
    suite.banger("vm", "start", "of-file", check=True)
    assert suite.banger("vm", "exec", "of-file", "cat", "/mark", check=True).out == "kept\n"
    suite.banger("vm", "delete", "-f", "of-file", check=True)
