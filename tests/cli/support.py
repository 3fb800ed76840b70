# SPDX-License-Identifier: GPL-2.0-or-later
"""The CLI beside a stand-in daemon; on a terminal when a test needs one."""
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import fake_daemon  # noqa: E402

CLI = os.environ["BANGER_CLI"]
WEB, DB = "111122223333", "111122224444"


def wait_for(check, seconds=10):
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


class Bench:
    """A stand-in daemon with two VMs, and the CLI pointed at it."""

    def __init__(self, directory):
        self.daemon = fake_daemon.FakeDaemon(directory / "bangerd.sock")
        self.daemon.vms[WEB] = fake_daemon.vm(WEB, "web")
        self.daemon.vms[DB] = fake_daemon.vm(DB, "db", "stopped")
        self.env = dict(os.environ, BANGER_SOCKET=self.daemon.path, TERM="xterm")
        self.env.pop("NO_COLOR", None)

    def run(self, *words, **options):
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        options.setdefault("env", self.env)
        if options["stdin"] is None:
            del options["stdin"]
        return subprocess.run([CLI, *map(str, words)], capture_output=True, timeout=30,
                              check=False, **options)

    def start(self, *words, **options):
        for name in ("stdin", "stdout", "stderr"):
            options.setdefault(name, subprocess.PIPE)
        return subprocess.Popen([CLI, *map(str, words)], env=self.env, **options)

    @contextlib.contextmanager
    def terminal(self, *words, rows=30, columns=100, program=(CLI,), **options):
        terminal = Terminal(self, [*program, *words], rows, columns, options)
        try:
            yield terminal
        finally:
            terminal.close()


class Terminal:
    """The CLI, or another program, with a terminal of its own as standard input, output and error."""

    def __init__(self, bench, words, rows, columns, options):
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.process = subprocess.Popen(
            words, stdin=self.slave, stdout=self.slave, stderr=self.slave, env=bench.env,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            **options)

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text)

    def pump(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.seen += os.read(self.master, 65536)

    def expect(self, text, seconds=10):
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            self.pump(0.1)

    def wait(self, seconds=10):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end: {self.seen!r}"
            self.pump(0.05)
        self.pump(0)
        return self.process.returncode

    def raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)
