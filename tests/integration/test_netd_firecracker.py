# SPDX-License-Identifier: GPL-2.0-or-later
"""Firecracker's jail, with a VMM in it that has been taken over (jail_probe.c), and its TAP."""

import contextlib
import os
import stat
from pathlib import Path

import pytest

import netd as lib
from jail_probe import DYNAMIC, MAC, OTHER, OTHER_MAC, STATIC, VM, Probe, install, network
from netd import Gone, Host, Refused
from test_netd import WRONG_FILES, odd_files  # noqa: F401, the latter a fixture

TAP = f"bt{VM}"


@pytest.fixture
def binary():
    return STATIC


@pytest.fixture
def host(binary):
    """A host whose firecracker is a program of the test; after the test it is as it was before."""
    host = Host()
    path = install(binary, host.dir / "firecracker")
    with open(host.config, "a", encoding="ascii") as f:
        f.write(f"[vmm]\nfirecracker = {path}\n")
    before = host.state()
    before["files"] = ["ledger", "vm"]
    yield host
    try:
        host.release_all()
        assert host.settles(before), (host.state(), before,
                                      "".join(netd.said() for netd in host.started))
    finally:
        host.close()


@pytest.fixture
def netd(host):
    return host.netd()


def mounts(pid):
    """{mount point: set of options}."""
    lines = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    assert len({line[4] for line in lines}) == len(lines)
    return {line[4]: set(line[5].split(",")) for line in lines}


def links(pid):
    done = lib.subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "-o", "link"],
                              capture_output=True, text=True, check=True)
    return [line.split(": ")[1] for line in done.stdout.splitlines()]


OWN = {
    "/dev": (stat.S_IFDIR, 0o755, 0),
    "/dev/null": (stat.S_IFCHR, 0o666, 0),
    "/dev/urandom": (stat.S_IFCHR, 0o666, 0),
    "/dev/kvm": (stat.S_IFCHR, 0o600, None),
    "/dev/net": (stat.S_IFDIR, 0o755, 0),
    "/dev/net/tun": (stat.S_IFCHR, 0o600, None),
    "/kernel": (stat.S_IFREG, 0o644, 0),
    "/initramfs": (stat.S_IFREG, 0o644, 0),
    "/disk": (stat.S_IFREG, 0o660, None),
    "/run": (stat.S_IFDIR, 0o2770, None),
    "/run/log": (stat.S_IFIFO, 0o600, None),
}


def own_files(uid):
    """What each jail has; None above stands for its uid."""
    return {path: (kind, mode, uid if owner is None else owner)
            for path, (kind, mode, owner) in OWN.items()}


def test_what_the_jail_holds(host, netd):
    network(netd)
    probe = Probe(host, netd)
    assert probe.tree() == own_files(probe.uid)
    common = {"nosuid", "noexec"}
    found = mounts(probe.pid)
    assert set(found) == {"/", "/kernel", "/initramfs", "/disk", "/run"}
    for path, options in found.items():
        assert common <= options, path
        assert ("rw" if path in ("/disk", "/run") else "ro") in options, path
        assert "nodev" in options or path == "/", path


def test_a_work_disk_is_one_more_file(host, netd):
    work = host.file("work", 256 << 20, 0o660)
    network(netd)
    probe = Probe(host, netd, work=f"rw:{work}")
    assert probe.tree() == own_files(probe.uid) | {"/work": (stat.S_IFREG, 0o660, probe.uid)}
    assert {"nosuid", "noexec", "nodev", "rw"} <= mounts(probe.pid)["/work"]
    assert probe.result("write", "/work") == "0"
    assert probe.result("grow", "/work", 256 << 20) == "File too large"
    found = work.stat()
    assert (found.st_uid, found.st_gid, found.st_size) == (probe.uid, 0, 256 << 20)


@pytest.mark.parametrize("binary", [DYNAMIC], ids=["dynamic"])
def test_what_a_jail_with_a_loader_holds(host, netd):
    network(netd)
    probe = Probe(host, netd)
    tree = {path: what for path, what in probe.tree().items()
            if not path.startswith(("/usr/", "/lib/", "/lib64/"))}
    libraries = {f"/{name}" for name in ("lib", "lib64") if os.path.lexists(f"/{name}")}
    assert set(tree) == set(OWN) | libraries | {"/usr", "/etc", "/etc/ld.so.cache"}
    found = mounts(probe.pid)
    real = {path for path in libraries if not os.path.islink(path)}
    assert set(found) == {"/", "/kernel", "/initramfs", "/disk", "/run", "/usr",
                          "/etc/ld.so.cache"} | real
    for path, options in found.items():
        assert {"nosuid"} <= options and ("nodev" in options or path == "/")
        assert ("rw" if path in ("/disk", "/run") else "ro") in options, path
    assert probe.result("write", "/usr/bin/env") in ("Read-only file system", "Permission denied")


def test_who_it_is(host, netd):
    network(netd)
    probe = Probe(host, netd)
    assert probe.arguments == ["firecracker", "--id", VM, "--api-sock", "/run/api"]
    assert Path(f"/proc/{probe.pid}/environ").read_bytes() == b""
    assert lib.UID_BASE <= probe.uid < lib.UID_BASE + lib.UID_COUNT - 1
    status = lib.status_of(probe.pid)
    assert status["Uid"].split() == status["Gid"].split() == [str(probe.uid)] * 4
    assert status.get("Groups", "").split() == []
    for kind in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
        assert int(status[kind], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"], status["Seccomp_filters"]) == ("1", "2", "2")
    assert status["Umask"] == "0007"
    assert status["NSpid"].split()[-1] == "1" and status["SigIgn"] == "0" * 16
    for kind in "mnt", "pid", "ipc", "uts", "net":
        assert os.readlink(f"/proc/{probe.pid}/ns/{kind}") != \
            os.readlink(f"/proc/{netd.pid}/ns/{kind}"), kind
    limits = Path(f"/proc/{probe.pid}/limits").read_text()
    assert f"Max file size             {128 << 20} " in limits  # the disk is less than the memory
    assert "Max open files            2048 " in limits
    assert "Max core file size        0 " in limits and "Max locked memory         0 " in limits


def test_what_is_open_in_it(host, netd):
    network(netd)
    probe = Probe(host, netd)
    assert probe("fds") == ["0", "1", "2"]
    folder = host.rundir(VM)
    assert os.readlink(f"/proc/{probe.pid}/fd/0") == str(folder / "console.in")
    assert os.readlink(f"/proc/{probe.pid}/fd/1") == str(folder / "console.out")
    assert os.readlink(f"/proc/{probe.pid}/fd/2") == str(folder / "fc/log")
    for fd in 0, 1:
        text = Path(f"/proc/{probe.pid}/fdinfo/{fd}").read_text()
        flags = int(text.split("flags:")[1].split()[0], 8)
        assert flags & os.O_ACCMODE == os.O_RDWR and flags & os.O_NONBLOCK


def test_the_run_directory_is_for_the_group(host, netd):
    network(netd)
    probe = Probe(host, netd)
    folder = host.rundir(VM)
    assert set(os.listdir(folder)) == {"console.in", "console.out", "fc", "vmm.log"}
    wanted = {".": (stat.S_IFDIR, 0o750, 0), "console.in": (stat.S_IFIFO, 0o660, 0),
              "console.out": (stat.S_IFIFO, 0o660, 0), "vmm.log": (stat.S_IFREG, 0o640, 0),
              "fc": (stat.S_IFDIR, 0o2770, probe.uid)}
    wanted["fc/log"] = stat.S_IFIFO, 0o600, probe.uid
    for name, what in wanted.items():
        found = (folder / name).stat()
        assert (stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid) == what, name
        assert found.st_gid == 0  # the tests' group
    disk = host.disk.stat()
    assert (disk.st_uid, disk.st_gid, stat.S_IMODE(disk.st_mode)) == (probe.uid, 0, 0o660)


def test_a_console_takes_one_reader_after_another(host, netd):
    network(netd)
    probe = Probe(host, netd)
    for _ in range(3):
        probe.close()
        probe.connect()
        assert probe("fds") == ["0", "1", "2"]
    assert netd("await", VM, 0)["dead"] == "0"


def test_its_log_is_kept(host, netd):
    network(netd)
    probe = Probe(host, netd)
    os.write(probe.input, b"exit 3\n")
    assert netd("await", VM, 10000)["dead"] == "1"
    assert netd("reap", VM) == {"known": "1", "status": str(3 << 8)}
    assert (host.rundir(VM) / "vmm.log").read_text() == "jail-probe is up\n"
    netd("release", VM)


NO = "Operation not permitted"
ROFS = "Read-only file system"


def test_ways_out(host, netd):
    host.kernel.chmod(0o666)  # the mount is what forbids
    host.initramfs.chmod(0o666)
    network(netd)
    probe = Probe(host, netd)
    for name in ("mount", "remount", "unshare", "chroot", "mknod", "kill", "fork", "execve"):
        assert probe.result("call", name) == NO, name
    assert probe.result("call", "setuid") == NO
    assert probe.result("call", "connect") == "No such file or directory"
    # Its disk cannot get a name in the directory that bangerd's group sees.
    assert probe.result("call", "link") == "Invalid cross-device link"
    assert probe.result("call", "rename") in (ROFS, "Invalid cross-device link")
    assert probe.result("write", "/kernel") == ROFS
    assert probe.result("write", "/initramfs") == ROFS
    assert probe.result("read", "/kernel") == "0" and probe.result("write", "/disk") == "0"
    assert probe.result("grow", "/disk", 128 << 20) == "File too large"
    assert host.disk.stat().st_size == 1 << 20


# ---- its network ----


def tap_of(host):
    """The flags and the rest of `ip -d` of the TAP on the host."""
    text = host.ns.ip(f"-d link show {TAP}")
    return set(text.split("<", 1)[1].split(">", 1)[0].split(",")), text


def test_the_tap_comes_to_the_host_when_told(host, netd):
    assert network(netd) == {"address": "172.30.0.2", "gateway": "172.30.0.1", "prefix": "24"}
    assert TAP not in host.ns.ip("-o link") and "bgr1000" in host.ns.ip("-o link")
    probe = Probe(host, netd)
    assert links(probe.pid) == ["lo", TAP] and TAP not in host.ns.ip("-o link")
    assert probe.result("tap", TAP) == "0"
    netd("attach", VM)
    assert links(probe.pid) == ["lo"]
    flags, text = tap_of(host)
    assert {"UP", "LOWER_UP"} <= flags and "master bgr1000" in text
    assert f"user {probe.uid}" in text and "tun type tap" in text and "vnet_hdr on" in text
    assert "inet6" not in host.ns.ip(f"addr show {TAP}")
    assert host.ns.run("cat", f"/proc/sys/net/ipv6/conf/{TAP}/disable_ipv6").strip() == "1"
    assert TAP in host.ns.run("nft", "list", "ruleset")
    netd("release", VM)
    assert TAP not in host.ns.ip("-o link")


def test_only_its_own_tap(host, netd):
    network(netd)
    probe = Probe(host, netd)
    assert probe.result("tap", "other0") == NO
    assert probe.result("tap", TAP) == "0"


def gone(call, *words):
    with pytest.raises(Gone):
        call(*words)


@pytest.mark.parametrize("what", ["twice", "of QEMU", "too early", "of nobody", "of a dead one"])
def test_an_attach_that_the_ledger_forbids(host, netd, what):
    vmm = "qemu" if what == "of QEMU" else "firecracker"
    network(netd, vmm=vmm)
    if what == "of QEMU":
        host.launch(netd, VM)
    elif what != "too early":
        Probe(host, netd)
    if what == "twice":
        netd("attach", VM)
    if what == "of a dead one":
        netd("signal", VM, 9)
        netd("await", VM, 10000)
        netd("reap", VM)
    gone(netd, "attach", OTHER if what == "of nobody" else VM)
    assert netd.wait() == 256


@pytest.mark.parametrize("vmm", ["qemu", "firecracker"])
def test_a_launch_of_the_other_kind(host, netd, vmm):
    network(netd, vmm=vmm)
    gone(host.launch if vmm == "firecracker" else host.firecracker, netd, VM)
    assert netd.wait() == 256


def test_a_network_for_whatever_vmm(host, netd):
    netd("reserve", VM, 1000)
    gone(netd, "tap", VM, 0, 2, MAC, 0, "auto")
    assert netd.wait() == 256


def test_a_vmm_that_throws_its_tap_away(host, netd):
    network(netd)
    probe = Probe(host, netd)
    assert [probe.result("tap", TAP), probe.result("tap-persist", 0),
            probe.result("tap-close")] == ["0", "0", "0"]
    assert links(probe.pid) == ["lo"]
    with pytest.raises(Refused) as refused:
        netd("attach", VM)
    assert refused.value.code == "not_found" and "no TAP" in refused.value.message
    # There is one try.
    with pytest.raises(Refused) as refused:
        netd("attach", VM)
    assert "release" in refused.value.message
    netd("release", VM)


def test_a_vmm_that_gives_its_tap_away(host, netd):
    network(netd)
    probe = Probe(host, netd)
    assert [probe.result("tap", TAP), probe.result("tap-owner", 4242)] == ["0", "0"]
    netd("attach", VM)
    assert "user 4242" in tap_of(host)[1]
    # A TAP that nobody holds any more, and that would stay, goes with the VM.
    assert probe.result("tap-persist", 1) == "0"
    netd("release", VM)
    assert TAP not in host.ns.ip("-o link")


def test_another_interface_of_that_name(host, netd):
    host.ns.ip(f"link add {TAP} type bridge")
    netd("reserve", VM, 1000)
    with pytest.raises(Refused) as refused:
        netd("tap", VM, 0, 2, MAC, 0, "firecracker")
    assert refused.value.code == "already_exists" and TAP in refused.value.message
    assert "bridge forward_delay" in host.ns.ip(f"-d link show {TAP}")
    host.ns.ip(f"link del {TAP}")
    netd("tap", VM, 0, 2, MAC, 0, "firecracker")
    Probe(host, netd)
    host.ns.ip(f"link add {TAP} type bridge")
    with pytest.raises(Refused) as refused:
        netd("attach", VM)
    assert refused.value.code == "already_exists"
    netd("release", VM)
    assert "bridge forward_delay" in host.ns.ip(f"-d link show {TAP}")
    host.ns.ip(f"link del {TAP}")


def test_a_stale_tap_makes_room(host, netd):
    network(netd)
    Probe(host, netd)
    host.ns.ip(f"tuntap add {TAP} mode tap user 4242")
    netd("attach", VM)
    assert "user 4242" not in tap_of(host)[1]


def test_the_way_to_the_tap_goes_with_netd(host):
    first = host.netd()
    network(first)
    probe = Probe(host, first)
    os.kill(first.pid, 9)
    first.wait()
    second = host.netd()
    assert second("adopt", VM) == probe.launched
    with pytest.raises(Refused) as refused:
        second("attach", VM)
    assert refused.value.code == "operation_failed" and "release" in refused.value.message
    assert second("await", VM, 0)["dead"] == "0"
    second("release", VM)
    assert lib.jailed() == []


def test_adoption(host):
    first = host.netd()
    network(first)
    probe = Probe(host, first)
    probe.result("tap", TAP)
    first("attach", VM)
    first.wait()
    second = host.netd()
    assert second("adopt", VM) == probe.launched
    assert probe("fds") == ["0", "1", "2", "3"]
    gone(second, "attach", VM)
    third = host.netd()
    third("release", VM)
    assert lib.jailed() == []


def test_a_vmm_that_no_row_knows_dies(host):
    """netd was killed between the clone and the row that says `running`."""
    first = host.netd()
    network(first)
    probe = Probe(host, first)
    probe.result("mess")
    os.kill(first.pid, 9)
    first.wait()
    row = host.run_dir / "ledger" / VM
    row.write_text("".join(line + "\n" for line in row.read_text().splitlines()
                           if not line.startswith(("pid=", "start_time=", "attached=")))
                   .replace("state=running", "state=network"))
    second = host.netd()
    assert second("next", "000000000000")["state"] == "network"
    second("release", VM)
    assert lib.jailed() == [] and not host.rundir(VM).exists()


# ---- files ----


def test_wrong_files_are_refused(host, netd, odd_files):  # noqa: F811
    network(netd)
    before = host.state()
    for name, files in WRONG_FILES.items():
        files = {key: value.format(**odd_files) for key, value in files.items()}
        with pytest.raises(Refused) as refused:
            host.firecracker(netd, VM, **files)
        assert refused.value.code == "bad_request", name
        assert host.state() == before, name
    Probe(host, netd)
    netd("release", VM)


def outside(host):
    """A directory and files that must stay as they are."""
    folder = host.dir / "outside"
    folder.mkdir()
    for i in range(3):
        (folder / f"file{i}").write_text(f"content {i}")
        (folder / f"file{i}").chmod(0o640)
    return folder


def look(folder):
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        st = path.lstat()
        found[str(path)] = (st.st_mode, st.st_uid, st.st_gid, st.st_ino,
                            path.read_bytes() if stat.S_ISREG(st.st_mode) else None)
    return found


PLANTED = ["console.in", "console.out", "vmm.log", "fc", "qmp", "api"]


@pytest.mark.parametrize("kind", ["symlink", "hard link", "symlink to a directory", "fc of links",
                                  "fc elsewhere", "the directory itself"])
def test_a_prepared_run_directory(host, netd, kind):
    network(netd)
    elsewhere = outside(host)
    before = look(elsewhere)
    folder = host.rundir(VM)
    if kind == "the directory itself":
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir()
    if kind == "symlink":
        for name in PLANTED:
            (folder / name).symlink_to(elsewhere / "file0")
    elif kind == "symlink to a directory":
        for name in PLANTED:
            (folder / name).symlink_to(elsewhere)
    elif kind == "hard link":
        for name in PLANTED:
            os.link(elsewhere / "file1", folder / name)
    elif kind == "fc elsewhere":
        (folder / "fc").symlink_to("../../../outside")
    elif kind == "fc of links":
        (folder / "fc").mkdir()
        for name in ("api", "vsock", "log"):
            (folder / "fc" / name).symlink_to(elsewhere / "file0")
        (folder / "fc" / "to").symlink_to(elsewhere)
        os.link(elsewhere / "file2", folder / "fc" / "hard")
    probe = Probe(host, netd)
    assert not folder.is_symlink()
    assert set(os.listdir(folder)) == {"console.in", "console.out", "fc", "vmm.log"}
    assert os.listdir(folder / "fc") == ["log"] and not (folder / "fc").is_symlink()
    assert list(probe.tree("/run")) == ["/run/log"]
    assert {path: what[:4] for path, what in look(elsewhere).items()} == \
        {path: what[:4] for path, what in before.items()}
    netd("release", VM)
    assert look(elsewhere) == before


def test_what_a_vmm_leaves_is_removed(host, netd):
    network(netd)
    elsewhere = outside(host)
    before = look(elsewhere)
    probe = Probe(host, netd)
    assert probe.result("mess") == "0"
    assert stat.S_IMODE((host.rundir(VM) / "fc").stat().st_mode) == 0
    assert sum(len(files) for _, _, files in os.walk(host.rundir(VM) / "fc")) > 3000
    netd("release", VM)
    assert not host.rundir(VM).exists()
    assert look(elsewhere) == before


def test_a_run_directory_of_a_killed_vmm_is_made_anew(host, netd):
    """A launch that failed half-way, and the next: nothing of the first is in the way."""
    network(netd)
    probe = Probe(host, netd)
    probe.result("mess")
    netd("signal", VM, 9)
    netd("await", VM, 10000)
    netd("reap", VM)
    netd("release", VM)
    network(netd)
    assert list(Probe(host, netd).tree("/run")) == ["/run/log"]


# ---- nothing is left ----


def counts(netd):
    """Open files of netd and of launch, once both have answered."""
    netd("status")
    launch = int(Path(f"/proc/{netd.pid}/task/{netd.pid}/children").read_text())
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (netd.pid, launch)]


def namespaces():
    """The network namespaces that some process is in."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found.add(os.readlink(entry / "ns/net"))
    return found


def test_no_file_stays_open(host, netd):
    before = counts(netd)
    network(netd)
    assert counts(netd) == before  # the TAP comes later
    with pytest.raises(Refused):
        host.firecracker(netd, VM, disk=f"ro:{host.disk}")
    assert counts(netd) == before
    probe = Probe(host, netd)
    # A way into the VMM's namespace; a pidfd, the log and its pipe.
    assert counts(netd) == [before[0] + 1, before[1] + 3]
    probe.result("tap", TAP)
    netd("attach", VM)
    assert counts(netd) == [before[0], before[1] + 3]
    netd("release", VM)
    assert counts(netd) == before


def test_fifty_cycles_leave_nothing(host, netd):
    network(netd, OTHER, octet=3, mac=OTHER_MAC)  # the bridge stays
    before, state, others = counts(netd), host.state(), namespaces()
    for i in range(50):
        network(netd)
        probe = Probe(host, netd)
        if i % 2:
            probe.result("tap", TAP)
            netd("attach", VM)
        if i % 3 == 0:
            netd("signal", VM, 9)
            assert netd("await", VM, 10000)["dead"] == "1"
            netd("reap", VM)
        probe.close()
        netd("release", VM)
        assert counts(netd) == before
    assert host.state() == state
    assert len(namespaces() - others) == 0
