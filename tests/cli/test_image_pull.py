# SPDX-License-Identifier: GPL-2.0-or-later
"""image pull beside a stand-in daemon: what is told of layers, and of a pull that failed."""
import json

import pytest
from fake_daemon import IMAGE, RpcError
from support import wait_for

LAYERS = [("aaaaaaaaaaaa", 30 << 20, 60 << 20), ("bbbbbbbbbbbb", 512, 512)]


@pytest.fixture
def pulls(bench):
    """The daemon tells how far each layer is, and goes on when the gate is open."""
    def pull(c, r, f):
        for name, done, total in LAYERS:
            c.progress(r, f"fetch {name}", done=done, total=total)
        bench.daemon.gate.wait(20)
        return {"image": IMAGE, "pulled": True}
    bench.daemon.methods["image.pull"] = pull
    bench.daemon.methods["image.reference"] = lambda c, r, f: {
        "reference": "far.example/x:1", "hosts": ["far.example"]}
    bench.env["HOME"] = "/nonexistent"
    return bench


def test_made(pulls):
    done = pulls.run("image", "pull", "far.example/x:1")
    assert (done.returncode, done.stdout.decode().strip()) == (0, IMAGE["id"])
    assert done.stderr.decode().splitlines() == [
        "banger: bbbbbbbbbbbb is here (512 B)", "banger: image debian: 117.7 MiB"]
    done = pulls.run("image", "pull", "-q", "-o", "json", "far.example/x:1")
    assert json.loads(done.stdout) == IMAGE and not done.stderr


@pytest.mark.parametrize("columns, shown", [
    (61, b"aaaaaaaaaaaa [############............] 30.0 MiB of 60.0 MiB"),
    (45, b"aaaaaaaaaaaa [####....] 30.0 MiB of 60.0 MiB"),
    (40, b"aaaaaaaaaaaa 30.0 MiB of 60.0 MiB")])
def test_layers_on_a_terminal(pulls, columns, shown):
    """Of what comes; no line is longer than the terminal, and the numbers stay."""
    pulls.daemon.gate.clear()
    with pulls.terminal("image", "pull", "far.example/x:1", columns=columns) as t:
        wait_for(lambda: pulls.daemon.called("image.pull"))
        t.expect(shown + b"\r\n")
        pulls.daemon.gate.set()
        assert t.wait() == 0
    assert all(len(line) < columns for line in t.seen.split(b"\r\n")
               if line.startswith(b"aaaaaaaaaaaa"))


@pytest.mark.parametrize("code, message, told", [
    ("not_found", "far.example has no manifests/1",
     "cannot pull far.example/x:1: far.example has no manifests/1"),
    ("unavailable", "far.example: Connection refused",
     "cannot pull far.example/x:1: far.example: Connection refused"),
    ("bad_request", "'x' is no image reference", "'x' is no image reference"),
    ("already_exists", "you have an image 'x' already", "you have an image 'x' already")])
def test_failures_name_the_image(pulls, code, message, told):
    def fail(c, r, f):
        raise RpcError(code, message)
    pulls.daemon.methods["image.pull"] = fail
    done = pulls.run("image", "pull", "far.example/x:1")
    assert (done.returncode, done.stderr.decode()) == (1, f"banger: {told}\n")
