# SPDX-License-Identifier: GPL-2.0-or-later
"""The walk over all operations (tests/lib/walk.py), and its figures."""

import re
import time

import failpoints
import firecracker
import operations
import pull_operations
import pytest
import repo
import rpc
import suite
import walk
import world

PULLS = ("pull image", "pull kernel", "register image")


@pytest.mark.parametrize("name", [*operations.OPERATIONS, *PULLS])
def test_walk(page, daemon, sources, name, capsys):
    every = operations.OPERATIONS | pull_operations.operations_of(sources)
    steps = walk.Walk(page, daemon, every[name])
    steps.all()
    with capsys.disabled():
        steps.print()
    steps.clear()
    assert not steps.problems, "\n" + "\n".join(steps.problems)


def test_walk_of_qemu(page, daemon, capsys):
    """What QEMU alone takes; no guest is booted for it."""
    operation = operations.Operation("create, QEMU", operations.create_on_qemu, operations.own_network,
                                     operations.force_delete, operations.leave_and_delete)
    steps = walk.Beginning(page, daemon, operation, ["netd/tap_made"])
    steps.all()
    with capsys.disabled():
        steps.print()
    steps.clear()
    assert not steps.problems, "\n" + "\n".join(steps.problems)


def test_helper_that_hangs_ends_itself(page, daemon):
    """Nobody helps it: its alarm does, and the operation with it (common/watchdog.h)."""
    page.arm(("netd/reserve_begin", failpoints.HANG))
    begin = time.monotonic()
    client = operations.Client(operations.create)
    assert client.end(40) is not None and page.met()
    daemon.wait_gone()
    assert time.monotonic() - begin < 30
    daemon.restart()
    assert b"ended by signal 14: a request took too long" in (suite.DIR / "log").read_bytes()
    assert [vm["name"] for vm in rpc.call("vm.list")["vms"]] == ["keeper"]


@pytest.fixture
def silent(daemon):
    """The suite with guests that say nothing, and little patience."""
    config = suite.DIR / "banger.conf"
    before = config.read_text()
    config.write_text(f"{before}\n[vmm]\nstart_timeout = 1\n")
    firecracker.put(firecracker.path(), "engine=none vsock=silent")
    daemon.restart()
    yield
    config.write_text(before)
    firecracker.put(firecracker.path())
    daemon.restart()


def test_what_is_kept_is_on_the_disk(page, silent):
    """A new VM with a silent guest is kept: first its files, then its row; or nothing of it is."""
    page.arm()
    error = operations.Client(operations.create).end()
    assert "did not answer in time" in f"{error}" and "bangerd/files_synced" in page.passed()
    assert operations.state() == "stopped"
    operations.force_delete()
    page.arm(("bangerd/files_synced", failpoints.ERROR))
    assert operations.Client(operations.create).end() is not None and page.met()
    assert [vm["name"] for vm in rpc.call("vm.list")["vms"]] == ["keeper"]


def test_all_places_were_met(capsys):
    """None of the table is where no operation comes by; what takes device-mapper is the lab's."""
    rows = re.findall(r"^POINT\((\w+), (\w+),",
                      (repo.TOP / "common/proto/failpoints.tbl.h").read_text(), re.M)
    elsewhere = {place for place in (f"{process}/{name}" for process, name in rows)
                 if "disk_" in place or "/dm_" in place} - {"netd/release_disk"}
    missing = {f"{process}/{name}" for process, name in rows} - walk.MET - elsewhere
    with capsys.disabled():
        print(f"\n{walk.figures()}")
    assert not missing, f"nothing passes {sorted(missing)}"


def test_nothing_is_left(daemon, keeper):
    """Of the whole walk; and the VM that ran all the time does."""
    assert [vm["name"] for vm in rpc.call("vm.list")["vms"]] == ["keeper"]
    assert keeper() == "running"
    rpc.call("vm.delete", {"vm": "keeper", "force": True})
    daemon.restart()
    now = world.look()
    left = {kind: now[kind] for kind in ("vms", "links", "rules", "dm", "loops", "cgroups", "mounts",
                                         "namespaces", "zombies")}
    left["run files"] = [name for name in now["run files"] if name.startswith(("vm/", "ledger/"))]
    left["state files"] = [name for name in now["state files"] if name.startswith("vms/")]
    assert not any(left.values()), left
