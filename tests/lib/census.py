# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of VMs there is on this host: counts that are all 0 once no VM is left."""

import contextlib
import subprocess
from pathlib import Path

import suite


def _lines(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _suite_pids():
    return [pid for role in suite.ROLES for pid in suite.pids(role)]


def _mounts(pids):
    """Mount points in the suite's own namespaces that are a jail's or below its run directory."""
    run = str(Path(suite.settings()["run_dir"])) + "/"
    found = set()
    for pid in ["self", *pids]:
        for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
            words = line.split()
            if words[4].startswith(run) or "banger-jail" in line:
                found.add((words[0], words[4]))
    return len(found)


def _zombies():
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:].rsplit(")", 1)
        count += rest.split()[0] == "Z" and name.startswith(("banger", "fire", "qemu"))
    return count


def _suite_devices():
    """Device-mapper's, by the UUIDs that are banger's."""
    count = 0
    for uuid in Path("/sys/block").glob("dm-*/dm/uuid"):
        with contextlib.suppress(OSError):  # it went just now
            count += uuid.read_text().startswith("BANGER-")
    return count


def fds():
    """{pid: open fds} of the suite's processes."""
    return {pid: len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in _suite_pids()}


def count():
    """{kind: how many}; fds are apart, since the suite has some of its own."""
    settings = suite.settings()
    run, state = Path(settings["run_dir"]), Path(settings["state_dir"])
    links = [line.split(": ")[1].split("@")[0] for line in _lines("ip", "-o", "link")]
    loops = [line for line in _lines("losetup", "-n", "-O", "BACK-FILE") if str(state) in line]
    return {
        "taps": sum(name.startswith("bt") for name in links),
        "bridges": sum(name.startswith("bgr") for name in links),
        "loops": len(loops),
        "dm devices": _suite_devices(),
        "mounts": _mounts(_suite_pids()),
        "cgroups": sum("banger-vm" in path.name for path in suite.tree("/sys/fs/cgroup")),
        "jail directories": sum(1 for _ in (run / "vm").glob("*")),
        "jailed processes": len(suite.jailed()),
        "zombies": _zombies(),
        "ledger rows": sum(1 for path in (run / "ledger").iterdir()
                           if not path.name.startswith(".") and len(path.name) == 12),
        "rules": sum(1 for line in _lines("nft", "list", "tables")),
    }
