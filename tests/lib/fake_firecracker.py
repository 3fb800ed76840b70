# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for Firecracker (tests/fake): copies of it that behave as told, and its API."""

import json
import shutil
import socket
import subprocess
import time

import agent
import fake_copy
import repo
from netd import TINY

PROGRAM = repo.BUILD / "tests/fake/firecracker"


def install(folder, behaviour="", name="firecracker"):
    """A copy of the stand-in in `folder` that behaves as tests/fake/behaviour.h has it. The path."""
    return fake_copy.install(PROGRAM, folder, behaviour, name)


class Closed(Exception):
    """The server closed the connection before it had answered."""


class Api:
    """One keep-alive connection to a Firecracker's API."""

    def __init__(self, path, timeout=10):
        deadline = time.monotonic() + timeout
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            try:
                self.socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        self.data = b""

    def close(self):
        self.socket.close()

    def read_until(self, end):
        while end not in self.data:
            more = self.socket.recv(65536)
            if not more:
                raise Closed(self.data)
            self.data += more
        head, self.data = self.data.split(end, 1)
        return head

    def read_reply(self):
        """(status, headers, body) of the next one."""
        lines = self.read_until(b"\r\n\r\n").decode().split("\r\n")
        protocol, status, reason = lines[0].split(" ", 2)
        assert (protocol, reason) == ("HTTP/1.1", "")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        length = int(headers.get("Content-Length", 0))
        while len(self.data) < length:
            more = self.socket.recv(65536)
            if not more:
                raise Closed(self.data)
            self.data += more
        body, self.data = self.data[:length], self.data[length:]
        return int(status), headers, body

    def send(self, method, path, body=None):
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n"
        if raw:
            head += f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
        self.socket.sendall(head.encode() + b"\r\n" + raw)

    def do_raw(self, method, path, body=None):
        """(status, headers, body) of a request."""
        self.send(method, path, body)
        return self.read_reply()

    def ask(self, method, path, body=None):
        """(status, body as JSON or None) of a request."""
        status, _, body = self.do_raw(method, path, body)
        return status, json.loads(body) if body else None

    def do(self, method, path, body=None):
        """A request that must be granted; what it gives."""
        status, out = self.ask(method, path, body)
        assert status in (200, 204), (method, path, out)
        return out

    def put(self, path, body):
        return self.do("PUT", path, body)


class Vmm:
    """One process, in a folder and network namespace of its own."""

    def __init__(self, folder, program, *arguments, namespaces="-n"):
        self.folder, self.apis = folder, []
        shutil.copy(TINY, folder / "kernel")
        (folder / "disk").write_bytes(bytes(1 << 20))
        with open(folder / "console", "wb") as out, open(folder / "err", "wb") as err:
            self.process = subprocess.Popen(
                ["unshare", *namespaces.split(), program, "--id", "vm-1", "--api-sock", "api",
                 *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def api(self):
        self.apis.append(Api(self.folder / "api", 60))
        return self.apis[-1]

    def connect(self, port, timeout=60):
        """A stream to the guest's port; None when nobody listens there."""
        stream = agent.Stream(self.folder / "vsock")
        stream.socket.settimeout(timeout)
        try:
            stream.socket.sendall(b"CONNECT %d\n" % port)
            answer = b""
            while not answer.endswith(b"\n"):
                byte = stream.socket.recv(1)
                if not byte:
                    stream.close()
                    return None
                answer += byte
        except ConnectionResetError:
            stream.close()
            return None
        assert answer.startswith(b"OK ") and int(answer[3:]) >= 1 << 30
        return stream

    def end(self):
        for api in self.apis:
            api.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def wait_for(what, seconds=20):
    """What what() gives once it is true; the last value when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.02)
