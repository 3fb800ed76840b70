# SPDX-License-Identifier: GPL-2.0-or-later
"""Two users: neither sees, names, or touches what is the other's; root sees all; what root
imported is for all to use and for root to delete."""

import json
import subprocess

import oci
import pytest
import suite

ONE, TWO = 21001, 21002


@pytest.fixture(scope="module")
def things(tmp_path_factory, kernel):
    """An image and a VM that was never started, of user ONE."""
    folder = tmp_path_factory.mktemp("owner")
    for path in (folder, *folder.parents[:3]):
        path.chmod(0o755)
    layout = oci.Layout()
    layout.image([oci.tar([oci.directory("etc")])])
    archive = layout.archive(folder / "i.tar")
    suite.banger("image", "import", "private", archive, uid=ONE, check=True)
    suite.banger("vm", "create", "--image", "private", "--name", "mine", "--no-start", uid=ONE,
                 check=True)
    yield archive
    suite.banger("vm", "delete", "mine", uid=ONE, check=True)
    suite.banger("image", "delete", "private", uid=ONE, check=True)


def names(*command, uid=None):
    return [row["name"] for row in suite.banger_json(*command, uid=uid)]


def test_lists(things):
    assert names("vm", "list", uid=ONE) == ["mine"]
    assert names("vm", "list", uid=TWO) == []
    assert "mine" in names("vm", "list")
    assert "private" in names("image", "list", uid=ONE)
    assert "private" not in names("image", "list", uid=TWO)
    assert "private" in names("image", "list")


VM_COMMANDS = [("show",), ("start",), ("stop",), ("restart",), ("kill",), ("delete",),
               ("delete", "--force"), ("console",), ("logs",), ("health",)]


@pytest.mark.parametrize("command", VM_COMMANDS, ids=" ".join)
def test_another_owners_vm_is_not_found(things, command):
    """Exactly as if it did not exist: the same message as for a name that nobody has."""
    theirs = suite.banger("vm", *command, "mine", uid=TWO)
    nobodys = suite.banger("vm", *command, "nobodys", uid=TWO)
    assert theirs.status == nobodys.status == 1, theirs
    assert theirs.err == nobodys.err.replace("nobodys", "mine")
    assert theirs.out == nobodys.out == ""


def test_another_owners_vm_is_not_found_by_id_or_prefix(things):
    (vm,) = suite.banger_json("vm", "list", uid=ONE)
    for ref in (vm["id"], vm["id"][:4], "min"):
        assert suite.banger("vm", "show", ref, uid=ONE).status == 0
        assert suite.banger("vm", "show", ref, uid=TWO).status == 1


def test_exec_in_another_owners_vm(things):
    done = suite.banger("vm", "exec", "mine", "--", "true", uid=TWO)
    assert done.status == 125 and "mine" in done.err


def test_another_owners_image(things):
    assert suite.banger("image", "show", "private", uid=TWO).status == 1
    assert suite.banger("image", "delete", "private", uid=TWO).status == 1
    done = suite.banger("vm", "create", "--no-start", "--image", "private", uid=TWO)
    assert done.status == 1 and "private" in done.err
    assert names("vm", "list", uid=TWO) == []


def test_the_same_name_for_two_owners(things):
    """Names are each owner's own."""
    suite.banger("image", "import", "private", things, uid=TWO, check=True)
    suite.banger("vm", "create", "--image", "private", "--name", "mine", "--no-start", uid=TWO,
                 check=True)
    assert names("vm", "list", uid=TWO) == ["mine"]
    suite.banger("vm", "delete", "mine", uid=TWO, check=True)
    suite.banger("image", "delete", "private", uid=TWO, check=True)
    assert names("vm", "list", uid=ONE) == ["mine"]


def test_roots_kernel_is_for_all(things, kernel):
    assert kernel in names("kernel", "list", uid=TWO)
    done = suite.banger("kernel", "delete", kernel, uid=TWO)
    assert done.status == 1
    assert kernel in names("kernel", "list")


def test_image_in_use_is_kept(things):
    done = suite.banger("image", "delete", "private", uid=ONE)
    assert done.status == 1 and "mine" in done.err, done
    assert "private" in names("image", "list", uid=ONE)


def test_operations_are_the_owners(things):
    def operations(uid):
        return json.loads(suite.python_as(
            uid, "import json\nprint(json.dumps(rpc.call('operations.list')))\n"))["operations"]

    assert "mine" in [row["name"] for row in operations(ONE)]
    assert "mine" not in [row["name"] for row in operations(21003)]


def test_root_means_its_own(things, busybox):
    """Of two VMs of a name root's is meant, though the user's is older: also by what takes many."""
    make = ("vm", "create", "--quiet", "--no-start", "--image", busybox, "--name", "mine")
    theirs, ours = vm_named("mine", uid=ONE), suite.banger(*make, check=True).out.strip()
    assert suite.banger("vm", "show", "mine", "-o", "json").out.find(ours) > 0
    suite.banger("vm", "set", "--memory", "300M", "mine", check=True)
    assert vm_named("mine", uid=ONE) == theirs
    suite.banger("vm", "delete", "--force", "mine", check=True)
    assert [row["id"] for row in suite.banger_json("vm", "list")] == [theirs["id"]]


def vm_named(name, uid=None):
    (found,) = [row for row in suite.banger_json("vm", "list", uid=uid) if row["name"] == name]
    return found


def test_a_plan_is_what_is_made(things, busybox):
    """What --dry-run and daemon.status say of defaults is what the VM of a user gets."""
    usual = suite.banger_json("daemon", "status", uid=ONE)["defaults"]
    made = vm_named("mine", uid=ONE)
    assert {"vcpus": made["vcpu"], "memory_mib": made["memory_mib"], "disk_size": made["disk_size"],
            "system_overlay_size": made["system_overlay_size"]} == usual
    told = suite.banger("vm", "run", "--dry-run", "--image", busybox, uid=ONE, check=True).out
    gib = usual["system_overlay_size"] / (1 << 30)
    assert f", {made['vcpu']} vCPU" in told and f"root disk at least {gib:.1f} GiB" in told


def test_imports_that_stand_still_are_their_owners_alone(things):
    """One user has as many imports as the daemon takes, none of whose sources goes on."""
    command = ["setpriv", f"--reuid={ONE}", f"--regid={ONE}", "--clear-groups", "banger", "image",
               "import"]
    stalled = [subprocess.Popen([*command, f"stalled{i}", "-"], stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for i in range(4)]
    try:
        for each in stalled:  # it was read, and more is waited for
            each.stdin.write(bytes(512))
            each.stdin.flush()
        assert suite.wait_for(lambda: len(suite.pids("banger-imaged-worker")) == 2, 20)
        suite.banger("image", "import", "quick", things, uid=TWO, timeout=60, check=True)
        assert suite.wait_for(lambda: len(suite.pids("banger-imaged-worker")) == 2, 20)
    finally:
        for each in stalled:
            each.kill()
            each.stdin.close()
            each.wait()
    suite.banger("image", "delete", "quick", uid=TWO, check=True)
    assert suite.wait_for(lambda: not suite.pids("banger-imaged-worker"), 20)
