# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a VM: start, stop, restart, kill, delete; console, logs, health; many at once; and
that it outlives the daemon."""

import os
import signal
import subprocess
import time

import pytest
import suite
import vms

# ---- VMs of their own ----

@pytest.mark.any_vmm
def test_create_without_start(busybox, nothing_left):
    suite.banger("vm", "create", "--quiet", "--no-start", "--image", busybox, "--name", "later",
                 check=True)
    assert vms.row("later")["state"] in ("created", "stopped")
    assert not suite.jailed()
    suite.banger("vm", "start", "later", check=True)
    assert vms.output("later", "echo", "now") == "now"
    suite.banger("vm", "delete", "--force", "later", check=True)


def test_machine_is_as_told(busybox, nothing_left):
    with vms.vm(busybox, "--vcpu", "2", "--memory", "512M", name="machine") as name:
        assert vms.output(name, "grep", "-c", "^processor", "/proc/cpuinfo") == "2"
        total = int(vms.output(name, "awk", "/MemTotal/ { print $2 }", "/proc/meminfo"))
        assert 400_000 < total < 524_288
        assert vms.output(name, "hostname") == "machine"
        now = int(vms.output(name, "date", "+%s"))
        assert abs(now - time.time()) < 10, "the clock is set"


@pytest.mark.any_vmm
def test_eight_at_once(busybox, nothing_left):
    # An emulated machine starts fewer at once.
    names = [f"crowd-{n}" for n in range(8 if suite.PATIENCE <= 1 else 3)]
    processes = [subprocess.Popen(
        ["banger", "vm", "create", "--quiet", "--image", busybox, "--name", name, "--memory",
         vms.MEMORY, "--vcpu", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in names]
    for process in processes:
        _, err = process.communicate(timeout=180 * suite.PATIENCE)
        assert process.returncode == 0, err
    try:
        rows = [vms.row(name) for name in names]
        assert all(row["state"] == "running" for row in rows)
        assert len({row["ip"] for row in rows}) == len(names), "an address each"
        assert len({uid for _, _, uid in suite.processes().values()
                    if uid >= 1_000_000_000}) == len(names), "a jail's user each"
        assert [vms.output(name, "hostname") for name in names] == names
    finally:
        suite.banger("vm", "delete", "--force", *names, check=True, timeout=180)


@pytest.mark.any_vmm
def test_auto_remove_on_disconnect(busybox, nothing_left):
    """`vm run --rm` whose CLI is killed outright: the daemon deletes the VM."""
    process = subprocess.Popen(["banger", "vm", "run", "--rm", "--quiet", "--image", busybox,
                                "--name", "left", "--memory", vms.MEMORY, "--", "sh", "-c",
                                "echo up; exec sleep 1000"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.wait()
    assert suite.wait_for(lambda: vms.row("left") is None, 30, 0.3)


# ---- a VM that tests share: console, health ----

def test_health(running):
    health = suite.banger_json("vm", "health", running)
    assert health["healthy"] is True and health["main"] == "running"
    assert 0 < health["uptime_ms"] < 120_000
    assert 0 < health["memory_available"] <= health["memory_total"] <= 256 << 20
    assert 0 < health["disk_free"] <= health["disk_total"]
    assert health["sessions"] == 0


@pytest.mark.any_vmm
def test_list_has_all_members(running):
    row = vms.row(running)
    for member in ("id", "name", "owner", "state", "image", "ip", "vcpu", "memory_mib", "vmm",
                   "created_at"):
        assert row[member] not in (None, ""), member
    assert (row["state"], row["owner"], row["image"], row["vcpu"], row["memory_mib"]) == \
        ("running", "root", "busybox", 1, 256)
    assert suite.banger("vm", "list", "-q").out.split() == [row["id"]]
    assert running in suite.banger("vm", "ps").out


@pytest.mark.any_vmm
def test_states_are_refused(running):
    done = suite.banger("vm", "delete", running)
    assert done.status == 1 and "running" in done.err, "delete of a running one needs --force"
    assert vms.output(running, "echo", "still") == "still"
    done = suite.banger("vm", "create", "--image", "busybox", "--name", running)
    assert done.status == 1 and "exists already: choose another" in done.err


def test_disk_grows(running):
    size = int(vms.output(running, "sh", "-c", "df -k / | tail -n 1 | awk '{print $2}'"))
    assert 2.7 * (1 << 20) < size <= 3 * (1 << 20), "KiB of the root file system"
    vms.output(running, "sh", "-c", "dd if=/dev/zero of=/big bs=1M count=100 && sync && rm /big")


def test_console_input(running):
    """What is typed at the console reaches the guest."""
    reader = subprocess.Popen(["banger", "vm", "exec", running, "--", "head", "-n", "1",
                               "/dev/ttyS0"], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    with vms.Terminal("vm", "console", running) as terminal:
        time.sleep(0.5)
        terminal.type("typed-here\r")
        out, _ = reader.communicate(timeout=20)
        assert out.strip() == "typed-here"
        terminal.type("\035")
        assert terminal.wait() == 0


def test_console_flood_is_bounded(running):
    """A guest that never stops writing neither fills the disk nor blocks anybody."""
    vms.execute(running, "sh", "-c", "yes flooding >/dev/ttyS0 & sleep 3; kill $!", timeout=60)
    log = suite.banger_json("vm", "show", running)["console_log"]
    size = subprocess.run(["du", "-sbL", log], capture_output=True, text=True, check=True)
    assert int(size.stdout.split()[0]) <= 3 << 20
    assert vms.output(running, "echo", "alive") == "alive"


def test_guest_that_only_says_it_powered_off(running):
    """A VMM may stay when its guest is off, so its kernel's last words are a reason to look; but
    anybody can write them to a console."""
    vms.output(running, "sh", "-c", "echo '[    1.0] reboot: Power down' >/dev/ttyS0")
    time.sleep(6)
    assert vms.row(running)["state"] == "running"
    assert vms.output(running, "echo", "alive") == "alive"


# ---- the daemon comes and goes ----

@pytest.mark.parametrize("how", ["stop", "bangerd", "banger-netd", "banger-imaged", "twice"])
def test_vms_outlive_the_daemon(how, running):
    """Ended in order, or any process killed: the same guest, the same boot, afterwards."""
    boot = vms.output(running, "cat", "/proc/sys/kernel/random/boot_id")
    if how == "stop":
        suite.stop()
        suite.start()
    elif how == "twice":
        for _ in range(2):
            suite.kill("bangerd")
            suite.restart()
    else:
        suite.kill(how)
        suite.restart()
    assert suite.wait_for(lambda: vms.row(running)["state"] == "running", 10)
    assert vms.output(running, "cat", "/proc/sys/kernel/random/boot_id") == boot
    assert suite.banger_json("vm", "health", running)["healthy"] is True
    assert suite.banger("vm", "logs", running).status == 0


# ---- it ends, and starts again ----

def test_silent_guest_is_not_well(running):
    """A VMM that is stopped answers nothing: health says so in time, kill and delete work."""
    suite.banger("vm", "kill", "--signal", "STOP", running, check=True)
    begin = time.monotonic()
    done = suite.banger("vm", "health", running, timeout=60)
    assert f"VM '{running}' does not answer (banger vm logs {running}" in done.out
    assert done.status == 1 and time.monotonic() - begin < 30
    begin = time.monotonic()
    suite.banger("vm", "kill", running, check=True)
    assert time.monotonic() - begin < 10


def test_stop_of_a_silent_guest(running):
    suite.banger("vm", "kill", "--signal", "STOP", running, check=True)
    begin = time.monotonic()
    suite.banger("vm", "stop", "--timeout", "2", running, check=True)
    assert time.monotonic() - begin < 15
    assert vms.row(running)["state"] == "stopped"


def test_guest_that_panics(running):
    vms.execute(running, "sh", "-c", "echo c >/proc/sysrq-trigger; sleep 5", timeout=30)
    assert suite.wait_for(lambda: vms.row(running)["state"] == "stopped", 20, 0.2)
    assert "sysrq" in suite.banger("vm", "logs", running).out.lower()


def test_guest_that_powers_itself_off(running):
    vms.execute(running, "sh", "-c", "echo o >/proc/sysrq-trigger; sleep 5", timeout=30)
    assert suite.wait_for(lambda: vms.row(running)["state"] == "stopped", 20, 0.2)
    assert not suite.jailed()


def test_vm_that_died_while_the_daemon_was_away(running):
    suite.stop()
    for pid in suite.jailed():
        os.kill(pid, signal.SIGKILL)
    suite.start()
    assert suite.wait_for(lambda: vms.row(running)["state"] == "stopped", 10)
    suite.banger("vm", "start", running, check=True)
    assert vms.output(running, "echo", "back") == "back"


@pytest.mark.any_vmm
def test_kill(running):
    begin = time.monotonic()
    suite.banger("vm", "kill", running, check=True)
    assert time.monotonic() - begin < 5
    assert suite.wait_for(lambda: vms.row(running)["state"] == "stopped", 5)
    assert not suite.jailed()
    suite.banger("vm", "start", running, check=True)
    assert vms.output(running, "echo", "back") == "back"


@pytest.mark.any_vmm
def test_restart(running):
    boot = vms.output(running, "cat", "/proc/sys/kernel/random/boot_id")
    vms.output(running, "sh", "-c", "echo kept >/root/file")
    suite.banger("vm", "restart", running, check=True)
    assert vms.output(running, "cat", "/proc/sys/kernel/random/boot_id") != boot
    assert vms.output(running, "cat", "/root/file") == "kept"


def test_stop_keeps_what_was_written(running):
    first = suite.banger_json("vm", "show", running)
    vms.output(running, "sh", "-c", "echo kept >/root/stopped")
    suite.banger("vm", "stop", running, check=True)
    assert vms.row(running)["state"] == "stopped"
    assert not suite.jailed(), "nothing of it runs"
    done = vms.execute(running, "true")
    assert done.status == 125 and "not running" in done.err
    suite.banger("vm", "start", running, check=True)
    assert vms.row(running)["state"] == "running"
    assert vms.output(running, "cat", "/root/stopped") == "kept"
    again = suite.banger_json("vm", "show", running)
    assert (again["id"], again["ip"], again["mac"]) == (first["id"], first["ip"], first["mac"])
    assert again["boot_id"] != first["boot_id"]


def test_console_and_logs(running):
    with vms.Terminal("vm", "console", running) as terminal:
        time.sleep(1)
        vms.output(running, "sh", "-c", "echo over-the-wire >/dev/ttyS0")
        terminal.expect("over-the-wire")
        terminal.type("\035")
        assert terminal.wait() == 0, "Ctrl-] detaches"
    assert suite.wait_for(
        lambda: "over-the-wire" in suite.banger("vm", "logs", running).out, 5)
    follow = subprocess.Popen(["banger", "vm", "logs", "-f", running], stdout=subprocess.PIPE,
                              text=True)
    time.sleep(0.5)
    vms.output(running, "sh", "-c", "echo followed >/dev/ttyS0")
    suite.banger("vm", "stop", running, check=True)
    out, _ = follow.communicate(timeout=20)
    assert "over-the-wire" in out and "followed" in out
    assert "over-the-wire" in suite.banger("vm", "logs", running).out, "kept after the stop"


@pytest.mark.any_vmm
def test_many_references_at_once(busybox, running):
    """The good ones proceed, the bad one is named, the status is 1."""
    with vms.vm(busybox, name="two"):
        done = suite.banger("vm", "stop", running, "nobody", "two", running)
        assert done.status == 1 and "nobody" in done.err
        assert vms.row(running)["state"] == vms.row("two")["state"] == "stopped"


@pytest.mark.any_vmm
def test_states_are_refused_when_stopped(stopped):
    for command in ("kill", "health", "console"):
        assert suite.banger("vm", command, stopped).status == 1, command
