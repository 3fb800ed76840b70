# SPDX-License-Identifier: GPL-2.0-or-later
"""image import and kernel import: what crosses to the daemon, and that a worker that is not honest
gets nothing but regular files beneath the directory that the user named."""
import array
import fcntl
import json
import os
import signal
import socket
import stat
import struct
import threading
from pathlib import Path

import agent
import pytest
import repo
from fake_daemon import IMAGE, KERNEL, RpcError
from support import wait_for

FILE_OPEN = [row[0] for _, row in repo.table("source.tbl.h", "MSG")].index("file_open")


class Worker:
    """The far end of a source socket."""

    def __init__(self, fd):
        self.sock = socket.socket(fileno=os.dup(fd))
        self.sock.settimeout(10)
        self.seq = 0

    def ask(self, path):
        """(error code or None, size, content) of what the CLI answers."""
        self.seq += 1
        raw = os.fsencode(path)
        body = struct.pack("<H", len(raw)) + raw
        self.sock.send(agent.HEADER.pack(agent.HEADER.size + len(body), FILE_OPEN, agent.REQUEST,
                                         0, self.seq, 0, 0) + body)
        answer, anc, _, _ = self.sock.recvmsg(1 << 17, socket.CMSG_SPACE(16))
        if not answer:
            raise EOFError
        fds = array.array("i")
        for _, _, payload in anc:
            fds.frombytes(payload)
        _, number, kind, n_fds, seq, _, _ = agent.HEADER.unpack_from(answer)
        assert (number, seq, n_fds) == (FILE_OPEN, self.seq, len(fds))
        if kind == agent.ERROR:
            assert not fds
            return repo.error_codes()[struct.unpack_from("<H", answer, agent.HEADER.size)[0]], 0, b""
        with os.fdopen(fds[0], "rb") as f:
            assert fcntl.fcntl(f, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
            return None, struct.unpack_from("<Q", answer, agent.HEADER.size)[0], f.read()


class Imports:
    """A daemon's import methods that keep what came and let a test ask."""

    def __init__(self, bench):
        self.bench, self.requests, self.asked = bench, [], []
        self.ask = lambda workers: None
        for method, key, o in (("image.import", "image", IMAGE), ("kernel.import", "kernel", KERNEL)):
            bench.daemon.methods[method] = self.handler(key, o)

    def handler(self, key, o):
        def handle(c, request, fds):
            self.requests.append(request)
            c.progress(request, "verify", 1, 2)
            c.progress(request, "write", 2, 2, 1, 2)
            workers, self.contents = [], []
            for fd in fds:
                mode = os.fstat(fd).st_mode
                if stat.S_ISSOCK(mode):
                    workers.append(Worker(fd))
                else:
                    with os.fdopen(os.dup(fd), "rb") as f:
                        self.contents.append(f.read())
            for fd in fds:
                os.close(fd)
            fds.clear()
            try:
                self.asked = self.ask(workers)
            finally:
                for worker in workers:
                    worker.sock.close()
            return {key: o}
        return handle


@pytest.fixture
def imports(bench):
    return Imports(bench)


def test_file(bench, imports, tmp_path):
    (tmp_path / "a.tar").write_bytes(b"archive")
    done = bench.run("image", "import", "debian", tmp_path / "a.tar", "--type", "oci-archive",
                     "--ref", "12", "--replace")
    assert done.returncode == 0 and done.stdout.decode().strip() == IMAGE["id"]
    request = imports.requests[0]
    assert request["params"] == {"name": "debian", "kind": "oci_archive", "reference": "12",
                                 "replace": True}
    assert request["fds"] == 1 and request["progress"] is True
    assert imports.contents == [b"archive"]
    assert done.stderr.decode().splitlines() == [
        "banger: [1/2] verify", "banger: [2/2] write", "banger: image debian: 117.7 MiB, 42 entries"]


def test_quiet(bench, imports, tmp_path):
    (tmp_path / "a.tar").write_bytes(b"x")
    assert bench.run("image", "import", "-q", "debian", tmp_path / "a.tar").stderr == b""


def test_stdin(bench, imports, tmp_path):
    done = bench.run("image", "import", "debian", "-", input=b"from a pipe")
    assert done.returncode == 0 and imports.contents == [b"from a pipe"]
    (tmp_path / "a.tar").write_bytes(b"from a file")
    with open(tmp_path / "a.tar", "rb") as f:
        done = bench.run("image", "import", "debian", "-", stdin=f)
    assert done.returncode == 0 and imports.contents == [b"from a file"]


def test_made_as_json(bench, imports, tmp_path):
    (tmp_path / "a.tar").write_bytes(b"x")
    done = bench.run("image", "import", "-q", "-o", "json", "debian", tmp_path / "a.tar")
    assert json.loads(done.stdout) == IMAGE and not done.stderr
    done = bench.run("kernel", "import", "-q", "-o", "json", tmp_path / "a.tar")
    assert json.loads(done.stdout) == KERNEL and not done.stderr


def test_refusals_name_the_source(bench, tmp_path):
    """Of what the daemon says about it; a name that is taken is not the source's fault."""
    (tmp_path / "a.tar").write_bytes(b"x")

    def refuse(c, r, f):
        raise RpcError(*answer)
    for method in ("image.import", "image.register", "kernel.import"):
        bench.daemon.methods[method] = refuse
    path = str(tmp_path / "a.tar")
    for words in (("image", "import", "x", path), ("image", "register", "x", path),
                  ("kernel", "import", path)):
        answer = ("bad_input", "it is nothing")
        assert f"banger: cannot import {path}: it is nothing\n" in bench.run(*words).stderr.decode()
        answer = ("already_exists", "there is one")
        assert "banger: there is one\n" in bench.run(*words).stderr.decode()
    answer = ("bad_input", "it is nothing")
    assert b"cannot import standard input: it is nothing" in bench.run(
        "image", "import", "x", "-", input=b"x").stderr


def test_no_layout(bench, imports, tmp_path):
    done = bench.run("image", "import", "x", tmp_path)
    assert done.returncode == 1 and f"tar -C {tmp_path} -c ." in done.stderr.decode()
    assert not imports.requests


def test_bad_sources(bench, imports, tmp_path):
    done = bench.run("image", "import", "debian", tmp_path / "none")
    assert done.returncode == 1 and b"No such file" in done.stderr
    assert bench.run("image", "import", "debian", "/dev/null").returncode == 1
    assert bench.run("image", "import", "debian", "-").returncode == 1  # /dev/null
    assert bench.run("image", "import", "../x", tmp_path).returncode == 2
    with open(tmp_path / "rw", "w+b") as f:
        done = bench.run("image", "import", "debian", "-", stdin=f)
        assert done.returncode == 1 and b"open for writing" in done.stderr
    with bench.terminal("image", "import", "debian", "-") as t:
        assert t.wait() == 1 and b"terminal" in t.seen
    assert not imports.requests


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to be")
def test_the_users_own_rights(bench, imports, tmp_path):
    """What the caller may not read is not read: the file is the CLI's to open."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    secret.chmod(0o600)
    for path in (tmp_path, *tmp_path.parents):
        if path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o055)
    os.chmod(bench.daemon.path, 0o666)
    done = bench.run("image", "import", "debian", secret, user=65534, group=65534,
                     extra_groups=[])
    assert done.returncode == 1 and b"Permission denied" in done.stderr
    assert not imports.requests


# ---- a directory being served ----

@pytest.fixture
def layout(tmp_path):
    top = tmp_path / "layout"
    (top / "blobs/sha256").mkdir(parents=True)
    (top / "oci-layout").write_bytes(b"{}")
    (top / "index.json").write_bytes(b"index")
    (top / "blobs/sha256/abc").write_bytes(b"blob")
    (top / "empty").write_bytes(b"")
    (tmp_path / "outside").write_bytes(b"secret")
    (top / "link").symlink_to("index.json")
    (top / "up").symlink_to("../outside")
    (top / "absolute").symlink_to("/etc/passwd")
    (top / "there").symlink_to("blobs")
    (top / "self").symlink_to("self")
    (top / "proc").symlink_to("/proc/self/root")
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(top / "socket"))
    return top


def ask_all(*paths):
    def ask(workers):
        return [workers[0].ask(path) for path in paths]
    return ask


def test_directory(bench, imports, layout):
    imports.ask = ask_all("oci-layout", "index.json", "blobs/sha256/abc", "./index.json", "empty",
                          "blobs/../index.json", "none", "blobs/none", "index.json/x")
    done = bench.run("image", "import", "debian", layout)
    assert done.returncode == 0, done.stderr
    assert imports.asked == [
        (None, 2, b"{}"), (None, 5, b"index"), (None, 4, b"blob"), (None, 5, b"index"),
        (None, 0, b""), (None, 5, b"index"), ("not_found", 0, b""), ("not_found", 0, b""),
        ("not_found", 0, b"")]


ESCAPES = ["/etc/passwd", "../outside", "blobs/../../outside", "..", "link", "up", "absolute",
           "there/sha256/abc", "self", "proc/etc/passwd", "blobs", ".", "", "fifo", "socket",
           "/", "/proc/self/environ", "blobs/../up", "x" * 511]


@pytest.mark.parametrize("path", ESCAPES, ids=lambda p: p[:20] or "empty")
def test_escapes(bench, imports, layout, path):
    imports.ask = ask_all(path, "index.json")
    assert bench.run("image", "import", "debian", layout).returncode == 0
    refused, after = imports.asked
    assert refused[0] in ("bad_input", "not_found", "operation_failed") and refused[2] == b""
    assert after == (None, 5, b"index"), "it goes on serving"


def test_a_file_that_is_swapped(bench, imports, layout):
    """What was a file becomes a link between two questions."""
    def ask(workers):
        first = workers[0].ask("index.json")
        (layout / "index.json").unlink()
        (layout / "index.json").symlink_to("/etc/passwd")
        return first, workers[0].ask("index.json")
    imports.ask = ask
    bench.run("image", "import", "debian", layout)
    assert imports.asked[0][0] is None and imports.asked[1][0] == "bad_input"


BROKEN = {
    "no frame": b"x", "a short header": b"\0" * 23,
    "another message": agent.HEADER.pack(24, 99, 0, 0, 1, 0, 0),
    "a reply": agent.HEADER.pack(24, 0, 1, 0, 1, 0, 0),
    "a path with NUL": agent.HEADER.pack(29, 0, 0, 0, 1, 0, 0) + b"\x03\0a\0b",
    "a path with a newline": agent.HEADER.pack(29, 0, 0, 0, 1, 0, 0) + b"\x03\0a\nb",
    "a length that lies": agent.HEADER.pack(4000, 0, 0, 0, 1, 0, 0) + b"\x01\0a",
    "too long a path": agent.HEADER.pack(26 + 600, 0, 0, 0, 1, 0, 0) + b"\x58\2" + b"a" * 600,
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_broken_worker(bench, imports, layout, raw):
    """A worker that breaks the protocol is not served any more; the daemon's answer stands."""
    def ask(workers):
        workers[0].sock.send(raw)
        return workers[0].sock.recv(1 << 17)
    imports.ask = ask
    done = bench.run("image", "import", "debian", layout)
    assert imports.asked == b"" and done.returncode == 0


def test_interrupted(bench, imports, layout):
    begun, ended = threading.Event(), threading.Event()

    def ask(workers):
        begun.set()
        assert workers[0].sock.recv(100) == b"", "its end is seen"
        ended.set()
    imports.ask = ask
    process = bench.start("image", "import", "debian", layout)
    wait_for(begun.is_set)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130 and b"interrupted" in err
    wait_for(ended.is_set)


# ---- kernels ----

def test_kernel_with_modules(bench, imports, tmp_path):
    (tmp_path / "vmlinuz").write_bytes(b"kernel")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/modules.dep").write_bytes(b"dep")
    imports.ask = ask_all("modules.dep")
    done = bench.run("kernel", "import", "--name", "k", "--replace", tmp_path / "vmlinuz",
                     "--modules", tmp_path / "modules")
    assert done.returncode == 0 and done.stdout.decode().strip() == KERNEL["id"]
    assert imports.requests[0]["params"] == {"name": "k", "replace": True}
    assert imports.requests[0]["fds"] == 2 and imports.contents == [b"kernel"]
    assert imports.asked == [(None, 3, b"dep")]


def test_kernel_package(bench, imports, tmp_path):
    (tmp_path / "linux.deb").write_bytes(b"deb")
    done = bench.run("kernel", "import", tmp_path / "linux.deb")
    assert done.returncode == 0 and imports.requests[0]["fds"] == 1
    assert "params" not in imports.requests[0] or imports.requests[0]["params"] == {}
    assert imports.contents == [b"deb"]


def test_kernel_that_is_not_there(bench, imports, tmp_path):
    assert bench.run("kernel", "import", tmp_path / "none").returncode == 1
    (tmp_path / "vmlinuz").write_bytes(b"kernel")
    done = bench.run("kernel", "import", tmp_path / "vmlinuz", "--modules", tmp_path / "none")
    assert done.returncode == 1 and b"none" in done.stderr
    assert not imports.requests

