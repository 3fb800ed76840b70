# SPDX-License-Identifier: GPL-2.0-or-later
"""What is killed or interrupted in the middle of a start leaves a running VM or nothing."""

import os
import signal
import subprocess
import time

import firecracker
import pytest
import suite
import vms

# On the stand-in for Firecracker nothing is booted: what a daemon does while a guest boots does not ask
# which VMM it is on, and QEMU's guests are booted.
BOOTS = os.environ.get("BANGER_VMM") != "firecracker" or "BANGER_VMM_REAL" in os.environ
# Moments of a start that takes about two and a half seconds: reserve, disk, TAP, VMM, boot, setup. The
# stand-in is told to take three quarters of one.
MOMENTS = (0.02, 0.08, 0.15, 0.3, 0.6, 1.2, 2.6) if BOOTS else (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75)
SLOW = "engine=none late=50 delay=*:50"


@pytest.fixture(scope="module", autouse=True)
def stand_in(kernel):
    if BOOTS:
        yield
        return
    with firecracker.instead(SLOW):
        yield


def begin(*options, command=()):
    return subprocess.Popen(["banger", "vm", *options, *command], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("victim", ["bangerd", "netd", "launch", "banger-imaged"])
def test_killed_in_the_middle_of_a_start(busybox, victim, moment, nothing_left):
    process = begin("create", "--quiet", "--image", busybox, "--name", "half", "--memory",
                    vms.MEMORY, "--vcpu", "1")
    time.sleep(moment)
    if victim in ("netd", "launch"):
        pids = suite.pids("banger-netd")
        parents = {pid: suite.processes()[pid][1] for pid in pids}
        launch = [pid for pid in pids if parents[pid] in pids]
        target = launch[0] if victim == "launch" else parents[launch[0]]
    else:
        target = suite.pids(victim)[0]
    os.kill(target, signal.SIGKILL)
    process.communicate(timeout=60)
    suite.restart()
    row = vms.row("half")
    if row is None:
        assert not suite.jailed(), "no row, but a VMM"
    elif row["state"] == "running":
        assert suite.banger_json("vm", "health", "half")["healthy"] is True
        assert vms.execute("half", "echo", "alive").status == 0
    else:
        # A VM that was made whole but is not up: it must start.
        assert not suite.jailed(), "not running, but a VMM"
        suite.banger("vm", "start", "half", check=True)
    if row is not None:
        suite.banger("vm", "delete", "--force", "half", check=True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c(busybox, moment, nothing_left):
    process = begin("run", "--rm", "--image", busybox, "--name", "cut", "--memory", vms.MEMORY,
                    command=("--", "sleep", "1000"))
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    # The stand-in's command is over at once: the last moment may be behind it.
    assert process.returncode != 0 or not BOOTS and moment == MOMENTS[-1], err
    assert suite.wait_for(lambda: vms.row("cut") is None, 10), "the VM is gone"


@pytest.mark.parametrize("moment", MOMENTS[1::2])
def test_ctrl_c_of_create(busybox, moment, nothing_left):
    """vm create without --rm: cancelled while it is being made, it leaves nothing either."""
    process = begin("create", "--image", busybox, "--name", "cut", "--memory", vms.MEMORY)
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    if process.returncode == 0 or vms.row("cut"):
        assert process.returncode == 0 and vms.row("cut")["state"] == "running"
        suite.banger("vm", "delete", "--force", "cut", check=True)


@pytest.mark.parametrize("moment", (0.05, 0.5, 1.5) if BOOTS else (0.05, 0.2, 0.4))
def test_delete_of_a_vm_that_starts(busybox, moment, nothing_left):
    """delete --force does not wait for a guest: it cancels what holds the VM."""
    process = begin("create", "--quiet", "--image", busybox, "--name", "early", "--memory",
                    vms.MEMORY)
    time.sleep(moment)
    if suite.wait_for(lambda: vms.row("early"), 5):
        started = time.monotonic()
        suite.banger("vm", "delete", "--force", "early", check=True)
        assert time.monotonic() - started < 10
    process.communicate(timeout=60)
    assert vms.row("early") is None
