# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods from a guest and from the host, run directories that were prepared, a thousand starts:
bounded, unimpressed, and nothing left. Engine `none` of the stand-in, unless a test says otherwise."""

import contextlib
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import census
import firecracker
import guest_images
import nested
import pytest
import rpc
import suite
import vms
from faults import CREATE, ON_IT, create, delete, resident

# ---- floods ----

def size_of(*files):
    """Bytes of files that may get another name just now."""
    total = 0
    for path in files:
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def test_console_flooded_with_a_gibibyte(busybox, nothing):
    """The log stays bounded, bangerd small, and both this VM and another answer meanwhile."""
    with firecracker.instead(f"engine=none console={1 << 30}"):
        before = resident("bangerd")
        assert create(busybox).status == 0
        assert create(busybox, name="other").status == 0
        end = time.monotonic() + 8
        while time.monotonic() < end:
            begin = time.monotonic()
            for name in ("fault", "other"):
                assert suite.banger_json("vm", "health", name)["healthy"] is True
            assert time.monotonic() - begin < 5
            assert resident("bangerd") - before < 8 << 10, "bangerd grows"
        log = Path(suite.banger_json("vm", "show", "fault")["console_log"])
        assert size_of(log, log.with_name(log.name + ".1")) <= 3 << 20
        run = [path for path in suite.tree(suite.settings()["run_dir"]) if path.is_file()]
        assert size_of(*run) <= 4 << 20, "the run directory is bounded too"
        begin = time.monotonic()
        delete("fault", "other")
        assert time.monotonic() - begin < 10


def vsock_path(name):
    ident = suite.banger_json("vm", "show", name)["id"]
    return Path(suite.settings()["run_dir"]) / "vm" / ident / "fc" / "vsock"


def test_vsock_flooded_from_the_host_side(busybox, nothing):
    """Hundreds of connections, silent, half and junk: the VM and others go on."""
    with firecracker.instead("engine=none"):
        assert create(busybox).status == 0
        assert create(busybox, name="other").status == 0
        held, path = [], str(vsock_path("fault"))
        for number in range(600):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(2)
            with contextlib.suppress(OSError):
                sock.connect(path)
                sock.sendall((b"CONNECT 1024\n", b"CONNECT 1025\n", b"CONN", b"\0" * 4096,
                              b"")[number % 5])
            held.append(sock)
        begin = time.monotonic()
        assert suite.banger_json("vm", "health", "other")["healthy"] is True
        assert time.monotonic() - begin < 5
        for sock in held:
            sock.close()
        assert suite.wait_for(
            lambda: suite.banger("vm", "health", "fault").status == 0, 20, 0.5)
        delete("fault", "other")


@pytest.mark.parametrize("manner", ["junk", "close", "silent", "flood", "refuse"])
def test_vsock_of_a_hostile_vmm(busybox, manner, nothing):
    """What comes back on the control channel is nonsense, nothing, or without end."""
    with firecracker.instead(f"engine=none vsock={manner}"), short_start_timeout():
        before = resident("bangerd")
        done = create(busybox, timeout=90)
        assert done.status == 1 and done.err.strip(), done
        assert resident("bangerd") - before < 8 << 10, "bangerd grows"
        if vms.row("fault"):
            assert vms.row("fault")["state"] == "stopped", "kept for a look at its log"
            delete("fault")


@contextlib.contextmanager
def short_start_timeout():
    """A guest gets three seconds; the suite is restarted for it, and again afterwards."""
    config = suite.DIR / "banger.conf"
    before = config.read_text()
    suite.stop()
    config.write_text(before + "\n[vmm]\nstart_timeout = 3\n")
    suite.start()
    try:
        yield
    finally:
        suite.stop()
        config.write_text(before)
        suite.start()


def test_vsock_flooded_from_the_guest(kernel, busybox, nothing, tmp_path):
    """A guest that knocks at the host's ports without end: no port is open, and both the VM and
    another answer meanwhile."""
    suite.banger("image", "import", "knock", guest_images.knock(tmp_path), check=True)
    try:
        with vms.vm("knock", *ON_IT, name="knock") as name, \
                vms.vm(busybox, *ON_IT, name="other") as other:
            before = resident("bangerd")
            process = subprocess.Popen(["banger", "vm", "exec", name, "--", "knock", "4"],
                                       stdout=subprocess.PIPE, text=True)
            while process.poll() is None:
                begin = time.monotonic()
                for which in (name, other):
                    assert suite.banger_json("vm", "health", which)["healthy"] is True
                assert time.monotonic() - begin < 8
            tried, accepted = map(int, process.communicate()[0].split())
            assert process.returncode == 0 and tried > 100 and accepted == 0, (tried, accepted)
            assert resident("bangerd") - before < 8 << 10, "bangerd grows"
            assert vms.output(name, "echo", "well") == "well"
    finally:
        suite.banger("image", "delete", "knock", check=True)


def test_more_sessions_than_an_agent_takes(busybox, nothing):
    """A hundred commands at once: 64 run, the rest hear `busy`; afterwards all is as before."""
    with vms.vm(busybox, *ON_IT, name="guest") as name:
        hundred_sessions(name)


def hundred_sessions(name):
    processes = [subprocess.Popen(["banger", "vm", "exec", name, "--", "sleep", "5"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) for _ in range(100)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    well = [err for err, status in ends if status == 0]
    rest = [err for err, status in ends if status == 125]
    assert len(well) + len(rest) == 100 and len(well) >= 32, ends
    assert all("64 sessions" in err or "busy" in err for err in rest), rest[:3]
    assert vms.output(name, "echo", "well") == "well"


# ---- what a jail's directory is prepared with ----

def test_run_directory_of_a_hostile_vmm(busybox, nothing, tmp_path):
    """A VMM that was taken over owns its run directory: links in the place of its sockets and log
    lead nobody anywhere, and are taken away as links."""
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    with firecracker.instead("engine=none"):
        assert create(busybox).status == 0
        assert create(busybox, name="other").status == 0
        folder, other = vsock_path("fault").parent, vsock_path("other").parent
        uid, gid = folder.stat().st_uid, folder.stat().st_gid
        inside = f"""
            set -e; cd {folder}; rm -f api vsock
            ln -s {other}/api api; ln -s {other}/vsock vsock
            ln -s {secret} log2; ln -s / root; mkdir -p deep/er; ln -s {other} deep/er/other
            : >deep/er/file; chmod 000 deep/er; mkfifo fifo
        """
        done = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
                               "bash", "-c", inside], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with contextlib.suppress(OSError):
            os.link(other / "api", folder / "hard")
        done = suite.banger("vm", "exec", "fault", "--", "true", timeout=60)
        assert done.status == 125, f"went to another VM's agent: {done}"
        done = suite.banger("vm", "pause", "fault", timeout=60)
        assert done.status == 1, f"went to another VM's VMM: {done}"
        assert suite.banger_json("vm", "show", "other")["state"] == "running"
        assert suite.banger_json("vm", "health", "other")["healthy"] is True
        delete("fault")
        assert secret.read_text() == "secret\n" and (other / "api").exists()
        assert suite.banger_json("vm", "health", "other")["healthy"] is True
        delete("other")


def test_run_directory_prepared_before_the_start(busybox, nothing, tmp_path):
    """Who has the rights of bangerd plants what a jail's path goes through: links to elsewhere
    stay unfollowed, nothing is made or removed behind them."""
    conf = suite.settings()
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("keep\n")
    before = victim.stat()
    with firecracker.instead("engine=none"):
        suite.banger(*CREATE, "--no-start", "--image", busybox, "--name", "fault", check=True)
        ident = suite.banger_json("vm", "show", "fault")["id"]
        run = Path(conf["run_dir"]) / "vm"
        planted = run / ident
        as_banger = subprocess.run(["setpriv", "--reuid=banger", "--regid=banger", "--clear-groups",
                                    "ln", "-s", victim, planted], capture_output=True, check=False)
        assert as_banger.returncode != 0, "bangerd's user writes where jails are made"
        planted.symlink_to(victim)  # as if it could
        done = suite.banger("vm", "start", "fault", timeout=60)
        assert (victim / "file").read_text() == "keep\n"
        assert sorted(path.name for path in victim.iterdir()) == ["file"]
        assert (victim.stat().st_uid, victim.stat().st_mode) == (before.st_uid, before.st_mode)
        if planted.is_symlink():
            planted.unlink()
        if done.status != 0:
            assert done.err.strip()
            suite.banger("vm", "start", "fault", check=True)
        assert suite.banger_json("vm", "health", "fault")["healthy"] is True
        delete("fault")


def test_disk_that_is_linked_elsewhere(busybox, nothing, tmp_path):
    """The disk in a VM's directory is a file, and has one name: a link there is not a disk."""
    with firecracker.instead("engine=none"):
        suite.banger(*CREATE, "--no-start", "--image", busybox, "--name", "fault", check=True)
        ident = suite.banger_json("vm", "show", "fault")["id"]
        (disk,) = (Path(suite.settings()["state_dir"]) / "vms" / ident).glob("disk*")
        kept = disk.with_name("kept")
        disk.rename(kept)
        secret = tmp_path / "secret"
        secret.write_bytes(b"s" * 4096)
        for plant in (disk.symlink_to, lambda target: os.link(target, disk)):
            with contextlib.suppress(OSError):  # another file system has no hard link of it
                plant(secret)
            done = suite.banger("vm", "start", "fault", timeout=60)
            assert done.status == 1 and done.err.strip(), done
            disk.unlink(missing_ok=True)
        assert secret.read_bytes() == b"s" * 4096
        kept.rename(disk)
        suite.banger("vm", "start", "fault", check=True)
        delete("fault")


# ---- user ids ----

def test_uid_range_of_real_users(tmp_path):
    """A range that somebody in /etc/passwd or /etc/subuid has a part of: refused at start."""
    for place, line in (("/etc/passwd", "real:x:1912345678:1912345678::/:/bin/false"),
                        ("/etc/subuid", "real:1912345000:65536")):
        copy = tmp_path / Path(place).name
        copy.write_text((Path(place).read_text() if Path(place).exists() else "") + line + "\n")
        Path(place).touch()
        status, _, err = nested.with_suite(
            "echo started", tmp_path,
            settings="[jail]\nuid_base = 1912345600\nuid_count = 100\n",
            before=f"mount --bind {copy} {place}")
        assert status != 0 and place in err and "1912345" in err, err


# ---- over and over ----

CYCLES, AT_ONCE = 1000, 4


def test_a_thousand_starts_and_kills(busybox, nothing, capsys):
    """Nothing of a VM is left: counts, all 0, printed."""
    names = [f"fault-{number}" for number in range(AT_ONCE)]
    with firecracker.instead("engine=none"):
        for name in names:
            suite.banger(*CREATE, "--no-start", "--image", busybox, "--name", name, check=True)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(cycle, names, [1] * AT_ONCE))
            fds, begin = census.fds(), time.monotonic()
            list(pool.map(cycle, names, [CYCLES // AT_ONCE] * AT_ONCE))
            taken = time.monotonic() - begin
        assert suite.wait_for(lambda: not any(census.count().values()), 10, 0.2)
        left = census.count()
        assert suite.wait_for(lambda: census.fds() == fds, 5, 0.2), (fds, census.fds())
        left["fds"] = sum(census.fds().values()) - sum(fds.values())
        delete(*names)
        left["rows"] = len(suite.banger_json("vm", "list"))
        with capsys.disabled():
            print(f"\nafter {CYCLES} starts and kills, {AT_ONCE} at once, in {taken:.1f} s: " +
                  ", ".join(f"{kind} {number}" for kind, number in left.items()))
        assert not any(left.values()), left


def cycle(name, times):
    """Start and kill it, and wait until it is stopped."""
    with rpc.Rpc(timeout=60) as client:
        for _ in range(times):
            client.call("vm.start", {"vm": name})
            client.call("vm.kill", {"vm": name})
            end = time.monotonic() + 10
            while client.call("vm.show", {"vm": name})["vm"]["state"] != "stopped":
                assert time.monotonic() < end
                time.sleep(0.002)
