# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest agent's protocol, as its table has it: frames, requests on port 0, leased sessions."""

import os
import select
import socket
import struct
import time

import repo

HEADER = struct.Struct("<IHBBIIQ")
REQUEST, REPLY, ERROR, NOTICE = range(4)
STDIN_CREDIT = 262144
INTEGERS = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "boolean": "<B", "ipv4": "<I"}


def _tables():
    messages, current = [], None
    for macro, row in repo.table("agent.tbl.h", "MSG", "IN", "OUT"):
        if macro == "MSG":
            current = {"name": row[0], "IN": [], "OUT": []}
            messages.append(current)
        else:
            current[macro].append(tuple(row))
    enums = {}
    for macro, row in repo.table("enums.tbl.h", "ENUM", "VAL"):
        if macro == "VAL":
            enums.setdefault(row[0], []).append(row[1])
    for _, row in repo.table("ranges.tbl.h", "RANGED"):
        INTEGERS[row[0]] = INTEGERS[row[1]]
    return messages, enums


MESSAGES, ENUMS = _tables()
NUMBERS = {message["name"]: i for i, message in enumerate(MESSAGES)}


class AgentError(Exception):
    """An error frame."""

    def __init__(self, code, errno, message):
        super().__init__(f"{code}: {message}")
        self.code, self.errno = code, errno


class Closed(Exception):
    """The other end is gone."""


def _pack(kind, value):
    if kind in INTEGERS:
        return struct.pack(INTEGERS[kind], int(value or 0))
    if kind in ENUMS:
        return bytes([ENUMS[kind].index(value)])
    if kind == "mac":
        return bytes.fromhex(value.replace(":", ""))
    if kind == "strv":
        value = b"".join(os.fsencode(s) + b"\0" for s in value or [])
    raw = os.fsencode(value or b"")
    return struct.pack("<H" if kind in ("text", "vm_name") else "<I", len(raw)) + raw


def _unpack(kind, body, at):
    if kind in INTEGERS:
        size = struct.calcsize(INTEGERS[kind])
        return struct.unpack_from(INTEGERS[kind], body, at)[0], at + size
    if kind in ENUMS:
        return ENUMS[kind][body[at]], at + 1
    head = "<H" if kind in ("text", "vm_name") else "<I"
    size, at = struct.unpack_from(head, body, at)[0], at + struct.calcsize(head)
    raw = body[at:at + size]
    return raw.decode() if kind in ("text", "vm_name") else raw, at + size


def frame(name, kind=REQUEST, seq=1, /, **values):
    fields = MESSAGES[NUMBERS[name]]["OUT" if kind == REPLY else "IN"]
    body = b"".join(_pack(type_, values.pop(field, None)) for type_, field in fields)
    assert not values, f"{name} has no {values}"
    return HEADER.pack(HEADER.size + len(body), NUMBERS[name], kind, 0, seq, 0, 0) + body


def dial(path, port, timeout=60):
    """A connection to a guest's vsock port, as Firecracker's socket has it: Closed if refused, or
    if nobody listens there yet."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
    except ConnectionRefusedError as error:
        connection.close()
        raise Closed from error
    connection.sendall(b"CONNECT %d\n" % port)
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            connection.close()
            raise Closed
        line += byte
    assert line.startswith(b"OK ") and line[3:-1].isdigit(), line
    connection.settimeout(None)
    return connection


class Stream:
    """Frames over one socket: at a path, and behind that at a guest's vsock port if one is given."""

    def __init__(self, path, vsock=None):
        self.data = b""
        self.seq = 0
        if vsock:
            self.socket = dial(path, vsock)
            return
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))

    def close(self):
        self.socket.close()

    def read(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            raise TimeoutError("the agent is silent")
        data = self.socket.recv(1 << 18)
        if not data:
            raise Closed
        self.data += data

    def receive(self, timeout=20):
        """(message name, kind, seq, {field: value}) of the next frame."""
        deadline = time.monotonic() + timeout
        while len(self.data) < HEADER.size or \
                len(self.data) < HEADER.unpack_from(self.data)[0]:
            self.read(deadline)
        length, number, kind, _, seq, zero, _ = HEADER.unpack_from(self.data)
        assert zero == 0
        body, self.data = self.data[HEADER.size:length], self.data[length:]
        if kind == ERROR:
            code, errno, size = struct.unpack_from("<HIH", body)
            raise AgentError(repo.error_codes()[code], errno, body[8:8 + size].decode())
        values, at = {}, 0
        for type_, field in MESSAGES[number]["OUT" if kind == REPLY else "IN"]:
            values[field], at = _unpack(type_, body, at)
        assert at == len(body), f"{MESSAGES[number]['name']} has bytes behind its fields"
        return MESSAGES[number]["name"], kind, seq, values

    def send(self, name, kind=NOTICE, /, **values):
        self.socket.sendall(frame(name, kind, 0 if kind == NOTICE else self.seq, **values))

    def call(self, name, timeout=20, **values):
        self.seq += 1
        self.send(name, REQUEST, **values)
        answer, kind, seq, out = self.receive(timeout)
        assert (answer, kind, seq) == (name, REPLY, self.seq)
        return out


class Session(Stream):
    """A session's stream, from where its request goes."""

    def __init__(self, path, vsock=None):
        super().__init__(path, vsock)
        self.stdout = self.stderr = b""
        self.credit, self.ended = STDIN_CREDIT, None

    def exec(self, *argv, **values):
        environment = [f"{k}={v}" for k, v in values.pop("env", {}).items()]
        return self.call("exec", argv=argv, environment=environment, **values)["pid"]

    def take(self, timeout=20):
        """Take one notice."""
        name, kind, _, values = self.receive(timeout)
        assert kind == NOTICE and self.ended is None
        if name == "stdout_data":
            self.stdout += values["data"]
        elif name == "stderr_data":
            self.stderr += values["data"]
        elif name == "stdin_credit":
            self.credit += values["consumed"]
            assert self.credit <= STDIN_CREDIT, "more credited than was sent"
        else:
            assert name == "exited"
            self.ended = values["kind"], values["status"]

    def feed(self, data, timeout=60):
        """All of data to stdin, taking what comes meanwhile."""
        deadline = time.monotonic() + timeout
        while data:
            n = min(len(data), self.credit, 65536)
            if n:
                self.send("stdin_data", data=data[:n])
                data, self.credit = data[n:], self.credit - n
            if not n or select.select([self.socket], [], [], 0)[0]:
                self.take(deadline - time.monotonic())

    def wait(self, timeout=20):
        """Until `exited`; (kind, status)."""
        deadline = time.monotonic() + timeout
        while self.ended is None:
            self.take(deadline - time.monotonic())
        return self.ended

    def until(self, text, timeout=20):
        """Until stdout has the bytes; what was before them, and they, are dropped."""
        deadline = time.monotonic() + timeout
        while text not in self.stdout:
            self.take(deadline - time.monotonic())
        before, self.stdout = self.stdout.split(text, 1)
        return before


class Lease(Session):
    """A leased port, from its nonce on."""

    def __init__(self, control, path, port):
        nonce = os.urandom(16)
        control.call("lease", nonce=nonce, port=port)
        super().__init__(path)
        self.socket.sendall(nonce)
        deadline = time.monotonic() + 10
        while nonce not in self.data:
            self.read(deadline)
        self.data = self.data[self.data.index(nonce) + len(nonce):]
