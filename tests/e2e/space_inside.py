# SPDX-License-Identifier: GPL-2.0-or-later
"""Run by test_space.py beside a suite whose state is on a small file system: it fills up."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import suite  # noqa: E402
import vms  # noqa: E402

STATE = Path(os.environ["BANGER_SUITE"]) / "state"
LINE = 48 << 20  # [image] min_free of test_space.py
FILES = 6        # of 8 MiB; the host has room for two

# Each ends with its number. Nothing of them is in the guest's cache when they are read again.
WRITER = f"""
cd /root
dd if=/dev/urandom of=/tmp/seed bs=1M count=8 2>/dev/null
i=0
while [ $i -lt {FILES} ]; do
    (cat /tmp/seed; echo $i) >file$i && sync || echo "failed at $i"
    i=$((i + 1))
done
echo 3 >/proc/sys/vm/drop_caches
i=0
while [ $i -lt {FILES} ]; do
    cmp /tmp/seed file$i 2>&1 | grep -v EOF
    tail -n 1 file$i | grep -q $i || echo "lost $i"
    i=$((i + 1))
done
dmesg | grep -iE 'ext4-fs error|i/o error|remount' || echo clean
"""


def free():
    found = os.statvfs(STATE)
    return found.f_bavail * found.f_frsize


def keep_free(wanted):
    """A file of other people's that leaves that much. It is made larger or smaller, never anew: with
    room in between, who is paused goes on."""
    with open(STATE / "ballast", "ab") as file:
        size = max(os.fstat(file.fileno()).st_size + free() - wanted, 4096)
        if size < os.fstat(file.fileno()).st_size:
            file.truncate(size)
        os.posix_fallocate(file.fileno(), 0, size)
    assert abs(free() - wanted) < 2 << 20, (free(), wanted)


def shown(name):
    return suite.banger_json("vm", "show", name)


def paused(name):
    return suite.wait_for(lambda: shown(name)["state"] == "paused", 60)


def refused(*words):
    done = suite.banger(*words)
    assert done.status != 0, words
    assert "min_free" in done.err and "free on the file system" in done.err, done.err
    return done.err


def fill():
    """A guest writes more than the host has: it stands still, its neighbour does not."""
    keep_free(LINE + (20 << 20))
    restart()  # who wrote while it booted is forgotten
    assert suite.wait_for(
        lambda: suite.banger_json("daemon", "status")["space"] == "near", 10)
    for name in ("writer", "idle"):
        assert suite.wait_for(lambda name=name: shown(name)["state"] == "running", 20)
    process = subprocess.Popen(["banger", "vm", "exec", "writer", "--", "sh", "-c", WRITER],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert paused("writer")
    assert free() > LINE // 2, "it was paused while there was room"
    why = shown("writer")["paused_why"]
    assert "min_free" in why and "goes on by itself" in why, why
    assert vms.row("writer")["paused_why"] == why
    assert "the host" in shown("writer")["disk_warning"]
    assert shown("writer")["disk_used"] > 4 << 20
    assert vms.output("idle", "echo", "awake") == "awake"
    return process


def what_is_refused():
    keep_free(LINE * 3 // 4)
    assert suite.wait_for(
        lambda: suite.banger_json("daemon", "status")["space"] == "low", 10)
    assert "vm kill writer" in refused("vm", "stop", "writer")
    refused("vm", "resume", "writer")
    refused("vm", "start", "off")
    refused("vm", "create", "--image", "busybox", "--no-start")
    refused("image", "import", "more", Path(suite_cache()) / "busybox.oci.tar")
    refused("kernel", "import", "--name", "more",
            *Path(suite_cache()).glob("linux-image-*-cloud-amd64_*.deb"))
    assert shown("writer")["state"] == "paused" and shown("idle")["state"] == "running"


def suite_cache():
    return os.environ["CACHE"]


def restart():
    suite.stop()
    suite.start()


def known_after_restart():
    """What paused it is written down."""
    restart()
    assert shown("writer")["state"] == "paused" and shown("writer")["paused_why"]


def all_stand_still():
    """With next to nothing left nobody runs."""
    keep_free(LINE // 3)
    assert paused("idle") and shown("idle")["paused_why"]
    assert suite.banger_json("daemon", "status")["space"] == "full"
    suite.banger("vm", "pause", "idle", check=True)
    assert shown("idle")["paused_why"] is None, "it is the user's now"


def go_on(process):
    (STATE / "ballast").unlink()
    assert suite.wait_for(lambda: shown("writer")["state"] == "running", 30)
    out, err = process.communicate(timeout=120)
    assert out.splitlines() == ["clean"], out
    # Who is attached was told, and by a later daemon that it goes on.
    told = err.splitlines()
    assert len(told) == 2 and told[1] == "banger: VM 'writer' goes on", err
    assert told[0].startswith("banger: VM 'writer' is paused: the host is nearly full"), err
    assert shown("idle")["state"] == "paused", "the user did that"
    suite.banger("vm", "resume", "idle", check=True)
    assert vms.output("idle", "echo", "awake") == "awake"
    assert shown("writer")["paused_why"] is None


def sound():
    """The guest's file system, as it left it."""
    suite.banger("vm", "stop", "writer", check=True)
    disk = STATE / "vms" / shown("writer")["id"] / "disk.img"
    done = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def main():
    for name in ("writer", "idle", "off"):
        options = ["--no-start"] if name == "off" else []
        suite.banger("vm", "create", "--quiet", "--image", "busybox", "--name", name, "--memory",
                     vms.MEMORY, "--vcpu", "1", *options, check=True)
    process = fill()
    what_is_refused()
    known_after_restart()
    all_stand_still()
    go_on(process)
    sound()
    suite.banger("vm", "delete", "--force", "writer", "idle", "off", check=True)
    log = (STATE.parent / "log").read_text()
    for said in ("VMs that write are paused", "all VMs are paused",
                 "'writer' is paused", "'writer' goes on"):
        assert said in log, said
    print("all of it")


main()
