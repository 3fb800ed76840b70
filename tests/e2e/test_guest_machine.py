# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's init: its disk, its network, its workload, its end; images that have little, or are
hostile."""

import hashlib
import os
import select
import subprocess
import time

import agent
import guest_images
import microvm
import pytest


def test_network_names_and_boot(box):
    assert box.facts["ready"] < 10 and box.facts["main"] == "none" and box.facts["version"] == 1
    assert box.facts["ports"] == (0 if box.vsock else microvm.PORTS)
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
    assert box.sh("ls -la /dev/fd/ /proc/self/fd >/dev/null && echo a > /dev/shm/b")[0] == \
        ("exited", 0)


def test_no_zombies(box):
    """Orphans are reaped by process 1; what was dropped keeps its zombie for its five seconds."""
    box.sh("(sleep 0.1 &) ; exit 0")
    deadline = time.monotonic() + 8
    while b" Z " in box.run("ps", "-o", "pid,stat,args")[1]:
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_shutdown_keeps_what_was_written(machine, tmp_path):
    guest = machine.boot(microvm.busybox_tree(tmp_path))
    before = microvm.listing(guest.disk)
    guest.sh("echo kept > /home/file; dd if=/dev/urandom of=/home/big bs=1M count=8 2>/dev/null")
    digest = guest.sh("sha256sum < /home/big")[1]
    start = time.monotonic()
    assert microvm.stop(guest) == 0
    assert time.monotonic() - start < 2, "nothing was running"
    assert microvm.clean(guest.disk)[0], microvm.clean(guest.disk)[1]
    after = microvm.listing(guest.disk)
    assert set(after) - set(before) == {"/home/file", "/home/big"}
    assert {n: after[n] for n in before} == before, "something else was changed"
    again = machine.boot_disk(guest.disk)
    assert again.sh("cat /home/file; sha256sum < /home/big")[1] == b"kept\n" + digest


def test_disk_that_grew(machine, tmp_path):
    disk = microvm.disk(tmp_path / "disk", microvm.busybox_tree(tmp_path), grow=512)
    guest = machine.boot_disk(disk)
    assert guest.control.call("health")["disk_total"] > 500 << 20
    assert microvm.stop(guest) == 0
    assert microvm.clean(disk)[0], microvm.clean(disk)[1]


def test_single_static_file(machine, tmp_path):
    """No shell, no libc, no /etc, no /proc, no /dev: it runs, and nothing is added."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "hello").write_bytes(guest_images.hello_program())
    (tree / "hello").chmod(0o755)
    guest = machine.boot(tree, mode="auto", argv=["/hello"])
    before = microvm.listing(guest.disk)
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
    assert microvm.stop(guest) == 0
    assert b"hello" in guest.console.read_bytes()
    assert microvm.listing(guest.disk) == before
    assert microvm.clean(guest.disk)[0]


def test_command_as_workload(machine, tmp_path):
    """It gets its stop signal; its output is on the console; a session's process gets TERM."""
    script = "trap 'echo stopping; exit 4' USR1; echo as $(id -u) in $(pwd); " \
             "while :; do sleep 0.1; done"
    guest = machine.boot(microvm.busybox_tree(tmp_path), mode="command", argv=["sh", "-c", script],
                         user="user", directory="/tmp", stop_signal="SIGUSR1")
    assert guest.facts["main"] == "running"
    microvm.printed(guest, b"as 1000")
    assert microvm.stop(guest, 10000) == 0
    text = guest.console.read_bytes().replace(b"\r", b"")
    assert b"as 1000 in /tmp\n" in text and b"stopping\n" in text


def test_workload_that_cannot_run(machine, tmp_path):
    guest = machine.boot(microvm.busybox_tree(tmp_path), mode="command", argv=["nosuch"])
    assert guest.facts["main"] == "failed"
    assert guest.run("echo", "still here")[1] == b"still here\n"
    assert microvm.stop(guest) == 0
    assert b"nosuch" in guest.console.read_bytes()


def test_workload_that_ignores_its_signal(machine, tmp_path):
    guest = machine.boot(microvm.busybox_tree(tmp_path), mode="command",
                         argv=["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"])
    microvm.printed(guest, b"deaf")
    start = time.monotonic()
    assert microvm.stop(guest, 1500) == 0
    assert 1.4 < time.monotonic() - start < 5


INIT = """#!/bin/sh
echo "init is $$"
trap 'echo told to restart; sync; reboot -f' INT
while :; do sleep 0.1; done
"""


def test_own_init_of_the_image(machine, tmp_path):
    tree = microvm.busybox_tree(tmp_path)
    (tree / "sbin").mkdir()
    (tree / "sbin/init").write_text(INIT)
    (tree / "sbin/init").chmod(0o755)
    guest = machine.boot(tree, mode="auto", argv=["sleep", "1"])
    assert guest.facts["main"] == "init"
    microvm.printed(guest, b"init is 1")
    assert b"/sbin/init" in guest.sh("tr '\\0' ' ' < /proc/1/cmdline")[1]
    assert microvm.stop(guest, 10000) == 0
    text = guest.console.read_bytes()
    assert b"init is 1" in text and b"told to restart" in text


# Inits that power the machine off, in their ways: a firmware may do nothing then.
SHELL_INIT = """#!/bin/sh
stop() {
    sh -c 'kill -15 -1; sleep 5; kill -9 -1; sync; poweroff -f'
}
trap stop USR2
while :; do sleep 0.1; done
"""
INITTAB = "::sysinit:/bin/echo init is up\n::shutdown:/bin/echo init ends\n"


@pytest.mark.parametrize("init", ["busybox", "shell"])
@pytest.mark.parametrize("vsock", [False, True])
def test_power_off_by_the_image_resets_the_machine(machine, tmp_path, init, vsock):
    tree = microvm.busybox_tree(tmp_path)
    (tree / "sbin").mkdir()
    if init == "busybox":
        (tree / "sbin/init").symlink_to("../bin/busybox")
        (tree / "etc/inittab").write_text(INITTAB)
    else:
        (tree / "sbin/init").write_text(SHELL_INIT)
        (tree / "sbin/init").chmod(0o755)
    guest = machine.boot(tree, mode="auto", vsock=vsock)
    assert guest.facts["main"] == "init"
    ended = guest.watch_end()
    deaf = guest.session(1)
    deaf.exec("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    guest.sh("dd if=/dev/urandom of=/tmp/kept bs=1M count=8; md5sum /tmp/kept > /tmp/sum", port=2)
    session = guest.session(2)
    session.exec("poweroff")
    assert ended() == "guest-reset"
    clean, why = microvm.clean(guest.disk)
    assert clean, why
    kept = subprocess.run(["debugfs", "-R", "cat /tmp/kept", guest.disk], capture_output=True,
                          check=True).stdout
    assert hashlib.md5(kept).hexdigest() in microvm.debugfs(guest.disk, "cat /tmp/sum")


def test_init_that_cannot_run(machine, tmp_path):
    tree = microvm.busybox_tree(tmp_path)
    (tree / "sbin").mkdir()
    (tree / "sbin/init").write_bytes(b"\x7fELF nonsense")
    (tree / "sbin/init").chmod(0o755)
    guest = machine.boot(tree, mode="auto")
    assert guest.facts["main"] == "failed"
    assert guest.run("echo", "reachable")[1] == b"reachable\n"
    assert microvm.stop(guest) == 0


def test_init_is_not_run_when_a_command_is_given(machine, tmp_path):
    tree = microvm.busybox_tree(tmp_path)
    (tree / "sbin").mkdir()
    (tree / "sbin/init").write_text(INIT)
    (tree / "sbin/init").chmod(0o755)
    guest = machine.boot(tree, mode="command", argv=["sleep", "1000"])
    assert guest.facts["main"] == "running"
    guest.session().exec("kill", "1")
    assert guest.wait() == 0, "process 1 ends the machine, in order"
    assert microvm.clean(guest.disk)[0]


def test_hostile_image(machine, tmp_path):
    """Mount points and files that lead elsewhere: mounts stay inside the root, the agent works."""
    tree = microvm.busybox_tree(tmp_path, "proc", "sys", "resolv.conf", "hosts", "hostname")
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
    assert microvm.stop(guest) == 0
    assert microvm.clean(guest.disk)[0]


NAME_SERVER = r"""
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

/* Every name of the internet is 10.9.8.7: the question, an answer behind it. */
int main(int argc, char **argv)
{
	static const unsigned char answer[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 9, 8, 7 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53) };
	unsigned char m[600];
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	ssize_t n;

	inet_pton(AF_INET, argv[1], &a.sin_addr);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	while ((n = recvfrom(fd, m, 500, 0, (struct sockaddr *)&a, &len)) > 12) {
		m[2] = 0x81, m[3] = 0x80;
		if (m[n - 3] == 1) { /* type A */
			m[7] = 1;
			memcpy(m + n, answer, sizeof(answer));
			n += sizeof(answer);
		}
		sendto(fd, m, n, 0, (struct sockaddr *)&a, len);
	}
	return 0;
}
"""


def name_server(folder, tree):
    (folder / "server.c").write_text(NAME_SERVER)
    subprocess.run(["gcc", "-static", "-Os", "-o", tree / "bin/server", folder / "server.c"],
                   check=True)
    return tree


def test_names_without_resolv_conf(machine, tmp_path):
    """Nothing is made in /etc: resolvers then ask 127.0.0.1, and the agent passes it on, to the
    second server when it is asked again."""
    tree = name_server(tmp_path, microvm.busybox_tree(tmp_path, "resolv.conf"))
    guest = machine.boot(tree, dns1=0x7f000005, dns2=0x7f000006)
    assert guest.sh("test -e /etc/resolv.conf")[0] == ("exited", 1)
    second = guest.session(2)
    second.exec("server", "127.0.0.6")
    _, out, err = guest.run("nslookup", "some.name.test")
    assert b"10.9.8.7" in out, out + err
    first = guest.session(3)
    first.exec("server", "127.0.0.5")
    second.close()
    _, out, err = guest.run("nslookup", "some.name.test")
    assert b"10.9.8.7" in out, out + err
    first.close()
    assert microvm.stop(guest) == 0
    assert "resolv.conf" not in microvm.debugfs(guest.disk, "ls -p /etc")


@pytest.mark.parametrize("vsock", [False, True])
def test_setup_that_fails(tmp_path, boot_files, vsock):
    """No ext4 on the disk: the host is told, and may end the machine."""
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * (1 << 20))
    guest = microvm.Guest(tmp_path, boot_files, disk, vsock=vsock)
    try:
        with pytest.raises(agent.AgentError) as error:
            guest.setup()
        assert "ext4" in str(error.value)
        assert guest.control.call("hello")["ready"] == 0
        with pytest.raises(agent.AgentError):
            guest.control.call("health")
        assert microvm.stop(guest) == 0
    finally:
        guest.kill()


@pytest.mark.parametrize("vsock", [False, True])
def test_host_that_comes_late_and_again(tmp_path, boot_files, vsock):
    """Nobody there at boot; then one that drops in the middle of a frame; then the real one."""
    disk = microvm.disk(tmp_path / "disk", microvm.busybox_tree(tmp_path))
    guest = microvm.Guest(tmp_path, boot_files, disk, vsock=vsock)
    try:
        guest.control.close()
        time.sleep(3)
        guest.connect()
        guest.control.socket.sendall(agent.frame("hello") + agent.frame("hello")[:9])
        assert guest.control.receive()[3]["ready"] == 0
        guest.control.close()
        time.sleep(0.2)
        guest.connect()
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
