# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong with Firecracker: a clear word, in time, nothing left, and the next VM runs.

Engine `none` of the stand-in, which answers as an agent would, unless a test says otherwise."""

import contextlib
import os
import re
import shutil
import signal
import time

import firecracker
import nested
import pytest
import rpc
import suite
import vms
from faults import create, delete

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
