# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests without the suite, for tests of init and the agent alone."""

import os
import subprocess
from pathlib import Path

import census
import faults
import guest_images
import microvm
import oci
import pytest
import suite
import vms

CACHE = Path(os.environ.get("BANGER_CACHE", microvm.repo.TOP / "build-cache"))


def last_words():
    """(title, text): what guests said, and what the suite did."""
    try:
        for ident in suite.banger("vm", "list", "-q", timeout=20).out.split()[:4]:
            said = suite.banger("vm", "logs", ident, timeout=20).out
            yield f"console of {ident}", "\n".join(said.splitlines()[-25:])
        log = (suite.DIR / "log").read_text(errors="replace")
        yield "log of the suite", "\n".join(log.splitlines()[-40:])
    except (OSError, subprocess.SubprocessError) as error:
        yield "no more is known", str(error)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Of a failure, before what it leaves is taken away."""
    report = (yield).get_result()
    if report.failed and call.when == "call":
        report.sections.extend(last_words())


@pytest.fixture(scope="session")
def boot_files(tmp_path_factory):
    debs = sorted(CACHE.glob("linux-image-*-cloud-amd64_*.deb"))
    assert debs, "no kernel: run scripts/kernel-deb"
    return microvm.boot_files(tmp_path_factory.mktemp("boot"), debs[-1])


@pytest.fixture
def machine(tmp_path, boot_files):
    machine_ = microvm.Machine(tmp_path, boot_files)
    yield machine_
    machine_.end()


def boot_box(folder, boot_files, vsock):
    machine_ = microvm.Machine(folder, boot_files)
    yield machine_.boot(microvm.busybox_tree(folder), vsock=vsock,
                        environment=["FROM_IMAGE=yes", "BOTH=image"], directory="/tmp")
    machine_.end()


@pytest.fixture(scope="session")
def serial_box(tmp_path_factory, boot_files):
    """A guest that tests share, idle; its channel is virtio-serial."""
    yield from boot_box(tmp_path_factory.mktemp("box"), boot_files, False)


@pytest.fixture(scope="session")
def vsock_box(tmp_path_factory, boot_files):
    """The same over vsock."""
    yield from boot_box(tmp_path_factory.mktemp("box"), boot_files, True)


@pytest.fixture(params=["serial", "vsock"])
def box(request):
    """Each of them."""
    return request.getfixturevalue(f"{request.param}_box")


@pytest.fixture
def nothing():
    """Nothing of a VM is on the host afterwards."""
    yield
    left = [vm["name"] for vm in suite.banger_json("vm", "list")]
    if left:  # of a test that failed: the next must not be blamed
        faults.delete(*left)
    assert not left, "VMs are left"
    found = suite.wait_for(lambda: not any(census.count().values()), 10, 0.2)
    assert found, f"left: { {k: v for k, v in census.count().items() if v} }"


@pytest.fixture(scope="module")
def lodger(busybox):
    """A VM that the tests of a file share, since each boot takes two seconds of a processor. Nothing
    of it is left afterwards."""
    before = suite.host_state()
    with vms.vm(busybox, "--system-overlay-size", "3G", name="lodger") as name:
        yield name
    found = suite.wait_state(before)
    assert not found, f"left behind: {found}"


@pytest.fixture
def running(lodger):
    """It runs, whatever the test before did to it."""
    state = vms.row(lodger)["state"]
    if state == "paused":  # by a test that failed
        suite.banger("vm", "resume", lodger, check=True)
    elif state != "running":
        suite.banger("vm", "start", lodger, check=True)
    return lodger


@pytest.fixture
def stopped(lodger):
    """It does not run."""
    if vms.row(lodger)["state"] != "stopped":
        suite.banger("vm", "stop", lodger, check=True)
    return lodger


@pytest.fixture(scope="module")
def homes(kernel, tmp_path_factory):
    """An image with dotfiles in two homes, and users without a home."""
    passwd = (b"root:x:0:0:root:/root:/bin/sh\n"
              b"user:x:1000:1000:user:/home/user:/bin/sh\n"
              b"late:x:1001:1002:late:/var/homes/late:/bin/sh\n")
    archive = guest_images.busybox_with(tmp_path_factory.mktemp("homes") / "image.tar", [
        oci.entry("etc/passwd", passwd),
        oci.directory("etc/skel"), oci.entry("etc/skel/.skel", b"a pattern\n"),
        oci.entry("root/.profile", b"export FROM_PROFILE=yes\n", mode=0o640),
        oci.directory("home/user", uid=1000, gid=1000, mode=0o750),
        oci.directory("home/user/.config", uid=1000, gid=1000, mode=0o700),
        oci.entry("home/user/.config/rc", b"mine\n", uid=1000, gid=1000, mode=0o600),
        oci.symlink("home/user/link", ".config/rc", uid=1000, gid=1000),
    ])
    suite.banger("image", "import", "--quiet", "homes", archive, check=True)
    yield "homes"
    suite.banger("image", "delete", "homes", check=True)
