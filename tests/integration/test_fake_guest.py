# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands behind the stand-in for Firecracker: nothing, answering as an agent would; or a real
guest under QEMU. And its ways to misbehave."""

import os
import signal
import socket
import subprocess
import time

import pytest

import agent
import fake_firecracker as fake
import microvm
from conftest import CACHE

CONTROL, SESSION = 1024, 1025
START = {"action_type": "InstanceStart"}
SETUP = {"hostname": "box", "mac": "52:54:00:12:34:56", "prefix": 24, "mode": "idle",
         "seed": bytes(32)}


@pytest.fixture
def make(tmp_path):
    """make(behaviour, …): a running stand-in."""
    made = []

    def make(behaviour, **values):
        folder = tmp_path / f"vm{len(made)}"
        folder.mkdir()
        made.append(fake.Vmm(folder, fake.install(folder, behaviour), **values))
        return made[-1]

    yield make
    for vmm in made:
        vmm.end()


def start_empty(vmm):
    """A machine that has all but a guest, started."""
    api = vmm.api()
    api.put("/boot-source", {"kernel_image_path": "kernel"})
    api.put("/vsock", {"guest_cid": 3, "uds_path": "vsock"})
    api.put("/actions", START)
    return api


# ---- engine none ----


def test_none_agent(make):
    vmm = make("engine=none")
    api = start_empty(vmm)
    assert vmm.connect(7) is None
    control = vmm.connect(CONTROL)
    assert control.call("hello")["ready"] == 0
    assert control.call("setup", **SETUP)["main"] == "none"
    again = vmm.connect(CONTROL)
    assert again.call("hello")["ready"] == 1
    assert again.call("health")["memory_total"] > 0
    again.call("sync")
    session = vmm.connect(SESSION)
    assert session.call("exec", argv=["true"])["pid"] > 0
    assert session.receive()[::3] == ("exited", {"kind": "exited", "status": 0})
    assert b"no guest" in (vmm.folder / "console").read_bytes()
    api.do("PATCH", "/vm", {"state": "Paused"})
    again.send("health", agent.REQUEST)
    with pytest.raises(TimeoutError):
        again.receive(0.3)
    api.do("PATCH", "/vm", {"state": "Resumed"})
    assert again.receive()[0] == "health"
    again.call("shutdown")
    assert vmm.process.wait(10) == 0
    for stream in control, again, session:
        stream.close()


def test_none_is_light(make):
    """Two hundred at once, each answering; none of them large."""
    vmms = [make("engine=none", namespaces="-u") for _ in range(200)]
    for vmm in vmms:
        start_empty(vmm)
    for vmm in vmms:
        with open(f"/proc/{vmm.process.pid}/status", encoding="ascii") as status:
            rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        assert rss < 8192
        vmm.connect(CONTROL).close()


def test_none_ctrl_alt_del(make):
    vmm = make("engine=none")
    api = start_empty(vmm)
    api.send("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
    assert vmm.process.wait(10) == 0


def test_none_console(make):
    vmm = make("engine=none console=3M")
    start_empty(vmm)
    assert fake.wait_for(lambda: (vmm.folder / "console").stat().st_size > 3 << 20)


@pytest.mark.parametrize("manner, answer", [
    ("refuse", b""),
    ("junk", b"NO"),
    ("close", b"OK 1073741824\n"),
    ("flood", b"OK 1073741824\n\0\0\0\0"),
])
def test_none_vsock_manners(make, manner, answer):
    vmm = make(f"engine=none vsock={manner}")
    start_empty(vmm)
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(vmm.folder / "vsock"))
        s.sendall(b"CONNECT 1024\n")
        got = b""
        while len(got) < len(answer):
            got += s.recv(len(answer) - len(got))
        assert got == answer
        if manner in ("refuse", "close"):
            assert s.recv(1) == b""


def test_none_vsock_silent(make):
    vmm = make("engine=none vsock=silent")
    start_empty(vmm)
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(0.3)
        s.connect(str(vmm.folder / "vsock"))
        s.sendall(b"CONNECT 1024\n")
        with pytest.raises(TimeoutError):
            s.recv(1)


# ---- misbehaviour ----


def test_delay(make):
    api = make("engine=none delay=GET /version:300").api()
    before = time.monotonic()
    assert api.ask("GET", "/")[0] == 200
    assert api.ask("GET", "/version")[0] == 200
    assert time.monotonic() - before > 0.29


def test_die(make):
    vmm = make("engine=none die=PUT /entropy")
    api = vmm.api()
    assert api.ask("GET", "/")[0] == 200
    with pytest.raises((fake.Closed, ConnectionError)):
        api.ask("PUT", "/entropy", {})
    assert vmm.process.wait(10) == 1


def test_die_at_number(make):
    vmm = make("engine=none dieafter=#3")
    api = vmm.api()
    for _ in range(3):
        assert api.ask("GET", "/")[0] == 200
    assert vmm.process.wait(10) == 1


@pytest.mark.parametrize("effect, got, closed", [
    ("silent", b"", False),
    ("close", b"", True),
    ("half", b"HTTP/1.1 20", False),
    ("cut", b"HTTP/1.1 20", True),
    ("garbage", b"\x16\x03", False),
    ("bare500", b"HTTP/1.1 500 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
     b"Content-Length: 0\r\n\r\n", False),
])
def test_replies_that_are_none(make, effect, got, closed):
    api = make(f"engine=none {effect}=GET /version").api()
    assert api.ask("GET", "/")[0] == 200
    api.send("GET", "/version")
    api.socket.settimeout(0.5)
    data = b""
    try:
        while piece := api.socket.recv(4096):
            data += piece
    except TimeoutError:
        assert not closed
    else:
        assert closed
    assert data.startswith(got) and (got or not data) and b"1.16.1" not in data


def test_replies_that_lie(make):
    api = make("engine=none status500=PUT /entropy fault=PUT /vsock badjson=GET /version "
               "huge=GET /vm/config extra=GET /machine-config").api()
    assert api.ask("PUT", "/entropy", {}) == (500, {"fault_message": "made to fail"})
    assert api.ask("PUT", "/vsock", {}) == (400, {"fault_message": "made to fail"})
    with pytest.raises(ValueError):
        api.ask("GET", "/version")
    assert len(api.do_raw("GET", "/vm/config")[2]) == 8 << 20
    assert api.ask("GET", "/machine-config")[0] == 200
    assert fake.wait_for(lambda: api.data or api.socket.recv(1)) and api.ask("GET", "/")[0] == 204


def test_slow(make):
    api = make("engine=none slow=PUT /entropy:5").api()
    before = time.monotonic()
    assert api.ask("PUT", "/entropy", {})[0] == 204
    assert time.monotonic() - before > 0.3


def test_socket_late_or_never(make):
    before = time.monotonic()
    assert make("engine=none late=300").api().ask("GET", "/")[0] == 200
    assert time.monotonic() - before > 0.29
    never = make("engine=none nosocket")
    time.sleep(0.5)
    assert never.process.poll() is None and not (never.folder / "api").exists()


def test_version(make):
    vmm = make("engine=none version=1.4.0")
    assert vmm.api().ask("GET", "/version")[1] == {"firecracker_version": "1.4.0"}
    said = subprocess.run([vmm.folder / "firecracker", "--version"], capture_output=True, text=True,
                          check=True, timeout=10).stdout
    assert said == "Firecracker v1.4.0\n\n"


@pytest.mark.parametrize("behaviour", ["engine=xen", "dance", "delay=GET /", "die=", "late=x"])
def test_no_such_behaviour(make, behaviour):
    """It is not passed over: a test would show nothing."""
    vmm = make(behaviour)
    assert vmm.process.wait(10) == 1
    assert "no behaviour" in (vmm.folder / "err").read_text()


def test_stamps(make):
    vmm = make("engine=none stamps=stamps")
    start_empty(vmm)
    stamps = dict(line.split() for line in (vmm.folder / "stamps").read_text().splitlines())
    times = [int(stamps[name]) for name in ("begin", "socket", "first", "start")]
    assert times == sorted(times) and 0 < int(stamps["busy"]) < times[3] - times[0]


# ---- engine qemu ----


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(kernel, initramfs, disk) for a guest."""
    folder = tmp_path_factory.mktemp("files")
    debs = sorted(CACHE.glob("linux-image-*-cloud-amd64_*.deb"))
    assert debs, "no kernel: run scripts/kernel-deb"
    return (*microvm.boot_files(folder, debs[-1]),
            microvm.disk(folder / "disk", microvm.busybox_tree(folder)))


@pytest.fixture
def guest(request, make, files, tmp_path):
    """A booted machine and its API; control is a stream to its agent."""
    kernel, initramfs, disk = files
    vmm = make("engine=qemu")
    api = vmm.api()
    image = tmp_path / "image"
    subprocess.run(["cp", "--sparse=always", disk, image], check=True)
    api.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": 256})
    api.put("/boot-source", {
        "kernel_image_path": str(kernel), "initrd_path": str(initramfs),
        "boot_args": "console=ttyS0 reboot=k panic=1 quiet i8042.noaux i8042.nomux "
                     "i8042.dumbkbd rdinit=/init"})
    api.put("/drives/root", {"drive_id": "root", "is_root_device": True,
                             "path_on_host": str(image)})
    api.put("/network-interfaces/n0", {"iface_id": "n0", "host_dev_name": "t0",
                                       "guest_mac": SETUP["mac"]})
    api.put("/vsock", {"guest_cid": 3, "uds_path": "vsock"})
    api.put("/entropy", {})
    api.put("/balloon", {"amount_mib": 0, "deflate_on_oom": True})
    for path, body in getattr(request, "param", {}).items():
        api.put(path, body)
    api.put("/actions", START)
    vmm.control = fake.wait_for(lambda: vmm.connect(CONTROL), 90)
    assert vmm.control, (vmm.folder / "console").read_text()
    vmm.control.call("hello", timeout=60)
    vmm.control.call("setup", timeout=60, **SETUP)
    yield vmm, api
    vmm.control.close()


def command(vmm, *argv):
    """A command in the guest: (status, stdout)."""
    session, said = vmm.connect(SESSION), b""
    try:
        session.call("exec", timeout=60, argv=argv)
        while True:
            name, _, _, values = session.receive(60)
            if name == "exited":
                return values["status"], said
            if name == "stdout_data":
                said += values["data"]
    finally:
        session.close()


def test_guest(guest):
    """A real kernel, agent and vsock; paused, resumed, restarted: which is its end."""
    vmm, api = guest
    assert command(vmm, "sh", "-c", "echo $((6 * 7)); exit 3") == (3, b"42\n")
    assert command(vmm, "cat", "/sys/class/net/eth0/address")[1].strip() == SETUP["mac"].encode()
    assert vmm.connect(7) is None
    api.do("PATCH", "/vm", {"state": "Paused"})
    assert api.do("GET", "/")["state"] == "Paused"
    vmm.control.send("health", agent.REQUEST)
    with pytest.raises(TimeoutError):
        vmm.control.receive(0.5)
    api.do("PATCH", "/vm", {"state": "Resumed"})
    assert vmm.control.receive()[0] == "health"
    vmm.control.call("shutdown", reboot=1, timeout_ms=5000)
    assert vmm.process.wait(30) == 0


@pytest.mark.parametrize("guest", [
    {"/serial": {"rate_limiter": {"size": 10000, "refill_time": 60000}}}], indirect=True)
def test_guest_serial_is_limited(guest):
    """What the guest writes beyond the bucket is lost; the guest is not held up."""
    vmm, _ = guest
    command(vmm, "sh", "-c", "yes guest | head -c 50000 >/dev/ttyS0")
    console = (vmm.folder / "console").read_bytes()
    assert 1000 < console.count(b"guest") * len(b"guest\r\n") <= 30000


def test_guest_is_off(guest):
    """Nobody tells Firecracker that a guest has switched itself off: it stays."""
    vmm, api = guest
    command(vmm, "sh", "-c", "(sleep 0.2; poweroff -f) >/dev/null 2>&1 &")
    assert fake.wait_for(lambda: b"Power down" in (vmm.folder / "console").read_bytes())
    time.sleep(1)
    assert vmm.process.poll() is None
    assert api.do("GET", "/")["state"] == "Running"


def test_guest_ends_with_its_vmm(guest):
    """And SendCtrlAltDel restarts it."""
    vmm, api = guest
    children = f"/proc/{vmm.process.pid}/task/{vmm.process.pid}/children"
    with open(children, encoding="ascii") as file:
        qemu = int(file.read())
    vmm.process.send_signal(signal.SIGTERM)
    assert vmm.process.wait(10) == -signal.SIGTERM
    assert fake.wait_for(lambda: not os.path.exists(f"/proc/{qemu}"))


def test_guest_ctrl_alt_del(guest):
    vmm, api = guest
    api.send("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
    assert vmm.process.wait(30) == 0


def test_qemu_cannot_start(make):
    """It says so, may be mended, and nothing is left of the try."""
    vmm = make("engine=qemu")
    api = vmm.api()
    api.put("/boot-source", {"kernel_image_path": "kernel", "initrd_path": "disk"})
    api.put("/vsock", {"guest_cid": 3, "uds_path": "vsock"})
    api.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": 1 << 40})
    status, out = api.ask("PUT", "/actions", START)
    assert status == 400 and "Start microvm error" in out["fault_message"]
    api.put("/machine-config", {"vcpu_count": 1, "mem_size_mib": 64})
    api.put("/actions", START)
