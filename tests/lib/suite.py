# SPDX-License-Identifier: GPL-2.0-or-later
"""The suite that scripts/with-suite started: its processes, its command line, what it keeps."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import rpc

DIR = Path(os.environ.get("BANGER_SUITE", "/nonexistent"))
ROLES = ("bangerd", "banger-netd", "banger-imaged")
JOBS = ("banger-imaged-worker", "banger-imaged-fetch")  # programs of one job each
# What times are multiplied with where all takes longer: in the lab, emulated.
PATIENCE = float(os.environ.get("BANGER_PATIENCE", "1"))
REST = min(PATIENCE, 8.0)  # and times between two looks: looking takes what is waited for its time


class Result:
    """How a command ended."""

    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"status {self.status}, stdout {self.out!r}, stderr {self.err!r}"


def banger(*arguments, input=None, timeout=120, uid=None, check=False, text=True):
    """Run the command line; as another user when uid is given."""
    command = ["banger", *map(str, arguments)]
    if uid is not None:
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    done = subprocess.run(command, input=input, capture_output=True, timeout=timeout * PATIENCE,
                          text=text, stdin=subprocess.DEVNULL if input is None else None, check=False)
    result = Result(done)
    if check:
        assert result.status == 0, f"banger {' '.join(map(str, arguments))}: {result}"
    return result


def banger_json(*arguments, uid=None):
    return json.loads(banger(*arguments, "-o", "json", uid=uid, check=True).out)


def python_as(uid, script):
    """Run a Python script that knows `rpc` as another user, who may not be able to read the
    checkout; what it printed."""
    source = Path(rpc.__file__).read_text()
    loader = ("import sys, types\nrpc = types.ModuleType('rpc')\n"
              f"exec({source!r}, rpc.__dict__)\n")
    done = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
                           sys.executable, "-"], input=loader + script, capture_output=True,
                          text=True, timeout=20, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def settings():
    """{key: value} of what with-suite wrote."""
    found = {}
    for line in (DIR / "banger.conf").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found[key.strip()] = value.strip()
    return found


def comm(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except OSError:
        return None


STATUS = re.compile(rb"Name:\t(.*)\n(?:Umask:.*\n)?State:\t(.).*\n(?:.*\n){3}PPid:\t(\d+)\n.*\nUid:\t(\d+)")


def whole_name(name):
    """Of a process that is just ending: its program is gone, what /proc says has 15 characters."""
    known = (*ROLES, *JOBS, "qemu-system-x86_64")
    return next((program for program in known if program[:15] == name), name)


def every_process():
    """{pid: (name of its program, parent, uid, state's letter)} in this namespace; the kernel's threads,
    of which a host has more than of all others, are left out."""
    found = {}
    threads = b"2" if comm(2) == "kthreadd" else None
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            # Not by open(): this is what takes the time of tests in an emulated machine.
            fd = os.open(f"/proc/{pid}/status", os.O_RDONLY)
            try:
                name, state, parent, uid = STATUS.match(os.read(fd, 1024)).groups()
            finally:
                os.close(fd)
        except OSError:
            continue
        if parent == threads:
            continue
        try:
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            program = whole_name(name.decode(errors="replace"))
        found[int(pid)] = (program.removesuffix(" (deleted)"), int(parent), int(uid), state.decode())
    return found


def processes():
    """{pid: (name of its program, parent, uid)} of those that live."""
    return {pid: found[:3] for pid, found in every_process().items() if found[3] != "Z"}


def pids(program):
    return sorted(pid for pid, (name, _, _) in processes().items() if name == program)


def processes_of(*programs):
    """The pids of all of these, in one look."""
    return [pid for pid, (name, _, _) in processes().items() if name in programs]


def jailed():
    """Pids that run under the user id of a jail."""
    conf = settings()
    base, count = int(conf["uid_base"]), int(conf["uid_count"])
    return sorted(pid for pid, (_, _, uid) in processes().items() if base <= uid < base + count)


def wait_for(what, seconds=20.0, interval=0.05):
    """What what() gives once it is true; the last value when time is up."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(interval * REST)


def running():
    """Whether the daemon answers."""
    try:
        rpc.call("ping", timeout=5.0)
        return True
    except (OSError, rpc.Closed):
        return False


def stop():
    subprocess.run([DIR / "stop"], check=True, timeout=60)


def start():
    subprocess.run([DIR / "start"], check=True, timeout=60)


def kill(program, number=signal.SIGKILL, which=0):
    """Kill a process of the suite; what a service manager would see then: all of it gone."""
    os.kill(pids(program)[which], number)


def wait_gone(seconds=15.0):
    """The rest of the suite follows the one that died; VMMs stay."""
    return wait_for(lambda: not any(pids(role) for role in ROLES), seconds)


def restart():
    """What a service manager does after a death: wait for the rest, start again."""
    assert wait_gone(), f"still there: {processes()}"
    start()


def tree(folder):
    """All below it, as paths. Not by rglob(), which fails when a directory goes meanwhile."""
    return [Path(top, name) for top, folders, files in os.walk(folder) for name in folders + files]


def idle_bridges(run):
    """That netd keeps for two seconds after their owners' last VMs (banger-netd/idle.h; that they go
    is shown by tests/integration/test_netd_net.py)."""
    try:
        return {f"bgr{owner}" for owner in (run / "ledger/idle").read_text().split()[1:]}
    except FileNotFoundError:
        return set()


def host_state():
    """What VMs bring onto the host: links, addresses, nft elements, mounts, files, processes."""
    def lines(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return [line.strip() for line in done.stdout.splitlines()]

    conf = settings()
    run = Path(conf["run_dir"])
    state = Path(conf["state_dir"])
    idle = idle_bridges(run)
    return {
        "links": sorted(name for name in (line.split(": ")[1] for line in lines("ip", "-o", "link"))
                        if name not in idle),
        "addresses": sorted(" ".join(line.split()[1:4]) for line in lines("ip", "-o", "addr")
                            if line.split()[1] not in idle),
        "nft": [line for line in lines("nft", "list", "ruleset") if "counter" not in line],
        "mounts": sorted(line.split()[4] for line in
                         Path("/proc/self/mountinfo").read_text().splitlines()),
        "run": sorted(name for name in (str(path.relative_to(run)) for path in tree(run))
                      if name != "ledger/idle"),
        "state": sorted(str(path.relative_to(state)) for path in tree(state)
                        if not path.name.endswith(("-wal", "-shm"))),
        "jailed": jailed(),
    }


def is_bridge(item):
    """Of an owner whose last VM ended before the test began or in it: it goes, or is left out."""
    return item.startswith("bgr")


def difference(before, after):
    """What is in one state and not in the other, by kind."""
    found = {}
    for kind, old in before.items():
        more = [item for item in after[kind] if item not in old]
        less = [item for item in old if item not in after[kind] and not is_bridge(str(item))]
        if more or less:
            found[kind] = {"more": more, "less": less}
    return found


def wait_state(before, seconds=10.0):
    """{} once the host is as it was; else what differs when time is up."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        found = difference(before, host_state())
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.1 * REST)
