# SPDX-License-Identifier: GPL-2.0-or-later
"""Pause and resume: a guest that stands still, and what may be done with it meanwhile."""

import subprocess
import time

import pytest
import rpc
import suite
import vms

COUNT = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done"


def pause(*names):
    return suite.banger("vm", "pause", *names, check=True)


def resume(*names):
    return suite.banger("vm", "resume", *names, check=True)


def counter(name):
    return subprocess.Popen(["banger", "vm", "exec", name, "--", "sh", "-c", COUNT],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def goodbyes(name):
    """How often the guest's kernel said that it ends."""
    return suite.banger("vm", "logs", name, check=True).out.count("reboot: ")


@pytest.mark.any_vmm
def test_run_waits_for_a_paused_vm(busybox, nothing_left):
    process = subprocess.Popen(
        ["banger", "vm", "run", "--rm", "--quiet", "--image", busybox, "--name", "waits",
         "--memory", vms.MEMORY, "--", "sh", "-c", "echo up; sleep 1; echo end; exit 5"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    pause("waits")
    time.sleep(3)
    assert process.poll() is None
    resume("waits")
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("end\n", 5)


def test_delete_of_a_paused_vm(busybox, nothing_left):
    suite.banger("vm", "create", "--quiet", "--image", busybox, "--name", "ends", "--memory",
                 vms.MEMORY, check=True)
    pause("ends")
    begin = time.monotonic()
    suite.banger("vm", "delete", "--force", "ends", check=True)
    assert time.monotonic() - begin < 10 and not suite.jailed()
    assert vms.row("ends") is None


def test_guest_stands_still_and_goes_on(running):
    vms.output(running, "sh", "-c", f"({COUNT}) >/tmp/count 2>&1 & echo $! >/tmp/counter")
    boot = vms.output(running, "cat", "/proc/sys/kernel/random/boot_id")
    process = counter(running)
    try:
        assert process.stdout.readline() == "0\n"
        pause(running)
        row = vms.row(running)
        assert row["state"] == "paused"
        time.sleep(4)
        resume(running)
        assert vms.row(running)["state"] == "running"
        assert abs(int(vms.output(running, "date", "+%s")) - time.time()) < 3, "the time is told"
        # Forty would have been written meanwhile, had it not stood still.
        begin = time.monotonic()
        count = int(vms.output(running, "tail", "-n", "1", "/tmp/count"))
        first = [int(process.stdout.readline()) for _ in range(10)]
        assert first == list(range(1, 11)), "the session goes on where it was"
        assert time.monotonic() - begin < 30
        assert suite.wait_for(
            lambda: int(vms.output(running, "tail", "-n", "1", "/tmp/count")) > count, 10)
        assert vms.output(running, "cat", "/proc/sys/kernel/random/boot_id") == boot
        vms.output(running, "sh", "-c", "kill $(cat /tmp/counter)")
    finally:
        process.kill()
        process.communicate()


def test_what_a_paused_vm_refuses(running):
    pause(running)
    hint = f"banger vm resume {running}"
    done = vms.execute(running, "true")
    assert done.status == 125 and hint in done.err
    for command in ("health", "start"):
        done = suite.banger("vm", command, running)
        assert done.status == 1 and hint in done.err, command
    done = suite.banger("vm", "delete", running)
    assert done.status == 1 and "is paused" in done.err and "--force" in done.err
    assert suite.banger("vm", "logs", running).status == 0
    assert suite.banger_json("vm", "show", running)["pid"] > 0
    resume(running)
    assert vms.output(running, "echo", "awake") == "awake"
    assert suite.banger_json("vm", "health", running)["healthy"] is True


@pytest.mark.any_vmm
def test_twice_is_no_error(busybox, running):
    with vms.vm(busybox, name="two"):
        resume(running)
        assert vms.row(running)["state"] == "running"
        assert pause(running, "two").out.split() == [running, "two"]
        pause(running)
        assert vms.row(running)["state"] == vms.row("two")["state"] == "paused"
        done = suite.banger("vm", "resume", running, "nobody", "two")
        assert done.status == 1 and "nobody" in done.err
        assert vms.row(running)["state"] == vms.row("two")["state"] == "running"


@pytest.mark.parametrize("how", ["stop", "bangerd", "banger-netd"])
def test_paused_outlives_the_daemon(how, running):
    boot = vms.output(running, "cat", "/proc/sys/kernel/random/boot_id")
    pause(running)
    if how == "stop":
        suite.stop()
        suite.start()
    else:
        suite.kill(how)
        suite.restart()
    assert suite.wait_for(lambda: vms.row(running)["state"] == "paused", 10)
    resume(running)
    assert vms.output(running, "cat", "/proc/sys/kernel/random/boot_id") == boot


@pytest.mark.any_vmm
def test_who_waits_is_told(running):
    """vm.await answers once, at once when there is nothing to wait for; who left is forgotten."""
    def states(client, *requests):
        return [client.response(request)["vm"]["state"] for request in requests]

    with rpc.Rpc(timeout=30) as client:
        ask = {"vm": running}, {"vm": running, "paused": True}
        assert states(client, client.request("vm.await", ask[1])) == ["running"]
        with rpc.Rpc() as gone:
            for _ in range(20):
                gone.request("vm.await", ask[0])
        waiting = [client.request("vm.await", ask[0]) for _ in range(2)]
        pause(running)
        assert sorted(client.read()["id"] for _ in waiting) == waiting
        waiting = [client.request("vm.await", ask[1])]
        resume(running)
        assert states(client, *waiting) == ["running"]
        waiting = [client.request("vm.await", ask[0])]
        suite.banger("vm", "kill", running, check=True)
        assert states(client, *waiting) == ["stopped"]


@pytest.mark.any_vmm
def test_only_what_runs_can_be_paused(stopped):
    for command in ("pause", "resume"):
        done = suite.banger("vm", command, stopped)
        assert done.status == 1 and f"banger vm start {stopped}" in done.err


def test_stop_lets_the_guest_shut_down(running):
    """Unless it is given no time: then it is not even asked."""
    vms.output(running, "sh", "-c", "echo kept >/root/file")
    pause(running)
    begin = time.monotonic()
    suite.banger("vm", "stop", "--timeout", "60", running, check=True)
    assert time.monotonic() - begin < 50, "it was not waited for in vain"
    assert vms.row(running)["state"] == "stopped"
    suite.banger("vm", "start", running, check=True)
    assert vms.output(running, "cat", "/root/file") == "kept"
    before = goodbyes(running)
    assert before > 0
    suite.banger("vm", "stop", "--timeout", "0", running, check=True)
    assert vms.row(running)["state"] == "stopped" and goodbyes(running) == before


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_ends_of_a_paused_vm(how, running):
    pause(running)
    begin = time.monotonic()
    suite.banger("vm", how, running, check=True)
    if how == "restart":
        assert vms.row(running)["state"] == "running"
        assert vms.output(running, "echo", "awake") == "awake"
    else:
        assert time.monotonic() - begin < 10 and not suite.jailed()
        assert vms.row(running)["state"] == "stopped"
