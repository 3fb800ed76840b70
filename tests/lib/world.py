# SPDX-License-Identifier: GPL-2.0-or-later
"""All that banger has on this host, by kind, in words that two runs of one operation share: what
its ids are is not said, but whose they are. Equal worlds have nothing more and nothing less."""

import ctypes
import functools
import os
import re
import socket
import sqlite3
from pathlib import Path

import rpc
import suite

ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])")
# Momentary columns, and those that a clock gives.
LEFT_OUT = {"id", "created_at", "started_at", "boot_id", "last_error", "vmm_why", "host", "mac",
            "stamp"}


def _rows(names):
    """The database, as it is on the disk."""
    path = Path(suite.settings()["state_dir"]) / "banger.db"
    rows = []
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5) as db:
        db.row_factory = sqlite3.Row
        for table in ("image", "kernel", "vm"):
            for row in db.execute(f"SELECT * FROM {table}"):
                names[row["id"]] = f"{table} {row['name']}"
        for table in ("image", "kernel", "vm", "owner_subnet"):
            for row in db.execute(f"SELECT * FROM {table}"):
                rows.append(f"{table} " + " ".join(
                    f"{key}={row[key]}" for key in row.keys() if key not in LEFT_OUT))
    db.close()
    return rows


def _tree(folder, sizes):
    found = []
    for path in suite.tree(folder):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        name = str(path.relative_to(folder))
        if name.startswith("banger.db"):
            continue
        size = f" {status.st_size}" if sizes and name.endswith((".img", ".ext4", ".cow")) else ""
        found.append(f"{name}{size} {status.st_mode:o}")
    return found


def _links(run):
    idle = suite.idle_bridges(run)
    return [name for _, name in socket.if_nameindex()
            if name.startswith(("bt", "bgr")) and name not in idle]


class Nft:
    """libnftables, as nft(8) uses it: a look takes no program then."""

    def __init__(self):
        self.lib = ctypes.CDLL("libnftables.so.1")
        self.lib.nft_ctx_new.restype = ctypes.c_void_p
        self.lib.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
        self.context = ctypes.c_void_p(self.lib.nft_ctx_new(0))
        self.lib.nft_ctx_buffer_output(self.context)

    def ruleset(self):
        assert self.lib.nft_run_cmd_from_buffer(self.context, b"list ruleset") == 0
        return self.lib.nft_ctx_get_output_buffer(self.context).decode()


nft = functools.cache(Nft)


def _rules():
    text = nft().ruleset()
    words = []
    for line in text.splitlines():
        # Elements stand in no order.
        line = re.sub(r"counter packets \d+ bytes \d+", "counter", line).strip()
        line = re.sub(r"(\d+\.){3}\d+|([0-9a-f]{2}:){5}[0-9a-f]{2}", "<address>", line)
        words += [part.strip() for part in re.split(r"[{},]|elements =", line) if part.strip()]
    return words


def _loops(state):
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            file = path.read_text().strip()
        except OSError:
            continue
        if file.startswith(str(state)) and not file.endswith("state.img"):
            found.append(file)
    return found


def _processes(processes):
    """Programs, and the namespaces that are not ours."""
    conf = suite.settings()
    base, count = int(conf["uid_base"]), int(conf["uid_count"])
    own = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "pid")}
    programs, spaces = [], set()
    for pid, (name, _, uid) in processes.items():
        jailed = base <= uid < base + count
        if jailed or name.startswith("banger"):
            programs.append(f"{name}{' jailed' if jailed else ''}")
        for kind, mine in own.items():
            try:
                space = os.readlink(f"/proc/{pid}/ns/{kind}")
            except OSError:
                continue
            if space != mine:
                spaces.add((kind, space))
    return programs, [kind for kind, _ in spaces]


def _mounts(run, processes):
    """In this namespace, and in those of the suite's own processes."""
    found, seen = set(), set()
    own = [pid for pid, (name, _, _) in processes.items() if name in suite.ROLES]
    for pid in ["self", *own]:
        try:
            space = os.readlink(f"/proc/{pid}/ns/mnt")
            lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines() \
                if space not in seen else []
        except OSError:
            continue
        seen.add(space)
        for line in lines:
            words = line.split()
            if words[4].startswith(f"{run}/") or "banger-jail" in line:
                found.add(f"{words[0]} {words[4]}")
    return sorted(found)


def _cgroups():
    """Directories with an id in their names."""
    return [os.path.join(folder, name) for folder, names, _ in os.walk("/sys/fs/cgroup")
            for name in names if ID.search(name)]


def look():
    """{kind: sorted things}."""
    conf = suite.settings()
    run, state = Path(conf["run_dir"]), Path(conf["state_dir"])
    names = {}
    rows = _rows(names)
    every = suite.every_process()
    processes = {pid: found[:3] for pid, found in every.items() if found[3] != "Z"}
    programs, spaces = _processes(processes)
    found = {
        "rows": rows,
        "vms": [f"{vm['name']} {vm['state']}" for vm in rpc.call("vm.list")["vms"]],
        "state files": _tree(state, True),
        # Notes that are no VM's: of a bridge that is kept for a moment, of a KVM that is slow.
        "run files": [name for name in _tree(run, False)
                      if not name.startswith(("ledger/idle", "ledger/kvm", "ledger/pool"))],
        "links": _links(run),
        "rules": _rules(),
        "dm": [path.read_text().strip() for path in Path("/sys/block").glob("dm-*/dm/name")],
        "loops": _loops(state),
        "cgroups": _cgroups(),
        "mounts": _mounts(run, processes),
        "namespaces": spaces,
        "processes": programs,
        "zombies": [name for name, _, _, state in every.values()
                    if state == "Z" and name.startswith(("banger", "fire", "qemu"))],
    }

    def say(match):
        return f"<{names.get(match.group(0), 'unknown')}>"

    return {kind: sorted(ID.sub(say, thing) for thing in things)
            for kind, things in found.items()}


def difference(one, other):
    """What the second has more or less than the first, in one line."""
    found = []
    for kind, things in one.items():
        for thing in sorted(set(things) | set(other[kind])):
            count = other[kind].count(thing) - things.count(thing)
            if count:
                found.append(f"{kind}: {count:+d} {thing}")
    return "; ".join(found)
