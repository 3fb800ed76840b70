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


def test_guest_stands_still_and_goes_on(busybox, nothing_left):
    with vms.vm(busybox, name="still") as name:
        vms.output(name, "sh", "-c", f"({COUNT}) >/tmp/count 2>&1 &")
        boot = vms.output(name, "cat", "/proc/sys/kernel/random/boot_id")
        process = counter(name)
        try:
            assert process.stdout.readline() == "0\n"
            pause(name)
            row = vms.row(name)
            assert row["state"] == "paused"
            time.sleep(4)
            resume(name)
            assert vms.row(name)["state"] == "running"
            assert abs(int(vms.output(name, "date", "+%s")) - time.time()) < 3, "the time is told"
            # Forty would have been written meanwhile, had it not stood still.
            begin = time.monotonic()
            count = int(vms.output(name, "tail", "-n", "1", "/tmp/count"))
            first = [int(process.stdout.readline()) for _ in range(10)]
            assert first == list(range(1, 11)), "the session goes on where it was"
            assert time.monotonic() - begin < 30
            assert suite.wait_for(
                lambda: int(vms.output(name, "tail", "-n", "1", "/tmp/count")) > count, 10)
            assert vms.output(name, "cat", "/proc/sys/kernel/random/boot_id") == boot
        finally:
            process.kill()
            process.communicate()


def test_what_a_paused_vm_refuses(busybox, nothing_left):
    with vms.vm(busybox, name="asleep") as name:
        pause(name)
        hint = f"banger vm resume {name}"
        done = vms.execute(name, "true")
        assert done.status == 125 and hint in done.err
        for command in ("health", "start"):
            done = suite.banger("vm", command, name)
            assert done.status == 1 and hint in done.err, command
        done = suite.banger("vm", "delete", name)
        assert done.status == 1 and "is paused" in done.err and "--force" in done.err
        assert suite.banger("vm", "logs", name).status == 0
        assert suite.banger_json("vm", "show", name)["pid"] > 0
        resume(name)
        assert vms.output(name, "echo", "awake") == "awake"
        assert suite.banger_json("vm", "health", name)["healthy"] is True


def test_twice_is_no_error(busybox, nothing_left):
    with vms.vm(busybox, name="one"), vms.vm(busybox, name="two"):
        resume("one")
        assert vms.row("one")["state"] == "running"
        assert pause("one", "two").out.split() == ["one", "two"]
        pause("one")
        assert vms.row("one")["state"] == vms.row("two")["state"] == "paused"
        done = suite.banger("vm", "resume", "one", "nobody", "two")
        assert done.status == 1 and "nobody" in done.err
        assert vms.row("one")["state"] == vms.row("two")["state"] == "running"


def test_who_waits_is_told(busybox, nothing_left):
    """vm.await answers once, at once when there is nothing to wait for; who left is forgotten."""
    def states(client, *requests):
        return [client.response(request)["vm"]["state"] for request in requests]

    with vms.vm(busybox, name="awaited") as name, rpc.Rpc(timeout=30) as client:
        ask = {"vm": name}, {"vm": name, "paused": True}
        assert states(client, client.request("vm.await", ask[1])) == ["running"]
        with rpc.Rpc() as gone:
            for _ in range(20):
                gone.request("vm.await", ask[0])
        waiting = [client.request("vm.await", ask[0]) for _ in range(2)]
        pause(name)
        assert sorted(client.read()["id"] for _ in waiting) == waiting
        waiting = [client.request("vm.await", ask[1])]
        resume(name)
        assert states(client, *waiting) == ["running"]
        waiting = [client.request("vm.await", ask[0])]
        suite.banger("vm", "kill", name, check=True)
        assert states(client, *waiting) == ["stopped"]


def test_only_what_runs_can_be_paused(busybox, nothing_left):
    with vms.vm(busybox, name="off") as name:
        suite.banger("vm", "stop", name, check=True)
        for command in ("pause", "resume"):
            done = suite.banger("vm", command, name)
            assert done.status == 1 and f"banger vm start {name}" in done.err


def goodbyes(name):
    """How often the guest's kernel said that it ends."""
    return suite.banger("vm", "logs", name, check=True).out.count("reboot: ")


def test_stop_lets_the_guest_shut_down(busybox, nothing_left):
    """Unless it is given no time: then it is not even asked."""
    with vms.vm(busybox, name="orderly") as name:
        vms.output(name, "sh", "-c", "echo kept >/root/file")
        pause(name)
        begin = time.monotonic()
        suite.banger("vm", "stop", "--timeout", "60", name, check=True)
        assert time.monotonic() - begin < 50, "it was not waited for in vain"
        assert vms.row(name)["state"] == "stopped"
        suite.banger("vm", "start", name, check=True)
        assert vms.output(name, "cat", "/root/file") == "kept"
        before = goodbyes(name)
        assert before > 0
        suite.banger("vm", "stop", "--timeout", "0", name, check=True)
        assert vms.row(name)["state"] == "stopped" and goodbyes(name) == before


@pytest.mark.parametrize("how", [("kill",), ("delete", "--force"), ("restart",)], ids=" ".join)
def test_ends_of_a_paused_vm(busybox, how, nothing_left):
    suite.banger("vm", "create", "--quiet", "--image", busybox, "--name", "ends", "--memory",
                 vms.MEMORY, check=True)
    pause("ends")
    begin = time.monotonic()
    suite.banger("vm", *how, "ends", check=True)
    if how == ("restart",):
        assert vms.row("ends")["state"] == "running"
    else:
        assert time.monotonic() - begin < 10 and not suite.jailed()
    if how != ("delete", "--force"):
        suite.banger("vm", "delete", "--force", "ends", check=True)
    assert vms.row("ends") is None


@pytest.mark.parametrize("how", ["stop", "bangerd", "banger-netd"])
def test_paused_outlives_the_daemon(busybox, how, nothing_left):
    with vms.vm(busybox, name="sleeper") as name:
        boot = vms.output(name, "cat", "/proc/sys/kernel/random/boot_id")
        pause(name)
        if how == "stop":
            suite.stop()
            suite.start()
        else:
            suite.kill(how)
            suite.restart()
        assert suite.wait_for(lambda: vms.row(name)["state"] == "paused", 10)
        resume(name)
        assert vms.output(name, "cat", "/proc/sys/kernel/random/boot_id") == boot


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
