# SPDX-License-Identifier: GPL-2.0-or-later
"""How banger-netd chooses what limits VMs on this host. What scopes and cgroups then do is seen in
tests/lab (limits-scope, limits-cgroup)."""

import contextlib
import ctypes
import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
import suite

from netd import LIBC, Host

CGROUP2_SUPER_MAGIC = 0x63677270
ROOT = Path("/sys/fs/cgroup")
ONLY = "VMs are limited by rlimits only: "


def manager_is_ours():
    """systemd runs, and means by process ids what we mean."""
    if not Path("/run/systemd/system").is_dir():
        return False
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        try:
            s.connect("/run/systemd/private")
        except OSError:
            return False
        return struct.unpack("iII", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0] == 1


def tree_is_fit():
    """A cgroup v2 tree with what is needed, where we may make a cgroup."""
    buffer = (ctypes.c_long * 32)()
    assert LIBC.statfs(str(ROOT).encode(), buffer) == 0
    if buffer[0] != CGROUP2_SUPER_MAGIC:
        return False
    if not {"memory", "pids", "cpu"} <= set((ROOT / "cgroup.controllers").read_text().split()):
        return False
    probe = ROOT / f"banger-test-{os.getpid()}"
    try:
        probe.mkdir()
    except OSError:
        return False
    probe.rmdir()
    return True


def expected():
    return "scope" if manager_is_ours() else "cgroup" if tree_is_fit() else "rlimits"


@contextlib.contextmanager
def changed(commands):
    """banger-netd on a host changed by shell commands in a mount namespace: it, and its log."""
    host = Host(wrap=("unshare", "--mount", "sh", "-ec", f'{commands}\nexec "$@"', "sh"))
    try:
        netd = host.netd()
        yield netd
        assert netd.wait() == 0
    finally:
        host.close()


def test_status_says_which_and_why():
    host = suite.banger_json("daemon", "status")["host"]
    assert host["limits"] == expected()
    assert host["limits_problem"].startswith(ONLY) == (host["limits"] == "rlimits")
    assert host["limits_problem"] or host["limits"] != "rlimits"
    text = suite.banger("daemon", "status", check=True).out
    assert (ONLY in text) == (host["limits"] == "rlimits")


@pytest.mark.parametrize("what, commands, why", [
    ("another file system", "mount -t tmpfs none /sys/fs/cgroup", "is no cgroup v2 tree"),
    ("nothing", "mount -t tmpfs none /sys/fs && test ! -e /sys/fs/cgroup", "cannot open"),
])
def test_no_tree_and_no_manager(what, commands, why):
    with changed(f"mount -t tmpfs none /run; {commands}") as netd:
        assert netd("status")["limits"] == "rlimits"
        said = netd.said()
        assert ONLY in said and why in said and "does not run systemd" in said


def test_a_bare_tree():
    """A v2 tree whose controllers v1 has."""
    with changed(f"mount -t tmpfs none /run; mount -t cgroup2 none {ROOT}") as netd:
        status = netd("status")["limits"]
        if status == "rlimits":
            assert "lacks the controller" in netd.said() or "cannot" in netd.said()
        else:
            assert status == "cgroup" and tree_is_fit()


class Impostor:
    """Listens where systemd would; what it is sent is kept."""

    def __init__(self, path):
        self.got, self.asked = b"", 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.asked += 1
            with peer, contextlib.suppress(OSError):
                while data := peer.recv(4096):
                    self.got += data


def test_an_impostor_is_not_asked(tmp_path):
    """Who listens on the manager's socket must be process 1 of our own pid namespace: another one
    would move other processes than the VM's."""
    (tmp_path / "system").mkdir()
    impostor = Impostor(tmp_path / "private")
    commands = ("mount -t tmpfs none /run; mkdir /run/systemd; "
                f"mount --bind {tmp_path} /run/systemd; mount -t tmpfs none {ROOT}")
    with changed(commands) as netd:
        assert netd("status")["limits"] == "rlimits"
        assert "systemd does not answer" in netd.said()
    deadline = time.monotonic() + 5
    while not impostor.asked and time.monotonic() < deadline:
        time.sleep(0.05)
    assert impostor.asked, "nobody came: the test shows nothing"
    assert impostor.got == b"", "not a byte was said to it"
    impostor.socket.close()
