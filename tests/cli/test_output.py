# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists, objects, errors: what the CLI prints, and that nothing of it drives a terminal."""
import json
import os
import signal
import socket
import threading

import pytest
from fake_daemon import RpcError
from support import DB, WEB


def test_list_as_table(bench):
    done = bench.run("vm", "list")
    head, first, second = done.stdout.decode().splitlines()
    assert done.returncode == 0 and not done.stderr
    assert head.split() == ["ID", "NAME", "OWNER", "STATE", "IMAGE", "IP", "VCPU", "MEMORY", "VMM",
                            "CREATED"]
    assert first.split()[:7] == [WEB, "web", "root", "running", "debian", "172.30.0.2", "2"]
    assert second.index("stopped") == head.index("STATE")
    assert b"\033" not in done.stdout


@pytest.mark.parametrize("verb", ["list", "ls", "ps"])
def test_list_ids(bench, verb):
    assert bench.run("vm", verb, "-q").stdout.decode().split() == [WEB, DB]


def test_list_as_json(bench):
    rows = json.loads(bench.run("vm", "list", "-o", "json").stdout)
    assert {"id", "name", "owner", "state", "image", "ip", "vcpu", "memory_mib", "vmm",
            "created_at"} <= set(rows[0])
    rows = json.loads(bench.run("image", "list", "--output=json").stdout)
    assert {"id", "name", "digest", "size_bytes", "created_at"} <= set(rows[0])
    rows = json.loads(bench.run("kernel", "ls", "-ojson").stdout)
    assert {"name", "version", "arch"} <= set(rows[0])


def test_empty_lists(bench):
    bench.daemon.vms.clear()
    assert json.loads(bench.run("vm", "list", "-o", "json").stdout) == []
    assert bench.run("vm", "list", "-q").stdout == b""
    assert len(bench.run("vm", "list").stdout.splitlines()) == 1


def test_show(bench):
    assert json.loads(bench.run("vm", "show", "web", "-o", "json").stdout)["id"] == WEB
    lines = bench.run("vm", "inspect", "web").stdout.decode().splitlines()
    assert "name:                web" in lines and "nat:                 no" in lines
    assert "system_overlay_size: 8589934592 (8.0 GiB)" in lines
    assert "disk_size:           0" in lines and "memory_mib:          512" in lines
    assert json.loads(bench.run("image", "show", "debian", "-o", "json").stdout)["entrypoint"] == []


def test_columns(bench):
    """Values stand below each other, however deep; a name without end pushes its own line alone."""
    status = {"pid": 1, "host": {"a_name_of_some_length": True, "x": 1023, "b_free": 1024},
              "n" * 40: 1, "left_free": -1, "state_total": 3 << 40}
    bench.daemon.methods["daemon.status"] = lambda c, r, f: status
    assert bench.run("daemon", "status").stdout.decode().splitlines() == [
        "pid:                     1", "host:", "  a_name_of_some_length: yes",
        "  x:                     1023", "  b_free:                1024 (1.0 KiB)",
        "n" * 40 + ": 1", "left_free:               -1",
        "state_total:             3298534883328 (3.0 TiB)"]


def test_layers(bench):
    """One a line; what a daemon says that is no text does nothing to a terminal."""
    image = {"config": None, "layers": [{"digest": "sha256:aa", "size_bytes": 7},
                                        {"digest": "\033[2J", "size_bytes": "x"}],
             "used_by": ["web"], "env": []}
    bench.daemon.methods["image.show"] = lambda c, r, f: {"image": image}
    lines = bench.run("image", "show", "debian").stdout.decode().splitlines()
    at = lines.index("layers:")
    assert lines[at + 1] == "  sha256:aa  7" and "\033" not in lines[at + 2]
    assert lines[0] == "config:            -" and lines[at + 3:] == [
        'used_by:           ["web"]', "env:               []"]


def test_daemon_status(bench):
    status = {"version": "1", "pid": 1, "host": {"kvm": "slow", "qemu": "/usr/bin/qemu"}}
    bench.daemon.methods["daemon.status"] = lambda c, r, f: status
    assert json.loads(bench.run("daemon", "status", "-o", "json").stdout) == status
    assert b"  kvm:             slow" in bench.run("daemon", "status").stdout


def test_health(bench):
    bench.daemon.methods["vm.health"] = lambda c, r, f: {"healthy": True, "uptime_ms": 1}
    assert bench.run("vm", "health", "web").returncode == 0
    bench.daemon.methods["vm.health"] = lambda c, r, f: {"healthy": False}
    done = bench.run("vm", "health", "web", "-o", "json")
    assert done.returncode == 1 and json.loads(done.stdout) == {"healthy": False}


HOSTILE = "x\033]0;owned\007\033[2J\u202egnp\x9b31m\n\tend"


def test_hostile_names(bench):
    bench.daemon.vms[WEB]["name"] = HOSTILE
    for words in (("vm", "list"), ("vm", "show", WEB), ("vm", "list", "-o", "json")):
        out = bench.run(*words).stdout.decode()
        for bad in ("\033", "\007", "\x9b"):
            assert bad not in out, words
        if "json" not in words:
            assert "\u202e" not in out
    assert json.loads(bench.run("vm", "list", "-o", "json").stdout)[0]["name"] == HOSTILE


def test_hostile_errors(bench):
    def fail(c, r, f):
        raise RpcError("busy", HOSTILE)
    bench.daemon.methods["vm.list"] = fail
    done = bench.run("vm", "list")
    assert done.returncode == 1 and b"\033" not in done.stderr and len(
        done.stderr.decode().splitlines()) == 1


def test_colours(bench):
    with bench.terminal("vm", "list") as terminal:
        assert terminal.wait() == 0 and b"\033[1m" in terminal.seen
    bench.env["NO_COLOR"] = "1"
    with bench.terminal("vm", "list") as terminal:
        assert terminal.wait() == 0 and b"\033" not in terminal.seen


def test_no_daemon(bench, tmp_path):
    done = bench.run("--socket", tmp_path / "none", "vm", "list")
    assert done.returncode == 1 and str(tmp_path / "none") in done.stderr.decode()
    assert "start it" in done.stderr.decode()
    done = bench.run("vm", "list", "--socket", "x" * 200)
    assert done.returncode == 1 and b"longer than" in done.stderr


def test_internal_errors_name_the_operation(bench):
    def fail(c, r, f):
        raise RpcError("operation_failed", "it broke")
    bench.daemon.methods["vm.list"] = fail
    assert bench.run("vm", "list").stderr == \
        b"banger: it broke (operation 0123456789abcdef)\n"


def test_full_output(bench):
    with open("/dev/full", "wb") as full:
        done = bench.start("vm", "list", stdout=full)
        _, err = done.communicate(timeout=20)
    assert done.returncode == 1 and b"No space left" in err


@pytest.mark.parametrize("answer", [
    b"garbage\n", b"[]\n", b"null\n", b"{\n", b'{"jsonrpc":"2.0","id":1}\n',
    b'{"jsonrpc":"2.0","id":99,"result":{}}\n', b'{"jsonrpc":"2.0","id":1,"result":7}\n',
    b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}\n',
    b'{"jsonrpc":"2.0","id":1,"result":{},"fds":1}\n',
    b'{"jsonrpc":"2.0","id":1,"result":{},"fds":-1}\n',
    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}\n',
    b'{"a":' * 1000 + b"\n", b"\xff\xfe\n", b"", b'{"jsonrpc":"2.0",', b"x" * (9 << 20),
], ids=lambda a: repr(a[:40]))
def test_hostile_daemon(bench, tmp_path, answer):
    """Whatever answers: an error, no crash, no hang."""
    path = tmp_path / "hostile"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def serve():
        sock, _ = listener.accept()
        sock.recv(65536)
        try:
            sock.sendall(answer)
        except OSError:
            pass
        sock.close()
    threading.Thread(target=serve, daemon=True).start()
    done = bench.run("--socket", path, "vm", "list")
    assert done.returncode == 1 and done.stderr.startswith(b"banger: ")
    listener.close()


def test_many_rows(bench):
    """More than a line of the request's limit; each is there."""
    for i in range(2000):
        bench.daemon.vms[f"{i:012x}"] = dict(bench.daemon.vms[DB], id=f"{i:012x}", name=f"n{i}")
    assert len(bench.run("vm", "list", "-q").stdout.splitlines()) == 2002


# ---- many references at once ----

def test_bulk(bench):
    done = bench.run("vm", "stop", "db", "nope", WEB, "we", "web", "db")
    assert done.returncode == 1
    assert done.stdout.decode().split() == ["db", WEB]
    assert b"nope: there is no VM 'nope'" in done.stderr
    assert [p["vm"] for p in bench.daemon.called("vm.stop")] == [DB, WEB]
    assert len(bench.daemon.called("vm.list")) == 1


def test_bulk_as_json(bench):
    def stop(c, r, f):
        if r["params"]["vm"] == DB:
            raise RpcError("busy", "it is starting")
        return {"vm": bench.daemon.find(r["params"]["vm"])}
    bench.daemon.methods["vm.stop"] = stop
    done = bench.run("vm", "stop", "-o", "json", "web", "db", "nope")
    assert done.returncode == 1 and b"db: it is starting" in done.stderr
    assert json.loads(done.stdout) == [
        {"reference": "web", "id": WEB, "name": "web", "error": None},
        {"reference": "db", "id": DB, "name": "db",
         "error": {"code": "busy", "message": "it is starting"}},
        {"reference": "nope", "id": None, "name": None,
         "error": {"code": "not_found", "message": "there is no VM 'nope'"}}]
    done = bench.run("vm", "start", "-o", "json", WEB)
    assert done.returncode == 0 and [each["error"] for each in json.loads(done.stdout)] == [None]


def test_bulk_interrupted(bench):
    """What was cancelled with the connection is told; what was done stays told."""
    asked = threading.Event()

    def stop(c, r, f):
        if r["params"]["vm"] == DB:
            asked.set()
            c.closed.wait(20)
        return {"vm": bench.daemon.find(r["params"]["vm"])}
    bench.daemon.methods["vm.stop"] = stop
    process = bench.start("vm", "stop", "web", "db")
    assert process.stdout.readline() == b"web\n" and asked.wait(10)
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=10)
    assert (process.returncode, out) == (128 + signal.SIGINT, b"")
    assert told == b"banger: interrupted: what had not ended by now is cancelled\n"


def test_version_as_json(bench):
    version = bench.run("version").stdout.decode().split()[1]
    assert json.loads(bench.run("version", "-o", "json").stdout) == {"version": version}


def test_bulk_prefix_of_several(bench):
    done = bench.run("vm", "stop", "1111")
    assert done.returncode == 1 and b"multiple VMs match" in done.stderr
    assert not bench.daemon.called("vm.stop")


def test_bulk_takes_ones_own(bench):
    """Of two VMs of a name, the caller's: another's may be older."""
    bench.daemon.vms = {WEB: {**bench.daemon.vms[WEB], "owner_uid": os.geteuid() + 1},
                        DB: {**bench.daemon.vms[DB], "name": "web", "owner_uid": os.geteuid()}}
    assert bench.run("vm", "delete", "--force", "web").returncode == 0
    assert [p["vm"] for p in bench.daemon.called("vm.delete")] == [DB]


def test_bulk_is_concurrent_and_in_order(bench):
    """The first waits for the second to be asked for: one after the other would hang."""
    both = threading.Barrier(2, timeout=10)

    def stop(c, r, f):
        both.wait()
        return {"vm": bench.daemon.find(r["params"]["vm"])}
    bench.daemon.methods["vm.stop"] = stop
    done = bench.run("vm", "stop", "web", "db", "-t", "7")
    assert done.returncode == 0 and done.stdout.decode().split() == ["web", "db"]
    assert [p["timeout_s"] for p in bench.daemon.called("vm.stop")] == [7, 7]


@pytest.mark.parametrize("verb", ["stop", "restart"])
@pytest.mark.parametrize("words, asked", [
    ((), {}), (("-t", "0"), {"timeout_s": 0}), (("--timeout=3",), {"timeout_s": 3})])
def test_no_patience_is_not_left_out(bench, verb, words, asked):
    bench.daemon.methods[f"vm.{verb}"] = lambda c, r, f: {"vm": bench.daemon.find(r["params"]["vm"])}
    assert bench.run("vm", verb, *words, "web").returncode == 0
    assert bench.daemon.called(f"vm.{verb}") == [{"vm": WEB, **asked}]


def test_set(bench):
    """What is said goes along, for each of many VMs; nothing to say, or both, is refused at once."""
    bench.daemon.methods["vm.set"] = lambda c, r, f: {"vm": bench.daemon.find(r["params"]["vm"])}
    done = bench.run("vm", "set", "--vcpu", "2", "-m", "1G", "--disk-size", "4G",
                     "--system-overlay-size", "9G", "--no-nat", "--image", "other",
                     "--kernel", "new", "web", "db")
    assert done.returncode == 0 and done.stdout.decode().split() == ["web", "db"]
    assert bench.daemon.called("vm.set") == [
        {"vm": vm, "vcpus": 2, "memory_mib": 1024, "disk_size": 4 << 30,
         "system_overlay_size": 9 << 30, "no_nat": True, "image": "other", "kernel": "new"} for vm in (WEB, DB)]
    for words in ("web",), ("--nat", "--no-nat", "web"), ("--vcpu", "0", "web"), ("--vcpu", "2"):
        assert bench.run("vm", "set", *words).returncode == 2, words
    assert len(bench.daemon.called("vm.set")) == 2


def test_bulk_of_many(bench):
    for i in range(50):
        bench.daemon.vms[f"{i:012x}"] = dict(bench.daemon.vms[DB], id=f"{i:012x}", name=f"n{i}")
    names = [f"n{i}" for i in range(50)]
    done = bench.run("vm", "delete", *names)
    assert done.returncode == 0 and done.stdout.decode().split() == names
    assert len(bench.daemon.vms) == 2


def test_kill_signal(bench):
    assert bench.run("vm", "kill", "-s", "TERM", "web").returncode == 0
    assert bench.daemon.called("vm.kill") == [{"vm": WEB, "signal": 15}]


def test_delete_running_needs_force(bench):
    done = bench.run("vm", "rm", "web")
    assert done.returncode == 1 and b"--force" in done.stderr
    assert bench.run("vm", "rm", "-f", "web").returncode == 0


def test_completion_of_names(bench):
    def words(*typed):
        return bench.run("__complete", *typed).stdout.decode().split()
    assert words("vm", "stop", "") == ["web", "db"]
    assert words("vm", "stop", "web", "d") == ["db"]
    assert words("vm", "exec", "web", "") == []
    assert words("vm", "run", "--image", "") == ["debian"]
    assert words("vm", "run", "--image=d") == ["debian"]
    assert words("vm", "run", "--accel", "") == ["auto", "kvm", "tcg"]
    assert words("vm", "run", "--vmm", "") == ["auto", "firecracker", "qemu"]
    assert words("vm", "pause", "") == ["web", "db"]
    assert words("image", "import", "x", "") == [":files"]
    assert words("v") == ["vm", "version"]
    assert words("vm", "sh") == ["show", "shell"]
    assert "--rm" in words("vm", "run", "--r")
    bench.daemon.vms[WEB]["name"] = "$(touch /tmp/owned)\n\033"
    assert words("vm", "stop", "") == ["db"]
    bench.daemon.close()
    os.unlink(bench.daemon.path)
    assert words("vm", "stop", "") == []


def test_help_fits_a_terminal(bench):
    for words in ((), ("vm",), ("vm", "run"), ("image", "import"), ("kernel", "import")):
        done = bench.run(*words, "--help")
        assert done.returncode == 0 and not done.stderr
        text = done.stdout.decode().split("\nExamples:\n")[0]
        assert all(len(line) <= 80 and line == line.rstrip() for line in text.splitlines()), words


def test_help_of_things(bench):
    assert bench.run("help", "vm", "rm").stdout == bench.run("vm", "delete", "-h").stdout
    assert bench.run("help", "image").stdout == bench.run("image", "--help").stdout
    assert bench.run("help").stdout == bench.run("--help").stdout
    for words in (("help", "nope"), ("help", "vm", "nope"), ("help", "vm", "run", "x"), (), ("vm",)):
        assert bench.run(*words).returncode == 2, words
    assert bench.run("--version").stdout == bench.run("version").stdout
