# SPDX-License-Identifier: GPL-2.0-or-later
"""vm run and vm create: what is asked for, what is shown, and that nothing is left."""
import json
import signal
import time

import fake_daemon
import pytest
from support import DB, WEB, wait_for


def run(bench, *words, **options):
    return bench.run("vm", "run", "--image", "debian", *words, **options)


def others(bench):
    """VMs that a test made."""
    return set(bench.daemon.vms) - {WEB, DB}


def test_run_and_remove(bench):
    done = run(bench, "--rm", "--", "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.stdout, done.returncode) == (b"out\n", 42)
    assert not others(bench)
    begun = bench.daemon.called("vm.create.begin")
    assert begun == [{"image": "debian", "auto_remove": True, "mode": "idle"}]
    assert bench.daemon.called("vm.delete")[0]["force"] is True


@pytest.mark.parametrize("main, words, asked", [
    ("running", (), ["vm.health", "vm.stop", "vm.delete"]),
    ("init", (), ["vm.health", "vm.delete"]), ("exited", (), ["vm.health", "vm.delete"]),
    ("running", ("--", "true"), ["vm.delete"])])
def test_own_command_is_stopped_first(bench, main, words, asked):
    """At the end with --rm: an image's own command that runs has its stop signal before."""
    bench.daemon.methods["vm.health"] = lambda c, r, f: {"healthy": True, "main": main}
    assert run(bench, "--rm", "-q", *words, input=b"").returncode == 0
    names = [name for name, _ in bench.daemon.calls if name != "vm.await"]
    assert names[names.index("vm.exec") + 1:] == asked
    assert all(call["timeout_s"] == 10 for call in bench.daemon.called("vm.stop"))
    assert not others(bench)


@pytest.mark.parametrize("method", ["vm.health", "vm.stop"])
def test_what_cannot_be_stopped_goes(bench, method):
    def fail(c, r, f):
        raise fake_daemon.RpcError("timeout", "the guest does not answer")
    bench.daemon.methods["vm.health"] = lambda c, r, f: {"healthy": True, "main": "running"}
    bench.daemon.methods[method] = fail
    assert run(bench, "--rm", "-q", input=b"").returncode == 0
    assert bench.daemon.called(method) and not others(bench)


def test_quiet_is_the_command_alone(bench):
    done = run(bench, "--rm", "-q", "--", "sh", "-c", "echo err >&2")
    assert done.stderr == b"err\n"


def test_stages_in_plain_lines(bench):
    lines = run(bench, "--rm", "--", "true").stderr.decode().splitlines()
    assert lines[0].startswith("banger: image debian")
    assert lines[1:] == ["banger: [1/3] disk", "banger: [2/3] network", "banger: [3/3] boot"]


def test_stages_on_a_terminal(bench):
    bench.daemon.gate.clear()
    with bench.terminal("vm", "run", "--rm", "--image", "debian", "--", "echo", "done") as t:
        t.expect(b"\r\033[K[3/3] boot")
        t.expect(b"[############............]  50%")
        bench.daemon.gate.set()
        t.expect(b"\r\033[Kdone")
        assert t.wait() == 0


@pytest.mark.parametrize("columns, shown", [
    (51, b"boot         [############............]  50%"), (40, b"boot         [######.......]  50%"),
    (31, b"boot         [##..]  50%"), (30, b"boot 50%"), (8, b"b\r")])
def test_stages_on_a_narrow_terminal(bench, columns, shown):
    """The percent goes last, and no line is broken."""
    with bench.terminal("vm", "run", "--rm", "--image", "debian", "--", "true",
                        columns=columns) as t:
        assert t.wait() == 0
    assert b"\r\033[K[3/3] " + shown in t.seen
    assert all(len(line) < columns for line in t.seen.split(b"\n")[1].split(b"\r\033[K"))


def test_entrypoint(bench):
    bench.daemon.entrypoint = ["sh", "-c", 'echo "$0-$*"; exit 3']
    done = run(bench, "--rm", "--", "a", "b c")
    assert (done.stdout, done.returncode) == (b"a-b c\n", 3)
    assert bench.run("vm", "create", "-q", "--image", "debian", "--", "a").returncode == 0
    begun = bench.daemon.called("vm.create.begin")[-1]
    assert begun["argv"] == [*bench.daemon.entrypoint, "a"] and begun["mode"] == "command"


def test_everything_is_asked_for(bench):
    done = bench.run(
        "vm", "create", "--image", "debian", "--name", "n", "--kernel", "6.1", "--vcpu", "3",
        "--memory", "1G", "--disk-size", "2G", "--system-overlay-size", "4G", "--nat",
        "--no-start", "--accel", "tcg",
        "--vmm", "qemu", "-e", "A=1", "-u", "me", "-w", "/x")
    assert done.returncode == 0
    assert bench.daemon.called("vm.create.begin") == [{
        "image": "debian", "name": "n", "kernel": "6.1", "vcpus": 3, "memory_mib": 1024,
        "disk_size": 2 << 30, "system_overlay_size": 4 << 30, "nat": True,
        "no_start": True, "accel": "tcg",
        "vmm": "qemu", "env": ["A=1"],
        "user": "me", "directory": "/x"}]
    assert done.stdout.decode().strip() in others(bench)


def test_detached(bench):
    done = run(bench, "-d", "-q")
    assert done.returncode == 0 and others(bench) == {done.stdout.decode().strip()}
    assert bench.daemon.called("vm.create.begin") == [{"image": "debian"}]
    assert not bench.daemon.called("vm.exec")


def test_keeps_running_without_rm(bench):
    done = run(bench, "--name", "kept", "--", "true")
    assert done.returncode == 0 and b"kept goes on running" in done.stderr
    assert len(others(bench)) == 1 and not bench.daemon.called("vm.delete")


def test_shell_on_a_terminal(bench):
    with bench.terminal("vm", "run", "--rm", "--image", "debian") as t:
        wait_for(t.raw)
        t.type(b"echo a-$((1+1)); exit 6\r")
        assert t.wait() == 6 and t.restored() and b"a-2" in t.seen
    assert not others(bench)
    assert "mode" not in bench.daemon.called("vm.create.begin")[0], "the image's own init runs"


def test_shell_from_a_pipe(bench):
    done = run(bench, "--rm", "-q", input=b"echo out; exit 4\n")
    assert (done.stdout, done.returncode) == (b"out\n", 4)


@pytest.mark.parametrize("words", [
    ("-d", "--rm"), ("-d", "--", "true"), ("-d", "-t"), ("-d", "-i"), ("-i", "--no-stdin"),
    ("--vcpu", "0"), ("--memory", "0"), ("--memory", "-1"), ("--memory", "1"),
    ("--system-overlay-size", "0"), ("--disk-size", "0"), ("--name", "Bad Name"), ("--name", "a" * 64),
    ("--accel", "xen"), ("--vmm", "xen"), ("debian",), ("-e", "=x"), ("--user", "")], ids=" ".join)
def test_contradictions(bench, words):
    done = run(bench, *words)
    assert done.returncode == 2 and b"--help" in done.stderr
    assert not bench.daemon.calls, "refused before anything is asked of the daemon"


def test_no_image(bench):
    done = bench.run("vm", "run", "--rm")
    assert done.returncode == 2 and b"there are debian" in done.stderr
    bench.daemon.images.clear()
    done = bench.run("vm", "create")
    assert done.returncode == 2 and b"banger image import" in done.stderr


def test_unknown_image(bench):
    done = bench.run("vm", "run", "--rm", "--image", "nope", "--", "true")
    assert done.returncode == 125 and b"there is no image 'nope'" in done.stderr
    assert bench.run("vm", "run", "-d", "--image", "nope").returncode == 1
    assert not others(bench)


def test_dry_run(bench):
    done = run(bench, "--rm", "--dry-run", "--memory", "1G", "--", "true")
    assert done.returncode == 0 and b"memory 1.0 GiB" in done.stdout
    assert not bench.daemon.called("vm.create.begin")
    assert bench.run("vm", "run", "--dry-run", "--image", "nope").returncode == 1
    assert run(bench, "--dry-run", "--kernel", "nope").returncode == 1


@pytest.mark.parametrize("words, asked", [
    (("run", "-d"), True), (("create",), True), (("create", "--no-start"), False)])
def test_command_that_could_not_be_started(bench, words, asked):
    """The VM is there, which is told, and so is that."""
    bench.daemon.methods["vm.health"] = lambda c, r, f: {"healthy": True, "main": "failed"}
    done = bench.run("vm", *words, "-q", "--image", "debian", "--name", "own")
    (made,) = others(bench)
    assert done.stdout.decode().strip() == made
    assert bool(bench.daemon.called("vm.health")) is asked
    assert done.returncode == (1 if asked else 0)
    assert (b"'banger vm logs own'" in done.stderr) is asked
    bench.daemon.methods["vm.health"] = lambda c, r, f: {"healthy": True, "main": "exited"}
    done = bench.run("vm", *words, "-q", "--image", "debian", "--name", "other")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [("run", "-d"), ("create", "--no-start")])
def test_made_as_json(bench, words):
    done = bench.run("vm", *words, "-q", "-o", "json", "--image", "debian", "--name", "own")
    made = json.loads(done.stdout)
    assert (done.returncode, made["name"], {made["id"]}) == (0, "own", others(bench))


@pytest.mark.parametrize("words", [(), ("--rm",), ("-d", "--dry-run")])
def test_nothing_made_is_no_json(bench, words):
    done = run(bench, "-o", "json", *words)
    assert done.returncode == 2 and b"--detach" in done.stderr and not bench.daemon.calls


def test_plan_is_told(bench):
    """With the numbers that the daemon gives to a VM that does not say."""
    def plan(*words):
        done = run(bench, "--dry-run", *words)
        assert done.returncode == 0
        return done.stdout.decode()
    assert plan() == ("image debian, 1 vCPU, memory 1.5 GiB, no work disk, root disk at least "
                      "8.0 GiB, NAT off\n")
    assert plan("--vcpu", "3", "--disk-size", "10G", "--nat", "--rm", "--name", "x") == (
        "image debian, name x, 3 vCPUs, memory 1.5 GiB, work disk 10.0 GiB, root disk at least "
        "8.0 GiB, NAT on, deleted at the end\n")
    bench.daemon.methods["daemon.status"] = lambda c, r, f: {"defaults": {
        "vcpus": 2, "memory_mib": 1024, "disk_size": 20 << 30, "system_overlay_size": 8 << 30}}
    assert plan("--memory", "512M", "--system-overlay-size", "9G") == (
        "image debian, 2 vCPUs, memory 512.0 MiB, work disk 20.0 GiB, root disk 9.0 GiB, NAT off\n")


@pytest.mark.parametrize("defaults", [None, 1, {}, {"vcpus": 1}, {"vcpus": 1, "memory_mib": -1},
                                      {"vcpus": 1, "memory_mib": 1 << 60}])
def test_no_plan(bench, defaults):
    bench.daemon.methods["daemon.status"] = lambda c, r, f: {"defaults": defaults}
    for words in (["--dry-run"], ["--rm", "--", "true"]):
        done = run(bench, *words)
        assert done.returncode in (1, 125) and b"without defaults" in done.stderr
    assert not bench.daemon.called("vm.create.begin")
    assert run(bench, "--rm", "-q", "--", "true").returncode == 0


def test_dry_run_of_what_is_not_here(bench):
    """Where it would come from; nothing comes."""
    def pull(c, r, f):
        assert r["params"]["policy"] == "never"
        raise fake_daemon.RpcError("not_found", "there is no image")
    bench.daemon.methods["image.pull"] = pull
    bench.daemon.methods["image.reference"] = lambda c, r, f: {
        "reference": "far.example/team/tool:1", "hosts": ["near.example", "far.example"]}
    line = b"would pull far.example/team/tool:1 from near.example, then far.example\n"
    done = bench.run("vm", "run", "--dry-run", "--image", "tool")
    assert done.returncode == 0 and done.stdout.endswith(b"\n" + line), done
    assert run(bench, "--dry-run", "--pull", "always").stdout.endswith(b"\n" + line)
    assert b"would pull" not in run(bench, "--dry-run").stdout
    never = bench.run("vm", "run", "--dry-run", "--pull", "never", "--image", "tool")
    assert (never.returncode, never.stdout) == (1, b""), never
    # Under another name it is here.
    bench.daemon.methods["image.pull"] = lambda c, r, f: {"image": {}, "pulled": False}
    done = bench.run("vm", "run", "--dry-run", "--image", "tool")
    assert done.returncode == 0 and b"would pull" not in done.stdout, done
    assert not bench.daemon.called("vm.create.begin")


def test_failed_creation(bench):
    def watch(c, r, f):
        operation = bench.daemon.operations[r["params"]["operation"]]
        bench.daemon.vms.pop(operation["vm"])
        return {"operation": {"operation": "x", "state": "failed", "error": {
            "code": "no_space", "message": "no space left for the disk"}}}
    bench.daemon.methods["vm.create.watch"] = watch
    done = run(bench, "--rm", "--", "true")
    assert done.returncode == 125 and b"no space left for the disk" in done.stderr
    assert not bench.daemon.called("vm.exec")


def test_failed_exec_removes(bench):
    def refuse(c, r, f):
        raise fake_daemon.RpcError("no_command", "the image has no command 'x'")
    bench.daemon.methods["vm.exec"] = refuse
    assert run(bench, "--rm", "--", "x").returncode == 127
    assert not others(bench)


def test_removed_already(bench):
    def gone(c, r, f):
        bench.daemon.vms.pop(r["params"]["vm"])
        raise fake_daemon.RpcError("not_found", "there is no VM")
    bench.daemon.methods["vm.delete"] = gone
    done = run(bench, "--rm", "-q", "--", "sh", "-c", "exit 3")
    assert done.returncode == 3 and not done.stderr


def test_daemon_restarted_meanwhile(bench):
    """The connection is lost during the session: the VM is deleted by another."""
    process = bench.start("vm", "run", "--rm", "--image", "debian", "--", "sh", "-c",
                          "echo ready; read x; exit 5")
    process.stdout.readline()
    bench.daemon.owners.clear()
    for c in bench.daemon.connections:
        c.sock.shutdown(2)
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait(10) == 5
    assert not others(bench)


def test_removal_that_fails(bench):
    def fail(c, r, f):
        raise fake_daemon.RpcError("busy", "in use")
    bench.daemon.methods["vm.delete"] = fail
    done = run(bench, "--rm", "--", "true")
    assert done.returncode == 125 and b"cannot delete VM" in done.stderr


# ---- interrupted ----

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def hold(bench, stage):
    """Creation stays at a stage ("begin" is before its answer)."""
    bench.daemon.gate.clear()
    if stage == "begin":
        begin = bench.daemon.methods["vm.create.begin"]

        def late(c, r, f):
            bench.daemon.gate.wait(20)
            return begin(c, r, f)
        bench.daemon.methods["vm.create.begin"] = late
        return lambda: bench.daemon.called("vm.create.begin")
    bench.daemon.stages = ["disk", "network", "boot"][:["disk", "network", "boot"].index(stage) + 1]
    return lambda: bench.daemon.called("vm.create.watch")


@pytest.mark.parametrize("signo", SIGNALS)
@pytest.mark.parametrize("options", [("--rm",), (), ("-d",)], ids=["rm", "kept", "detached"])
@pytest.mark.parametrize("stage", ["begin", "disk", "boot"])
def test_interrupted_creation(bench, stage, options, signo):
    held = hold(bench, stage)
    command = () if "-d" in options else ("--", "true")
    process = bench.start("vm", "run", "--image", "debian", *options, *command)
    wait_for(held)
    if stage != "begin":
        for _ in bench.daemon.stages:
            while b"/" not in process.stderr.readline():
                pass
    process.send_signal(signo)
    if stage == "begin":
        time.sleep(0.2)
        bench.daemon.gate.set()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 128 + signo, err
    assert b"nothing of the VM is left" in err
    assert not others(bench) and bench.daemon.called("vm.create.cancel")
    assert not bench.daemon.called("vm.exec")


def test_interrupted_too_late(bench):
    """The creation was done when the cancellation came: the VM goes all the same."""
    def cancel(c, r, f):
        bench.daemon.gate.set()
        return {}
    bench.daemon.methods["vm.create.cancel"] = cancel
    held = hold(bench, "boot")
    process = bench.start("vm", "run", "-d", "--image", "debian")
    wait_for(held)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130 and b"nothing of the VM is left" in err
    assert not others(bench) and bench.daemon.called("vm.delete")


def test_interrupted_twice(bench):
    """A daemon that does not answer keeps nobody."""
    bench.daemon.methods["vm.create.cancel"] = lambda c, r, f: {}
    held = hold(bench, "boot")
    process = bench.start("vm", "run", "--rm", "--image", "debian", "--", "true")
    wait_for(held)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: bench.daemon.called("vm.create.cancel"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130 and b"by itself" in err
    wait_for(lambda: bench.daemon.auto_removed)


@pytest.mark.parametrize("signo", SIGNALS)
def test_interrupted_command_removes(bench, signo):
    process = bench.start("vm", "run", "--rm", "--image", "debian", "--", "sh", "-c",
                          "echo ready; exec sleep 1000")
    process.stdout.readline()
    process.send_signal(signo)
    process.communicate(timeout=10)
    assert process.returncode == 128 + signo
    assert not others(bench) and len(bench.daemon.called("vm.delete")) == 1


def test_hung_up_terminal_removes(bench):
    with bench.terminal("vm", "run", "--rm", "--image", "debian", "--", "sh") as t:
        wait_for(lambda: bench.daemon.called("vm.exec"))
        t.process.send_signal(signal.SIGHUP)
        t.wait(15)
    assert not others(bench)


def test_interrupted_removal(bench):
    """The deletion hangs: another signal leaves it to the daemon."""
    held = []

    def slow(c, r, f):
        held.append(1)
        time.sleep(5)
        return {}
    bench.daemon.methods["vm.delete"] = slow
    process = bench.start("vm", "run", "--rm", "--image", "debian", "--", "true")
    wait_for(lambda: held)
    process.send_signal(signal.SIGTERM)
    assert process.wait(4) == 125
    wait_for(lambda: bench.daemon.auto_removed)


def test_killed_cli(bench):
    """SIGKILL: the connection's end is the daemon's sign."""
    process = bench.start("vm", "run", "--rm", "--image", "debian", "--", "sh", "-c",
                          "echo ready; exec sleep 1000")
    process.stdout.readline()
    process.kill()
    process.wait()
    wait_for(lambda: not others(bench))
