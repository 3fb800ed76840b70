# SPDX-License-Identifier: GPL-2.0-or-later
"""Users who do whatever comes to their mind, each a process of its own, beside somebody who kills
parts of the suite. A user whose VMs nobody else touches remembers what was acknowledged, and holds
the daemon to it."""

import json
import mmap
import os
import random
import signal
import struct
import time
import traceback

import rpc
import suite

# What a request may meet with here; all else is a fault of the daemon's.
KNOWN = {"not_found", "already_exists", "not_running", "busy", "cancelled", "unavailable",
         "operation_failed", "timeout"}
TAR = suite.DIR / "small.tar"  # a root file system that all can read
ANSWER = 60.0  # seconds: beyond it a request is taken for forgotten


class Fault(Exception):
    """What must not be."""


class Weather:
    """Shared by all: how often something was killed, whether that is going on, whether it is over."""

    WORDS = struct.Struct("III")

    def __init__(self):
        self.page = mmap.mmap(-1, mmap.PAGESIZE)

    def _put(self, index, value):
        struct.pack_into("I", self.page, 4 * index, value)

    def _get(self, index):
        return struct.unpack_from("I", self.page, 4 * index)[0]

    def begin_kill(self):
        self._put(0, self._get(0) + 1)
        self._put(1, 1)

    def end_kill(self):
        self._put(1, 0)

    def end(self):
        self._put(2, 1)

    def over(self):
        return bool(self._get(2))

    def since(self, sign=None):
        """A sign of this moment; with one of an earlier moment: whether nothing was killed since."""
        if sign is None:
            return None if self._get(1) else self._get(0)
        return not self._get(1) and self._get(0) == sign


class User:
    """One connection; what it asks for is drawn from `deeds`."""

    def __init__(self, name, weather, seed):
        self.name, self.weather, self.random = name, weather, random.Random(seed)
        self.client, self.done, self.refused, self.cut = None, 0, 0, 0

    def vm(self, number):
        return f"{self.name}-{number}"

    def connection(self):
        end = time.monotonic() + ANSWER
        while self.client is None:
            try:
                self.client = rpc.Rpc(timeout=ANSWER)
            except OSError:
                if time.monotonic() > end:
                    raise Fault("the suite does not come back") from None
                time.sleep(0.01)
        return self.client

    def hang_up(self):
        if self.client:
            self.client.close()
            self.client = None

    def ask(self, method, fds=(), **params):
        """Its result; None when the daemon went meanwhile, or refused for a reason that is known."""
        sign = self.weather.since()
        try:
            found = self.connection().call(method, params, fds)
        except TimeoutError:
            raise Fault(f"{method} {params}: no answer") from None
        except (rpc.Closed, OSError) as error:
            self.hang_up()
            self.cut += 1
            if sign is not None and self.weather.since(sign):
                raise Fault(f"{method} {params}: hung up on, and nobody was killed") from error
            return None
        except rpc.RpcError as error:
            if error.code not in KNOWN:
                raise Fault(f"{method} {params}: {error}") from None
            self.refused += 1
            self.on_refused(method, params, error, sign)
            return None
        self.done += 1
        while self.client.fds:
            os.close(self.client.take_fd())
        return found

    def on_refused(self, method, params, error, sign):
        pass

    def create(self, name, **more):
        """Whether it is there; None when that is not known."""
        begun = self.ask("vm.create.begin", name=name, vcpus=1, vmm="firecracker",
                         **{"image": "busybox", "memory_mib": 64, **more})
        if begun is None:
            return None
        ended = self.ask("vm.create.watch", operation=begun["operation"])
        return None if ended is None else ended["operation"]["state"] == "done"

    def go(self):
        while not self.weather.over():
            self.deed()
        self.settle()
        self.hang_up()

    def deed(self):
        raise NotImplementedError

    def settle(self):
        pass


class Vandal(User):
    """One of several who do all to the same VMs at once."""

    NUMBERS = 3

    def deed(self):
        name = self.vm(self.random.randrange(self.NUMBERS))
        deeds = ("make", "begin_and_leave", "begin_and_cancel", "attach", "images") + 5 * ("plain",)
        getattr(self, self.random.choice(deeds))(name)

    def make(self, name):
        self.create(name, no_start=self.random.random() < 0.5,
                    **({"disk_size": 128 << 20} if self.random.random() < 0.5 else {}))

    def begin_and_leave(self, name):
        self.ask("vm.create.begin", name=name, image="busybox", vcpus=1, memory_mib=64,
                 vmm="firecracker", auto_remove=True)
        self.hang_up()

    def begin_and_cancel(self, name):
        begun = self.ask("vm.create.begin", name=name, image="busybox", vcpus=1, memory_mib=64,
                         vmm="firecracker")
        if begun:
            time.sleep(self.random.random() * 0.05)
            self.ask("vm.create.cancel", operation=begun["operation"])

    def plain(self, name):
        method, params = self.random.choice((
            ("vm.start", {}), ("vm.start", {}), ("vm.stop", {"timeout_s": 1}), ("vm.kill", {}),
            ("vm.restart", {"timeout_s": 1}), ("vm.pause", {}), ("vm.resume", {}),
            ("vm.set", {"memory_mib": self.random.randrange(64, 80)}),
            ("vm.set", {"nat": True}), ("vm.set", {"no_nat": True}),
            ("vm.set", {"image": "busybox"}), ("vm.show", {}), ("vm.health", {}),
            ("vm.delete", {}), ("vm.delete", {"force": True})))
        self.ask(method, vm=name, **params)
        self.ask("vm.list")

    def images(self, name):
        """An image that comes and goes while VMs are made of it."""
        deed = self.random.choice(("import", "delete", "create", "create"))
        if deed == "import":
            with open(TAR, "rb") as source:
                self.ask("image.import", [source.fileno()], name="small", kind="rootfs")
        elif deed == "delete":
            self.ask("image.delete", image="small")
        else:
            self.create(name, image="small")

    def attach(self, name):
        self.ask(self.random.choice(("vm.console", "vm.logs")), vm=name)


class Owner(User):
    """Nobody else touches its VMs: what it was told holds, whoever dies."""

    NUMBERS = 2

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.known = {}  # name: its memory's possible values; absent: None is among them
        for number in range(self.NUMBERS):
            self.known[self.vm(number)] = {None}

    def on_refused(self, method, params, error, sign):
        if sign is not None and self.weather.since(sign):
            raise Fault(f"{method} {params}: refused, and nobody was killed: {error}")

    def look(self, name):
        """What it is now, which must be one of what it can be."""
        rows = self.ask("vm.list")
        if rows is None:
            return
        (found,) = {row["memory_mib"] for row in rows["vms"] if row["name"] == name} or {None}
        if found not in self.known[name]:
            raise Fault(f"{name}: memory {found}, acknowledged {self.known[name]}")
        self.known[name] = {found}

    def deed(self):
        name = self.random.choice(list(self.known))
        self.look(name)
        known = self.known[name]
        if len(known) > 1:
            return
        (memory,) = known
        if memory is None:
            self.make(name)
        else:
            getattr(self, self.random.choice(("turn", "turn", "change", "delete")))(name, memory)

    def make(self, name):
        memory = self.random.randrange(64, 128)
        self.known[name] = {None, memory}
        made = self.create(name, memory_mib=memory, no_start=self.random.random() < 0.5)
        if made is not None:
            self.known[name] = {memory if made else None}

    def turn(self, name, memory):
        """Started, whatever it was, and killed or stopped."""
        if self.ask("vm.start", vm=name) is not None:
            self.ask(*self.random.choice((("vm.kill",), ("vm.stop",))), vm=name)

    def change(self, name, memory):
        other = self.random.randrange(64, 128)
        if self.ask("vm.stop", vm=name, timeout_s=1) is None:
            return
        self.known[name] = {memory, other}
        if self.ask("vm.set", vm=name, memory_mib=other) is not None:
            self.known[name] = {other}

    def delete(self, name, memory):
        self.known[name] = {None, memory}
        if self.ask("vm.delete", vm=name, force=True) is not None:
            self.known[name] = {None}

    def settle(self):
        for name in self.known:
            self.look(name)


class Process:
    """A user as a process of its uid."""

    def __init__(self, kind, uid, *arguments):
        self.pipe, out = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            self._run(kind, uid, arguments, out)
        os.close(out)

    @staticmethod
    def _run(kind, uid, arguments, out):
        said = {"fault": None}
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            user = kind(*arguments)
            user.go()
            said.update(done=user.done, refused=user.refused, cut=user.cut)
        except BaseException as error:  # the parent's to raise
            said["fault"] = str(error) if isinstance(error, Fault) else traceback.format_exc()
        os.write(out, json.dumps(said).encode())
        os._exit(0)

    def ended(self):
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self):
        """What it has to say."""
        with os.fdopen(self.pipe, "rb") as pipe:
            said = json.loads(pipe.read())
        os.waitpid(self.pid, 0)
        return said


def victims():
    """{what: pid} of what can be killed. A process that is only just being made has its maker's
    name still."""
    processes = suite.processes()

    def children(parent, program):
        return [pid for pid, (name, of, _) in sorted(processes.items())
                if name == program and of == parent]

    found = {}
    (daemon,) = suite.pids("bangerd")[:1]
    found["bangerd"] = daemon
    (found["netd"],) = children(daemon, "banger-netd")
    found["launch"] = children(found["netd"], "banger-netd")[0]
    found["imaged"], found["fetch"] = children(daemon, "banger-imaged")[:2]
    for pid in suite.jailed()[:1]:
        found["a VMM"] = pid
    return found


def strike(weather, draw):
    """Kill something, and bring the suite back if that was of it; what it was."""
    what, pid = draw.choice(sorted(victims().items()))
    weather.begin_kill()
    try:
        # The others leave a SIGTERM to bangerd.
        os.kill(pid, signal.SIGTERM if what == "bangerd" and draw.random() < 0.5 else
                signal.SIGKILL)
    except ProcessLookupError:
        what = f"{what}, too late"
    if what.startswith("a VMM"):
        time.sleep(0.5)
    else:
        suite.restart()
    weather.end_kill()
    return what
