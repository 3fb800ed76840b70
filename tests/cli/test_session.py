# SPDX-License-Identifier: GPL-2.0-or-later
"""vm exec, shell, console, logs: streams, statuses, signals, terminals."""
import os
import signal
import socket
import subprocess
import threading
import time

import agent
import fake_daemon
import pytest
from support import WEB, wait_for


def test_streams_and_status(bench):
    done = bench.run("vm", "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 42)


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_status(bench, script, status):
    assert bench.run("vm", "exec", "web", "sh", "-c", script).returncode == status


@pytest.mark.parametrize("code, status", [
    ("no_command", 127), ("not_executable", 126), ("not_found", 125), ("unavailable", 125),
    ("no such code", 125)])
def test_refused_command(bench, code, status):
    def refuse(c, r, f):
        raise fake_daemon.RpcError(code, "cannot run 'thing'")
    bench.daemon.methods["vm.exec"] = refuse
    done = bench.run("vm", "exec", "web", "thing")
    assert done.returncode == status and b"cannot run 'thing'" in done.stderr


def test_command_that_did_not_start(bench):
    assert bench.run("vm", "exec", "web", "/no/such").returncode == 127
    assert bench.run("vm", "exec", "web", "/etc/passwd").returncode == 126


def test_no_vm_no_daemon(bench):
    assert bench.run("vm", "exec", "nope", "true").returncode == 125
    assert bench.run("--socket", "/no/where", "vm", "exec", "web", "true").returncode == 125
    assert bench.run("vm", "exec", "web").returncode == 2
    assert bench.run("vm", "exec", "web", "-i", "--no-stdin", "true").returncode == 2


def test_parameters(bench):
    bench.env["HERE"] = "a=b c"
    bench.env.pop("NOWHERE", None)
    bench.run("vm", "exec", "-e", "A=1", "-e", "HERE", "-e", "NOWHERE", "-u", "me:us", "-w", "/tmp",
              "web", "env", "-i")
    assert bench.daemon.called("vm.exec") == [{
        "vm": "web", "argv": ["env", "-i"], "env": ["A=1", "HERE=a=b c"], "user": "me:us",
        "directory": "/tmp"}]


def test_arguments_that_are_no_text(bench):
    done = bench.run("vm", "exec", "web", "echo", b"\xff\xfe".decode(errors="surrogateescape"))
    assert done.returncode == 125 and b"UTF-8" in done.stderr
    done = bench.run("vm", "exec", "web", "echo", *["x" * 100000] * 3)
    assert done.returncode == 125 and b"too long" in done.stderr
    assert not bench.daemon.called("vm.exec")


# ---- standard input and output ----

def test_stdin(bench):
    data = os.urandom(5 << 20)
    done = bench.run("vm", "exec", "web", "cat", input=data)
    assert done.returncode == 0 and done.stdout == data


def test_stdin_from_file_and_null(bench, tmp_path):
    (tmp_path / "file").write_bytes(b"text\n")
    with open(tmp_path / "file", "rb") as f:
        assert bench.run("vm", "exec", "web", "cat", stdin=f).stdout == b"text\n"
    assert bench.run("vm", "exec", "web", "cat").stdout == b""
    done = bench.run("vm", "exec", "--no-stdin", "web", "cat", input=b"text\n")
    assert done.stdout == b"" and done.returncode == 0


def test_stdin_that_cannot_be_read(bench, tmp_path):
    """It counts as empty, but not in silence."""
    told = b"banger: cannot read standard input: Is a directory\n"
    directory = os.open(tmp_path, os.O_RDONLY)
    done = bench.run("vm", "exec", "web", "cat", stdin=directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", told)
    ends = raw_stream(bench, "vm.console")
    process = bench.start("vm", "console", "web", stdin=directory)
    os.close(directory)
    assert process.stderr.readline() == told
    ends[0].close()
    assert process.wait(10) == 0 and process.stderr.read() == b""


def test_closed_standard_fds(bench):
    """No fd of ours may take the place of a closed 0, 1 or 2."""
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'"$@" {closed}', "sh", os.environ["BANGER_CLI"], "vm", "exec", "web",
             "sh", "-c", "cat; echo out; echo err >&2; exit 3"],
            stdin=subprocess.DEVNULL, capture_output=True, env=bench.env, timeout=20, check=False)
        assert done.returncode == 3, closed


def test_command_ends_before_its_input(bench):
    """Endless input does not keep a session whose command has ended."""
    process = bench.start("vm", "exec", "web", "sh", "-c", "exit 9")
    assert process.wait(10) == 9


def test_stdin_window(bench):
    """No more than 256 KiB unacknowledged, however much there is."""
    make = fake_daemon.Agent

    class Deaf(make):
        def __init__(self, *args):
            super().__init__(*args)
            self.acknowledge = False
    fake_daemon.Agent = Deaf
    try:
        with open("/dev/zero", "rb") as zero:
            process = bench.start("vm", "exec", "web", "sleep", "1", stdin=zero)
            assert process.wait(20) == 0
    finally:
        fake_daemon.Agent = make
    assert bench.daemon.agents[0].received == agent.STDIN_CREDIT


def test_reader_goes_away(bench):
    process = bench.start("vm", "exec", "web", "yes")
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(10) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""


def test_reader_goes_away_and_the_command_does_not_care(bench):
    process = bench.start("vm", "exec", "web", "sh", "-c",
                          "trap '' PIPE; while :; do echo y; sleep 0.01; done")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(15) == 128 + signal.SIGPIPE
    wait_for(lambda: bench.daemon.agents[0].process.poll() is not None)


def test_slow_reader_keeps_signals_moving(bench):
    process = bench.start("vm", "exec", "web", "sh", "-c",
                          "trap 'exit 7' INT; while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")
    time.sleep(0.5)  # the pipe is full by now
    process.send_signal(signal.SIGINT)
    wait_for(lambda: bench.daemon.agents[0].signals == [signal.SIGINT])
    process.communicate(timeout=10)
    assert process.returncode == 7


def test_full_disk(bench):
    with open("/dev/full", "wb") as full:
        process = bench.start("vm", "exec", "web", "yes", stdout=full)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 125 and b"No space left" in err
    wait_for(lambda: bench.daemon.agents[0].process.poll() is not None)


# ---- signals ----

def ready(bench, script, *options):
    process = bench.start("vm", "exec", *options, "web", "sh", "-c", script)
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT,
                                   signal.SIGUSR1, signal.SIGUSR2])
def test_signal_is_passed_on(bench, signo):
    name = signo.name.removeprefix("SIG")
    process = ready(bench, f"trap 'echo caught; exit 5' {name}; echo ready;"
                           "while :; do sleep 0.05; done")
    process.send_signal(signo)
    out, _ = process.communicate(timeout=10)
    assert (out, process.returncode) == (b"caught\n", 5)


def test_second_interrupt_kills(bench):
    process = ready(bench, "trap '' INT; echo ready; while :; do sleep 0.05; done")
    process.send_signal(signal.SIGINT)
    wait_for(lambda: bench.daemon.agents[0].signals == [signal.SIGINT])
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 128 + signal.SIGKILL
    assert bench.daemon.agents[0].signals == [signal.SIGINT, signal.SIGKILL]


def test_slow_interrupts_do_not_kill(bench):
    process = ready(bench, "trap 'n=x$n' INT; echo ready;"
                           "while [ \"$n\" != xx ]; do sleep 0.05; done; exit 4")
    process.send_signal(signal.SIGINT)
    time.sleep(2.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 4


def test_hangup_ends_in_the_end(bench):
    process = ready(bench, "trap '' HUP; echo ready; exec sleep 12")
    begin = time.monotonic()
    process.send_signal(signal.SIGHUP)
    assert process.wait(10) == 128 + signal.SIGHUP
    assert time.monotonic() - begin > 4, "it was not given its time"


def test_ignored_signals_stay_ignored(bench):
    """nohup banger … &"""
    process = bench.start(
        "vm", "exec", "web", "sh", "-c", "echo ready; sleep 1; exit 6",
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert process.wait(10) == 6 and bench.daemon.agents[0].signals == []


def test_killed_cli_ends_the_command(bench):
    process = ready(bench, "echo ready; sleep 1000")
    process.kill()
    process.wait()
    wait_for(lambda: bench.daemon.agents[0].process.poll() is not None)


def test_signal_before_the_command_began(bench):
    gate = threading.Event()

    def late(c, r, f):
        gate.wait(10)
        raise fake_daemon.RpcError("unavailable", "late")
    bench.daemon.methods["vm.exec"] = late
    process = bench.start("vm", "exec", "web", "true")
    wait_for(lambda: bench.daemon.called("vm.exec"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    gate.set()


# ---- terminals ----

def test_terminal(bench):
    with bench.terminal("vm", "exec", "-t", "web", "sh", "-c",
                        "stty size; tty; echo $TERM; read x; echo got-$x; exit 8") as t:
        t.expect(b"30 100")
        t.expect(b"/dev/pts/")
        t.expect(b"xterm")
        assert t.raw()
        t.type(b"word\r")
        t.expect(b"got-word")
        assert t.wait() == 8 and t.restored()


def test_shell(bench):
    with bench.terminal("vm", "shell", "web") as t:
        t.type(b"echo a-$((1+1))\r")
        t.expect(b"a-2")
        t.size(41, 123)
        wait_for(lambda: bench.daemon.agents[0].sizes[-1] == (41, 123))
        t.type(b"sleep 1000\r")
        time.sleep(0.3)
        t.type(b"\003")  # a byte for the guest's terminal, no signal here
        t.type(b"exit 5\r")
        assert t.wait() == 5 and t.restored()
        assert bench.daemon.agents[0].signals == []


def test_shell_without_a_terminal(bench):
    done = bench.run("vm", "shell", "web", input=b"echo out; exit 3\n")
    assert (done.stdout, done.returncode) == (b"out\n", 3)
    assert "tty" not in bench.daemon.called("vm.exec")[0]


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP])
def test_terminal_is_restored_by_signals(bench, signo):
    with bench.terminal("vm", "exec", "-t", "web", "sh", "-c",
                        "trap '' HUP TERM; echo ready; sleep 3") as t:
        t.expect(b"ready")
        t.process.send_signal(signo)
        assert t.wait() == 128 + signo and t.restored()


@pytest.mark.parametrize("signo", [signal.SIGSEGV, signal.SIGABRT])
def test_terminal_is_restored_by_defects(bench, signo):
    with bench.terminal("vm", "exec", "-t", "web", "sh", "-c", "echo ready; sleep 1000") as t:
        t.expect(b"ready")
        t.process.send_signal(signo)
        assert t.wait() == -signo and t.restored()


def test_terminal_after_stop_and_continue(bench):
    with bench.terminal("vm", "exec", "-t", "web", "sh", "-c", "echo ready; read x; exit 2") as t:
        t.expect(b"ready")
        t.process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        import termios
        termios.tcsetattr(t.slave, termios.TCSANOW, t.before)  # as a shell would
        t.process.send_signal(signal.SIGCONT)
        wait_for(t.raw)
        t.type(b"\r")
        assert t.wait() == 2 and t.restored()


def test_terminal_restored_when_the_session_is_lost(bench):
    with bench.terminal("vm", "exec", "-t", "web", "sh", "-c", "echo ready; sleep 1000") as t:
        t.expect(b"ready")
        bench.daemon.agents[0].peer.socket.shutdown(socket.SHUT_RDWR)
        assert t.wait() == 125 and t.restored()
        assert b"session was lost" in t.seen


# ---- hostile guests ----

def scripted(bench, raw):
    """vm.exec gives a stream that says just this, and closes."""
    def answer(c, r, f):
        ours, theirs = socket.socketpair()

        def talk():
            try:
                ours.sendall(raw)
                ours.shutdown(socket.SHUT_WR)
                ours.recv(65536)
            except OSError:
                pass
        threading.Thread(target=talk, daemon=True).start()
        return {"pid": 1}, [theirs.detach()]
    bench.daemon.methods["vm.exec"] = answer


HOSTILE = {
    "nothing": b"",
    "garbage": b"\xff" * 100,
    "half a frame": agent.frame("stdout_data", agent.NOTICE, 0, data=b"x" * 50)[:40],
    "a request": agent.frame("hello", agent.REQUEST, 1),
    "a notice for guests": agent.frame("stdin_data", agent.NOTICE, 0, data=b"x"),
    "credit for nothing": agent.frame("stdin_credit", agent.NOTICE, 0, consumed=1),
    "too long": agent.HEADER.pack(1 << 30, agent.NUMBERS["stdout_data"], agent.NOTICE, 0, 0, 0, 0),
    "bytes behind": agent.HEADER.pack(
        agent.HEADER.size + 9, agent.NUMBERS["stdin_credit"], agent.NOTICE, 0, 0, 0, 0) + bytes(9),
    "an fd": agent.HEADER.pack(
        agent.HEADER.size + 4, agent.NUMBERS["stdin_credit"], agent.NOTICE, 1, 0, 0, 0) + bytes(4),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_guest(bench, raw):
    scripted(bench, raw)
    done = bench.run("vm", "exec", "--no-stdin", "web", "true")
    assert done.returncode == 125 and done.stderr.startswith(b"banger: ") and not done.stdout


@pytest.mark.parametrize("kind, number, status", [
    ("exited", 256 + 7, 7), ("signaled", 9, 137), ("signaled", 4000000000, 128),
    ("not_started", 2, 127), ("not_started", 4294967295, 126)])
def test_hostile_status(bench, kind, number, status):
    scripted(bench, agent.frame("exited", agent.NOTICE, 0, kind=kind, status=number))
    assert bench.run("vm", "exec", "web", "true").returncode == status


def test_output_before_the_end_is_whole(bench):
    data = os.urandom(100000)
    scripted(bench, agent.frame("stdout_data", agent.NOTICE, 0, data=data) +
             agent.frame("stderr_data", agent.NOTICE, 0, data=b"") +
             agent.frame("stderr_data", agent.NOTICE, 0, data=b"e") +
             agent.frame("exited", agent.NOTICE, 0, kind="exited", status=1) + b"behind")
    done = bench.run("vm", "exec", "web", "true")
    assert (done.stdout, done.stderr, done.returncode) == (data, b"e", 1)


def test_no_stream(bench):
    bench.daemon.methods["vm.exec"] = lambda c, r, f: {"pid": 1}
    done = bench.run("vm", "exec", "web", "true")
    assert done.returncode == 125 and b"no stream" in done.stderr


# ---- what becomes of the VM meanwhile ----

def line_of(process):
    return process.stderr.readline().decode()


def test_a_pause_is_told(bench):
    process = bench.start("vm", "exec", "web", "cat")
    wait_for(lambda: bench.daemon.called("vm.await"))
    for why, words in ("the host is nearly full", "the host is nearly full"), (None, "vm resume"):
        bench.daemon.set_state(WEB, "paused", why)
        line = line_of(process)
        assert line.startswith("banger: VM 'web' is paused: ") and words in line, line
        bench.daemon.set_state(WEB, "running")
        assert line_of(process) == "banger: VM 'web' goes on\n"
    # It asks again behind the line that it wrote.
    wait_for(lambda: len(bench.daemon.called("vm.await")) == 5)
    out, err = process.communicate(b"through", timeout=10)
    assert (out, err, process.returncode) == (b"through", b"", 0)
    assert [call.get("paused", False) for call in bench.daemon.called("vm.await")] == [
        False, True, False, True, False]


@pytest.mark.parametrize("command", [["shell", "web"], ["console", "web"]])
def test_a_pause_is_told_on_a_raw_terminal(bench, command):
    raw_stream(bench, "vm.console")
    with bench.terminal("vm", *command) as t:
        wait_for(lambda: bench.daemon.called("vm.await") and t.raw())
        bench.daemon.set_state(WEB, "paused", "no room\033[2J")
        t.expect(b"\r\nbanger: VM 'web' is paused: no room?[2J\n\r")
        bench.daemon.set_state(WEB, "running")
        t.expect(b"\r\nbanger: VM 'web' goes on\n\r")


def test_a_pause_is_told_by_the_next_daemon(bench):
    process = bench.start("vm", "exec", "web", "cat")
    wait_for(lambda: bench.daemon.called("vm.await"))
    bench.daemon.lose_clients()
    os.unlink(bench.daemon.path)
    later = fake_daemon.FakeDaemon(bench.daemon.path)
    try:
        later.vms.update(bench.daemon.vms)
        wait_for(lambda: later.called("vm.await"))
        later.set_state(WEB, "paused", "no room")
        assert line_of(process) == "banger: VM 'web' is paused: no room\n"
        assert process.communicate(b"on", timeout=10) == (b"on", b"")
    finally:
        later.close()


@pytest.mark.parametrize("answer", [
    {}, {"vm": 1}, {"vm": {}}, {"vm": {"state": "stopping"}}, {"vm": {"state": ["paused"]}}, None])
def test_other_news_are_the_end_of_them(bench, answer):
    def reply(c, r, f):
        if answer is None:
            raise fake_daemon.RpcError("not_found", "no VM 'web'")
        return answer
    bench.daemon.methods["vm.await"] = reply
    done = bench.run("vm", "exec", "web", "cat", input=b"through")
    assert (done.stdout, done.stderr, done.returncode) == (b"through", b"", 0)
    wait_for(lambda: bench.daemon.called("vm.await"))  # which is read when the command may be over
    assert len(bench.daemon.called("vm.await")) == 1


# ---- console and logs ----

def raw_stream(bench, method):
    """The daemon's end of the stream that the method gives."""
    ends = []

    def answer(c, r, f):
        ours, theirs = socket.socketpair()
        ends.append(ours)
        return {}, [theirs.detach()]
    bench.daemon.methods[method] = answer
    return ends


def test_console(bench):
    ends = raw_stream(bench, "vm.console")
    with bench.terminal("vm", "console", "web") as t:
        t.expect(b"Ctrl-]")
        wait_for(lambda: ends and t.raw())
        ends[0].sendall(b"login: \033[31m")
        t.expect(b"login: \033[31m")
        t.type(b"root\r\003")
        wait_for(lambda: ends[0].recv(100, socket.MSG_PEEK) == b"root\r\003")
        t.type(b"\035")
        assert t.wait() == 0 and t.restored()


def test_console_ends_with_the_vm(bench):
    ends = raw_stream(bench, "vm.console")
    with bench.terminal("vm", "console", "web") as t:
        wait_for(lambda: ends and t.raw())
        ends[0].close()
        assert t.wait() == 0 and t.restored()


def test_logs(bench):
    ends = raw_stream(bench, "vm.logs")
    process = bench.start("vm", "logs", "-f", "web")
    wait_for(lambda: ends)
    ends[0].sendall(b"a\033[2Jb\n")
    assert process.stdout.readline() == b"a\033[2Jb\n", "elsewhere than on a terminal: as it is"
    ends[0].close()
    assert process.wait(10) == 0
    assert bench.daemon.called("vm.logs") == [{"vm": "web", "follow": True}]


def test_logs_on_a_terminal(bench):
    ends = raw_stream(bench, "vm.logs")
    with bench.terminal("vm", "logs", "web") as t:
        wait_for(lambda: ends)
        ends[0].sendall(b"\033[2J\033]0;t\007\033[31mred\033[0m\n")
        ends[0].close()
        assert t.wait() == 0
        assert t.seen == b"\033[31mred\033[0m\r\n"


def test_logs_interrupted(bench):
    ends = raw_stream(bench, "vm.logs")
    process = bench.start("vm", "logs", "-f", "web")
    wait_for(lambda: ends)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def test_logs_reader_goes_away(bench):
    ends = raw_stream(bench, "vm.logs")
    process = bench.start("vm", "logs", "-f", "web")
    wait_for(lambda: ends)
    process.stdout.close()
    ends[0].sendall(b"x" * 1000)
    assert process.wait(10) == 0
