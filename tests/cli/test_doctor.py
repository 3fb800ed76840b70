# SPDX-License-Identifier: GPL-2.0-or-later
"""banger doctor: what it makes of what it sees, and its exit status."""
import json
import subprocess

import pytest
from support import CLI, WEB

HOST = {"kvm": "good", "kvm_probe_us": 300, "tun": True, "qemu": True, "qemu_version": "7.2",
        "nftables": True, "limits": "scope", "limits_problem": "", "net_pool": "172.30.0.0/16",
        "firecracker": True, "firecracker_version": "1.16.1", "firecracker_problem": "",
        "vmm": "firecracker", "vmm_why": "KVM is good", "accel": "kvm", "device_mapper": True,
        "disk": "dm"}
STATUS = {"version": "1", "state_dir": "/srv/banger", "min_free": 512 << 20, "space": "ok"}
EXAMINED = {"forward_dropped_by": None, "state_free": 9 << 30}


@pytest.fixture
def doctor(bench):
    """Runs it beside a daemon that says so; {check: finding}, and the exit status."""
    def run(host=(), status=(), examined=(), uid=None):
        answers = {"daemon.status": {**STATUS, "host": {**HOST, **dict(host)}, **dict(status)},
                   "daemon.examine": {**EXAMINED, **dict(examined)}}
        for name, answer in answers.items():
            bench.daemon.methods[name] = lambda c, r, f, answer=answer: answer
        done = bench.run("doctor", "-o", "json")
        return {each["check"]: each for each in json.loads(done.stdout)}, done.returncode
    return run


def test_all_is_well(bench, doctor):
    found, status = doctor()
    assert status == 0 and {each["health"] for each in found.values()} == {"PASS"}, found
    assert not any("fix" in each for each in found.values())
    lines = bench.run("doctor").stdout.decode().splitlines()
    assert lines[-1] == f"{len(found)} passed, 0 warned, 0 failed"
    assert all(line.startswith("PASS  ") for line in lines[:-2])


@pytest.mark.parametrize("check,health,text,changes", [
    ("vmm", "FAIL", "no VMM at all", {"host": {"vmm": None, "vmm_why": "no VMM at all"}}),
    ("kvm", "WARN", "emulates", {"host": {"kvm": "slow"}}),
    ("kvm", "WARN", "absent", {"host": {"kvm": "absent"}}),
    ("kvm", "WARN", "root", {"host": {"kvm": "denied"}}),
    ("firecracker", "WARN", "too old", {"host": {"firecracker": False,
                                                 "firecracker_problem": "too old"}}),
    ("qemu", "WARN", "no such file", {"host": {"qemu": False, "qemu_version": "no such file"}}),
    ("disks", "WARN", "copies", {"host": {"device_mapper": False, "disk": "clone"}}),
    ("disks", "PASS", "configured", {"host": {"disk": "clone"}}),
    ("disks", "FAIL", "no VM", {"host": {"device_mapper": False, "disk": None}}),
    ("network", "FAIL", "/dev/net/tun", {"host": {"tun": False}}),
    ("network", "FAIL", "nftables", {"host": {"nftables": False}}),
    ("forwarding", "WARN", "table ip filter",
     {"examined": {"forward_dropped_by": "table ip filter, chain FORWARD"}}),
    ("limits", "WARN", "no systemd", {"host": {"limits": "rlimits",
                                               "limits_problem": "no systemd"}}),
    ("space", "FAIL", "512.0 MiB", {"examined": {"state_free": 100 << 20}}),
    ("space", "WARN", "/srv/banger", {"status": {"space": "near"}}),
])
def test_what_is_not_well(doctor, check, health, text, changes):
    found, status = doctor(**changes)
    assert (found[check]["health"], status) == (health, int(health == "FAIL")), found[check]
    assert text in found[check]["found"] and ("fix" in found[check]) == (health != "PASS")
    others = {each["health"] for name, each in found.items() if name != check}
    assert others == {"PASS"}, found


@pytest.mark.parametrize("what", ["image", "kernel"])
def test_nothing_to_run(bench, doctor, what):
    bench.daemon.methods[f"{what}.list"] = lambda c, r, f: {f"{what}s": []}
    found, status = doctor()
    assert status == 0 and found[what]["health"] == "WARN"
    assert found[what]["fix"].startswith(f"banger {what} import")


def test_a_broken_catalog(bench, doctor):
    bench.daemon.methods["kernel.catalog"] = lambda c, r, f: {
        "kernels": [], "problems": ["/etc/a.conf, line 2: bad", "/etc/b.conf, line 9: worse"]}
    found, status = doctor()
    assert status == 0 and found["catalogs"]["health"] == "WARN"
    assert found["catalogs"]["found"] == "2 broken: /etc/a.conf, line 2: bad"


def test_vms_that_stand_still(bench, doctor):
    bench.daemon.vms[WEB]["paused_why"] = "the host is full\033[2J"
    found, status = doctor()
    assert status == 0 and found["vms"]["health"] == "WARN"
    assert found["vms"]["found"] == "1 of 2; VM 'web': the host is full?[2J"
    del bench.daemon.vms[WEB]["paused_why"]
    bench.daemon.vms[WEB]["disk_lost"] = True
    assert "disk is lost" in doctor()[0]["vms"]["found"]
    bench.daemon.vms[WEB]["work_lost"] = bench.daemon.vms[WEB].pop("disk_lost")
    assert doctor()[0]["vms"]["found"].startswith("1 of 2; VM 'web'")
    found, status = doctor(examined={"lost": ["VM 'db': 'work' is gone\033[2J", "VM 'x': too"]})
    assert status == 0 and found["vms"]["health"] == "WARN"
    assert found["vms"]["found"] == "2 lost a disk; VM 'db': 'work' is gone?[2J"


def test_an_older_daemon(bench, doctor):
    """What it does not know is not made up."""
    doctor()
    del bench.daemon.methods["daemon.examine"]
    done = bench.run("doctor", "-o", "json")
    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 0
    assert found["forwarding"]["health"] == "WARN" and "not known" in found["forwarding"]["found"]


def test_without_the_daemon(tmp_path):
    done = subprocess.run([CLI, "--socket", tmp_path / "none", "doctor", "-o", "json"],
                          capture_output=True, check=False)
    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 1 and not done.stderr
    assert found["daemon"]["health"] == "FAIL" and "none" in found["daemon"]["found"]
    assert "systemctl start bangerd" in found["daemon"]["fix"]
    for check in ("vmm", "forwarding", "limits", "kernel", "image", "catalogs", "vms"):
        assert found[check]["health"] == "WARN" and "daemon" in found[check]["fix"], check
    assert [name for name, each in found.items() if each["health"] == "FAIL"] == ["daemon"]
    assert list(tmp_path.iterdir()) == [], "it changes nothing"
