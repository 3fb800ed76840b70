# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent over vsock: whom it takes, how many, what a flood of connections does to the rest."""

import concurrent.futures
import os
import shutil
import socket
import threading
import time

import agent
import microvm
import pytest
import repo

SESSIONS_MAX = 64
VISITS_MAX = 128


@pytest.fixture(name="guest", scope="module")
def guest_(tmp_path_factory, boot_files):
    """A guest with a program that speaks vsock."""
    folder = tmp_path_factory.mktemp("vsock")
    machine = microvm.Machine(folder, boot_files)
    tree = microvm.busybox_tree(folder)
    shutil.copy(repo.BUILD / "tests/fake/vsock/vsock-peer", tree / "bin")
    yield machine.boot(tree, vsock=True)
    machine.end()


def open_session(guest):
    return agent.Session(guest.vsock.path, microvm.SESSION)


def test_only_its_modules(guest, serial_box):
    """Neither VMM's guest loads what is for the other."""
    assert b"vsock" in guest.run("lsmod")[1] and b"virtio_console" not in guest.run("lsmod")[1]
    time.sleep(1.5)  # what is for late is there by now
    assert b"virtio_console" in serial_box.run("lsmod")[1]
    assert b"vsock" not in serial_box.run("lsmod")[1]


def test_a_new_control_connection_takes_the_place_of_the_old(guest):
    old = guest.control
    guest.control = None
    guest.connect()
    assert guest.control.call("hello")["ready"] == 1
    old.socket.settimeout(10)
    assert old.socket.recv(1) == b""
    assert guest.control.call("health")["main"] == "none"


def test_no_ports_to_lease(guest):
    with pytest.raises(agent.AgentError) as error:
        guest.control.call("lease", nonce=bytes(16), port=1)
    assert error.value.code == "bad_request"


def test_nobody_in_the_guest_is_the_host(guest):
    """By the loopback, where a kernel has one, or by the guest's own address: not taken."""
    for port in (microvm.CONTROL, microvm.SESSION):
        for cid in (1, 3):
            session = open_session(guest)
            session.exec("vsock-peer", "local", str(cid), str(port))
            session.wait()
            assert session.stdout.startswith((b"connect: ", b"closed")), session.stdout
            session.close()
    assert guest.control.call("hello")["ready"] == 1


def test_sessions_are_bounded(guest):
    sessions = [open_session(guest) for _ in range(SESSIONS_MAX)]
    for session in sessions:
        session.exec("cat")
    assert guest.control.call("health")["sessions"] == SESSIONS_MAX
    one_more = open_session(guest)
    with pytest.raises(agent.AgentError) as error:
        one_more.exec("true")
    assert error.value.code == "busy"
    for session in sessions:
        session.send("stdin_eof")
        assert session.wait() == ("exited", 0)
    # The refused stream may ask again.
    one_more.exec("true")
    assert one_more.wait() == ("exited", 0)
    for session in [*sessions, one_more]:
        session.close()


def test_what_was_said_last_waits_for_the_host(guest):
    """The guest's end stays open: a VMM drops what the host has not read seconds after its end."""
    session = open_session(guest)
    session.exec("head", "-c", "60000", "/dev/zero")
    time.sleep(4)
    assert session.wait() == ("exited", 0)
    assert session.stdout == bytes(60000)
    session.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        session.socket.recv(1)
    session.close()


def test_flood_of_connections(guest):
    """As many as there can be and more, silent, on both ports: who was there goes on."""
    kept = open_session(guest)
    kept.exec("cat")
    flood = []
    for i in range(2 * VISITS_MAX):
        try:
            flood.append(agent.dial(guest.vsock.path, (microvm.SESSION, microvm.CONTROL)[i % 2]))
        except agent.Closed:
            pass
        if i % 16 == 0:
            kept.feed(b"%d\n" % i)
            kept.until(b"%d\n" % i)
    for connection in flood:
        connection.close()
    guest.connect(time.monotonic() + 20)
    assert guest.control.call("hello")["ready"] == 1
    assert guest.run("echo", "well")[1] == b"well\n"
    kept.close()


def echo(guest, data):
    """Through the guest's port 5000 and back, read while it is written."""
    connection = agent.dial(guest.vsock.path, 5000)
    writer = threading.Thread(target=connection.sendall, args=[data])
    writer.start()
    back = bytearray()
    while len(back) < len(data):
        back += connection.recv(1 << 20)
    writer.join()
    connection.close()
    return bytes(back)


def test_bytes_arrive_as_they_were_sent(guest):
    server = open_session(guest)
    server.exec("vsock-peer", "echo", "5000")
    server.until(b"ready\n")
    data = os.urandom(8 << 20)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for back in pool.map(echo, [guest] * 3, [data] * 3):
            assert back == data
    server.close()


def test_a_port_that_reads_nothing_stalls_itself_alone(guest):
    server = open_session(guest)
    server.exec("vsock-peer", "hold", "5001")
    server.until(b"ready\n")
    stalled = agent.dial(guest.vsock.path, 5001)
    stalled.settimeout(3)
    with pytest.raises(TimeoutError):
        stalled.sendall(bytes(8 << 20))
    assert guest.run("echo", "well")[1] == b"well\n"
    stalled.close()
    server.close()


def test_a_machine_that_pauses(guest):
    """Connections live through it, and what came meanwhile is there afterwards."""
    session = open_session(guest)
    session.exec("cat")
    guest.execute("stop")
    session.feed(b"meanwhile\n")
    with pytest.raises(TimeoutError):
        session.until(b"meanwhile\n", timeout=1)
    late = socket.socket(socket.AF_UNIX)
    late.connect(str(guest.vsock.path))
    late.sendall(b"CONNECT %d\n" % microvm.SESSION)
    guest.execute("cont")
    session.until(b"meanwhile\n")
    assert late.recv(3) == b"OK "
    late.close()
    session.close()


def test_the_guest_calls_the_host(guest):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{guest.vsock.path}_6002")
    listener.listen()
    session = open_session(guest)
    session.exec("vsock-peer", "connect", "6002")
    host, _ = listener.accept()
    session.feed(b"to the host")
    assert host.recv(64) == b"to the host"
    host.sendall(b"to the guest")
    host.close()
    assert session.wait() == ("exited", 0) and session.stdout == b"to the guest"
    session.close()
    listener.close()


def test_the_guest_is_refused_where_nobody_listens(guest):
    assert guest.run("vsock-peer", "connect", "6001")[1] == b"connect: Connection reset by peer\n"
    assert guest.control.call("hello")["ready"] == 1


def test_guest_floods_the_host(guest):
    """Connections to the host: bounded, and the host's own ways in stay open."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{guest.vsock.path}_6000")
    listener.listen(512)
    session = open_session(guest)
    session.exec("vsock-peer", "many", "6000", "400")
    made = int(session.until(b"\n"))
    assert 100 <= made < 256
    assert guest.run("echo", "well")[1] == b"well\n"
    session.close()
    listener.close()
    time.sleep(6)
    assert guest.run("echo", "again")[1] == b"again\n"
