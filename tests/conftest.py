# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of integration and e2e: run these under scripts/with-suite."""

import os
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "lib"))

import guest_images  # noqa: E402
import suite  # noqa: E402

CACHE = Path(os.environ.get("BANGER_CACHE", TOP / "build-cache"))


def pytest_configure(config):
    config.addinivalue_line("markers", "any_vmm: of what no VMM has a part in; on the first one alone")


def pytest_collection_modifyitems(config, items):
    needs = [item for item in items if "/lint/" not in str(item.path)]
    if needs and "BANGER_SUITE" not in os.environ:
        raise pytest.UsageError("no suite: run this by scripts/test or scripts/with-suite")
    if "BANGER_VMM" in os.environ and "BANGER_VMM_REAL" not in os.environ:
        once = [item for item in items if item.get_closest_marker("any_vmm")]
        items[:] = [item for item in items if item not in once]
        config.hook.pytest_deselected(items=once)


@pytest.fixture(scope="session")
def vmm():
    """What $BANGER_VMM names is what VMs run on. Where the host cannot do that, tests are skipped,
    and why is said."""
    wanted = os.environ.get("BANGER_VMM")
    host = suite.banger_json("daemon", "status")["host"]
    if wanted == "firecracker" and host["kvm"] in ("absent", "denied"):
        pytest.skip(f"/dev/kvm is {host['kvm']}")
    if os.environ.get("BANGER_VMM_REAL") and host["kvm"] != "good":
        pytest.skip(f"KVM is {host['kvm']}: no guest of a real {wanted} gets anywhere on it")
    assert wanted in (None, host["vmm"]), host["vmm_why"]
    return host["vmm"]


@pytest.fixture(scope="session")
def kernel(vmm):
    """Debian's cloud kernel, imported; its name."""
    debs = sorted(CACHE.glob("linux-image-*-cloud-amd64_*.deb"))
    assert debs, "no kernel: run scripts/kernel-deb"
    suite.banger("kernel", "import", "--name", "cloud", "--replace", debs[-1], check=True)
    return "cloud"


@pytest.fixture(scope="session")
def busybox(kernel):
    """A small image with a shell, imported; its name."""
    archive = guest_images.busybox(CACHE / "busybox.oci.tar")
    suite.banger("image", "import", "--replace", "busybox", archive, check=True)
    return "busybox"


@pytest.fixture(scope="session")
def debian(kernel):
    """Debian 12, imported; its name."""
    archive = CACHE / "debian.oci.tar"
    assert archive.exists(), "no image: run scripts/debian-image"
    suite.banger("image", "import", "--replace", "debian", archive, timeout=300, check=True)
    return "debian"


@pytest.fixture(autouse=True)
def suite_lives(request):
    """No test may leave the daemon dead or other than it found it: the next would be blamed."""
    if "/lint/" in str(request.path):
        yield
        return
    yield
    assert suite.running(), "the daemon does not answer after this test"


@pytest.fixture
def nothing_left():
    """The host is after the test as it was before: no link, rule, mount, file or process more."""
    before = suite.host_state()
    yield before
    found = suite.wait_state(before)
    assert not found, f"left behind: {found}"
