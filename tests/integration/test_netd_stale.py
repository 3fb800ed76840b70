# SPDX-License-Identifier: GPL-2.0-or-later
"""banger-netd where another one is or was: another suite, another configuration, somebody's links; and
where there is no room."""

import contextlib
import os
import subprocess

import netd as lib
import pytest
from netd import Gone, Host, Refused
from test_netd import MAC, VM, host, netd, network  # noqa: F401, fixtures


def test_a_second_suite_does_not_take_the_first_ones_vms(host, netd):  # noqa: F811
    """Another run directory, so another ledger, and the same jail uids, names and rules."""
    network(netd)
    pid = int(host.launch(netd, VM)["pid"])
    other = Host()
    try:
        other.ns.close()
        other.ns = host.ns
        before = host.state()
        second = other.netd()
        with pytest.raises(Gone):
            second("status")
        assert second.wait() == 256
        assert "another banger-netd" in second.said() and "network namespace" in second.said()
        assert pid in lib.jailed() and host.state() == before
        netd("release", VM)
        assert netd.wait() == 0
        # The claim goes with who made it.
        third = other.netd()
        third("status")
        assert third.wait() == 0
    finally:
        other.ns = lib.Namespace()
        other.close()


@pytest.mark.parametrize("was, now", [
    (f"uid_base = {lib.UID_BASE}", f"uid_base = {lib.UID_BASE - lib.UID_COUNT}"),
    (f"uid_count = {lib.UID_COUNT}", "uid_count = 2")], ids=["base", "count"])
def test_a_range_that_lost_its_vms_is_refused(host, was, now):  # noqa: F811
    """Nobody could end them: launch takes a uid out of the range for a breach."""
    first = host.netd()
    network(first)
    pid = int(host.launch(first, VM)["pid"])
    first.wait()
    good, before = host.config.read_text(), host.state()
    assert was in good
    host.config.write_text(good.replace(was, now))
    second = host.netd()
    with pytest.raises(Gone):
        second("status")
    assert second.wait() == 256
    said = second.said()
    assert VM in said and "uid_base" in said and "set them back" in said
    assert pid in lib.jailed() and host.state() == before
    host.config.write_text(good)
    third = host.netd()
    assert third("adopt", VM)["pid"] == str(pid)
    third("release", VM)


def pool(host, pool):  # noqa: F811
    """Another [net] pool."""
    kept = [line for line in host.config.read_text().splitlines()
            if line != "[net]" and not line.startswith("pool")]
    host.config.write_text("\n".join([*kept, "[net]", f"pool = {pool}", ""]))


@pytest.mark.parametrize("was, now, fits", [
    ("10.66.0.0/16", "10.67.0.0/16", False), ("10.66.0.0/16", "10.66.0.0/15", True),
    ("10.66.0.0/16", "10.66.0.0/23", True), ("10.66.0.0/16", "10.66.0.0/24", False),
    ("10.66.0.0/16", "10.66.1.0/24", False)],
    ids=["another", "larger", "smaller, with it", "smaller, without it", "what it is in"])
def test_a_pool_that_has_no_place_for_its_vms_is_refused(host, was, now, fits):  # noqa: F811
    """They would be cut off: rules and gateway would be of addresses that their guests have not."""
    pool(host, was)
    first = host.netd()
    network(first, subnet=1)
    pid = int(host.launch(first, VM)["pid"])
    first.wait()
    before = host.state()
    pool(host, now)
    second = host.netd()
    if fits:
        second("status")
        assert second.wait() == 0 and host.state() == before
        # What it is now, is noted.
        pool(host, "10.67.0.0/16")
        now, second = "10.67.0.0/16", host.netd()
    with pytest.raises(Gone):
        second("status")
    assert second.wait() == 256
    said = second.said()
    assert VM in said and f"pool is {now} now" in said and "set it back, stop them" in said
    assert pid in lib.jailed() and host.state() == before
    pool(host, was)
    third = host.netd()
    assert third("adopt", VM)["pid"] == str(pid)
    third("release", VM)
    assert third.wait() == 0
    # Without VMs it is the administrator's choice.
    pool(host, now)
    fourth = host.netd()
    fourth("status")
    assert fourth.wait() == 0


def test_a_bridge_of_somebody_elses_is_left_alone(host, netd):  # noqa: F811
    """A name makes nothing banger's: not used, not taken away, not by the sweep either."""
    host.ns.ip("link add bgr1000 type bridge")
    host.ns.ip("tuntap add bgr1001 mode tap")
    before = host.ns.ip("-o link")
    for owner in 1000, 1001:
        netd("reserve", VM, owner)
        with pytest.raises(Refused) as refused:
            netd("tap", VM, 0, 2, MAC, 0)
        assert refused.value.code == "already_exists"
        assert f"bgr{owner} is not banger's" in refused.value.message
        netd("release", VM)
        assert host.ns.ip("-o link") == before
    assert netd.wait() == 0
    host.netd()("status")
    assert host.ns.ip("-o link") == before
    for owner in 1000, 1001:
        host.ns.ip(f"link del bgr{owner}")


def test_a_row_that_cannot_be_read_takes_no_link_of_others(host):  # noqa: F811
    """What a damaged row's VM left goes by its marks, not by its name."""
    first = host.netd()
    network(first)
    pid = int(host.launch(first, VM)["pid"])
    assert first.wait() == 0
    other = "00000000beef"
    for vm in VM, other:
        (host.run_dir / "ledger" / vm).write_text("boot=damaged\n")
    host.ns.ip(f"tuntap add bt{other} mode tap")
    second = host.netd()
    assert second("next", "0" * 12)["found"] == "0"
    assert "damaged" in second.said()
    assert pid not in lib.jailed() and not host.rundir(VM).exists()
    links = host.ns.ip("-o link")
    assert f"bt{other}" in links and f"bt{VM}" not in links and "bgr1000" not in links
    assert not list((host.run_dir / "ledger").glob("0*"))
    host.ns.ip(f"link del bt{other}")


class Small:
    """A run directory on a file system of its own, and what fills it."""

    def __init__(self, host):
        self.path, self.filler = host.run_dir, host.run_dir / "filler"
        self.path.mkdir(mode=0o755)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0755", "none", self.path],
                       check=True)

    def fill(self):
        with open(self.filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def clear(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", self.path], check=True)


@contextlib.contextmanager
def full(host, small):
    """Nothing but what is written for it changed when the room is there again."""
    before = host.state()
    small.fill()
    try:
        yield
    finally:
        small.clear()
    assert host.state() == before


def test_no_room_for_the_ledger():
    """Each message with no room left in the run directory: refused, nothing changed, and once there
    is room it goes through; what gives room back goes through without."""
    host = Host()  # noqa: F811
    small = Small(host)
    try:
        netd = host.netd()
        netd("status")
        with full(host, small), pytest.raises(Refused) as refused:
            netd("reserve", VM, 1000)
        assert refused.value.code == "no_space"
        netd("reserve", VM, 1000)
        for nat in 0, 1:
            with full(host, small), pytest.raises(Refused):
                netd("tap", VM, 0, 2, MAC, nat)
            assert netd("next", "0" * 12)["state"] == "reserved"
        netd("tap", VM, 0, 2, MAC, 0)
        with full(host, small), pytest.raises(Refused):
            netd("nat", VM, 1)
        with full(host, small), pytest.raises(Refused):
            host.launch(netd, VM)
        assert netd("next", "0" * 12)["state"] == "network"
        pid = int(host.launch(netd, VM)["pid"])
        os.kill(pid, 9)
        netd("await", VM, 5000)
        with full(host, small), pytest.raises(Refused):
            netd("reap", VM)
        small.fill()
        netd("release", VM)
        small.clear()
        assert netd("next", "0" * 12)["found"] == "0"
        assert netd.wait() == 0
        assert host.settles({"links": ["lo"], "rules": "", "processes": []})
    finally:
        for each in host.started:
            each.close()
        small.close()
        host.close()


HIDDEN = "mount -t proc -o hidepid=2,gid=4242 proc /proc && exec \"$0\" \"$@\""


def test_a_proc_that_hides_processes_hides_no_vm():
    """hidepid of proc(5), and a group that is not root's: a VMM that is not seen is not dead."""
    host = Host(wrap=("unshare", "-m", "sh", "-c", HIDDEN))  # noqa: F811
    try:
        first = host.netd()
        network(first)
        pid = int(host.launch(first, VM)["pid"])
        assert first.wait() == 0
        second = host.netd()
        assert second("next", "0" * 12)["alive"] == "1"
        assert second("adopt", VM)["pid"] == str(pid)
        assert second.wait() == 0
        # Nor when nobody knows it: it is found by its uid.
        (host.run_dir / "ledger" / VM).unlink()
        third = host.netd()
        assert third("next", "0" * 12)["found"] == "0"
        assert pid not in lib.jailed()
        assert third.wait() == 0
    finally:
        host.close()
