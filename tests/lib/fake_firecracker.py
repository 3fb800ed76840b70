# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in for Firecracker (tests/fake): copies of it that behave as told, and its API."""

import json
import os
import shutil
import socket
import time
from pathlib import Path

import repo

MARK, AREA = b"BANGER-FAKE:", 256
PROGRAM = repo.BUILD / "tests/fake/firecracker"


def install(folder, behaviour="", name="firecracker"):
    """A copy of the stand-in in `folder` that behaves as tests/fake/behaviour.h has it; fit to be
    found by netd: root's own, nobody else's to write. The path."""
    text = MARK + behaviour.encode()
    assert len(text) <= AREA, f"{len(text)} bytes of behaviour"
    program = PROGRAM.read_bytes()
    assert program.count(MARK) == 1
    at = program.index(MARK)
    assert program[at + len(MARK):at + AREA] == bytes(AREA - len(MARK))
    path = Path(folder) / name
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(program[:at] + text.ljust(AREA, b"\0") + program[at + AREA:])
    shutil.copystat(PROGRAM, fresh)
    os.chown(fresh, 0, 0)
    fresh.chmod(0o755)
    fresh.rename(path)  # one that runs keeps the old file
    return path


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

    def ask(self, method, path, body=None):
        """(status, body as JSON or None) of a request."""
        self.send(method, path, body)
        status, _, body = self.read_reply()
        return status, json.loads(body) if body else None

    def do(self, method, path, body=None):
        """A request that must be granted; what it gives."""
        status, out = self.ask(method, path, body)
        assert status in (200, 204), (method, path, out)
        return out

    def put(self, path, body):
        return self.do("PUT", path, body)
