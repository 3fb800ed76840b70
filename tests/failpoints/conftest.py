# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite with failpoints, on the stand-in for Firecracker that answers as an agent would."""

import os
import struct
from pathlib import Path

import failpoints
import firecracker
import oci
import pytest
import repo
import rpc
import suite

CACHE = Path(os.environ.get("BANGER_CACHE", repo.TOP / "build-cache"))


@pytest.fixture(scope="session")
def page():
    return failpoints.Page()


@pytest.fixture(scope="session")
def daemon(page):
    """The suite with the page, an image and a kernel."""
    suite.stop()
    firecracker.put(firecracker.path())
    found = failpoints.Daemon(page)
    found.start()
    host = rpc.call("daemon.status")["host"]
    if host["kvm"] in ("absent", "denied"):
        pytest.skip(f"/dev/kvm is {host['kvm']}: nothing is run by Firecracker")
    debs = sorted(CACHE.glob("linux-image-*-cloud-amd64_*.deb"))
    assert debs, "no kernel: run scripts/kernel-deb"
    suite.banger("kernel", "import", "--name", "cloud", debs[-1], check=True)
    suite.banger("image", "import", "base", rootfs(suite.DIR / "base.tar", 40), check=True)
    suite.banger("image", "import", "other", rootfs(suite.DIR / "other.tar", 44), check=True)
    rootfs(suite.DIR / "walked.tar", 3)
    (suite.DIR / "walked.vmlinux").write_bytes(vmlinux())
    suite.banger("vm", "create", "--quiet", "--vmm", "firecracker", "--image", "base", "--name",
                 "keeper", "--memory", "64M", "--vcpu", "1", uid=65534, check=True)
    return found


def rootfs(path, files):
    """A small root file system, as a tar."""
    entries = [oci.directory("etc"), *(oci.entry(f"etc/{i}", b"x" * 5000) for i in range(files))]
    path.write_bytes(oci.tar(entries))
    return path


def vmlinux():
    """What is taken for a kernel: an ELF executable that says its version."""
    banner = b"Linux version 6.9.0-walked (nobody@nowhere)\0"
    size = 64 + 56 + len(banner)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0x100000, 64, 0, 0,
                       64, 56, 1, 64, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x100000, 0x100000, size, size, 4096) + banner


@pytest.fixture
def keeper():
    """The state of the VM that is not walked."""
    def state():
        return rpc.call("vm.show", {"vm": "keeper"})["vm"]["state"]
    return state


@pytest.fixture(autouse=True)
def nothing_fails(page):
    yield
    page.clear()
