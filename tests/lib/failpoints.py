# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite that can be told to fail (meson's option `failpoints`; common/failpoint.h): the page that
its processes read, and the suite's start and end without a shell between."""

import mmap
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import rpc
import suite

FD, ARMS, NAMES, NAME = 63, 2, 1000, 64
ARM = struct.Struct(f"{NAME}sII")
HEAD = 12
SIZE = HEAD + ARMS * ARM.size + NAMES * NAME
NONE, ERROR, CRASH, HANG = range(4)


class Page:
    """struct failpoint_page."""

    def __init__(self):
        self.path = suite.DIR / "failpoints"
        self.path.write_bytes(bytes(SIZE))
        self.path.chmod(0o666)
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), SIZE)
        self._word(8, round(suite.PATIENCE))

    def _word(self, offset, value=None):
        if value is None:
            return struct.unpack_from("I", self.map, offset)[0]
        return struct.pack_into("I", self.map, offset, value)

    def clear(self):
        """Nothing is to fail; what hangs goes on."""
        for number in range(ARMS):
            self._word(HEAD + number * ARM.size + NAME, NONE)
        self._word(0, 1)

    def arm(self, *orders):
        """(place, fault)…: each is obeyed once. What was passed is forgotten."""
        self.clear()
        for number, (place, fault) in enumerate(orders):
            offset = HEAD + number * ARM.size
            ARM.pack_into(self.map, offset, place.encode(), NONE, 0)
            self._word(offset + NAME, fault)
        self._word(4, 0)
        self._word(0, 0)

    def met(self, number=0):
        return bool(self._word(HEAD + number * ARM.size + NAME + 4))

    def passed(self):
        """The places that were passed, in order, each once."""
        count = self._word(4)
        assert count <= NAMES, f"{count} places were passed: the page is too small"
        start = HEAD + ARMS * ARM.size
        names = [self.map[start + i * NAME:start + (i + 1) * NAME].split(b"\0")[0].decode()
                 for i in range(count)]
        return list(dict.fromkeys(names))


class Daemon:
    """The suite, with the page."""

    def __init__(self, page):
        self.page, self.process, self.starts = page, None, 0
        os.dup2(page.file.fileno(), FD, inheritable=True)

    def start(self):
        with open(suite.DIR / "log", "ab") as log:
            self.process = subprocess.Popen(
                [suite.DIR / "bangerd", "--config", suite.DIR / "banger.conf"], cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[FD])
        (suite.DIR / "pid").write_text(f"{self.process.pid}\n")
        self.starts += 1
        end = time.monotonic() + 120 * suite.PATIENCE
        while True:
            try:
                return rpc.call("ping", timeout=10)
            except (OSError, rpc.Closed):
                assert self.process.poll() is None and time.monotonic() < end, "no suite"
                time.sleep(0.005)

    def wait_gone(self):
        """All of it is: the rest follows the one that died."""
        if self.process:
            try:
                self.process.wait(40 * suite.PATIENCE)
            except subprocess.TimeoutExpired:
                raise AssertionError("bangerd does not end") from None
        gone = suite.wait_for(
            lambda: not suite.processes_of(*suite.ROLES, *suite.JOBS), 60, 0.01)
        assert gone, f"still there: {suite.processes()}"

    def restart(self):
        """As a service manager does: what is left of it gets the end, then it is started."""
        self.page.clear()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.wait_gone()
        self.start()


def is_fetch(pid):
    """Of the two job servers, the one whose children speak with registries."""
    return b"--fetch" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def roles():
    """{"bangerd": pid, "netd": pid, "launch": pid, "imaged": pid, "fetch": pid} of a suite that
    runs."""
    found, processes = {}, suite.processes()
    netd = [pid for pid, (name, _, _) in processes.items() if name == "banger-netd"]
    for pid in netd:
        found["launch" if processes[pid][1] in netd else "netd"] = pid
    for pid, (name, _, _) in processes.items():
        if name in ("bangerd", "banger-imaged"):
            role = "fetch" if name == "banger-imaged" and is_fetch(pid) else name
            found[role.rsplit("-", 1)[-1]] = pid
    return found
