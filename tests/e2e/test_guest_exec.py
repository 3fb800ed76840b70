# SPDX-License-Identifier: GPL-2.0-or-later
"""One command in a guest, as the agent runs it: streams, status, user, environment, terminal."""

import hashlib
import os
import time

import agent
import pytest


# ---- one command ----

def test_streams_apart_and_status(box):
    assert box.sh("echo out; echo err >&2; exit 42") == (("exited", 42), b"out\n", b"err\n")


def test_killed_by_signal(box):
    assert box.sh("kill -TERM $$")[0] == ("signaled", 15)
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
    assert box.sh("sleep 30 & echo done") == (("exited", 0), b"done\n", b"")
    assert box.sh("(while :; do echo spam; done) & exit 6")[0] == ("exited", 6)
    assert time.monotonic() - start < 10
    box.sh("killall sleep")


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
    session.exec("awk", 'BEGIN { for (i = 1; i <= 5000; i++) printf "%070d\\n", i }', tty=True, rows=24,
                 columns=80)
    assert session.wait(60) == ("exited", 0)
    assert session.stdout == b"".join(b"%070d\r\n" % i for i in range(1, 5001))
    session.close()
