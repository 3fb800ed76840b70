# SPDX-License-Identifier: GPL-2.0-or-later
"""banger-netd without a suite, in a network namespace of its own, spoken to through netd-tool."""

import contextlib
import ctypes
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import repo
import suite
from repo import BUILD

TOOL = BUILD / "tests/integration/netd-tool"
NETD = BUILD / "banger-netd/banger-netd"
TINY = BUILD / "tests/integration/tiny-guest"

# Beside the default range, which a suite that runs meanwhile uses, and that of other test runs.
UID_COUNT = 1000
UID_BASE = 1950000000 + os.getpid() % 40000 * UID_COUNT

# {name: what it is in a frame's header}
MESSAGES = {row[0]: i for i, (_, row) in enumerate(repo.table("netd.tbl.h", "MSG"))}

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def frame(message, body=b"", kind=0, fds=0, length=None, seq=1, zero=0):
    """A request as hexadecimal digits; `message` by name or number."""
    length = 24 + len(body) if length is None else length
    return (struct.pack("<IHBBIIQ", length, MESSAGES.get(message, message), kind, fds, seq, zero,
                        0) + body).hex()


class Namespace:
    """A network namespace, held by a process of its own."""

    def __init__(self):
        mine = os.readlink("/proc/self/ns/net")
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        deadline = time.monotonic() + 5
        while True:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{self.pid}/ns/net") != mine:
                    break
            assert time.monotonic() < deadline, "no network namespace"
            time.sleep(0.005)
        self.ip("link set lo up")

    @property
    def pid(self):
        return self.holder.pid

    def enter(self, *command):
        return ["nsenter", "-t", str(self.pid), "-n", *map(str, command)]

    def run(self, *command):
        done = subprocess.run(self.enter(*command), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def ip(self, arguments):
        return self.run("ip", *arguments.split())

    @contextlib.contextmanager
    def inside(self):
        """Sockets made meanwhile are this namespace's."""
        with open("/proc/self/ns/net") as mine, open(f"/proc/{self.pid}/ns/net") as there:
            assert LIBC.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert LIBC.setns(mine.fileno(), CLONE_NEWNET) == 0

    def close(self):
        self.holder.kill()
        self.holder.wait()


class Gone(Exception):
    """banger-netd closed the channel."""


class Refused(Exception):
    """An error reply: code and message."""

    def __init__(self, text):
        self.code, _, self.message = text.partition(" ")
        super().__init__(text)


class Netd:
    """One banger-netd and the other end of its socket."""

    def __init__(self, host):
        self.log = tempfile.TemporaryFile("w+")
        self.tool = subprocess.Popen(
            host.ns.enter(*host.wrap, TOOL, NETD, "--config", host.config, "--group", 0),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def __call__(self, *words):
        """One command: {key: value} of its answer."""
        self.tool.stdin.write(" ".join(map(str, words)) + "\n")
        self.tool.stdin.flush()
        answer = self.tool.stdout.readline().rstrip("\n")
        kind, _, rest = answer.partition(" ")
        if kind == "gone":
            raise Gone(rest)
        if kind == "error":
            raise Refused(rest)
        assert kind == "ok", f"{words}: {answer!r}\n{self.said()}"
        version = rest.partition("version=")
        found = dict(word.split("=", 1) for word in version[0].split())
        if version[1]:
            found["version"] = version[2]
        return found

    @property
    def pid(self):
        return int(self("pid")["pid"])

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def wait(self):
        """Close the socket; netd's wait status."""
        return int(self("wait")["status"])

    def close(self):
        if not self.tool.stdin.closed:
            self.tool.stdin.close()
            self.tool.stdout.close()
            self.tool.wait(timeout=20)


class Host:
    """A namespace, a directory, a configuration; the files of a guest."""

    def __init__(self, seccomp="kill", extra="", wrap=()):
        self.dir = Path(tempfile.mkdtemp(prefix="banger-netd-"))
        self.run_dir = self.dir / "run"
        self.wrap = wrap
        self.ns = Namespace()
        self.config = self.dir / "banger.conf"
        self.config.write_text(
            f"[paths]\nrun_dir = {self.run_dir}\n[daemon]\nseccomp = {seccomp}\n"
            f"[jail]\nuid_base = {UID_BASE}\nuid_count = {UID_COUNT}\n{extra}")
        self.kernel = self.dir / "kernel"
        shutil.copyfile(TINY, self.kernel)
        self.initramfs = self.dir / "initramfs"
        self.initramfs.write_bytes(bytes(512))
        self.disk = self.dir / "disk"
        self.disk.write_bytes(bytes(1 << 20))
        for path, mode in (self.kernel, 0o644), (self.initramfs, 0o644), (self.disk, 0o660):
            path.chmod(mode)
        self.started = []

    def netd(self):
        self.started.append(Netd(self))
        return self.started[-1]

    def files(self, **other):
        """The last words of `launch`: a work disk only where it is given."""
        return [other.get("kernel", f"ro:{self.kernel}"),
                other.get("initramfs", f"ro:{self.initramfs}"),
                other.get("disk", f"rw:{self.disk}"),
                *([other["work"]] if "work" in other else [])]

    def file(self, name, size, mode):
        """Another one, of zeros; its path."""
        path = self.dir / name
        path.touch()
        os.truncate(path, size)
        path.chmod(mode)
        return path

    def launch(self, netd, vm, **other):
        return netd("launch", vm, 1, 128, "tcg", *self.files(**other))

    def firecracker(self, netd, vm, **other):
        return netd("firecracker", vm, 1, 128, *self.files(**other))

    def release_all(self):
        """What a restarted suite does with VMs that it does not know."""
        for netd in self.started:
            netd.close()
        netd = self.netd()
        while (row := netd("next", "0" * 12))["found"] == "1":
            netd("release", row["vm"])
        assert netd.wait() == 0

    def rundir(self, vm):
        return self.run_dir / "vm" / vm

    def settles(self, wanted, seconds=8.0):
        """Whether the host comes to be so: an idle bridge stays for a moment."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if {key: value for key, value in self.state().items() if key in wanted} == wanted:
                return True
            time.sleep(0.1)
        return False

    def state(self):
        """What of banger is on this host: links, rules, forwarding, files, processes, mounts."""
        found = {"rules": self.ns.run("nft", "list", "ruleset")}
        found["links"] = sorted(line.split(": ")[1].split("@")[0]
                                for line in self.ns.ip("-o link").splitlines())
        forwarding = {}
        for name in found["links"]:
            # An idle bridge may go between the list and this.
            forwarding[name] = self.ns.run(
                "sh", "-c", f"cat /proc/sys/net/ipv4/conf/{name}/forwarding || echo gone").strip()
        found["forwarding"] = forwarding
        # What is known of a slow KVM, and of the pool, stays, for who starts next.
        found["files"] = sorted(str(p.relative_to(self.run_dir))
                                for p in suite.tree(self.run_dir) if p.name not in ("kvm", "pool"))
        found["processes"] = jailed()
        found["mounts"] = [line for line in Path("/proc/mounts").read_text().splitlines()
                           if "banger-jail" in line or str(self.dir) in line]
        return found

    def close(self):
        for netd in self.started:
            netd.close()
        self.ns.close()
        for pid in jailed():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        shutil.rmtree(self.dir)


def status_of(pid, task=None):
    """{key: value} of /proc/PID/status."""
    path = Path(f"/proc/{pid}/status" if task is None else f"/proc/{pid}/task/{task}/status")
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def jailed():
    """VMMs of the jail uids used here (under the last one netd asks QEMU's version)."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, KeyError, ValueError):
            status = status_of(int(entry.name))
            uid = int(status["Uid"].split()[0])
            if 0 <= uid - UID_BASE < UID_COUNT - 1 and not status["State"].startswith("Z"):
                found.append(int(entry.name))
    return sorted(found)
