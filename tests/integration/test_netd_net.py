# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who reaches whom over banger-netd's networks. Guests are network namespaces: a veth pair in place
of the TAP (by its name, which is what the rules know) leads to a whole network stack.
"""

import contextlib
import os
import socket
import threading
import time

import pytest

from netd import LIBC, Gone, Host, Namespace, Refused

PORT = 7777
METADATA = "169.254.169.254"


class Guest:
    """A VM that has its network, and what stands for its system."""

    def __init__(self, host, netd, vm, owner, subnet, octet, nat):
        self.vm, self.mac = vm, f"52:54:00:00:{subnet:02x}:{octet:02x}"
        netd("reserve", vm, owner)
        got = netd("tap", vm, subnet, octet, self.mac, int(nat))
        self.address, self.gateway = got["address"], got["gateway"]
        self.bridge = f"bgr{owner}"
        self.ns = Namespace()
        host.ns.ip(f"link del bt{vm}")
        host.ns.ip(f"link add bt{vm} type veth peer name eth0 netns {self.ns.pid}")
        host.ns.ip(f"link set bt{vm} master {self.bridge} up")
        self.ns.ip(f"link set eth0 address {self.mac} up")
        self.ns.ip(f"addr add {self.address}/24 dev eth0")
        self.ns.ip(f"route add default via {self.gateway}")


class Net:
    """A host with an uplink to a namespace `outside`, and four guests of two owners."""

    def __init__(self, call_iptables):
        self.host = Host()
        ns = self.host.ns
        self.outside = Namespace()
        ns.ip(f"link add up0 type veth peer name eth0 netns {self.outside.pid}")
        ns.ip("addr add 192.0.2.1/24 dev up0")
        ns.ip("link set up0 up")
        ns.ip("route add default via 192.0.2.2")
        self.outside.ip("link set eth0 up")
        self.outside.ip("addr add 192.0.2.2/24 dev eth0")
        self.outside.ip(f"addr add {METADATA}/32 dev eth0")
        # It would send to guests by way of the host, were it let.
        self.outside.ip("route add 172.30.0.0/16 via 192.0.2.1")
        self.before = self.host.state()
        ns.run("sh", "-c", "f=/proc/sys/net/bridge/bridge-nf-call-iptables; "
               f"[ ! -e $f ] || echo {call_iptables} >$f")
        self.netd = self.host.netd()
        self.a_nat = Guest(self.host, self.netd, "aaaaaaaaaaa1", 1000, 0, 2, True)
        self.a = Guest(self.host, self.netd, "aaaaaaaaaaa2", 1000, 0, 3, False)
        self.b_nat = Guest(self.host, self.netd, "bbbbbbbbbbb1", 1001, 9, 2, True)
        self.b = Guest(self.host, self.netd, "bbbbbbbbbbb2", 1001, 9, 254, False)
        self.guests = [self.a_nat, self.a, self.b_nat, self.b]

    def close(self):
        self.before["files"] = ["ledger", "vm"]
        try:
            self.host.release_all()
            assert self.host.state() == self.before
        finally:
            for guest in self.guests:
                guest.ns.close()
            self.outside.close()
            self.host.close()


@pytest.fixture(scope="module", params=[0, 1], ids=["plain", "br_netfilter"])
def net(request):
    net = Net(request.param)
    yield net
    net.close()


@contextlib.contextmanager
def listening(ns, address="0.0.0.0"):
    """Peers of those who connect, as a list that grows."""
    with ns.inside():
        server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, PORT))
    server.listen()
    peers = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, peer = server.accept()
                peers.append(peer[0])
                client.sendall(b"!")
                client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield peers
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def connects(ns, address, source=None, uid=0, timeout=0.4):
    """True when somebody there answers; as `uid`, by whose credentials the socket is made."""
    with ns.inside():
        LIBC.setfsuid(uid)
        client = socket.socket()
        LIBC.setfsuid(0)
    client.settimeout(timeout)
    try:
        if source:
            client.bind((source, 0))
        client.connect((address, PORT))
        return client.recv(1) == b"!"
    except OSError:
        return False
    finally:
        client.close()


def reach(ns, to, address, **how):
    with listening(to):
        return connects(ns, address, **how)


def test_an_owners_vms_reach_each_other(net):
    assert reach(net.a.ns, net.a_nat.ns, net.a_nat.address)
    assert reach(net.a_nat.ns, net.a.ns, net.a.address)
    assert reach(net.b.ns, net.b_nat.ns, net.b_nat.address)


@pytest.mark.parametrize("source", ["a", "a_nat"])
@pytest.mark.parametrize("target", ["b", "b_nat"])
def test_owners_do_not_reach_each_other(net, source, target):
    source, target = getattr(net, source), getattr(net, target)
    assert not reach(source.ns, target.ns, target.address)


def test_with_nat_the_outside_is_reached_from_the_hosts_address(net):
    with listening(net.outside) as peers:
        assert connects(net.a_nat.ns, "192.0.2.2")
        assert connects(net.b_nat.ns, "192.0.2.2")
    assert peers == ["192.0.2.1"] * 2


def test_without_nat_it_is_not(net):
    assert not reach(net.a.ns, net.outside, "192.0.2.2")
    assert not reach(net.b.ns, net.outside, "192.0.2.2")


def test_metadata_addresses_are_nobodys(net):
    with listening(net.outside):
        net.host.ns.ip(f"route replace {METADATA} via 192.0.2.2")
        assert connects(net.host.ns, METADATA)
        assert not connects(net.a_nat.ns, METADATA)
    net.host.ns.ip(f"route del {METADATA}")


@pytest.mark.parametrize("address", ["gateway", "192.0.2.1"])
@pytest.mark.parametrize("guest", ["a", "a_nat"])
def test_the_hosts_services_are_closed(net, guest, address):
    guest = getattr(net, guest)
    address = guest.gateway if address == "gateway" else address
    assert not reach(guest.ns, net.host.ns, address)


def test_the_gateway_of_others_is_closed_too(net):
    assert not reach(net.a_nat.ns, net.host.ns, net.b.gateway)


def test_root_and_the_owner_reach_a_vm_from_the_host(net):
    assert reach(net.host.ns, net.a.ns, net.a.address)
    assert reach(net.host.ns, net.a.ns, net.a.address, uid=1000)
    assert not reach(net.host.ns, net.a.ns, net.a.address, uid=1001)
    assert not reach(net.host.ns, net.b.ns, net.b.address, uid=1000)


def test_the_outside_does_not_reach_guests(net):
    for guest in net.guests:
        assert not reach(net.outside, guest.ns, guest.address)


def test_the_host_is_no_router_for_others(net):
    """Forwarding is on at the uplink for guests' replies alone."""
    elsewhere = Namespace()
    try:
        ns = net.host.ns
        ns.ip(f"link add other0 type veth peer name eth0 netns {elsewhere.pid}")
        ns.ip("addr add 198.51.100.1/24 dev other0")
        ns.ip("link set other0 up")
        elsewhere.ip("link set eth0 up")
        elsewhere.ip("addr add 198.51.100.2/24 dev eth0")
        elsewhere.ip("route add default via 198.51.100.1")
        net.outside.ip("route add 198.51.100.0/24 via 192.0.2.1")
        # A fresh link: the first packet may wait.
        assert reach(net.host.ns, elsewhere, "198.51.100.2", timeout=5)
        assert not reach(net.outside, elsewhere, "198.51.100.2")
        assert not reach(elsewhere, net.outside, "192.0.2.2")
        ns.ip("link del other0")
    finally:
        elsewhere.close()


def test_somebody_elses_address_gets_nowhere(net):
    net.a.ns.ip("addr add 172.30.0.77/24 dev eth0")
    try:
        assert not reach(net.a.ns, net.a_nat.ns, net.a_nat.address, source="172.30.0.77")
        # ARP as well: nobody learns the address.
        assert not reach(net.a_nat.ns, net.a.ns, "172.30.0.77")
    finally:
        net.a.ns.ip("addr del 172.30.0.77/24 dev eth0")
    assert reach(net.a.ns, net.a_nat.ns, net.a_nat.address)


def test_nat_is_not_had_by_taking_the_neighbours_address(net):
    net.a.ns.ip(f"addr add {net.a_nat.address}/32 dev eth0")
    try:
        assert not reach(net.a.ns, net.outside, "192.0.2.2", source=net.a_nat.address)
    finally:
        net.a.ns.ip(f"addr del {net.a_nat.address}/32 dev eth0")


def test_another_mac_gets_nowhere(net):
    net.a.ns.ip("link set eth0 address 52:54:00:ff:ff:ff")
    net.a.ns.ip("route replace default via 172.30.0.1")
    try:
        assert not reach(net.a.ns, net.a_nat.ns, net.a_nat.address)
    finally:
        net.a.ns.ip(f"link set eth0 address {net.a.mac}")
        net.a.ns.ip("route replace default via 172.30.0.1")
        net.a_nat.ns.ip("neigh flush dev eth0")
    assert reach(net.a.ns, net.a_nat.ns, net.a_nat.address)


def test_ipv6_and_others_get_nowhere(net):
    for guest, address in (net.a, "fd00::3"), (net.a_nat, "fd00::2"):
        guest.ns.ip(f"-6 addr add {address}/64 dev eth0 nodad")
    with net.a_nat.ns.inside():
        server = socket.socket(socket.AF_INET6)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("::", PORT))
        server.listen()
    with net.a.ns.inside():
        client = socket.socket(socket.AF_INET6)
        client.settimeout(0.4)
        with pytest.raises(OSError):
            client.connect(("fd00::2", PORT))
        client.close()
    server.close()
    assert "inet6" not in net.host.ns.ip(f"addr show dev {net.a.bridge}")


def test_forwarding_is_per_interface(net):
    def forwarding(name):
        return net.host.ns.run("cat", f"/proc/sys/net/ipv4/conf/{name}/forwarding").strip()

    assert net.host.ns.run("cat", "/proc/sys/net/ipv4/ip_forward").strip() == "0"
    assert forwarding("up0") == "1"
    assert forwarding("bgr1000") == "1"
    assert forwarding("default") == "0"


def test_the_bridge_has_a_fixed_address(net):
    link = net.host.ns.ip("link show bgr1000")
    assert "02:ba:00:00:03:e8" in link


def test_forwarding_goes_with_the_last_nat():
    """And with the last VM the bridge; what others do to their tables stays."""
    host = Host()
    try:
        ns = host.ns
        ns.ip("link add up0 type veth peer name up1")
        ns.ip("addr add 192.0.2.1/24 dev up0")
        ns.ip("link set up0 up")
        ns.ip("route add default via 192.0.2.2")
        ns.run("nft", "add table ip other")
        before = host.state()
        netd = host.netd()
        first = Guest(host, netd, "aaaaaaaaaaa1", 1000, 0, 2, True)
        second = Guest(host, netd, "aaaaaaaaaaa2", 1000, 0, 3, False)
        assert host.state()["forwarding"]["up0"] == "1"
        netd("release", first.vm)
        state = host.state()
        assert state["forwarding"]["up0"] == "0" and state["forwarding"]["bgr1000"] == "0"
        assert "bgr1000" in state["links"]
        netd("release", second.vm)
        before["files"] = ["ledger", "vm"]
        assert host.settles(before), host.state()
        for guest in first, second:
            guest.ns.close()
    finally:
        host.close()


def test_nat_changes_while_a_vm_has_a_network(net):
    """It is as if the VM had been made so; forwarding on the bridge goes with the owner's last."""
    made_so = rules(net.host)
    with listening(net.outside):
        assert not connects(net.a.ns, "192.0.2.2")
        for _ in range(2):
            net.netd("nat", net.a.vm, 1)
        assert connects(net.a.ns, "192.0.2.2")
        net.netd("nat", net.a.vm, 0)
        assert not connects(net.a.ns, "192.0.2.2") and connects(net.a_nat.ns, "192.0.2.2")
        assert rules(net.host) == made_so
        net.netd("nat", net.a_nat.vm, 0)
        state = net.host.state()["forwarding"]
        assert state["bgr1000"] == "0" and state["bgr1001"] == "1"
        assert not connects(net.a_nat.ns, "192.0.2.2") and connects(net.b_nat.ns, "192.0.2.2")
        net.netd("nat", net.a_nat.vm, 1)
        assert connects(net.a_nat.ns, "192.0.2.2") and rules(net.host) == made_so


def test_nat_of_a_vm_without_a_network_is_a_breach():
    host = Host()
    try:
        netd = host.netd()
        netd("reserve", "aaaaaaaaaaa1", 1000)
        with pytest.raises((Refused, Gone)):
            netd("nat", "aaaaaaaaaaa1", 1)
        assert netd.wait() != 0
        host.release_all()
    finally:
        host.close()


def test_an_uplink_that_forwarded_before_still_does():
    host = Host()
    try:
        ns = host.ns
        ns.ip("link add up0 type veth peer name up1")
        ns.ip("addr add 192.0.2.1/24 dev up0")
        ns.ip("link set up0 up")
        ns.ip("route add default via 192.0.2.2")
        ns.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding")
        netd = host.netd()
        netd("reserve", "aaaaaaaaaaa1", 1000)
        netd("tap", "aaaaaaaaaaa1", 0, 2, "52:54:00:00:00:02", 1)
        # Not banger's switch, not banger's to filter.
        assert "up0" not in ns.run("nft", "list", "set", "ip", "banger", "uplinks")
        netd("release", "aaaaaaaaaaa1")
        assert host.state()["forwarding"]["up0"] == "1"
    finally:
        host.close()


def test_a_failure_half_way_is_undone():
    host = Host()
    try:
        netd = host.netd()
        netd("reserve", "aaaaaaaaaaa1", 1000)
        # The bridge cannot be made, nor what is in its place removed: loopback has its name.
        host.ns.ip("link property add dev lo altname bgr1000")
        before = host.state()
        with pytest.raises(Refused):
            netd("tap", "aaaaaaaaaaa1", 0, 2, "52:54:00:00:00:02", 1)
        assert host.state() == before
        assert netd("next", "0" * 12)["state"] == "reserved"
        host.ns.ip("link property del dev lo altname bgr1000")
        netd("tap", "aaaaaaaaaaa1", 0, 2, "52:54:00:00:00:02", 1)
        netd("release", "aaaaaaaaaaa1")
    finally:
        host.close()


def bridge_index(host):
    found = [line for line in host.ns.ip("-o link").splitlines() if "bgr1000" in line]
    return int(found[0].split(":")[0]) if found else None


def test_bridge_waits_for_the_owners_next_vm():
    """The next one soon after the last has the same bridge; of another subnet, another."""
    host = Host()
    try:
        netd = host.netd()
        first = Guest(host, netd, "aaaaaaaaaaa1", 1000, 0, 2, True)
        index = bridge_index(host)
        netd("release", first.vm)
        assert bridge_index(host) == index
        assert host.state()["forwarding"]["bgr1000"] == "0", "kept, it forwards nothing"
        second = Guest(host, netd, "aaaaaaaaaaa2", 1000, 0, 3, False)
        assert bridge_index(host) == index
        netd("release", second.vm)
        third = Guest(host, netd, "aaaaaaaaaaa3", 1000, 1, 2, False)
        assert bridge_index(host) not in (None, index)
        time.sleep(2.5)
        assert bridge_index(host), "a VM has it: it is not idle any more"
        netd("release", third.vm)
        assert host.settles({"links": ["lo"], "files": ["ledger", "vm"]}), host.state()
        for guest in first, second, third:
            guest.ns.close()
    finally:
        host.close()


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_idle_bridge_goes_with_its_netd(how):
    """At its end; or, when it was killed, with the next one's start."""
    host = Host()
    try:
        netd = host.netd()
        guest = Guest(host, netd, "aaaaaaaaaaa1", 1000, 0, 2, False)
        netd("release", guest.vm)
        assert bridge_index(host)
        if how == "killed":
            os.kill(netd.pid, 9)
            netd.wait()
            assert bridge_index(host)
            netd = host.netd()
            netd("next", "000000000000")
        else:
            netd.wait()
        assert host.settles({"links": ["lo"], "files": ["ledger", "vm"]}, 1.0), host.state()
        guest.ns.close()
    finally:
        host.close()


def rules(host):
    """What stands, without an order: the kernel has sets, and handles count on."""
    return sorted(line.strip().rstrip(",") for line in
                  host.ns.run("nft", "list", "ruleset").replace("{ ", "{\n").replace(", ", "\n")
                  .replace(" }", "\n}").splitlines() if line.strip())


def test_rules_changed_by_elements_are_as_made_anew():
    """While it stands netd changes the rules by elements; one that starts makes all of them."""
    steps = [("tap", "aaaaaaaaaaa1", 1000, 0, 2, 0), ("tap", "aaaaaaaaaaa2", 1000, 0, 3, 0),
             ("tap", "bbbbbbbbbbb1", 1001, 9, 2, 0), ("tap", "bbbbbbbbbbb2", 1001, 9, 3, 0),
             ("release", "aaaaaaaaaaa2"), ("release", "bbbbbbbbbbb1"), ("release", "bbbbbbbbbbb2"),
             ("tap", "ccccccccccc1", 1002, 4, 7, 0), ("release", "aaaaaaaaaaa1")]
    host = Host()
    try:
        netd = host.netd()
        for step, vm, *rest in steps:
            if step == "release":
                netd("release", vm)
            else:
                owner, subnet, octet, nat = rest
                netd("reserve", vm, owner)
                netd("tap", vm, subnet, octet, f"52:54:00:00:{subnet:02x}:{octet:02x}", nat)
            found = rules(host)
            assert f"\"bt{vm}\"" in "\n".join(found) or step == "release"
            os.kill(netd.pid, 9)
            netd.wait()
            netd = host.netd()
            netd("next", "0" * 12)
            assert found == rules(host), (step, vm)
            assert found, "there is a VM left"
        # Somebody's element stays where nothing but elements changed.
        host.ns.run("nft", "add element ip banger bridges { \"marker\" }")
        netd("reserve", "ddddddddddd1", 1002)
        netd("tap", "ddddddddddd1", 4, 8, "52:54:00:00:04:08", 0)
        assert "\"marker\"" in "\n".join(rules(host))
        host.ns.run("nft", "flush", "ruleset")
        netd("release", "ddddddddddd1")
        assert "btccccccccccc1" in "\n".join(rules(host)), "all of it is made anew"
        host.release_all()
    finally:
        host.close()
