# SPDX-License-Identifier: GPL-2.0-or-later
"""Which VMM a VM runs on: chosen, told, and side by side."""

import contextlib

import pytest
import suite
import vms


@pytest.fixture
def firecracker():
    """A host that has one and may run it."""
    host = suite.banger_json("daemon", "status")["host"]
    if not host["firecracker"] or host["kvm"] in ("absent", "denied"):
        pytest.skip(host["firecracker_problem"] or f"/dev/kvm is {host['kvm']}")


def show(name):
    return suite.banger_json("vm", "show", name)


def test_told_which_and_why(busybox, nothing_left):
    host = suite.banger_json("daemon", "status")["host"]
    assert host["vmm"] in ("firecracker", "qemu") and host["vmm_why"]
    with vms.vm(busybox, name="plain") as name:
        vm = show(name)
        assert (vm["vmm"], vm["vmm_asked"], vm["vmm_why"]) == \
            (host["vmm"], "auto", host["vmm_why"])
        assert vms.row(name)["vmm"] == host["vmm"]
        assert host["vmm_why"] in suite.banger("vm", "show", name).out


def test_asked_for(busybox, nothing_left):
    with vms.vm(busybox, "--vmm", "qemu", name="asked") as name:
        for _ in range(2):
            vm = show(name)
            assert (vm["vmm"], vm["vmm_asked"], vm["vmm_why"]) == \
                ("qemu", "qemu", "it was asked for")
            suite.stop()
            suite.start()
        suite.banger("vm", "stop", name, check=True)
        assert show(name)["vmm"] == "qemu"


def test_firecracker_has_no_tcg(busybox, nothing_left):
    done = suite.banger("vm", "create", "--image", busybox, "--vmm", "firecracker", "--accel", "tcg")
    assert done.status == 1 and "--vmm qemu" in done.err


def test_side_by_side(busybox, firecracker, nothing_left):
    """One of each on one bridge, and each after a restart of the daemon what it was."""
    with vms.vm(busybox, "--vmm", "firecracker", name="fire"), \
            vms.vm(busybox, "--vmm", "qemu", name="queue"):
        suite.kill("bangerd")
        suite.restart()
        rows = {name: vms.row(name) for name in ("fire", "queue")}
        assert {name: row["vmm"] for name, row in rows.items()} == \
            {"fire": "firecracker", "queue": "qemu"}
        assert rows["fire"]["accel"] == "kvm"
        assert "firecracker" in show("fire")["vmm_why"]
        vms.output("fire", "ping", "-c", "1", "-W", "5", rows["queue"]["ip"])
        vms.output("queue", "ping", "-c", "1", "-W", "5", rows["fire"]["ip"])


@contextlib.contextmanager
def configured(vmm):
    """The daemon, started anew with `vmm` for what is configured."""
    path = suite.DIR / "banger.conf"
    before = path.read_text()
    try:
        path.write_text(f"{before}\n[vmm]\nvmm = {vmm}\n")
        suite.stop()
        suite.start()
        yield
    finally:
        path.write_text(before)
        suite.stop()
        suite.start()


def test_from_one_to_the_other(busybox, firecracker, nothing_left):
    """What is configured is asked at each start; the disk is the same."""
    suite.banger("vm", "create", "--quiet", "--no-start", "--image", busybox, "--name", "moves",
                 "--memory", vms.MEMORY, check=True)
    try:
        for n, vmm in enumerate(("firecracker", "qemu", "firecracker")):
            with configured(vmm):
                suite.banger("vm", "start", "moves", check=True)
                vm = show("moves")
                assert (vm["vmm"], vm["vmm_asked"]) == (vmm, "auto")
                assert "is configured" in vm["vmm_why"]
                vms.output("moves", "sh", "-c", f"echo {vmm} >>/root/file")
                assert len(vms.output("moves", "cat", "/root/file").split()) == n + 1
                suite.banger("vm", "stop", "moves", check=True)
    finally:
        suite.banger("vm", "delete", "--force", "moves", check=True)
