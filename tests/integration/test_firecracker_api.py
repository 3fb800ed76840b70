# SPDX-License-Identifier: GPL-2.0-or-later
"""bangerd's client of Firecracker's API: every call, on the stand-in and, where there is one, on
the real Firecracker; and a stand-in that misbehaves."""

import json
import os
import shutil
import subprocess
import time

import pytest

import fake_firecracker
from netd import TINY
from repo import BUILD

TOOL = BUILD / "tests/integration/firecracker-tool"
REAL = shutil.which("firecracker")


class Refused(Exception):
    """An error: code and message."""

    def __init__(self, text):
        self.code, _, self.message = text.partition(" ")
        super().__init__(text)


class Machine:
    """A Firecracker without a jail, in a network namespace of its own, and the client."""

    def __init__(self, folder, program):
        self.folder = folder
        for name in ("initramfs", "disk"):
            (folder / name).write_bytes(bytes(1 << 20))
        shutil.copy(TINY, folder / "kernel")
        os.mkfifo(folder / "log")
        os.mkfifo(folder / "metrics")
        self.process = subprocess.Popen(
            ["unshare", "-n", program, "--id", "x", "--api-sock", "api"], cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.client = subprocess.Popen([TOOL, folder / "api"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True, bufsize=1)

    def connect(self, request_ms=20000):
        deadline = time.monotonic() + 20
        while True:
            try:
                return self("connect", request_ms)
            except Refused as refused:
                if refused.code != "unavailable" or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def __call__(self, *words):
        self.client.stdin.write(" ".join(map(str, words)) + "\n")
        answer = self.client.stdout.readline().rstrip("\n")
        result, _, rest = answer.partition(" ")
        if result == "ok":
            return rest
        assert result == "error", f"{words}: '{answer}'"
        raise Refused(rest)

    def refuses(self, code, part, *words):
        with pytest.raises(Refused) as refused:
            self(*words)
        assert refused.value.code == code, refused.value
        assert part in refused.value.message, refused.value

    def close(self):
        self.client.stdin.close()
        status = self.client.wait(timeout=40)
        self.client.stdout.close()
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()
        assert status == 0


@pytest.fixture
def machines(tmp_path):
    """make(behaviour) is a connected one of the stand-in, make(program=…) another's."""
    made = []

    def make(behaviour="", program=None, request_ms=20000):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        program = program or fake_firecracker.install(folder, "engine=none " + behaviour)
        made.append(Machine(folder, program))
        made[-1].connect(request_ms)
        return made[-1]

    yield make
    for machine in made:
        machine.close()


def say_all(m):
    """All that bangerd says before a start, and more."""
    m("logger", "log")
    m("metrics", "metrics")
    m("machine", 2, 256)
    m("boot", "kernel", "initramfs")
    m("root", "disk", 1 << 20, 100)
    m("interface", "bt0123456789ab", 1 << 20)
    m("vsock", 3, "vsock")
    m("entropy")
    m("balloon", 0)
    m("serial", 1 << 20)


@pytest.mark.parametrize("kind", ["stand-in", "real"])
def test_before_the_start(machines, kind):
    """Every call that configures is taken, on one connection, and what is wrong comes back as a
    sentence. (After the start a real one would need a CPU's virtualization.)"""
    if kind == "real" and not REAL:
        pytest.skip("no firecracker on PATH")
    m = machines(program=REAL if kind == "real" else None)
    assert [int(n) for n in m("version").split(".")] >= [1, 5, 0]
    assert m("state") == "not_started"
    m.refuses("operation_failed", "Firecracker refused to start the guest: ", "start")
    m.refuses("operation_failed", "Firecracker refused the kernel: ", "boot", "no", "initramfs")
    m.refuses("operation_failed", "Firecracker refused the root drive: ", "root", "no", 0, 0)
    for early in ("pause", "flush", "ctrl-alt-del"):
        m.refuses("operation_failed", "before starting the microVM", early)
    say_all(m)
    m.refuses("operation_failed", "Firecracker refused its metrics: ", "metrics", "metrics")
    config = json.loads(m("config"))
    assert config["machine-config"]["vcpu_count"] == 2
    assert config["machine-config"]["mem_size_mib"] == 256
    assert config["boot-source"]["kernel_image_path"] == "kernel"
    assert "rdinit=/init" in config["boot-source"]["boot_args"]
    drive, = config["drives"]
    assert drive["drive_id"] == "root" and drive["is_root_device"] and not drive["is_read_only"]
    assert drive["cache_type"] == "Writeback"
    assert drive["rate_limiter"]["ops"]["size"] == 100
    interface, = config["network-interfaces"]
    assert interface["guest_mac"] == "52:54:00:01:02:03"
    assert interface["rx_rate_limiter"]["bandwidth"]["size"] == 1 << 20
    assert config["vsock"]["guest_cid"] == 3
    assert (m.folder / "vsock").is_socket()
    assert config["balloon"]["deflate_on_oom"] is True
    assert config["entropy"] is not None


def test_life(machines):
    """Start, pause, resume, each twice; and a guest's ports."""
    m = machines()
    say_all(m)
    m("start")
    assert m("state") == "running"
    m.refuses("operation_failed", "after starting the microVM", "start")
    m.refuses("operation_failed", "after starting the microVM", "machine", 1, 128)
    for call, state in ("pause", "paused"), ("pause", "paused"), ("resume", "running"), \
            ("resume", "running"):
        m(call)
        assert m("state") == state
    m("flush")
    m("port", m.folder / "vsock", 1024)
    m("port", m.folder / "vsock", 1025)
    m.refuses("unavailable", "nobody listens on port 99 of the guest", "port", m.folder / "vsock",
              99)


def test_reconnected(machines):
    """A client that comes back, as bangerd after a restart, finds what there is."""
    m = machines()
    say_all(m)
    m("start")
    m("connect", 20000)
    assert m("state") == "running"


# What the stand-in does with a request, and what becomes of it: code, part of the message.
MISBEHAVIOURS = [
    ("silent=PUT", "timeout", "Firecracker does not answer (PUT /drives/root, 1 s)"),
    ("half=PUT", "timeout", "Firecracker does not answer (PUT /drives/root, 1 s)"),
    ("slow=PUT:200", "timeout", "Firecracker does not answer (PUT /drives/root, 1 s)"),
    ("delay=PUT:3000", "timeout", "Firecracker does not answer (PUT /drives/root, 1 s)"),
    ("die=PUT", "unavailable", "PUT /drives/root: Firecracker closed its connection"),
    ("close=PUT", "unavailable", "PUT /drives/root: Firecracker closed its connection"),
    ("cut=PUT", "unavailable", "PUT /drives/root: Firecracker closed its connection"),
    ("garbage=PUT", "protocol", "reply is not taken: no HTTP"),
    ("badjson=PUT", "protocol", "Firecracker answered PUT /drives/root with status 200"),
    ("huge=PUT", "protocol", "reply is not taken: too long a body"),
    ("extra=PUT", "protocol", "reply is not taken: bytes behind the reply"),
    ("status500=PUT", "operation_failed", "Firecracker refused the root drive: made to fail"),
    ("bare500=PUT", "protocol", "Firecracker refused the root drive (status 500)"),
    ("fault=PUT", "operation_failed", "Firecracker refused the root drive: made to fail"),
]


@pytest.mark.parametrize("behaviour,code,part", MISBEHAVIOURS,
                         ids=[row[0].split("=")[0] for row in MISBEHAVIOURS])
def test_misbehaves(machines, behaviour, code, part):
    m = machines(behaviour.replace("=PUT", "=PUT /drives/root"), request_ms=1000)
    m("machine", 1, 128)
    m.refuses(code, part, "root", "disk", 0, 0)
    if part.startswith("Firecracker refused") or "with status" in part:
        m("machine", 1, 128)
    else:
        # A connection that broke HTTP's rules is not used again.
        m.refuses("unavailable", "the connection to Firecracker is broken", "machine", 1, 128)


def test_dies_behind_its_answer(machines):
    m = machines("dieafter=PUT /machine-config")
    m("machine", 1, 128)
    m.refuses("unavailable", "Firecracker closed its connection", "state")


def test_bad_json(machines):
    m = machines("badjson=GET /version")
    m.refuses("protocol", "Firecracker answered GET /version with what is no JSON object",
              "version")


def test_version_and_late_socket(machines):
    m = machines("version=1.4.0 late=300")
    assert m("version") == "1.4.0"


@pytest.mark.parametrize("how,code,part", [
    ("refuse", "unavailable", "nobody listens"),
    ("junk", "protocol", "answered what it should not"),
])
def test_vsock_misbehaves(machines, how, code, part):
    m = machines(f"vsock={how}")
    say_all(m)
    m("start")
    m.refuses(code, part, "port", m.folder / "vsock", 1024)


def test_nothing_listens(tmp_path, machines):
    """No socket, or one that nobody serves."""
    m = machines()
    m.process.kill()
    m.process.wait()
    assert (tmp_path / "0" / "api").is_socket()
    m.refuses("unavailable", "Firecracker closed its connection", "state")
    m.refuses("unavailable", "cannot connect", "connect", 1000)
