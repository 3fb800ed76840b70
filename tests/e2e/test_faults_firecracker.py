# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong with Firecracker: a clear word, in time, nothing left, and the next VM runs.

Engine `none` of the stand-in, which answers as an agent would, unless a test says otherwise."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import census
import firecracker
import guest_images
import nested
import pytest
import rpc
import suite
import vms

ON_IT = ("--vmm", "firecracker")
CREATE = ("vm", "create", "--quiet", *ON_IT, "--memory", "64M", "--vcpu", "1")


def create(image, *options, name="fault", timeout=120):
    return suite.banger(*CREATE, "--image", image, "--name", name, *options, timeout=timeout)


def delete(*names):
    suite.banger("vm", "delete", "--force", *names, check=True)


@pytest.fixture
def nothing():
    """Nothing of a VM is on the host afterwards."""
    yield
    left = [vm["name"] for vm in suite.banger_json("vm", "list")]
    if left:  # of a test that failed: the next must not be blamed
        delete(*left)
    assert not left, "VMs are left"
    found = suite.wait_for(lambda: not any(census.count().values()), 10, 0.2)
    assert found, f"left: { {k: v for k, v in census.count().items() if v} }"


def refused(image, *words, seconds=30.0):
    """A VM that cannot be: the message has all the words, and comes in time."""
    begin = time.monotonic()
    done = create(image)
    taken = time.monotonic() - begin
    if done.status == 0:
        delete("fault")
    assert done.status == 1, done
    for word in words:
        assert re.search(word, done.err, re.I), f"no {word!r} in {done.err!r}"
    assert taken < seconds, f"{taken:.1f} s until {done.err!r}"
    return done.err


# ---- the binary ----

def wrong_machine(place):
    """The stand-in as if it were for another processor: e_machine of AArch64."""
    firecracker.put(place)
    with place.open("r+b") as file:
        file.seek(18)
        file.write((183).to_bytes(2, "little"))


def mode(bits, owner=0):
    def make(place):
        firecracker.put(place)
        os.chown(place, owner, owner)
        place.chmod(bits)
    return make


def link(place):
    """Of somebody else's, who may let it lead elsewhere at any time."""
    firecracker.put(place.with_suffix(".target"))
    place.symlink_to(place.with_suffix(".target"))
    os.lchown(place, 65534, 65534)


def link_into(mode_, owner):
    """Root's own link, into a directory where others put what they like."""
    def make(place):
        folder = place.with_suffix(".folder")
        folder.mkdir()
        firecracker.put(folder / "firecracker")
        os.chown(folder, owner, owner)
        folder.chmod(mode_)
        place.symlink_to(folder / "firecracker")
    return make


def script(text):
    def make(place):
        place.write_text(text)
        place.chmod(0o755)
    return make


BINARIES = {
    "missing": (lambda place: None, ["no.*firecracker|not installed|no such file"]),
    "wrong-arch": (wrong_machine, ["firecracker", "another machine"]),
    "no-program": (script("no program\n"), ["firecracker", "no ELF program"]),
    "world-writable": (mode(0o757), ["writable", "chmod"]),
    "group-writable": (mode(0o775), ["writable", "chmod"]),
    "not-roots": (mode(0o755, 65534), ["root"]),
    "not-executable": (mode(0o644), ["exec|permission|chmod"]),
    "symlinked": (link, ["link on the way", "65534"]),
    "symlinked-into-others-directory": (link_into(0o755, 65534), ["directory", "65534"]),
    "symlinked-into-open-directory": (link_into(0o777, 0), ["others can write its directory"]),
    "directory": (lambda place: place.mkdir(), ["regular file"]),
    "too-old": (lambda place: firecracker.put(place, "engine=none version=1.4.0"),
                [r"1\.4\.0", r"1\.5"]),
    "no-version": (lambda place: firecracker.put(place, "engine=none version=banana"),
                   ["version"]),
}


@pytest.mark.parametrize("what", BINARIES)
def test_binary(busybox, what, nothing):
    """Named for what it is, to whoever asks for it and in the status; nothing of it is executed
    for a VM, and `auto` still has QEMU."""
    make, words = BINARIES[what]
    with firecracker.instead(make=make) as place:
        message = refused(busybox, *words)
        host = firecracker.status()
        if what not in ("too-old", "no-version"):
            assert str(host["firecracker"]).lower() == "false" and host["firecracker_problem"], host
        done = suite.banger("vm", "create", "--quiet", "--no-start", "--vmm", "auto", "--image",
                            busybox, "--name", "other", "--memory", "64M", check=True)
        assert done.status == 0
        assert suite.banger_json("vm", "show", "other")["vmm"] in ("qemu", "auto"), message
        delete("other")
    place.with_suffix(".target").unlink(missing_ok=True)
    shutil.rmtree(place.with_suffix(".folder"), ignore_errors=True)


def test_binary_behind_a_link_of_roots(busybox, nothing):
    """The usual way to install one: /usr/local/bin/firecracker leads to the release's name."""
    def make(place):
        firecracker.put(place.with_suffix(".target"))
        place.symlink_to(place.with_suffix(".target"))

    with firecracker.instead(make=make) as place:
        assert create(busybox).status == 0
        delete("fault")
    place.with_suffix(".target").unlink()


@pytest.mark.parametrize("version", ["1.5.0", "1.7.3", "2.0.0"])
def test_binary_outside_the_tested_range(busybox, version, nothing):
    """It runs, and whoever looks is warned: in the log, and in why this VMM was taken."""
    with firecracker.instead(f"engine=none version={version}"):
        size = (suite.DIR / "log").stat().st_size
        assert create(busybox).status == 0
        why = suite.banger_json("vm", "show", "fault")["vmm_why"]
        log = (suite.DIR / "log").read_text(errors="replace")[size:]
        delete("fault")
    assert version in why and version in log, (why, log)
    if version.startswith("1."):
        assert "1.8" in why or "1.8" in log, "what packaged kernels need is said"


# ---- KVM ----

NO_KVM = {
    # A /dev with the same nodes but this one.
    "absent": ("mount -t tmpfs none /mnt && cp -a /dev/null /dev/urandom /dev/random /dev/zero "
               "/dev/net /dev/full /dev/tty /mnt/ && mkdir /mnt/shm /mnt/pts && "
               "ln -s /proc/self/fd /mnt/fd && mount --move /mnt /dev"),
    # A device node that even root may not open.
    "denied": ("mount -t tmpfs -o nodev none /mnt && mknod /mnt/kvm c 10 232 && "
               "mount --bind /mnt/kvm /dev/kvm"),
}


@pytest.mark.parametrize("how", NO_KVM)
def test_kvm(busybox, how, tmp_path):
    """Firecracker asked for by name is refused; the message says what about KVM."""
    status, out, err = nested.with_suite(
        nested.IMPORT +
        "banger vm run --rm --quiet --vmm firecracker --image busybox --memory 256M -- true; "
        "echo status $?\nbanger vm list -q\nbanger daemon status -o json | grep '\"kvm\"'\n",
        tmp_path, settings=firecracker.setting(tmp_path / "firecracker", "engine=none"),
        before=NO_KVM[how])
    assert status == 0 and out.startswith("status 125\n") and f'"{how}"' in out, (out, err)
    assert "kvm" in err.lower(), err


# ---- the API ----

# What the stand-in does: words that the message must have. A limit of seconds where it is not 30.
API = {
    "no-socket": ("nosocket", ["API|socket", "appear|time|answer"], 60),
    "garbage": ("garbage=PUT /machine-config", ["answer|reply|respon|HTTP"], 30),
    "garbage-at-start": ("garbage=PUT /actions", ["answer|reply|respon|HTTP"], 30),
    "fault": ("fault=PUT /boot-source", ["boot|kernel"], 30),
    "fault-at-start": ("fault=PUT /actions", ["start"], 30),
    "500": ("status500=PUT /drives", ["500|drive|disk"], 30),
    "500-without-body": ("bare500=PUT /vsock", ["500"], 30),
    "nothing": ("silent=PUT /network-interfaces", ["answer|time"], 60),
    "nothing-at-start": ("silent=PUT /actions", ["answer|time"], 60),
    "closed": ("close=PUT /machine-config", ["clos|end|answer"], 30),
    "half": ("half=PUT /drives", ["answer|time"], 60),
    "cut": ("cut=PUT /drives", ["clos|end|cut|answer|short"], 30),
    "half-JSON": ("badjson=GET /", ["JSON|answer"], 30),
    "8-MiB-body": ("huge=GET /", ["large|long|answer|than"], 30),
    "bytes-behind": ("extra=PUT /machine-config", ["answer|reply|more|behind|HTTP"], 30),
}


@pytest.mark.parametrize("what", API)
def test_api(busybox, what, nothing):
    """Its fault in banger's words; the VMM is ended, and told so."""
    words, expected, seconds = API[what]
    with firecracker.instead(f"engine=none {words}"):
        refused(busybox, *expected, seconds=seconds)
        assert not suite.jailed()


def test_api_that_is_slow(busybox, nothing):
    """Late with its socket and slow with each answer: it takes longer, and it works."""
    with firecracker.instead("engine=none late=500 delay=*:50"):
        assert create(busybox).status == 0
        delete("fault")


def test_api_that_stops_answering_later(busybox, nothing):
    """A VM that ran: pause is not answered; the VMM is ended, the row says stopped and why."""
    with firecracker.instead("engine=none silent=PATCH /vm"):
        assert create(busybox).status == 0
        done = suite.banger("vm", "pause", "fault", timeout=60)
        assert done.status == 1 and re.search("answer|time", done.err), done
        assert suite.wait_for(lambda: vms.row("fault")["state"] == "stopped", 10)
        delete("fault")


# ---- the VMM dies ----

@pytest.mark.parametrize("when", ["die", "dieafter"])
@pytest.mark.parametrize("request_", range(1, 13))
def test_vmm_dies_at_request(busybox, when, request_, nothing):
    """At each request of a start in turn; beyond the last one it is a VM that ran and ended."""
    with firecracker.instead(f"engine=none {when}=#{request_}"):
        done = create(busybox)
        assert done.status in (0, 1), done
        if done.status == 0:
            delete("fault")
        else:
            assert re.search("ended|clos|gone|died|exit", done.err), done.err


def victims(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


STEPS = ("launch", "copy", "guest", "ready")


def killed_at(image, step, delay):
    """Begin a creation and kill its VMM `delay` seconds after a step began (launch: once it is
    there); whether the creation came through."""
    with rpc.Rpc() as client:
        begun = client.call("vm.create.begin", {
            "image": image, "name": "fault", "vmm": "firecracker", "memory_mib": 64, "vcpus": 1})

        def progress(message):
            if message["params"]["stage"] == step:
                end = time.monotonic() + 2
                while not suite.jailed() and time.monotonic() < end:
                    time.sleep(0.001)
                time.sleep(delay)
                victims(suite.jailed())

        operation = client.call("vm.create.watch", {"operation": begun["operation"]},
                                on_progress=progress)["operation"]
    return operation["state"] == "done", operation.get("error")


@pytest.mark.parametrize("step", STEPS)
def test_vmm_killed_at_step(busybox, step, nothing):
    """SIGKILL from outside, at moments of each step of a start that answers slowly."""
    with firecracker.instead("engine=none delay=*:15"):
        for delay in (0, 0.02, 0.05):
            done, error = killed_at(busybox, step, delay)
            if done:
                assert suite.wait_for(lambda: vms.row("fault")["state"] == "stopped", 5, 0.02) \
                    or not suite.jailed() or vms.row("fault")["state"] == "running"
                delete("fault")
            else:
                assert error and vms.row("fault") is None, error
            assert suite.wait_for(lambda: not suite.jailed(), 5), "a VMM stayed"


# ---- floods ----

def resident(program):
    """KiB of its processes."""
    total = 0
    for pid in suite.pids(program):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1])
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
        log = suite.banger_json("vm", "show", "fault")["console_log"]
        size = subprocess.run(["du", "-sbL", log], capture_output=True, text=True, check=True)
        assert int(size.stdout.split()[0]) <= 3 << 20
        run = sum(path.stat().st_size for path in
                  Path(suite.settings()["run_dir"]).rglob("*") if path.is_file())
        assert run <= 4 << 20, "the run directory is bounded too"
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
            process = subprocess.Popen(["banger", "vm", "exec", name, "--", "knock", "8"],
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

CYCLES = 1000


def test_a_thousand_starts_and_kills(busybox, nothing, capsys):
    """Nothing of a VM is left: counts, all 0, printed."""
    with firecracker.instead("engine=none"):
        suite.banger(*CREATE, "--no-start", "--image", busybox, "--name", "fault", check=True)
        ident = suite.banger_json("vm", "show", "fault")["id"]
        with rpc.Rpc(timeout=60) as client:
            cycle(client, ident)
            fds, begin = census.fds(), time.monotonic()
            for _ in range(CYCLES):
                cycle(client, ident)
            taken = time.monotonic() - begin
            assert suite.wait_for(lambda: not any(census.count().values()), 10, 0.2)
            left = census.count()
            left["fds"] = sum(census.fds().values()) - sum(fds.values())
        delete("fault")
        left["rows"] = len(suite.banger_json("vm", "list"))
        with capsys.disabled():
            print(f"\nafter {CYCLES} cycles in {taken:.1f} s: " +
                  ", ".join(f"{kind} {number}" for kind, number in left.items()))
        assert not any(left.values()), left


def cycle(client, ident):
    client.call("vm.start", {"vm": ident})
    client.call("vm.kill", {"vm": ident})
    # kill answers once the signal is sent; the next start waits for what is still to be undone
    end = time.monotonic() + 10
    while client.call("vm.show", {"vm": ident})["vm"]["state"] != "stopped":
        assert time.monotonic() < end
        time.sleep(0.001)
