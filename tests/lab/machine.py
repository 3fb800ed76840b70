# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's machine: QEMU under TCG, a console, a port on which the runner inside reports, and one on
which it is woken."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import base
import microvm
import scenario

MEMORY = os.environ.get("LAB_MEMORY", "3072")
BOOT_SECONDS = 300  # some 30 on a quiet host
GRACE = 90  # beyond a scenario's own time-out, for the runner to end it and to tell
CONSOLE_TAIL = 40
# Nothing of a machine that lives is still for so long. QEMU 7.2 loses an interrupt at times while its
# guest has guests: target/i386/tcg/sysemu/svm_helper.c changes interrupt_request without the lock that
# the timer has which sets it. The processor sleeps on then, whatever is pending, until there is another.
STILL = 10
PANIC = re.compile(r"Kernel panic|BUG:|Oops|general protection|lab: ")
COMMAND_LINE = ("console=ttyS0 reboot=t panic=-1 quiet cryptomgr.notests mitigations=off "
                "tsc=reliable tsc_early_khz={khz} systemd.unit=lab.target systemd.show_status=0 "
                "systemd.journald.forward_to_console=1 "
                "systemd.journald.max_level_console=warning")


class Machine:
    """One boot. Its events are the lines that guest/runner.py writes."""

    def __init__(self, folder, files, payload, kvm, cpus):
        self.console, self.port = folder / "console", folder / "events"
        self.wake_path, self.woken = folder / "wake", 0
        self.moved, self.used = time.monotonic(), 0.0  # when it last took of the processor, and what
        self.stderr, self.begun = folder / "qemu.err", time.monotonic()
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64",
                   "-M", "microvm,pit=off,pic=off", "-accel", "tcg,thread=multi",
                   "-cpu", "EPYC,-smap,-smep" if kvm else "qemu64,-svm",
                   "-smp", str(cpus), "-m", MEMORY, "-nodefaults", "-no-user-config",
                   "-display", "none", "-kernel", files / "vmlinux", "-initrd", files / "initramfs",
                   "-append", COMMAND_LINE.format(khz=microvm.tsc_khz()),
                   "-serial", f"file:{self.console}",
                   "-drive", f"id=root,file={files / 'root.ext4'},format=raw,if=none,snapshot=on",
                   "-device", "virtio-blk-device,drive=root",
                   "-drive", f"id=tests,file={payload},format=raw,if=none,read-only=on",
                   "-device", "virtio-blk-device,drive=tests",
                   "-object", "rng-random,id=rng,filename=/dev/urandom",
                   "-device", "virtio-rng-device,rng=rng",
                   "-device", "virtio-serial-device,max_ports=3",
                   "-chardev", f"file,id=events,path={self.port}",
                   "-device", "virtserialport,chardev=events,name=lab.events,nr=1",
                   "-chardev", f"socket,id=wake,path={self.wake_path},server=on,wait=off",
                   "-device", "virtserialport,chardev=wake,name=lab.wake,nr=2"]
        self.port.touch()
        with open(self.stderr, "wb") as stderr:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                            stdout=stderr, stderr=stderr,
                                            env={**os.environ, "TMPDIR": str(folder)})

    def events(self):
        """The runner's events as they come, with their own deadlines; LabError when the machine
        ends or falls silent before it said that it has finished."""
        patience, what = scenario.patience(), "boot"
        deadline = time.monotonic() + BOOT_SECONDS * patience
        rest = b""
        with open(self.port, "rb") as port:
            while True:
                rest += port.read()
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    event = self.decode(line)
                    if "within" in event:
                        deadline = time.monotonic() + event["within"] + GRACE * patience
                        what = event["what"]
                    yield event
                    if event["event"] == "finish":
                        return
                if lines:
                    continue
                if self.process.poll() is not None:
                    raise base.LabError(f"the machine ended in {what}; {self.last_words()}")
                if time.monotonic() > deadline:
                    raise base.LabError(f"the machine is silent in {what}; {self.last_words()}")
                self.wake_if_still()
                time.sleep(0.1)

    def wake_if_still(self):
        """What comes on a port interrupts it, and what else is pending is seen then."""
        used = self.cpu_seconds()
        if used != self.used:
            self.moved, self.used = time.monotonic(), used
        elif time.monotonic() - self.moved > STILL:
            self.moved = time.monotonic()
            self.woken += 1
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as port:
                port.connect(str(self.wake_path))
                port.sendall(b"\n")

    @staticmethod
    def decode(line):
        try:
            return json.loads(line)
        except ValueError as error:
            raise base.LabError(f"not an event of the runner: {line[:200]!r}") from error

    def cpu_seconds(self):
        """What it has had of the processors so far; 0 once it has ended."""
        try:
            words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return sum(map(int, words[11:13])) / os.sysconf("SC_CLK_TCK")

    def last_words(self):
        """The end of the console, and what QEMU said."""
        console = self.console.read_text(errors="replace") if self.console.exists() else ""
        said = [line for line in self.stderr.read_text(errors="replace").splitlines()
                if "TCG doesn't support" not in line]
        lines = console.splitlines()
        panic = [line for line in lines[:-CONSOLE_TAIL] if PANIC.search(line)]
        return "\n  ".join([f"status {self.process.poll()}, the console's end:", *panic[:5],
                            *lines[-CONSOLE_TAIL:], *said[-5:]])

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
