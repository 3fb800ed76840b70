# SPDX-License-Identifier: GPL-2.0-or-later
"""kernel pull and catalog; and a kernel that is not here, on the way of vm run and vm create."""

import json
import signal
import threading

import pytest
from fake_daemon import KERNEL, RpcError
from support import wait_for

ENTRY = {"name": "k", "description": "a kernel", "url": "https://h.example.org/k.deb",
         "digest": "sha256:" + "7" * 64, "size_bytes": 5 << 20, "preferred": True, "file": "a.conf",
         "present": None}


@pytest.fixture
def pulls(bench):
    """A daemon with no kernel, whose catalog has k; what was asked of it."""
    asked = []
    bench.daemon.kernels.clear()

    def pull(connection, request, _):
        asked.append(request["params"])
        if request["params"].get("kernel", "k") != "k":
            raise RpcError("not_found", "no catalog has it", -32001)
        connection.progress(request, "fetch", done=1, total=5 << 20)
        bench.daemon.kernels.append(dict(KERNEL, name="k"))
        return {"kernel": bench.daemon.kernels[-1], "pulled": True}

    bench.daemon.methods["kernel.pull"] = pull
    bench.daemon.methods["kernel.catalog"] = lambda *_: {"kernels": [ENTRY], "problems": [
        "/etc/b.conf, line 2: \x1b[31mbad"]}
    return asked


def test_pull(bench, pulls):
    done = bench.run("kernel", "pull", "--name", "n", "--replace", "k")
    assert (done.returncode, done.stdout.decode().strip()) == (0, KERNEL["id"]), done
    assert pulls == [{"kernel": "k", "name": "n", "replace": True}] and b"fetch" in done.stderr
    quiet = bench.run("kernel", "pull", "-q")
    assert pulls[1:] == [{}] and quiet.stderr == b"", quiet
    assert bench.run("kernel", "pull", "../k").returncode == 2 and len(pulls) == 2


def test_catalog(bench, pulls):
    done = bench.run("kernel", "catalog")
    head, row = done.stdout.decode().splitlines()
    assert head.split()[:4] == ["NAME", "HERE", "PREFERRED", "SIZE"], head
    assert row.split()[:4] == ["k", "-", "yes", "5.0"] and ENTRY["url"] in row, row
    assert b"b.conf, line 2" in done.stderr and b"\x1b" not in done.stderr, done.stderr
    assert json.loads(bench.run("kernel", "catalog", "-o", "json").stdout) == [ENTRY]


@pytest.mark.parametrize("command", [["vm", "run", "-d"], ["vm", "create"]], ids=["run", "create"])
@pytest.mark.parametrize("kernel", [None, "k"])
def test_on_the_way(bench, pulls, command, kernel):
    more = ["--kernel", kernel] if kernel else []
    done = bench.run(*command, "--image", "debian", *more)
    assert done.returncode == 0 and b"fetch" in done.stderr, done
    assert pulls == [{"kernel": kernel} if kernel else {}]
    assert bench.daemon.called("vm.create.begin")[0]["kernel"] == KERNEL["id"]
    assert bench.run(*command, "--image", "debian", *more).returncode == 0
    assert len(pulls) == 1, "it is here now"


def test_a_name_is_more_than_a_beginning(bench, pulls):
    """What a catalog calls k is not what is here as k-other, unless nothing is to be pulled."""
    bench.daemon.kernels.append(dict(KERNEL, id="111122223333", name="k-other"))
    assert bench.run("vm", "create", "--image", "debian", "--kernel", "k", "--pull",
                     "never").returncode == 0 and pulls == []
    assert bench.run("vm", "create", "--image", "debian", "--kernel", "k-o").returncode == 0
    assert pulls == []
    assert bench.run("vm", "create", "--image", "debian", "--kernel", "k").returncode == 0
    assert pulls == [{"kernel": "k"}]
    bench.daemon.methods["image.catalog"] = lambda *_: {"images": [{"name": "deb"}], "problems": []}
    asked = bench.run("vm", "create", "--image", "deb")
    assert asked.returncode == 1 and "the image 'deb' of a catalog is not here" in asked.stderr.decode()


def test_not_to_be_had(bench, pulls):
    for words, says in ((["--kernel", "other"], "no kernel 'other' here, and it cannot be pulled: no catalog"),
                        (["--kernel", "k", "--pull", "never"], "no kernel 'k'"),
                        (["--pull", "never"], "there is no kernel yet")):
        done = bench.run("vm", "run", "--image", "debian", *words, "--", "true")
        assert done.returncode == 125 and says in done.stderr.decode(), done
    assert len(pulls) == 1 and not bench.daemon.called("vm.create.begin")


def test_dry_run(bench, pulls):
    """What would be pulled is said; nothing is."""
    for words in ([], ["--kernel", "k"]):
        done = bench.run("vm", "run", "--dry-run", "--image", "debian", *words)
        assert done.returncode == 0, done
        assert done.stdout.decode().splitlines()[1:] == [f"would pull kernel k from {ENTRY['url']}"]
    never = bench.run("vm", "run", "--dry-run", "--image", "debian", "--pull", "never")
    other = bench.run("vm", "run", "--dry-run", "--image", "debian", "--kernel", "other")
    assert never.returncode == other.returncode == 1 and b"no catalog has one" in other.stderr
    assert pulls == []


def test_completion(bench, pulls):
    assert bench.run("__complete", "kernel", "pull", "").stdout.split() == [b"k"]
    assert b"k" in bench.run("__complete", "vm", "run", "--kernel", "").stdout.split()


def test_cancelled(bench, pulls):
    """A signal while the kernel comes: nothing is made."""
    gate = threading.Event()
    bench.daemon.methods["kernel.pull"] = lambda *_: gate.wait(20) and {}
    process = bench.start("vm", "run", "--image", "debian", "--", "true")
    wait_for(lambda: bench.daemon.called("kernel.pull"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    gate.set()
    assert process.returncode == 130 and b"interrupted" in err.lower(), (out, err)
    assert not bench.daemon.called("vm.create.begin")
