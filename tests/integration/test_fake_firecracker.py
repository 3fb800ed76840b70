# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for Firecracker is as strict as Firecracker: the same requests get the same replies.
Where there is a Firecracker, and KVM, both are asked."""

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import time

import pytest

import fake_firecracker as fake

REAL = shutil.which("firecracker")
BEFORE = "not supported before starting the microVM"
AFTER = "not supported after starting the microVM"
JSON = "An error occurred when deserializing the json body of a request: "
START = {"action_type": "InstanceStart"}
ROOT = {"drive_id": "root", "is_root_device": True, "path_on_host": "disk"}
BUCKET = {"size": 1000, "refill_time": 100}


@pytest.fixture
def vmms(tmp_path):
    made = []

    def make(program, *arguments, **values):
        folder = tmp_path / f"vm{len(made)}"
        folder.mkdir()
        made.append(fake.Vmm(folder, program, *arguments, **values))
        return made[-1]

    yield make
    for vmm in made:
        vmm.end()


@pytest.fixture(params=["stand-in"] + (["real"] if REAL else []))
def program(request, tmp_path):
    if request.param == "real":
        return REAL
    return fake.install(tmp_path, "engine=none")


# Each scenario: requests in their order, to one fresh process. A reply is a status and, of an
# error, a part of its message; of a success, members of the body.
OK = (204, None)
SCENARIOS = {
    "who it is": [
        ("GET", "/", None, 200, {"id": "vm-1", "state": "Not started",
                                 "app_name": "Firecracker"}),
        ("GET", "/version", None, 200, {}),
        ("GET", "/machine-config", None, 200, {
            "vcpu_count": 1, "mem_size_mib": 128, "smt": False, "track_dirty_pages": False,
            "huge_pages": "None"}),
        ("GET", "/vm/config", None, 200, {"drives": [], "network-interfaces": []}),
    ],
    "no such request": [
        ("GET", "/nope", None, 400, "Invalid request method and/or path: GET nope."),
        ("PUT", "/nope", {}, 400, "Invalid request method and/or path: PUT nope."),
        ("GET", "/actions", None, 400, "Invalid request method and/or path: GET actions."),
        ("PUT", "/vm", {"state": "Paused"}, 400, "Invalid request method and/or path: PUT vm."),
        ("PUT", "/actions", None, 400, "Empty PUT request."),
        ("PATCH", "/vm", None, 400, "Empty PATCH request."),
        ("GET", "/version", {"a": 1}, 400, "GET request cannot have a body."),
    ],
    "bodies": [
        ("PUT", "/actions", b"{", 400, JSON),
        ("PUT", "/actions", b"[]", 400, JSON),
        ("PUT", "/actions", {}, 400, JSON + "missing field `action_type`"),
        ("PUT", "/actions", {"action_type": "Dance"}, 400, JSON + "unknown variant `Dance`"),
        ("PUT", "/actions", {"action_type": "InstanceStart", "x": 1}, 400,
         JSON + "unknown field `x`, expected"),
        ("PUT", "/machine-config", {"vcpu_count": "2", "mem_size_mib": 128}, 400,
         JSON + "invalid type"),
        ("PUT", "/machine-config", {"vcpu_count": 256, "mem_size_mib": 128}, 400,
         JSON + "invalid value: integer `256`"),
        ("PUT", "/machine-config", {"vcpu_count": -1, "mem_size_mib": 128}, 400,
         JSON + "invalid value: integer `-1`"),
        ("PUT", "/machine-config", {"vcpu_count": 1.5, "mem_size_mib": 128}, 400,
         JSON + "invalid type"),
        ("PUT", "/machine-config", {"vcpu_count": 1}, 400, JSON + "missing field `mem_size_mib`"),
        ("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 128, "smt": None}, 400,
         JSON + "invalid type"),
        ("PUT", "/machine-config", b'{"vcpu_count":1,"vcpu_count":1,"mem_size_mib":128}', 400,
         JSON),
        ("PUT", "/entropy", {"rate_limiter": {"bandwidth": {"size": 1}}}, 400,
         JSON + "missing field `refill_time`"),
        ("PUT", "/entropy", {"rate_limiter": {"bytes": BUCKET}}, 400,
         JSON + "unknown field `bytes`"),
        ("PUT", "/entropy", {"rate_limiter": {"bandwidth": BUCKET, "ops": None}}, *OK),
        ("PUT", "/entropy", {}, *OK),
    ],
    "machine": [
        ("PUT", "/machine-config", {"vcpu_count": 0, "mem_size_mib": 128}, 400, "vCPU"),
        ("PUT", "/machine-config", {"vcpu_count": 33, "mem_size_mib": 128}, 400, "vCPU"),
        ("PUT", "/machine-config", {"vcpu_count": 3, "mem_size_mib": 128, "smt": True}, 400, "SMT"),
        ("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 0}, 400, "memory size"),
        ("PUT", "/machine-config", {"vcpu_count": 32, "mem_size_mib": 1 << 40}, *OK),
        ("GET", "/machine-config", None, 200, {"vcpu_count": 32, "mem_size_mib": 1 << 40}),
        ("PATCH", "/machine-config", {"mem_size_mib": 256}, *OK),
        ("GET", "/machine-config", None, 200, {"vcpu_count": 32, "mem_size_mib": 256}),
        ("PATCH", "/machine-config", {}, 400, "Empty PATCH request."),
        ("PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 128,
                                    "huge_pages": "None"}, *OK),
    ],
    "boot": [
        ("PUT", "/actions", START, 400, "without kernel configuration"),
        ("PUT", "/boot-source", {"kernel_image_path": "nowhere"}, 400,
         "No such file or directory (os error 2)"),
        ("PUT", "/boot-source", {"kernel_image_path": "kernel", "initrd_path": "nowhere"}, 400,
         "No such file or directory (os error 2)"),
        ("PUT", "/boot-source", {"kernel_image_path": "kernel", "boot_args": "a" * 3000}, 400,
         "command line"),
        ("PUT", "/boot-source", {"boot_args": "quiet"}, 400,
         JSON + "missing field `kernel_image_path`"),
        # Not an ELF file: seen at the start, which may be tried again.
        ("PUT", "/boot-source", {"kernel_image_path": "disk"}, *OK),
        ("PUT", "/actions", START, 400, "Invalid Elf magic number"),
        ("PUT", "/boot-source", {"kernel_image_path": "kernel", "boot_args": "quiet"}, *OK),
        ("PUT", "/actions", START, *OK),
        ("GET", "/", None, 200, {"state": "Running"}),
    ],
    "drives": [
        ("PUT", "/drives/root", ROOT, *OK),
        ("PUT", "/drives/root", {**ROOT, "is_read_only": True}, *OK),
        ("GET", "/vm/config", None, 200, {}),
        ("PUT", "/drives/other", ROOT, 400, "does not match the id from the body"),
        ("PUT", "/drives/other", {**ROOT, "drive_id": "other"}, 400,
         "A root block device already exists!"),
        ("PUT", "/drives/a-b", {**ROOT, "drive_id": "a-b"}, 400, "alphanumeric"),
        ("PUT", "/drives/", ROOT, 400, "The ID cannot be empty."),
        ("PUT", "/drives/d1", {"drive_id": "d1", "is_root_device": False,
                               "path_on_host": "nowhere"}, 400,
         "No such file or directory (os error 2)"),
        ("PUT", "/drives/d1", {"drive_id": "d1", "is_root_device": False}, 400,
         "Invalid block config"),
        ("PUT", "/drives/d1", {"drive_id": "d1", "path_on_host": "disk"}, 400,
         JSON + "missing field `is_root_device`"),
        ("PUT", "/drives/d1", {"drive_id": "d1", "is_root_device": False,
                               "path_on_host": "/dev/null", "cache_type": "Writeback",
                               "io_engine": "Sync",
                               "rate_limiter": {"bandwidth": BUCKET, "ops": BUCKET}}, *OK),
        ("PUT", "/drives/d1", {"drive_id": "d1", "is_root_device": False, "path_on_host": "disk",
                               "cache_type": "None"}, 400, JSON + "unknown variant `None`"),
        ("PATCH", "/drives/root", {"drive_id": "root"}, 400, BEFORE),
    ],
    "interfaces": [
        ("PUT", "/network-interfaces/n0", {"iface_id": "n0", "host_dev_name": "t0",
                                           "guest_mac": "52:54:00:00:00:01"}, *OK),
        ("PUT", "/network-interfaces/n0", {"iface_id": "n0", "host_dev_name": "t0",
                                           "guest_mac": "52:54:00:00:00:01"}, *OK),
        ("PUT", "/network-interfaces/n1", {"iface_id": "n1", "host_dev_name": "t1",
                                           "guest_mac": "52:54:00:00:00:01"}, 400,
         "MAC address is already in use"),
        ("PUT", "/network-interfaces/n1", {"iface_id": "n1", "host_dev_name": "t0"}, 400,
         "busy (os error 16)"),
        ("PUT", "/network-interfaces/n1", {"iface_id": "n1", "host_dev_name": "t1",
                                           "guest_mac": "52:54:00:00:00"}, 400, JSON),
        ("PUT", "/network-interfaces/n1", {"iface_id": "n2", "host_dev_name": "t1"}, 400,
         "does not match the id from the body"),
        ("PUT", "/network-interfaces/n1", {"iface_id": "n1"}, 400,
         JSON + "missing field `host_dev_name`"),
        ("PUT", "/network-interfaces/n1", {"iface_id": "n1", "host_dev_name": "t1",
                                           "rx_rate_limiter": {"bandwidth": BUCKET}}, *OK),
        ("PATCH", "/network-interfaces/n1", {"iface_id": "n1"}, 400, BEFORE),
    ],
    "vsock": [
        ("PUT", "/vsock", {"guest_cid": 3}, 400, JSON + "missing field `uds_path`"),
        ("PUT", "/vsock", {"guest_cid": 3, "uds_path": "disk"}, 400,
         "Address already in use (os error 98)"),
        ("PUT", "/vsock", {"guest_cid": 0, "uds_path": "vsock"}, *OK),
        ("PUT", "/vsock", {"guest_cid": 2, "uds_path": "vsock"}, *OK),
        ("PUT", "/vsock", {"guest_cid": 4294967295, "uds_path": "vsock"}, *OK),
        ("PUT", "/vsock", {"guest_cid": 4294967296, "uds_path": "vsock"}, 400, JSON),
        ("PUT", "/vsock", {"guest_cid": 3, "uds_path": "vsock"}, *OK),
    ],
    "balloon": [
        ("GET", "/balloon", None, 400, "No balloon device found."),
        ("PUT", "/balloon", {"amount_mib": 129, "deflate_on_oom": True}, 400, "too large"),
        ("PUT", "/balloon", {"amount_mib": 64, "deflate_on_oom": True}, *OK),
        ("GET", "/balloon", None, 200, {"amount_mib": 64, "deflate_on_oom": True,
                                        "stats_polling_interval_s": 0}),
        ("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 32}, 400, "balloon"),
        ("PATCH", "/balloon", {"amount_mib": 1}, 400, BEFORE),
    ],
    "serial, logger, metrics": [
        ("PUT", "/serial", {"serial_out_path": "serial"}, *OK),
        ("PUT", "/serial", {"out": "serial"}, 400, JSON + "unknown field `out`"),
        ("PUT", "/logger", {"log_path": "log", "level": "Info", "show_level": True}, *OK),
        ("PUT", "/logger", {"log_path": "log2"}, *OK),
        ("PUT", "/logger", {"log_path": "/nowhere/log"}, 400,
         "No such file or directory (os error 2)"),
        ("PUT", "/logger", {"level": "Loud"}, 400, JSON),
        ("PUT", "/metrics", {"metrics_path": "metrics"}, *OK),
        ("PUT", "/metrics", {"metrics_path": "metrics2"}, 400, "Metrics error"),
    ],
    "before the start": [
        ("PATCH", "/vm", {"state": "Paused"}, 400, BEFORE),
        ("PATCH", "/vm", {"state": "Resumed"}, 400, BEFORE),
        ("PATCH", "/vm", {"state": "Running"}, 400, JSON + "unknown variant `Running`"),
        ("PUT", "/actions", {"action_type": "FlushMetrics"}, 400, BEFORE),
        ("PUT", "/actions", {"action_type": "SendCtrlAltDel"}, 400, BEFORE),
        ("PUT", "/snapshot/create", {"snapshot_path": "s", "mem_file_path": "m"}, 400, BEFORE),
    ],
    "after the start": [
        ("PUT", "/boot-source", {"kernel_image_path": "kernel"}, *OK),
        ("PUT", "/drives/root", ROOT, *OK),
        ("PUT", "/network-interfaces/n0", {"iface_id": "n0", "host_dev_name": "t0"}, *OK),
        ("PUT", "/metrics", {"metrics_path": "metrics"}, *OK),
        ("PUT", "/actions", START, *OK),
        ("PUT", "/actions", START, 400, AFTER),
        ("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 128}, 400, AFTER),
        ("PATCH", "/machine-config", {"vcpu_count": 1}, 400, AFTER),
        ("PUT", "/boot-source", {"kernel_image_path": "kernel"}, 400, AFTER),
        ("PUT", "/vsock", {"guest_cid": 3, "uds_path": "vsock"}, 400, AFTER),
        ("PUT", "/entropy", {}, 400, AFTER),
        ("PUT", "/balloon", {"amount_mib": 1, "deflate_on_oom": True}, 400, AFTER),
        ("PUT", "/serial", {}, 400, AFTER),
        ("PUT", "/logger", {"level": "Info"}, 400, AFTER),
        ("PUT", "/metrics", {"metrics_path": "metrics"}, 400, AFTER),
        ("PUT", "/snapshot/load", {"snapshot_path": "s", "mem_file_path": "m"}, 400, AFTER),
        ("PUT", "/drives/d1", {**ROOT, "drive_id": "d1", "is_root_device": False}, 400,
         "PCI is not enabled"),
        ("PUT", "/network-interfaces/n1", {"iface_id": "n1", "host_dev_name": "t1"}, 400,
         "PCI is not enabled"),
        ("PATCH", "/drives/root", {"drive_id": "root", "rate_limiter": {"ops": BUCKET}}, *OK),
        ("PATCH", "/network-interfaces/n0", {"iface_id": "n0"}, *OK),
        ("PUT", "/actions", {"action_type": "FlushMetrics"}, *OK),
        ("PUT", "/snapshot/create", {"snapshot_path": "s", "mem_file_path": "m"}, 400, "snapshot"),
        ("GET", "/", None, 200, {"state": "Running"}),
        ("PATCH", "/vm", {"state": "Paused"}, *OK),
        ("PATCH", "/vm", {"state": "Paused"}, *OK),
        ("GET", "/", None, 200, {"state": "Paused"}),
        ("PATCH", "/vm", {"state": "Resumed"}, *OK),
        ("PATCH", "/vm", {"state": "Resumed"}, *OK),
        ("GET", "/", None, 200, {"state": "Running"}),
    ],
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_replies(vmms, program, name):
    """Each line of a scenario, in one process."""
    api = vmms(program).api()
    for method, path, body, status, expected in SCENARIOS[name]:
        got, out = api.ask(method, path, body)
        what = f"{method} {path} {body}: {got} {out}"
        assert got == status, what
        if status == 204:
            assert out is None, what
        elif status == 400:
            assert list(out) == ["fault_message"] and expected in out["fault_message"], what
        else:
            assert {key: out[key] for key in expected} == expected, what


# ---- HTTP ----


def raw(api, sent):
    api.socket.sendall(sent)
    return api.read_until(b"\r\n\r\n")


def test_http_head(vmms, program):
    api = vmms(program).api()
    head = b"HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive"
    body = b'{"amount_mib": 1, "deflate_on_oom": true}'
    request = b"PUT /balloon HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert raw(api, request) == head
    # A hundred on one connection, in pieces and back to back.
    for _ in range(50):
        api.socket.sendall(request[:30])
        time.sleep(0.001)
        api.socket.sendall(request[30:] + request)
        assert api.read_until(b"\r\n\r\n") == api.read_until(b"\r\n\r\n") == head
    status, headers, out = api.do_raw("GET", "/version")
    assert status == 200 and set(headers) == {"Server", "Connection", "Content-Type",
                                              "Content-Length"}
    assert headers["Content-Type"] == "application/json" and json.loads(out)


@pytest.mark.parametrize("sent", [
    b"POST / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/3.0\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"PUT /entropy HTTP/1.1\r\nContent-Length: 51201\r\n\r\n",
    b"PUT /entropy HTTP/1.1\r\nContent-Length: x\r\n\r\n",
])
def test_http_unfit(vmms, program, sent):
    """Not a fault_message but an error, and the connection lives on."""
    api = vmms(program).api()
    api.socket.sendall(sent)
    status, _, body = api.read_reply()
    assert status == 400 and body.startswith(b'{ "error": "') and b"fault_message" not in body
    assert b"dropped" in body
    with pytest.raises(ValueError):
        json.loads(body)
    assert api.ask("GET", "/version")[0] == 200


def test_http_body_limit(vmms, program):
    """51,200 bytes are taken."""
    body = b'{"rate_limiter": null' + b" " * (51200 - 22) + b"}"
    assert len(body) == 51200
    assert vmms(program).api().ask("PUT", "/entropy", body) == (204, None)


def test_http_connections(vmms, program):
    """Ten at once; one more is turned away."""
    vmm = vmms(program)
    for _ in range(10):
        assert vmm.api().ask("GET", "/version")[0] == 200
    extra = vmm.api()
    assert extra.socket.recv(4096).startswith(b"HTTP/1.1 503")
    vmm.apis[0].close()
    extra.close()
    assert fake.wait_for(lambda: answers(vmm))


def answers(vmm):
    try:
        return vmm.api().ask("GET", "/version")[0] == 200
    except (fake.Closed, OSError, ValueError):  # turned away
        return False


# ---- the process ----


def run(program, folder, *arguments):
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True,
                          timeout=20, check=False)


def test_version(program, tmp_path):
    done = run(program, tmp_path, "--id", "_", "--version", "--nonsense")
    assert done.returncode == 0
    assert done.stdout.startswith("Firecracker v") and done.stdout.endswith("\n\n")
    if program != REAL:
        assert done.stdout == "Firecracker v1.16.1\n\n"


@pytest.mark.parametrize("arguments, status", [
    (["--nonsense"], 153),
    (["nonsense"], 153),
    (["--id"], 153),
    (["--id", "a", "--id", "b"], 153),
    (["--no-api", "--api-sock", "api2"], 153),
    (["--id", "a_b"], -signal.SIGABRT),
    (["--id", "a" * 65], -signal.SIGABRT),
    (["--api-sock", "taken"], 1),
])
def test_exit_status(program, tmp_path, arguments, status):
    (tmp_path / "taken").touch()
    assert run(program, tmp_path, *arguments).returncode == status


def test_sigterm(vmms, program):
    """It ends by the signal, and leaves its sockets."""
    vmm = vmms(program)
    api = vmm.api()
    api.put("/vsock", {"guest_cid": 3, "uds_path": "vsock"})
    vmm.process.terminate()
    assert vmm.process.wait(10) in (-signal.SIGTERM, 143)
    assert (vmm.folder / "api").is_socket() and (vmm.folder / "vsock").is_socket()


def test_sigterm_to_process_1(vmms, program):
    """Of a process-id namespace it is deaf to it, as whoever is process 1 there."""
    vmm = vmms(program, namespaces="-n -p -f --kill-child")
    api = vmm.api()
    with open(f"/proc/{vmm.process.pid}/task/{vmm.process.pid}/children", encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGTERM)
    time.sleep(0.3)
    assert api.ask("GET", "/version")[0] == 200


def test_log(vmms, program):
    """It speaks among what the guest writes until it is told where."""
    vmm = vmms(program)
    api = vmm.api()
    api.put("/entropy", {})
    api.put("/logger", {"log_path": "log", "level": "Info"})
    api.ask("GET", "/version")
    said = (vmm.folder / "console").read_text()
    assert "Running Firecracker v" in said and "/entropy" in said and "/version" not in said
    assert "/version" in (vmm.folder / "log").read_text()


def test_tap_in_use(vmms, program):
    """A TAP that another process has open is none to be had."""
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        # TUNSETIFF: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
        fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"fk0", 0x5002))
        api = vmms(program, namespaces="-u").api()
        status, out = api.ask("PUT", "/network-interfaces/n0",
                              {"iface_id": "n0", "host_dev_name": "fk0"})
        assert status == 400 and "busy (os error 16)" in out["fault_message"]
