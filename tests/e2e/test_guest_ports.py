# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's channels: leases, drops, nonsense, and what an idle one costs."""

import contextlib
import os
import time

import agent
import microvm
import pytest
import suite


# ---- sessions ----

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
    sessions = [box.session(k) for k in range(1, microvm.PORTS + 1)]
    for k, session in enumerate(sessions):
        session.exec("sh", "-c", f"read x; echo ${{x}}{k}; exit {k}")
    assert box.control.call("health")["sessions"] == microvm.PORTS
    for session in reversed(sessions):
        session.feed(b"got\n")
    for k, session in enumerate(sessions):
        assert session.wait() == ("exited", k)
        assert session.stdout == b"got%d\n" % k
        session.close()
    assert box.control.call("health")["sessions"] == 0


def test_busy_while_a_client_is_there(serial_box):
    """Whoever asks for a leased port gets no for an answer, and its session is not disturbed."""
    session = serial_box.session()
    session.exec("cat")
    with pytest.raises(agent.AgentError) as error:
        serial_box.control.call("lease", nonce=os.urandom(16), port=1)
    assert error.value.code == "busy"
    session.feed(b"still")
    session.until(b"still")
    session.send("stdin_eof")
    assert session.wait() == ("exited", 0)
    session.close()


def test_no_such_port(serial_box):
    with pytest.raises(agent.AgentError) as error:
        serial_box.control.call("lease", nonce=os.urandom(16), port=microvm.PORTS + 1)
    assert error.value.code == "not_found"
    with pytest.raises(agent.AgentError) as error:
        serial_box.control.call("lease", nonce=b"short", port=1)
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


def test_dropped_client_that_ignores_hup(serial_box, vsock_box):
    boxes = serial_box, vsock_box
    for box in boxes:
        session = box.session()
        session.exec("sh", "-c", "trap '' HUP; sleep 3333 & sleep 4444 & echo deaf; wait")
        session.until(b"deaf\n")
        session.close()
    for box in boxes:
        assert box.run("echo", "meanwhile")[1] == b"meanwhile\n"
        seen = suite.wait_for(lambda which=box: b"4444" in which.run("ps", port=2)[1], 3)
        assert seen, "gone before its five seconds"
    for box in boxes:
        assert wait_gone(box, b"3333", 8) and wait_gone(box, b"4444", 1)


def test_dropped_terminal(box):
    session = box.session()
    session.exec(tty=True, rows=24, columns=80)
    session.feed(b"sleep 5555\n")
    time.sleep(0.5)
    session.close()
    assert wait_gone(box, b"5555", 7)


def test_one_after_another(box):
    """The next session is not confused by what the last one, which was cut, had to say."""
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
def test_nonsense_on_a_session(box, what):
    session = box.session()
    session.socket.sendall(FRAMES[what])
    time.sleep(0.1)
    session.close()
    assert box.run("echo", "well")[1] == b"well\n"


def test_more_stdin_than_credited(box):
    session = box.session()
    session.exec("sleep", "6666")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the agent may hang up early
        for _ in range(12):
            session.send("stdin_data", data=b"x" * 65536)
    assert wait_gone(box, b"6666", 8)
    session.close()


# ---- control ----

NONSENSE = {"zeros": b"\0" * 24, "noise": bytes(range(40, 256)) * 4,
            "half": agent.frame("setup", hostname="x", mac=microvm.MAC, prefix=24,
                                mode="idle")[:30]}


@pytest.mark.parametrize("what", NONSENSE)
@pytest.mark.parametrize("pause", [0.2, 0])
def test_nonsense_on_control(box, what, pause):
    """The next host is heard, also when it comes before anybody saw that the last one went."""
    box.control.socket.sendall(NONSENSE[what])
    time.sleep(0.1)
    box.control.close()
    time.sleep(pause)
    box.connect()
    assert box.control.call("hello", timeout=5)["ready"] == 1


def test_half_frame_without_a_drop(serial_box):
    said = b"the rest of a frame did not come"
    before = serial_box.console.read_bytes().count(said)
    serial_box.control.socket.sendall(agent.frame("health")[:10])
    assert suite.wait_for(lambda: serial_box.console.read_bytes().count(said) > before, 60)
    assert serial_box.control.call("hello")["ready"] == 1


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
    """Ticks of 10 ms that the agent has used in all."""
    script = "for p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline) in banger-agent*) " \
             "cut -d' ' -f14,15 $p/stat; esac; done"
    (line,) = box.sh(script, port=2)[1].splitlines()
    return sum(map(int, line.split()))


def test_idle_costs_nothing(serial_box, vsock_box):
    """With the host connected, and away; with a session that waits."""
    boxes = serial_box, vsock_box
    sessions = [box.session() for box in boxes]
    for session in sessions:
        session.exec("sleep", "60")
    before = [agent_ticks(box) for box in boxes]
    time.sleep(3)
    with_host = [agent_ticks(box) for box in boxes]
    for box in boxes:
        box.control.close()
    time.sleep(3)
    for box, session in zip(boxes, sessions):
        box.connect()
        box.control.call("hello")
        session.close()
    without = [agent_ticks(box) for box in boxes]
    # Of 300 ticks; an emulated guest on a busy host is charged for what it waits, too.
    for counts in zip(before, with_host, without):
        assert counts[1] - counts[0] <= 30 and counts[2] - counts[1] <= 30, counts
