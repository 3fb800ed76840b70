# SPDX-License-Identifier: GPL-2.0-or-later
"""A VMM that has been taken over, in Firecracker's jail (tests/integration/jail_probe.c)."""

import os
import select
import shutil
import time

from repo import BUILD

VM = "0123456789ab"
OTHER = "ba9876543210"
MAC = "52:54:00:00:00:01"
OTHER_MAC = "52:54:00:00:00:02"
STATIC = BUILD / "tests/integration/jail-probe"
DYNAMIC = BUILD / "tests/integration/jail-probe-dynamic"


def install(source, path):
    shutil.copyfile(source, path)
    os.chown(path, 0, 0)
    path.chmod(0o755)
    return path


def network(netd, vm=VM, owner=1000, subnet=0, octet=2, mac=MAC, vmm="firecracker"):
    netd("reserve", vm, owner)
    return netd("tap", vm, subnet, octet, mac, 0, vmm)


class Probe:
    """What runs in the jail, told what to do by way of its console."""

    def __init__(self, host, netd, vm=VM, **files):
        self.host, self.vm = host, vm
        self.launched = host.firecracker(netd, vm, **files)
        self.pid, self.uid = int(self.launched["pid"]), int(self.launched["jail_uid"])
        self.connect()
        self.arguments = self.answer()

    def connect(self):
        folder = self.host.rundir(self.vm)
        self.input = os.open(folder / "console.in", os.O_WRONLY | os.O_NONBLOCK)
        self.output = os.open(folder / "console.out", os.O_RDONLY | os.O_NONBLOCK)

    def close(self):
        os.close(self.input)
        os.close(self.output)

    def answer(self, timeout=20):
        got, deadline = b"", time.monotonic() + timeout
        while not (got == b"\n" or got.endswith(b"\n\n")):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.output], [], [], left)[0], got
            more = os.read(self.output, 65536)
            assert more, got
            got += more
        return got.decode().splitlines()[:-1]

    def __call__(self, *words):
        os.write(self.input, (" ".join(map(str, words)) + "\n").encode())
        return self.answer()

    def result(self, *words):
        answer = self(*words)
        assert len(answer) == 1, answer
        return answer[0]

    def tree(self, path="/"):
        """{path: (kind, mode, uid)} of what it sees."""
        found = {}
        for line in self("ls", path):
            kind, mode, uid, name = line.split(" ", 3)
            found[name] = int(kind, 8) << 12, int(mode, 8), int(uid)
        return found
