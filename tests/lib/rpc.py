# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of banger's socket (banger-rpc(7)) that can also misbehave."""

import array
import json
import os
import socket
import sys
import time


class RpcError(Exception):
    """An error response: code is banger's name for it, number JSON-RPC's."""

    def __init__(self, error):
        super().__init__(f"{error}")
        self.number = error.get("code")
        self.message = error.get("message", "")
        data = error.get("data") or {}
        self.code = data.get("code") if isinstance(data, dict) else None


class Closed(Exception):
    """The daemon closed the connection."""


class Rpc:
    """One connection. call() is the polite way; send_raw() and read_line() are for the rest."""

    def __init__(self, path=None, timeout=60.0):
        self.path = path or os.environ["BANGER_SOCKET"]
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(timeout)
        self.sock.connect(self.path)
        self.buffer = b""
        self.fds = []
        self.next_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()
        while self.fds:
            os.close(self.fds.pop())

    def send_raw(self, data, fds=()):
        """All of data; the fds ride with its first byte."""
        if fds:
            rights = array.array("i", fds)
            sent = self.sock.sendmsg(
                [data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights.tobytes())])
            data = data[sent:]
        self.sock.sendall(data)

    def read_line(self, timeout=None):
        """The next line without its newline; fds that came are in self.fds. Raises Closed."""
        if timeout is not None:
            self.sock.settimeout(timeout)
        while b"\n" not in self.buffer:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
            except ConnectionResetError:
                raise Closed() from None
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds = array.array("i")
                    fds.frombytes(payload[:len(payload) - len(payload) % 4])
                    self.fds.extend(fds)
            if not data:
                raise Closed()
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def read(self, timeout=None):
        return json.loads(self.read_line(timeout))

    def request(self, method, params=None, fds=(), progress=False, **more):
        """Send a request; its id comes back."""
        self.next_id += 1
        message = {"jsonrpc": "2.0", "id": self.next_id, "method": method}
        if params is not None:
            message["params"] = params
        if fds:
            message["fds"] = len(fds)
        if progress:
            message["progress"] = True
        message.update(more)
        self.send_raw(json.dumps(message).encode() + b"\n", fds)
        return self.next_id

    def response(self, ident, on_progress=None, timeout=None):
        """The result of request `ident`; notifications on the way go to on_progress."""
        while True:
            message = self.read(timeout)
            if "method" in message:
                if on_progress:
                    on_progress(message)
                continue
            assert message.get("id") == ident, message
            if "error" in message:
                raise RpcError(message["error"])
            return message["result"]

    def call(self, method, params=None, fds=(), on_progress=None, timeout=None):
        ident = self.request(method, params, fds, progress=on_progress is not None)
        return self.response(ident, on_progress, timeout)

    def take_fd(self):
        """The fd that rode with the last response; the caller's to close."""
        return self.fds.pop(0)


def call(method, params=None, fds=(), path=None, timeout=60.0):
    """One request on a connection of its own."""
    with Rpc(path, timeout) as rpc:
        return rpc.call(method, params, fds)


def has_ended(pid_file):
    """Whether the process that wrote its pid there is gone; one that did not yet is to come."""
    try:
        with open(pid_file, encoding="ascii") as file:
            os.kill(int(file.read()), 0)
    except (FileNotFoundError, ValueError):
        return False
    except ProcessLookupError:
        return True
    return False


def wait_ready(path, seconds, pid_file=None):
    """Wait until the daemon answers ping; False when it does not in time, or has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (pid_file and has_ended(pid_file)):
        try:
            call("ping", path=path, timeout=5.0)
            return True
        except (OSError, Closed):
            time.sleep(0.02)
    return False


if __name__ == "__main__":
    if len(sys.argv) in (4, 5) and sys.argv[1] == "wait":
        sys.exit(0 if wait_ready(sys.argv[2], float(sys.argv[3]), *sys.argv[4:]) else 1)
    if len(sys.argv) in (3, 4) and sys.argv[1] == "call":
        parameters = json.loads(sys.argv[3]) if len(sys.argv) == 4 else None
        print(json.dumps(call(sys.argv[2], parameters), indent=1))
        sys.exit(0)
    sys.exit(f"usage: {sys.argv[0]} wait SOCKET SECONDS [PID-FILE] | call METHOD [PARAMS]")
