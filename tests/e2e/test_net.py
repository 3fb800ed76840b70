# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks: an owner's VMs see each other, owners never do; out only with --nat; the host's own
services are closed to guests. All traffic stays in namespaces that the test made."""

import contextlib
import http.server
import socket
import subprocess
import threading
import time

import pytest
import suite
import vms

ONE, TWO = 21001, 21002
OUTSIDE, INSIDE = "198.51.100.2", "198.51.100.1"


def shell(*command):
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def outside():
    """A network namespace behind a link of its own, with a server on port 8000 that says who
    asked."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    time.sleep(0.3)
    enter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    server = None
    try:
        shell("ip", "link", "add", "out0", "type", "veth", "peer", "name", "eth0", "netns",
              str(holder.pid))
        shell("ip", "addr", "add", f"{INSIDE}/24", "dev", "out0")
        shell("ip", "link", "set", "out0", "up")
        shell(*enter, "ip", "link", "set", "lo", "up")
        shell(*enter, "ip", "addr", "add", f"{OUTSIDE}/24", "dev", "eth0")
        shell(*enter, "ip", "link", "set", "eth0", "up")
        # A way back to guests: without NAT it is banger that keeps them in, not a missing route.
        shell(*enter, "ip", "route", "add", "default", "via", INSIDE)
        shell("ip", "route", "add", "default", "via", OUTSIDE)
        script = ("import http.server as h\n"
                  "class A(h.BaseHTTPRequestHandler):\n"
                  " def do_GET(self):\n"
                  "  self.send_response(200); self.end_headers()\n"
                  "  self.wfile.write(('you are '+self.client_address[0]).encode())\n"
                  " def log_message(self, *a): pass\n"
                  "h.HTTPServer(('0.0.0.0', 8000), A).serve_forever()\n")
        server = subprocess.Popen([*enter, "/usr/bin/python3", "-c", script])
        assert suite.wait_for(lambda: reachable(OUTSIDE, 8000), 10)
        yield OUTSIDE
    finally:
        if server:
            server.kill()
            server.wait()
        holder.kill()
        holder.wait()
        subprocess.run(["ip", "link", "del", "out0"], capture_output=True, check=False)


def reachable(address, port):
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def fetch(name, address, port=8000, uid=None):
    """An HTTP request by nc: its answer's body; "" when nothing came. (A static wget crashes in
    an image without libc's resolver modules.)"""
    done = vms.execute(name, "sh", "-c", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | "
                       f"nc -w 4 {address} {port}", uid=uid, timeout=60)
    assert done.status in (0, 1), done
    return done.out.split("\n\n", 1)[-1]


def ping(name, address, uid=None):
    return vms.execute(name, "ping", "-c", "1", "-W", "3", address, uid=uid).status == 0


@pytest.fixture(scope="module")
def guests(busybox, outside):
    """One of root's with NAT, one without, on one bridge, for all that asks no more of them."""
    before = suite.host_state()
    with vms.vm(busybox, "--nat", name="out"), vms.vm(busybox, name="in"):
        yield "out", "in"
    found = suite.wait_state(before)
    assert not found, f"left behind: {found}"


def test_nat_reaches_a_server(guests, outside):
    """The one with it, masqueraded; the other one stays in."""
    assert fetch("out", outside) == f"you are {INSIDE}", "masqueraded"
    assert fetch("in", outside) == ""


@pytest.mark.any_vmm
def test_without_nat_nothing_is_reached(busybox, outside, nothing_left):
    """Nor when it is the only one."""
    with vms.vm(busybox, name="alone", uid=ONE) as name:
        assert vms.row(name, uid=ONE)
        assert fetch(name, outside, uid=ONE) == ""
        assert not ping(name, outside, uid=ONE)


def test_nat_survives_the_daemon(guests, outside):
    suite.stop()
    suite.start()
    assert fetch("out", outside) == f"you are {INSIDE}"


def test_guests_are_not_reached_from_outside(guests):
    """The world behind the host has a route, but no way in."""
    address = vms.row("out")["ip"]
    vms.output("out", "sh", "-c", "nc -l -p 7000 -e cat >/dev/null 2>&1 &")
    holder = [pid for pid, (program, _, _) in suite.processes().items() if program == "sleep"]
    found = [subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ping", "-c", "1", "-W",
                             "2", address], capture_output=True, check=False).returncode
             for pid in holder]
    assert found and all(found), "an outside ping came through"


def test_host_services_are_closed(guests):
    """What listens on the host is not for guests, and neither are metadata addresses."""
    server = http.server.HTTPServer(("0.0.0.0", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        gateway = suite.banger_json("vm", "show", "out")["gateway"]
        port = server.server_address[1]
        assert reachable("127.0.0.1", port)
        done = vms.execute("out", "nc", "-z", "-w", "3", gateway, str(port))
        assert done.status != 0, "a service of the host"
        assert fetch("out", "169.254.169.254", 80) == "", "metadata"
    finally:
        server.shutdown()
        server.server_close()


def test_resolver_and_hosts(guests):
    assert "nameserver" in vms.output("in", "cat", "/etc/resolv.conf")
    address = vms.row("in")["ip"]
    assert address in vms.output("in", "ip", "-o", "addr")
    assert f"default via {suite.banger_json('vm', 'show', 'in')['gateway']}" in \
        vms.output("in", "ip", "route")


def test_spoofed_addresses_are_dropped(guests):
    """A guest that takes another address or MAC speaks to nobody. The last one that has these."""
    honest, liar = vms.row("out"), vms.row("in")
    assert ping("in", honest["ip"])
    other = honest["ip"].rsplit(".", 1)[0] + ".200"
    vms.output("in", "sh", "-c", f"ip addr add {other}/24 dev eth0")
    done = vms.execute("in", "ping", "-c", "1", "-W", "2", "-I", other, honest["ip"])
    assert done.status != 0, "another address"
    vms.output("in", "sh", "-c", f"ip addr del {other}/24 dev eth0")
    assert ping("in", honest["ip"])
    vms.output("in", "sh", "-c", "ip link set eth0 down; "
               "ip link set eth0 address 02:00:00:00:00:99; ip link set eth0 up; "
               f"ip addr add {liar['ip']}/24 dev eth0 2>/dev/null; true")
    assert not ping("in", honest["ip"]), "another MAC"


@pytest.mark.any_vmm
def test_owners_are_apart(busybox, nothing_left):
    """VMs of one user see each other; another user's they never see, with NAT or without."""
    with vms.vm(busybox, name="a1", uid=ONE), vms.vm(busybox, "--nat", name="a2", uid=ONE), \
            vms.vm(busybox, "--nat", name="b1", uid=TWO):
        a2, b1 = vms.row("a2", uid=ONE)["ip"], vms.row("b1", uid=TWO)["ip"]
        assert a2.rsplit(".", 1)[0] != b1.rsplit(".", 1)[0], "a /24 each"
        assert ping("a1", a2, uid=ONE), "the same owner's"
        gateway = suite.banger_json("vm", "show", "b1", uid=TWO)["gateway"]
        for name in ("a1", "a2"):
            assert not ping(name, b1, uid=ONE), "another owner's"
        assert not ping("a1", gateway, uid=ONE), "another owner's bridge"
