# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's init and agent in a real machine, driven over its ports without banger's processes."""

import hashlib
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import agent
import guest_images
import microvm
import pytest

CACHE = Path(os.environ.get("BANGER_CACHE", microvm.repo.TOP / "build-cache"))
PORTS = 4


@pytest.fixture(scope="module")
def boot_files(tmp_path_factory):
    debs = sorted(CACHE.glob("linux-image-*-cloud-amd64_*.deb"))
    assert debs, "no kernel: run scripts/kernel-deb"
    return microvm.boot_files(tmp_path_factory.mktemp("boot"), debs[-1])


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
        disk = microvm.disk(self.folder / f"disk{len(self.guests)}", tree)
        return self.boot_disk(disk, **values)

    def boot_disk(self, disk, **values):
        folder = self.folder / f"vm{len(self.guests)}"
        folder.mkdir()
        guest = microvm.Guest(folder, self.files, disk, PORTS)
        guest.disk = disk
        self.guests.append(guest)
        guest.facts = guest.setup(**values)
        return guest

    def end(self):
        for guest in self.guests:
            guest.kill()


@pytest.fixture
def machine(tmp_path, boot_files):
    machine_ = Machine(tmp_path, boot_files)
    yield machine_
    machine_.end()


@pytest.fixture(scope="module")
def box(tmp_path_factory, boot_files):
    """A guest that tests share, idle."""
    folder = tmp_path_factory.mktemp("box")
    machine_ = Machine(folder, boot_files)
    yield machine_.boot(busybox_tree(folder), environment=["FROM_IMAGE=yes", "BOTH=image"],
                        directory="/tmp")
    machine_.end()


def sh(box, script, **values):
    return box.run("sh", "-c", script, **values)


# ---- one command ----

def test_streams_apart_and_status(box):
    assert sh(box, "echo out; echo err >&2; exit 42") == (("exited", 42), b"out\n", b"err\n")


def test_killed_by_signal(box):
    assert sh(box, "kill -TERM $$")[0] == ("signaled", 15)
    session = box.session()
    session.exec("sleep", "100")
    session.send("signal", signo=9)
    assert session.wait() == ("signaled", 9)
    session.close()


def test_signal_reaches_the_group(box):
    session = box.session()
    session.exec("sh", "-c", "sleep 100 & echo go; wait; echo not reached")
    session.until(b"go\n")
    session.send("signal", signo=15)
    assert session.wait() == ("signaled", 15)
    session.close()
    assert b"sleep 100" not in box.run("ps")[1]


def test_stdin_ends(box):
    session = box.session()
    session.exec("cat")
    session.feed(b"one\ntwo")
    session.send("stdin_eof")
    assert session.wait() == ("exited", 0)
    assert session.stdout == b"one\ntwo"
    session.close()


def test_stdin_that_nobody_reads(box):
    """The process closed its stdin: what comes is credited all the same, and dropped."""
    session = box.session()
    session.exec("sh", "-c", "exec <&-; echo closed; sleep 1; exit 3")
    session.until(b"closed\n")
    session.feed(os.urandom(1 << 20))
    assert session.wait() == ("exited", 3)
    session.close()


def test_eight_megabytes_intact(box):
    data = os.urandom(8 << 20)
    session = box.session()
    session.exec("cat")
    session.feed(data, timeout=120)
    session.send("stdin_eof")
    assert session.wait(60) == ("exited", 0)
    assert hashlib.sha256(session.stdout).digest() == hashlib.sha256(data).digest()
    session.close()


def test_all_output_before_exited(box):
    """One megabyte written just before the end, and read slowly."""
    session = box.session()
    session.exec("sh", "-c", "dd if=/dev/zero bs=1k count=1000 2>/dev/null; exit 5")
    time.sleep(1.5)
    assert session.wait() == ("exited", 5)
    assert len(session.stdout) == 1000 * 1024
    session.close()


def test_background_holder_of_stdout(box):
    """The session ends with its process, not with whoever inherited its pipes."""
    start = time.monotonic()
    assert sh(box, "sleep 30 & echo done") == (("exited", 0), b"done\n", b"")
    assert sh(box, "(while :; do echo spam; done) & exit 6")[0] == ("exited", 6)
    assert time.monotonic() - start < 10
    sh(box, "killall sleep")


# ---- who, where, with what ----

def test_users_and_groups(box):
    for user, answer in (("", b"uid=0(root) gid=0(root) groups=0(root)"),
                         ("user", b"uid=1000(user) gid=1000(user) "
                                  b"groups=44(extra),45(more),1000(user)"),
                         ("1000", b"uid=1000(user) gid=1000(user) "
                                  b"groups=44(extra),45(more),1000(user)"),
                         ("user:extra", b"uid=1000(user) gid=44(extra) groups=44(extra)"),
                         ("7:8", b"uid=7 gid=8 groups=8"),
                         ("4294967294", b"uid=4294967294 gid=0(root) groups=0(root)")):
        ended, out, _ = box.run("id", user=user)
        assert (ended, out.strip()) == (("exited", 0), answer)


@pytest.mark.parametrize("user", ["nobody-here", "user:nogroup", "4294967295", "user:99999999999"])
def test_unknown_user(box, user):
    with pytest.raises(agent.AgentError) as error:
        box.run("id", user=user)
    assert error.value.code == "not_found" and "image has no" in str(error.value)


def test_environment(box):
    _, out, _ = box.run("env", env={"ASKED": "a=b", "BOTH": "asked"}, user="user")
    env = dict(line.split(b"=", 1) for line in out.splitlines())
    assert env == {b"FROM_IMAGE": b"yes", b"BOTH": b"asked", b"ASKED": b"a=b", b"HOME": b"/home",
                   b"USER": b"user", b"LOGNAME": b"user", b"HOSTNAME": b"box",
                   b"PATH": b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def test_directory(box):
    assert box.run("pwd")[1] == b"/tmp\n"
    assert box.run("pwd", directory="/home")[1] == b"/home\n"
    with pytest.raises(agent.AgentError) as error:
        box.run("pwd", directory="/no/where")
    assert error.value.code == "not_found" and "/no/where" in str(error.value)


@pytest.mark.parametrize("command, code, errno", [
    ("nosuch", "no_command", 0), ("/bin/nosuch", "no_command", 0), ("", "no_command", 0),
    ("noexec", "not_executable", 13), ("/etc", "not_executable", 13),
    ("nointerpreter", "no_command", 0)])
def test_command_that_cannot_run(box, command, code, errno):
    with pytest.raises(agent.AgentError) as error:
        box.run(command)
    assert (error.value.code, error.value.errno) == (code, errno)


def test_asked_path_finds_the_command(box):
    with pytest.raises(agent.AgentError):
        box.run("id", env={"PATH": "/tmp"})
    assert box.run("id", env={"PATH": "/tmp:/bin"})[0] == ("exited", 0)


def test_refused_exec_leaves_the_lease(box):
    session = box.session()
    with pytest.raises(agent.AgentError):
        session.exec("nosuch")
    session.exec("echo", "second try")
    assert session.wait() == ("exited", 0)
    assert session.stdout == b"second try\n"
    session.close()


# ---- terminals ----

def test_terminal(box):
    session = box.session()
    session.exec(tty=True, rows=33, columns=111, env={"PS1": "$ "}, user="user")
    session.until(b"$ ")
    session.feed(b"tty; stty size; id -u; echo $TERM\n")
    session.until(b"/dev/pts/")
    session.until(b"33 111\r\n1000\r\nxterm\r\n")
    session.send("resize", rows=44, columns=99)
    session.feed(b"stty size; echo to-stderr >&2; test -w $(tty) && echo mine\n")
    session.until(b"44 99\r\nto-stderr\r\nmine\r\n")
    session.feed(b"sleep 100\n")
    time.sleep(0.5)
    session.feed(b"\x03")
    session.until(b"$ ")
    session.feed(b"exit 9\n")
    assert session.wait() == ("exited", 9)
    session.close()


def test_terminal_ends_by_eof(box):
    session = box.session()
    session.exec("cat", tty=True, rows=24, columns=80)
    session.feed(b"line\n")
    session.until(b"line\r\nline\r\n")
    session.send("stdin_eof")
    assert session.wait() == ("exited", 0)
    session.close()


def test_terminal_output_is_whole(box):
    session = box.session()
    session.exec("seq", "1", "50000", tty=True, rows=24, columns=80)
    assert session.wait(60) == ("exited", 0)
    assert session.stdout == b"".join(b"%d\r\n" % i for i in range(1, 50001))
    session.close()


# ---- leases ----

def test_a_stalled_session_stalls_nobody(box):
    stalled = box.session(1)
    stalled.exec("yes")
    time.sleep(1)
    start = time.monotonic()
    assert box.run("echo", "hi", port=2)[1] == b"hi\n"
    box.control.call("health")
    assert time.monotonic() - start < 3
    stalled.close()


def test_all_ports_at_once(box):
    sessions = [box.session(k) for k in range(1, PORTS + 1)]
    for k, session in enumerate(sessions):
        session.exec("sh", "-c", f"read x; echo ${{x}}{k}; exit {k}")
    assert box.control.call("health")["sessions"] == PORTS
    for session in reversed(sessions):
        session.feed(b"got\n")
    for k, session in enumerate(sessions):
        assert session.wait() == ("exited", k)
        assert session.stdout == b"got%d\n" % k
        session.close()
    assert box.control.call("health")["sessions"] == 0


def test_busy_while_a_client_is_there(box):
    """Whoever asks for a leased port gets no for an answer, and its session is not disturbed."""
    session = box.session()
    session.exec("cat")
    with pytest.raises(agent.AgentError) as error:
        box.control.call("lease", nonce=os.urandom(16), port=1)
    assert error.value.code == "busy"
    session.feed(b"still")
    session.until(b"still")
    session.send("stdin_eof")
    assert session.wait() == ("exited", 0)
    session.close()


def test_no_such_port(box):
    with pytest.raises(agent.AgentError) as error:
        box.control.call("lease", nonce=os.urandom(16), port=PORTS + 1)
    assert error.value.code == "not_found"
    with pytest.raises(agent.AgentError) as error:
        box.control.call("lease", nonce=b"short", port=1)
    assert error.value.code == "bad_request"


def wait_gone(box, text, seconds):
    deadline = time.monotonic() + seconds
    while text in box.run("ps", port=2)[1]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def test_dropped_client_ends_the_group(box):
    session = box.session()
    session.exec("sh", "-c", "sleep 1111 & sleep 2222")
    assert b"sleep 2222" in box.run("ps", port=2)[1]
    session.close()
    assert wait_gone(box, b"1111", 2) and wait_gone(box, b"2222", 1)
    assert box.run("echo", "again")[1] == b"again\n"


def test_dropped_client_that_ignores_hup(box):
    session = box.session()
    session.exec("sh", "-c", "trap '' HUP; sleep 3333 & sleep 4444")
    time.sleep(0.3)
    session.close()
    assert box.run("echo", "meanwhile")[1] == b"meanwhile\n"
    assert b"4444" in box.run("ps", port=2)[1], "gone before its five seconds"
    assert wait_gone(box, b"3333", 8) and wait_gone(box, b"4444", 1)


def test_dropped_terminal(box):
    session = box.session()
    session.exec(tty=True, rows=24, columns=80)
    session.feed(b"sleep 5555\n")
    time.sleep(0.5)
    session.close()
    assert wait_gone(box, b"5555", 7)


def test_lease_taken_over(box):
    """A lease for a port in use ends who had it; the next session is not confused by its bytes."""
    first = box.session()
    first.exec("yes", "stale")
    time.sleep(0.5)
    first.close()
    for _ in range(5):
        assert box.run("echo", "fresh") == (("exited", 0), b"fresh\n", b"")


FRAMES = {"noise": b"\xff" * 64, "reply": agent.frame("exec", agent.REPLY, pid=3),
          "notice": agent.frame("stdin_data", agent.NOTICE, 0, data=b"x"),
          "control": agent.frame("health"),
          "half": agent.frame("exec", argv=["cat"])[:-1]}


@pytest.mark.parametrize("what", FRAMES)
def test_nonsense_on_a_lease(box, what):
    session = box.session()
    session.socket.sendall(FRAMES[what])
    time.sleep(0.1)
    session.close()
    assert box.run("echo", "well")[1] == b"well\n"


def test_more_stdin_than_credited(box):
    session = box.session()
    session.exec("sleep", "6666")
    for _ in range(12):
        session.send("stdin_data", data=b"x" * 65536)
    assert wait_gone(box, b"6666", 8)
    session.close()


# ---- port 0 ----

NONSENSE = {"zeros": b"\0" * 24, "noise": bytes(range(40, 256)) * 4,
            "half": agent.frame("setup", hostname="x", mac=microvm.MAC, prefix=24,
                                mode="idle")[:30]}


@pytest.mark.parametrize("what", NONSENSE)
@pytest.mark.parametrize("pause", [0.2, 0])
def test_nonsense_on_port_0(box, what, pause):
    """The next host is heard, also when it comes before anybody saw that the last one went."""
    box.control.socket.sendall(NONSENSE[what])
    time.sleep(0.1)
    box.control.close()
    time.sleep(pause)
    box.control = agent.Stream(box.port(0))
    assert box.control.call("hello", timeout=5)["ready"] == 1


def test_half_frame_without_a_drop(box):
    box.control.socket.sendall(agent.frame("health")[:10])
    time.sleep(1.5)
    assert box.control.call("hello")["ready"] == 1


def test_setup_once(box):
    with pytest.raises(agent.AgentError) as error:
        box.setup()
    assert error.value.code == "already_exists"


def test_health_and_sync(box):
    before = box.control.call("health")
    assert before["main"] == "none"
    assert 100 << 20 < before["memory_total"] < 300 << 20
    assert 0 < before["memory_available"] < before["memory_total"]
    assert 0 < before["disk_free"] < before["disk_total"]
    box.control.call("sync")
    assert box.control.call("health")["uptime_ms"] > before["uptime_ms"]


def agent_ticks(box):
    script = "for p in /proc/[0-9]*; do read a b c d < $p/cmdline; case $a in @banger-agent*) " \
             "cut -d' ' -f14,15 $p/stat; esac; done"
    out = sh(box, script.replace("read a b c d < $p/cmdline",
                                 "a=$(tr '\\0' ' ' < $p/cmdline)"))[1]
    (line,) = out.splitlines()
    return sum(map(int, line.split()))


def test_idle_costs_nothing(box):
    """With the host connected, and away; with a port that was leased and dropped."""
    session = box.session()
    session.exec("sleep", "60")
    before = agent_ticks_on(box)
    time.sleep(3)
    with_host = agent_ticks_on(box)
    box.control.close()
    time.sleep(3)
    box.control = agent.Stream(box.port(0))
    box.control.call("hello")
    without = agent_ticks_on(box)
    session.close()
    assert with_host - before <= 3 and without - with_host <= 3, "ticks of 10 ms"


def agent_ticks_on(box):
    return agent_ticks(PortTwo(box))


class PortTwo:
    """The box, by another port than 1."""

    def __init__(self, box):
        self.box = box

    def run(self, *argv, **values):
        return self.box.run(*argv, port=2, **values)


# ---- the machine ----

def test_network_names_and_boot(box):
    assert box.facts["ready"] < 10 and box.facts["main"] == "none" and box.facts["version"] == 1
    assert box.facts["ports"] == PORTS
    assert b"10.0.2.15/24" in box.run("ip", "addr")[1]
    assert b"default via 10.0.2.2" in box.run("ip", "route")[1]
    assert box.run("hostname")[1] == b"box\n"
    assert box.run("cat", "/etc/resolv.conf")[1] == b"nameserver 10.0.2.3\n"
    assert b"10.0.2.15\tbox" in box.run("cat", "/etc/hosts")[1]
    now = int(box.run("date", "+%s")[1])
    assert abs(now - time.time()) < 5
    mounts = [line.split()[1] for line in box.run("cat", "/proc/mounts")[1].decode().splitlines()]
    for name in ("/proc", "/sys", "/dev", "/dev/pts", "/dev/shm"):
        assert name in mounts
    assert sh(box, "ls -la /dev/fd/ /proc/self/fd >/dev/null && echo a > /dev/shm/b")[0] == \
        ("exited", 0)


def test_no_zombies(box):
    """Orphans are reaped by process 1; what was dropped keeps its zombie for its five seconds."""
    sh(box, "(sleep 0.1 &) ; exit 0")
    deadline = time.monotonic() + 8
    while b" Z " in box.run("ps", "-o", "pid,stat,args")[1]:
        assert time.monotonic() < deadline
        time.sleep(0.3)


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
    guest.control.call("shutdown", timeout_ms=timeout_ms)
    return guest.wait()


def test_shutdown_keeps_what_was_written(machine, tmp_path):
    guest = machine.boot(busybox_tree(tmp_path))
    before = listing(guest.disk)
    sh(guest, "echo kept > /home/file; dd if=/dev/urandom of=/home/big bs=1M count=8 2>/dev/null")
    digest = sh(guest, "sha256sum < /home/big")[1]
    start = time.monotonic()
    assert stop(guest) == 0
    assert time.monotonic() - start < 2, "nothing was running"
    assert clean(guest.disk)[0], clean(guest.disk)[1]
    after = listing(guest.disk)
    assert set(after) - set(before) == {"/home/file", "/home/big"}
    assert {n: after[n] for n in before} == before, "something else was changed"
    again = machine.boot_disk(guest.disk)
    assert sh(again, "cat /home/file; sha256sum < /home/big")[1] == b"kept\n" + digest


def test_disk_that_grew(machine, tmp_path):
    disk = microvm.disk(tmp_path / "disk", busybox_tree(tmp_path), grow=512)
    guest = machine.boot_disk(disk)
    assert guest.control.call("health")["disk_total"] > 500 << 20
    assert stop(guest) == 0
    assert clean(disk)[0], clean(disk)[1]


def test_single_static_file(machine, tmp_path):
    """No shell, no libc, no /etc, no /proc, no /dev: it runs, and nothing is added."""
    guest_images.hello(tmp_path)
    tree = tmp_path / "tree"
    tree.mkdir()
    shutil.copy(tmp_path / "hello", tree / "hello")
    guest = machine.boot(tree, mode="auto", argv=["/hello"])
    before = listing(guest.disk)
    assert guest.facts["main"] == "running"
    assert guest.run("/hello") == (("exited", 7), b"hello\n", b"")
    assert guest.run("/hello", user="5:6", port=2)[0] == ("exited", 7)
    session = guest.session()
    session.exec("/hello", tty=True, rows=24, columns=80)
    assert session.wait() == ("exited", 7) and session.stdout == b"hello\r\n"
    session.close()
    with pytest.raises(agent.AgentError) as error:
        guest.run()
    assert error.value.code == "no_command" and "no shell" in str(error.value)
    health = guest.control.call("health")
    assert (health["main"], health["main_status"]) == ("exited", 7)
    assert stop(guest) == 0
    assert b"hello" in guest.console.read_bytes()
    assert listing(guest.disk) == before
    assert clean(guest.disk)[0]


def test_command_as_workload(machine, tmp_path):
    """It gets its stop signal; its output is on the console; a session's process gets TERM."""
    script = "trap 'echo stopping; exit 4' USR1; echo as $(id -u) in $(pwd); " \
             "while :; do sleep 0.1; done"
    guest = machine.boot(busybox_tree(tmp_path), mode="command", argv=["sh", "-c", script],
                         user="user", directory="/tmp", stop_signal="SIGUSR1")
    assert guest.facts["main"] == "running"
    printed(guest, b"as 1000")
    assert stop(guest, 10000) == 0
    text = guest.console.read_bytes().replace(b"\r", b"")
    assert b"as 1000 in /tmp\n" in text and b"stopping\n" in text


def test_workload_that_cannot_run(machine, tmp_path):
    guest = machine.boot(busybox_tree(tmp_path), mode="command", argv=["nosuch"])
    assert guest.facts["main"] == "failed"
    assert guest.run("echo", "still here")[1] == b"still here\n"
    assert stop(guest) == 0
    assert b"nosuch" in guest.console.read_bytes()


def test_workload_that_ignores_its_signal(machine, tmp_path):
    guest = machine.boot(busybox_tree(tmp_path), mode="command",
                         argv=["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"])
    printed(guest, b"deaf")
    start = time.monotonic()
    assert stop(guest, 1500) == 0
    assert 1.4 < time.monotonic() - start < 5


INIT = """#!/bin/sh
echo "init is $$"
trap 'echo told to restart; sync; reboot -f' INT
while :; do sleep 0.1; done
"""


def test_own_init_of_the_image(machine, tmp_path):
    tree = busybox_tree(tmp_path)
    (tree / "sbin").mkdir()
    (tree / "sbin/init").write_text(INIT)
    (tree / "sbin/init").chmod(0o755)
    guest = machine.boot(tree, mode="auto", argv=["sleep", "1"])
    assert guest.facts["main"] == "init"
    printed(guest, b"init is 1")
    assert b"/sbin/init" in sh(guest, "tr '\\0' ' ' < /proc/1/cmdline")[1]
    assert stop(guest, 10000) == 0
    text = guest.console.read_bytes()
    assert b"init is 1" in text and b"told to restart" in text


def test_init_that_cannot_run(machine, tmp_path):
    tree = busybox_tree(tmp_path)
    (tree / "sbin").mkdir()
    (tree / "sbin/init").write_bytes(b"\x7fELF nonsense")
    (tree / "sbin/init").chmod(0o755)
    guest = machine.boot(tree, mode="auto")
    assert guest.facts["main"] == "failed"
    assert guest.run("echo", "reachable")[1] == b"reachable\n"
    assert stop(guest) == 0


def test_init_is_not_run_when_a_command_is_given(machine, tmp_path):
    tree = busybox_tree(tmp_path)
    (tree / "sbin").mkdir()
    (tree / "sbin/init").write_text(INIT)
    (tree / "sbin/init").chmod(0o755)
    guest = machine.boot(tree, mode="command", argv=["sleep", "1000"])
    assert guest.facts["main"] == "running"
    guest.session().exec("kill", "1")
    assert guest.wait() == 0, "process 1 ends the machine, in order"
    assert clean(guest.disk)[0]


def test_hostile_image(machine, tmp_path):
    """Mount points and files that lead elsewhere: mounts stay inside the root, the agent works."""
    tree = busybox_tree(tmp_path, "proc", "sys", "resolv.conf", "hosts", "hostname")
    (tree / "proc").symlink_to("/../../../etc")
    (tree / "sys").write_text("no directory")
    (tree / "etc/resolv.conf").symlink_to("../../../../names/resolv.conf")
    (tree / "home/elsewhere").write_text("inside")
    (tree / "etc/hosts").symlink_to("/../../home/elsewhere")
    os.mkfifo(tree / "etc/hostname")
    (tree / "etc/group").unlink()
    os.mkfifo(tree / "etc/group")
    guest = machine.boot(tree)
    assert guest.run("id", "-u", user="user")[1] == b"1000\n"
    assert guest.run("cat", "/etc/passwd")[1].startswith(b"root:")
    assert guest.run("cat", "/home/elsewhere")[1].startswith(b"127.0.0.1")
    assert guest.run("cat", "/sys")[1] == b"no directory"
    session = guest.session()
    session.exec("tty", tty=True, rows=1, columns=1)
    assert session.wait()[0] == "exited"
    session.close()
    assert stop(guest) == 0
    assert clean(guest.disk)[0]


def test_setup_that_fails(tmp_path, boot_files):
    """No ext4 on the disk: the host is told, and may end the machine."""
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * (1 << 20))
    guest = microvm.Guest(tmp_path, boot_files, disk, PORTS)
    try:
        with pytest.raises(agent.AgentError) as error:
            guest.setup()
        assert "ext4" in str(error.value)
        assert guest.control.call("hello")["ready"] == 0
        with pytest.raises(agent.AgentError):
            guest.control.call("health")
        assert stop(guest) == 0
    finally:
        guest.kill()


def test_host_that_comes_late_and_again(tmp_path, boot_files):
    """Nobody there at boot; then one that drops in the middle of a frame; then the real one."""
    disk = microvm.disk(tmp_path / "disk", busybox_tree(tmp_path))
    guest = microvm.Guest(tmp_path, boot_files, disk, PORTS)
    try:
        guest.control.close()
        time.sleep(3)
        half = agent.Stream(guest.port(0))
        half.socket.sendall(agent.frame("hello") + agent.frame("hello")[:9])
        assert half.receive()[3]["ready"] == 0
        half.close()
        time.sleep(0.2)
        guest.control = agent.Stream(guest.port(0))
        guest.setup()
        assert guest.run("echo", "up")[1] == b"up\n"
    finally:
        guest.kill()


def test_host_that_drops_while_the_guest_writes(box):
    session = box.session()
    session.exec("cat", "/dev/zero")
    select.select([session.socket], [], [], 5)
    session.close()
    assert box.run("echo", "fine")[1] == b"fine\n"
