# SPDX-License-Identifier: GPL-2.0-or-later
"""VMs for tests: small ones, that are gone afterwards."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import suite

MEMORY = "256M"


def run(image, *command, options=(), **more):
    """vm run --rm of a command; its result."""
    return suite.banger("vm", "run", "--rm", "--quiet", "--image", image, "--memory", MEMORY,
                        "--vcpu", "1", *options, "--", *command, **more)


@contextlib.contextmanager
def vm(image, *options, name, uid=None, command=()):
    """A running VM; its name. Deleted at the end, whatever became of it."""
    words = ["--", *command] if command else []
    suite.banger("vm", "create", "--quiet", "--image", image, "--name", name, "--memory", MEMORY,
                 "--vcpu", "1", *options, *words, uid=uid, check=True)
    try:
        yield name
    finally:
        suite.banger("vm", "delete", "--force", name, uid=uid, check=True)


def execute(name, *command, uid=None, **more):
    return suite.banger("vm", "exec", name, "--", *command, uid=uid, **more)


def output(name, *command, uid=None):
    done = execute(name, *command, uid=uid)
    assert done.status == 0, f"{command}: {done}"
    return done.out.strip()


def row(name, uid=None):
    """The VM's row of vm list; None when there is none."""
    rows = [vm for vm in suite.banger_json("vm", "list", uid=uid) if vm["name"] == name]
    return rows[0] if rows else None


class Terminal:
    """The command line on a terminal of its own."""

    def __init__(self, *arguments, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        environment = dict(os.environ, TERM="xterm")
        # A session of its own, so that the terminal is its controlling one: Ctrl-C and SIGWINCH.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", "banger", *map(str, arguments)], stdin=slave,
            stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.master)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, text, seconds=30.0):
        """Read on until the text comes; what stands before it is dropped with it."""
        end = time.monotonic() + seconds * suite.PATIENCE
        while text.encode() not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise AssertionError(f"no {text!r} within {seconds} s; there is {self.seen!r}")
            try:
                data = os.read(self.master, 4096)
            except OSError:
                data = b""
            assert data, f"ended without {text!r}: {self.seen!r}"
            self.seen += data
        before, self.seen = self.seen.split(text.encode(), 1)
        return before.decode(errors="replace")

    def wait(self, seconds=60.0):
        """Its exit status; what it still prints is read on the way."""
        end = time.monotonic() + seconds * suite.PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.master, 4096)
                except OSError:
                    time.sleep(0.05)
        return self.process.wait(1)
