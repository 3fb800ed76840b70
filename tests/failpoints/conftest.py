# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite with failpoints, on the stand-in for Firecracker that answers as an agent would."""

import os
from pathlib import Path

import failpoints
import firecracker
import operations
import pull_operations
import pytest
import repo
import rpc
import suite

CACHE = Path(os.environ.get("BANGER_CACHE", repo.TOP / "build-cache"))


@pytest.fixture(scope="session")
def page():
    return failpoints.Page()


@pytest.fixture(scope="session")
def sources():
    """Where pulls take from; made before the suite starts anew."""
    found = pull_operations.Sources()
    yield found
    found.close()


@pytest.fixture(scope="session")
def daemon(page, sources):
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
    operations.write_files()
    for name in ("base", "other"):
        suite.banger("image", "import", name, suite.DIR / f"{name}.tar", check=True)
    suite.banger("vm", "create", "--quiet", "--vmm", "firecracker", "--image", "base", "--name",
                 "keeper", "--memory", "64M", "--vcpu", "1", uid=65534, check=True)
    return found


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
