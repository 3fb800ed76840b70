# SPDX-License-Identifier: GPL-2.0-or-later
"""banger doctor beside the real daemon: what it sees of this host, as anybody."""

import json
import subprocess

import suite

USER = 12345


def doctor(uid=None):
    done = suite.banger("doctor", "-o", "json", uid=uid)
    return {each["check"]: each for each in json.loads(done.out)}, done.status


def nft(text):
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def test_nothing_fails_here(busybox, nothing_left):
    for uid in (None, USER):
        found, status = doctor(uid)
        failed = {name: each for name, each in found.items() if each["health"] == "FAIL"}
        assert (status, failed) == (0, {})
        for check in ("daemon", "access", "vmm", "network", "space", "kernel", "image", "vms"):
            assert found[check]["health"] == "PASS", found[check]
    host = suite.banger_json("daemon", "status")["host"]
    assert (found["disks"]["health"] == "PASS") == (host["disk"] == "dm")
    assert (found["kvm"]["health"] == "PASS") == (host["kvm"] == "good")


def test_a_foreign_drop_is_named(kernel):
    """As docker has it; seen at once, and gone with it."""
    assert doctor()[0]["forwarding"]["health"] == "PASS"
    nft("table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }")
    try:
        found, status = doctor(USER)
    finally:
        nft("delete table ip filter")
    assert status == 0 and found["forwarding"]["health"] == "WARN"
    assert "table ip filter, chain FORWARD" in found["forwarding"]["found"]
    assert "DOCKER-USER" in found["forwarding"]["fix"]
    assert doctor()[0]["forwarding"]["health"] == "PASS"


def test_without_the_daemon():
    suite.stop()
    try:
        found, status = doctor()
    finally:
        suite.start()
    assert status == 1 and found["daemon"]["health"] == "FAIL"
    assert doctor()[0]["daemon"]["health"] == "PASS"
