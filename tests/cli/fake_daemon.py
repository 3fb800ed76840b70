# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for bangerd, so that the CLI can be tested alone: JSON-RPC on a Unix socket with fds,
and for vm.exec an agent that runs the command as a local process. A test replaces single methods."""
import array
import errno
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import termios
import threading

import agent

NEVER = 3600

IMAGE = {"id": "aaaabbbbcccc", "name": "debian", "owner": "root", "owner_uid": 0,
         "digest": "sha256:" + "5" * 64, "size_bytes": 123456789, "entries": 42,
         "created_at": 1700000000}
KERNEL = {"id": "ddddeeeeffff", "name": "6.1.0-13-cloud-amd64", "owner": "root", "owner_uid": 0,
          "version": "6.1.0-13-cloud-amd64", "arch": "x86_64", "size_bytes": 34567890,
          "created_at": 1700000000}


def vm(ident, name, state="running"):
    return {"id": ident, "name": name, "owner": "root", "owner_uid": 0, "state": state,
            "image": "debian", "kernel": "6.1", "ip": "172.30.0.2", "vcpu": 2,
            "memory_mib": 512, "disk_size": 0, "system_overlay_size": 8 << 30, "nat": False, "vmm": "qemu",
            "accel": "tcg", "created_at": 1700000000}


class RpcError(Exception):
    def __init__(self, code, message, number=-32000):
        super().__init__(message)
        self.code, self.number = code, number


class Connection:
    def __init__(self, daemon, sock):
        self.daemon, self.sock, self.lock = daemon, sock, threading.Lock()
        self.closed = threading.Event()

    def send(self, obj, fds=()):
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        raw = json.dumps(obj).encode() + b"\n"
        with self.lock:
            try:
                sent = self.sock.sendmsg([raw], anc)
                self.sock.sendall(raw[sent:])
            except OSError:
                self.closed.set()

    def progress(self, request, stage, index=0, count=0, done=0, total=0):
        self.send({"jsonrpc": "2.0", "method": "progress", "params": {
            "id": request["id"], "stage": stage, "index": index, "count": count, "done": done,
            "total": total}})

    def serve(self):
        buffered, fds = b"", []
        while True:
            try:
                raw, anc, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(4 * 8))
            except OSError:
                raw, anc = b"", []
            for level, kind, payload in anc:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    got = array.array("i")
                    got.frombytes(payload)
                    fds += got
            if not raw:
                break
            buffered += raw
            while b"\n" in buffered:
                line, buffered = buffered.split(b"\n", 1)
                request = json.loads(line)
                n = request.get("fds", 0)
                taken, fds = fds[:n], fds[n:]
                threading.Thread(target=self.handle, args=(request, taken), daemon=True).start()
        self.closed.set()
        self.daemon.on_close(self)
        self.sock.close()

    def handle(self, request, fds):
        self.daemon.calls.append((request["method"], request.get("params", {})))
        handler = self.daemon.methods.get(request["method"])
        reply = {"jsonrpc": "2.0", "id": request["id"]}
        out = []
        try:
            if handler is None:
                raise RpcError("unknown_method", "no such method", -32601)
            result = handler(self, request, fds)
            if isinstance(result, tuple):
                result, out = result
                reply["fds"] = len(out)
            reply["result"] = result
        except RpcError as e:
            reply["error"] = {"code": e.number, "message": str(e),
                              "data": {"code": e.code, "op": "0123456789abcdef"}}
        finally:
            for fd in fds:
                try:
                    os.close(fd)
                except OSError:
                    pass
        self.send(reply, out)
        for fd in out:
            os.close(fd)


class FakeDaemon:
    def __init__(self, path):
        self.path = str(path)
        self.calls = []
        self.connections = []
        self.vms = {}
        self.images, self.kernels = [dict(IMAGE)], [dict(KERNEL)]
        self.entrypoint = []
        self.operations = {}
        self.stages = ["disk", "network", "boot"]
        self.gate = threading.Event()  # creation goes on once it is set
        self.gate.set()
        self.auto_removed = []
        self.owners = {}  # id of an auto_remove VM → its connection
        self.changed = threading.Condition()  # of a VM's state
        self.exec_done = threading.Event()
        self.agents = []
        self.methods = {
            "daemon.status": lambda c, r, f: {"defaults": {
                "vcpus": 1, "memory_mib": 1536, "disk_size": 0, "system_overlay_size": 8 << 30}},
            "vm.list": lambda c, r, f: {"vms": list(self.vms.values())},
            "vm.show": lambda c, r, f: {"vm": self.find(r["params"]["vm"])},
            "vm.create.begin": self.create_begin,
            "vm.create.watch": self.create_watch,
            "vm.create.cancel": self.create_cancel,
            "vm.delete": self.delete,
            "vm.exec": self.exec,
            "vm.await": self.await_state,
            "image.list": lambda c, r, f: {"images": self.images},
            "image.show": lambda c, r, f: {"image": {
                **self.find_in(self.images, r["params"]["image"], "image"),
                "entrypoint": self.entrypoint}},
            "kernel.list": lambda c, r, f: {"kernels": self.kernels},
            "kernel.catalog": lambda c, r, f: {"kernels": [], "problems": []},
            "kernel.show": lambda c, r, f: {
                "kernel": self.find_in(self.kernels, r["params"]["kernel"], "kernel")},
        }
        for verb in ("start", "stop", "restart", "pause", "resume", "kill"):
            self.methods[f"vm.{verb}"] = lambda c, r, f: {"vm": self.find(r["params"]["vm"])}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def close(self):
        """With the thread gone first: late, it would accept on the number's next socket."""
        if self.accepting.is_alive():
            self.listener.shutdown(socket.SHUT_RDWR)
            self.accepting.join()
        self.listener.close()

    def lose_clients(self):
        """As a daemon does that is restarted."""
        self.close()
        for connection in self.connections:
            connection.sock.shutdown(socket.SHUT_RDWR)

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(Connection(self, sock))
            threading.Thread(target=self.connections[-1].serve, daemon=True).start()

    def called(self, method):
        return [params for name, params in self.calls if name == method]

    def on_close(self, connection):
        with self.changed:
            self.changed.notify_all()
        for ident, owner in list(self.owners.items()):
            if owner is connection:
                self.owners.pop(ident)
                if self.vms.pop(ident, None):
                    self.auto_removed.append(ident)

    @staticmethod
    def find_in(objects, reference, kind):
        for o in objects:
            if reference in (o["id"], o["name"]) or o["name"].startswith(reference):
                return o
        raise RpcError("not_found", f"there is no {kind} '{reference}'", -32001)

    def find(self, reference):
        return self.find_in(self.vms.values(), reference, "VM")

    # ---- creation ----

    def create_begin(self, c, request, fds):
        params = request["params"]
        self.find_in(self.images, params["image"], "image")
        ident = f"{len(self.calls):012x}"
        operation = f"{len(self.calls):016x}"
        o = {"operation": operation, "kind": "vm.create", "vm": ident,
             "name": params.get("name", "brave-fox"), "state": "running", "stage": "",
             "cancel": threading.Event()}
        self.operations[operation] = o
        self.vms[ident] = vm(ident, o["name"], "creating")
        if params.get("auto_remove"):
            self.owners[ident] = c
        return {"operation": operation, "id": ident, "name": o["name"]}

    def create_cancel(self, c, request, fds):
        self.operations[request["params"]["operation"]]["cancel"].set()
        self.gate.set()
        return {}

    def create_watch(self, c, request, fds):
        o = self.operations[request["params"]["operation"]]
        for i, stage in enumerate(self.stages, 1):
            c.progress(request, stage, i, len(self.stages), 50, 100)
            if i == len(self.stages):
                self.gate.wait(20)
        if o["cancel"].is_set():
            o["state"] = "cancelled"
            self.vms.pop(o["vm"], None)
        elif o["vm"] in self.vms:  # else its connection is closed, and it is gone
            o["state"] = "done"
            self.vms[o["vm"]]["state"] = "running"
        return {"operation": {k: v for k, v in o.items() if k != "cancel"}}

    def delete(self, c, request, fds):
        found = self.find(request["params"]["vm"])
        if found["state"] == "running" and not request["params"].get("force"):
            raise RpcError("busy", f"VM {found['name']} is running: stop it, or give --force")
        self.vms.pop(found["id"])
        self.owners.pop(found["id"], None)
        return {}

    def await_state(self, c, request, fds):
        found = self.find(request["params"]["vm"])
        state = "paused" if request["params"].get("paused") else "running"
        with self.changed:
            self.changed.wait_for(lambda: found["state"] != state or c.closed.is_set(), NEVER)
        return {"vm": found}

    def set_state(self, ident, state, why=None):
        with self.changed:
            self.vms[ident].update(state=state, paused_why=why)
            self.changed.notify_all()

    # ---- exec ----

    def exec(self, c, request, fds):
        self.find(request["params"]["vm"])
        ours, theirs = socket.socketpair()
        session = Agent(ours, request["params"], self.exec_done)
        self.agents.append(session)
        session.start()
        return {"pid": 7}, [theirs.detach()]


class Peer(agent.Stream):
    """Frames over a socket that is there already."""

    def __init__(self, sock):
        self.socket, self.data, self.seq = sock, b"", 0
        self.lock = threading.Lock()

    def say(self, name, /, **values):
        with self.lock:
            try:
                self.send(name, **values)
            except OSError:
                pass  # the CLI is gone: listen() sees to it


class Agent(threading.Thread):
    """One session: the command runs here, its streams travel as frames."""

    def __init__(self, sock, params, done):
        super().__init__(daemon=True)
        self.peer, self.params, self.done = Peer(sock), params, done
        self.sizes, self.signals = [], []
        self.process = None
        self.received = 0
        self.acknowledge = True

    def run(self):
        argv = self.params.get("argv") or ["/bin/sh"]
        env = dict(os.environ, **dict(e.split("=", 1) for e in self.params.get("env", [])))
        try:
            self.begin(argv, env)
        except OSError as e:
            self.peer.say("exited", kind="not_started", status=e.errno)
            self.peer.socket.shutdown(socket.SHUT_WR)
            return
        pumps = [threading.Thread(target=self.pump, args=p, daemon=True) for p in self.outputs]
        for thread in pumps:
            thread.start()
        threading.Thread(target=self.listen, daemon=True).start()
        status = self.process.wait()
        for thread in pumps:
            thread.join()
        self.peer.say("exited", kind="exited" if status >= 0 else "signaled", status=abs(status))
        self.done.set()
        self.peer.socket.shutdown(socket.SHUT_WR)

    def begin(self, argv, env):
        where = {"env": env, "cwd": self.params.get("directory"), "start_new_session": True}
        if self.params.get("tty"):
            self.master, slave = pty.openpty()
            self.resize(self.params["rows"], self.params["columns"])
            self.process = subprocess.Popen(
                argv, stdin=slave, stdout=slave, stderr=slave, **where,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            os.close(slave)
            self.stdin = os.dup(self.master)
            self.outputs = [(self.master, "stdout_data")]
            return
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, **where)
        self.stdin = os.dup(self.process.stdin.fileno())
        self.process.stdin.close()
        self.outputs = [(self.process.stdout.fileno(), "stdout_data"),
                        (self.process.stderr.fileno(), "stderr_data")]

    def resize(self, rows, columns):
        self.sizes.append((rows, columns))
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def pump(self, fd, name):
        while True:
            try:
                chunk = os.read(fd, 32768)
            except OSError as e:
                if e.errno != errno.EIO:  # a terminal's end
                    raise
                chunk = b""
            if not chunk:
                return
            self.peer.say(name, data=chunk)

    def listen(self):
        outstanding = 0
        while True:
            try:
                name, kind, _, values = self.peer.receive(NEVER)
            except (agent.Closed, OSError):
                if self.process.poll() is None:
                    os.killpg(self.process.pid, signal.SIGHUP)
                return
            assert kind == agent.NOTICE
            if name == "stdin_data":
                size = len(values["data"])
                self.received += size
                outstanding += size
                assert outstanding <= agent.STDIN_CREDIT
                if not self.acknowledge:
                    continue
                self.feed(values["data"])
                self.peer.say("stdin_credit", consumed=size)
                outstanding -= size
            elif name == "stdin_eof":
                os.close(self.stdin)
            elif name == "signal":
                self.signals.append(values["signo"])
                try:
                    os.killpg(self.process.pid, values["signo"])
                except ProcessLookupError:
                    pass
            elif name == "resize":
                self.resize(values["rows"], values["columns"])

    def feed(self, payload):
        try:
            while payload:
                payload = payload[os.write(self.stdin, payload):]
        except OSError:
            pass  # nobody reads it any more
