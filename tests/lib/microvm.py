# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with banger's initramfs and none of banger's processes: what the agent does alone."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import agent
import guest_images
import repo

PORTS = 4
CONTROL, SESSION = 1024, 1025
MAC = "52:54:00:12:34:56"


def boot_files(folder, deb):
    """(vmlinux, initramfs) with this build's guest programs."""
    out = folder / "vmlinux", folder / "initramfs"
    subprocess.run([repo.BUILD / "tests/integration/kernel-tool", deb, "-",
                    repo.BUILD / "guest/guest-init", repo.BUILD / "guest/guest-agent", *out],
                   check=True, stdout=subprocess.DEVNULL)
    return out


def disk(path, tree, megabytes=64, grow=0):
    """An ext4 file of a directory's content; the file is `grow` larger than the file system."""
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E",
                    "resize=4194304", "-d", tree, path, f"{megabytes}M"], check=True)
    with path.open("r+b") as file:
        file.truncate((megabytes + grow) << 20)
    return path


def tsc_khz():
    """As the host's kernel measured it; 2 % off still boots."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("cpu MHz"):
            return int(float(line.split(":")[1]) * 1000)
    raise RuntimeError("no cpu MHz in /proc/cpuinfo")


def virtio_serial(folder, ports):
    """The channel under QEMU: banger.0 to banger.PORTS as sockets in `folder`."""
    arguments = ["-device", f"virtio-serial-device,max_ports={ports + 2}"]
    for k in range(ports + 1):
        arguments += ["-chardev",
                      f"socket,id=c{k},path={folder / f'port{k}'},server=on,wait=off",
                      "-device", f"virtserialport,chardev=c{k},name=banger.{k},nr={k + 1}"]
    return arguments


class Vsock:
    """The channel under Firecracker: a vsock device, whose other side is `folder`/vsock."""

    def __init__(self, folder):
        ours, theirs = socket.socketpair()
        self.path, self.fd = folder / "vsock", ours.detach()
        self.process = subprocess.Popen(
            [repo.BUILD / "tests/fake/vsock/vsock-device", str(theirs.fileno()), self.path, "3"],
            pass_fds=[theirs.fileno()], stdin=subprocess.PIPE)
        theirs.close()

    def arguments(self):
        return ["-object", "memory-backend-memfd,id=m0,size=256M,share=on",
                "-machine", "memory-backend=m0", "-chardev", f"socket,id=v0,fd={self.fd}",
                "-device", "vhost-user-vsock-device,chardev=v0"]

    def end(self):
        """Its exit status."""
        self.process.stdin.close()
        return self.process.wait(10)


class Guest:
    """One machine: QEMU by hand, its channel in `folder`."""

    def __init__(self, folder, files, image, ports=PORTS, vsock=False):
        self.folder, self.started = folder, time.monotonic()
        self.console, self.sessions = folder / "console", {}
        self.vsock = Vsock(folder) if vsock else None
        self.process = subprocess.Popen(
            list(map(str, self.command(files, image, ports))), stdin=subprocess.DEVNULL,
            pass_fds=[self.vsock.fd] if vsock else [])
        if vsock:
            os.close(self.vsock.fd)
        deadline = time.monotonic() + 10
        while not (self.vsock.path if vsock else self.port(ports)).exists():
            assert self.process.poll() is None and time.monotonic() < deadline, "QEMU ended"
            time.sleep(0.01)
        self.control = None
        try:
            self.connect(deadline + 50)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def command(self, files, image, ports):
        command = ["qemu-system-x86_64", "-M", "microvm,pit=off,pic=off", "-cpu", "qemu64",
                   "-accel", "tcg,thread=multi", "-smp", "1", "-m", "256", "-nodefaults",
                   "-no-user-config", "-no-reboot", "-display", "none",
                   "-kernel", files[0], "-initrd", files[1], "-append",
                   "console=ttyS0 reboot=t panic=-1 quiet cryptomgr.notests tsc=reliable "
                   f"tsc_early_khz={tsc_khz()} noreplace-smp rdinit=/init",
                   "-serial", f"file:{self.console}",
                   "-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off",
                   "-drive", f"id=d0,file={image},format=raw,if=none,cache=unsafe",
                   "-device", "virtio-blk-device,drive=d0",
                   "-netdev", "user,id=n0,restrict=on",
                   "-device", f"virtio-net-device,netdev=n0,mac={MAC}"]
        if self.vsock:
            return command + self.vsock.arguments()
        return command + virtio_serial(self.folder, ports)

    def port(self, k):
        return self.folder / f"port{k}"

    def connect(self, deadline=0):
        """Be the host anew. Over vsock nobody listens for a while: until the deadline."""
        if self.control:
            self.control.close()
        while True:
            try:
                self.control = agent.Stream(self.vsock.path, CONTROL) if self.vsock \
                    else agent.Stream(self.port(0))
                return
            except agent.Closed:
                assert self.process.poll() is None and time.monotonic() < deadline, "no agent"
                time.sleep(0.01)

    def setup(self, **values):
        """Say hello, set the guest up; its answer, with `ready` seconds since QEMU's start."""
        hello = self.control.call("hello", timeout=60)
        given = {"hostname": "box", "mac": MAC, "address": 0x0a00020f, "prefix": 24,
                 "gateway": 0x0a000202, "dns1": 0x0a000203, "clock_ns": time.time_ns(),
                 "mode": "idle"}
        given.update(values)
        out = self.control.call("setup", timeout=60, **given)
        return {**hello, **out, "ready": time.monotonic() - self.started}

    def session(self, k=1, timeout=5):
        """The stream of a session, of which one at a time is number k: what had that before in this
        process is closed. A port, which QEMU gives to one, is busy while that is on its way."""
        if k in self.sessions:
            self.sessions[k].close()
        if self.vsock:
            self.sessions[k] = agent.Session(self.vsock.path, SESSION)
            return self.sessions[k]
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.sessions[k] = agent.Lease(self.control, self.port(k), k)
                return self.sessions[k]
            except agent.AgentError as error:
                if error.code != "busy" or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def run(self, *argv, port=1, **values):
        """Run a command to its end: (kind, status), stdout, stderr."""
        session = self.session(port)
        try:
            session.exec(*argv, **values)
            return session.wait(), session.stdout, session.stderr
        finally:
            session.close()

    def wait(self, timeout=20):
        return self.process.wait(timeout)

    def qmp(self, *commands):
        """A connection to QMP that has sent these."""
        qmp = socket.socket(socket.AF_UNIX)
        qmp.connect(str(self.folder / "qmp"))
        for command in ("qmp_capabilities", *commands):
            qmp.sendall(json.dumps({"execute": command}).encode() + b"\n")
        return qmp

    def execute(self, command):
        """Run one command to its answer."""
        with self.qmp(command) as qmp, qmp.makefile() as lines:
            answers = 0
            while answers < 2:  # to the capabilities, to the command
                answers += "return" in json.loads(next(lines))

    def watch_end(self):
        """A function that waits for the end, and says why it came (QMP's ShutdownCause)."""
        qmp = self.qmp()

        def wait(timeout=20):
            qmp.settimeout(timeout)
            with qmp, qmp.makefile() as lines:
                events = [json.loads(line) for line in lines]
            self.wait()
            (reason,) = [event["data"]["reason"] for event in events
                         if event.get("event") == "SHUTDOWN"]
            return reason
        return wait

    def kill(self):
        self.control.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.vsock:
            assert self.vsock.end() == 0

    def sh(self, script, **values):
        return self.run("sh", "-c", script, **values)


def busybox_tree(folder, *without):
    """A root file system of one busybox; names in `without` are left out."""
    tree = folder / "tree"
    for name in ("bin", "etc", "home", "proc", "root", "sys", "dev", "tmp"):
        if name not in without:
            (tree / name).mkdir(parents=True)
    shutil.copy(guest_images.BUSYBOX, tree / "bin/busybox")
    applets = subprocess.run([guest_images.BUSYBOX, "--list"], check=True, capture_output=True,
                             text=True).stdout.split()
    for name in applets:
        if name not in ("busybox", "init", "linuxrc"):
            (tree / "bin" / name).symlink_to("busybox")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n"
                                     "user:x:1000:1000:user:/home:/bin/sh\n"
                                     "lost:x:1001:1001::/nowhere:/bin/nosuchshell\n")
    (tree / "etc/group").write_text("root:x:0:\nuser:x:1000:\nextra:x:44:user\nmore:x:45:x,user\n")
    for name in ("resolv.conf", "hosts", "hostname"):
        if name not in without:
            (tree / "etc" / name).write_text("the image's own\n")
    (tree / "bin/noexec").write_text("no program\n")
    (tree / "bin/nointerpreter").write_text("#!/no/such/interpreter\n")
    (tree / "bin/nointerpreter").chmod(0o755)
    return tree


class Machine:
    """Boots guests for one test or module; ends them."""

    def __init__(self, folder, files):
        self.folder, self.files, self.guests = folder, files, []

    def boot(self, tree, **values):
        image = disk(self.folder / f"disk{len(self.guests)}", tree)
        return self.boot_disk(image, **values)

    def boot_disk(self, image, vsock=False, **values):
        folder = self.folder / f"vm{len(self.guests)}"
        folder.mkdir()
        guest = Guest(folder, self.files, image, vsock=vsock)
        guest.disk = image
        self.guests.append(guest)
        guest.facts = guest.setup(**values)
        return guest

    def end(self):
        for guest in self.guests:
            guest.kill()


def debugfs(disk, command):
    return subprocess.run(["debugfs", "-R", command, disk], capture_output=True, text=True,
                          check=True).stdout


def listing(disk):
    """Every name of an ext4 file with mode, owner and size; not the times that reading changes."""
    found, todo = {}, ["/"]
    while todo:
        where = todo.pop()
        for line in filter(None, debugfs(disk, f"ls -p {where}").splitlines()):
            _, inode, mode, uid, gid, name, size, _ = line.split("/")
            if name in (".", ".."):
                continue
            path = where.rstrip("/") + "/" + name
            found[path] = (inode, mode, uid, gid, size)
            if mode.startswith("04"):
                todo.append(path)
    return found


def clean(disk):
    done = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout


def printed(guest, text, timeout=10):
    deadline = time.monotonic() + timeout
    while text not in guest.console.read_bytes():
        assert time.monotonic() < deadline, guest.console.read_text()
        time.sleep(0.05)


def stop(guest, timeout_ms=2000):
    """The machine's status. One with nothing to end may be off before its answer is out."""
    with contextlib.suppress(agent.Closed):
        guest.control.call("shutdown", timeout_ms=timeout_ms)
    return guest.wait()
