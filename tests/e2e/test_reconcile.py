# SPDX-License-Identifier: GPL-2.0-or-later
"""What the suite puts right when it starts: after a restart of the host, and of what is banger's on the
host and nobody knows of; never what only looks like it. On the stand-in for Firecracker."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path

import census
import faults
import firecracker
import pytest
import suite

ID = "c0ffee000001"
RESTARTED = "the host was restarted"


@pytest.fixture(scope="module", autouse=True)
def stand_in(busybox):
    with firecracker.instead("engine=none"):
        yield


def run_dir():
    return Path(suite.settings()["run_dir"])


def state_dir():
    return Path(suite.settings()["state_dir"])


def database(statement, *values):
    with sqlite3.connect(state_dir() / "banger.db") as db:
        rows = db.execute(statement, values).fetchall()
    db.close()
    return rows


def show(name):
    return suite.banger_json("vm", "show", name)


def log_since(offset):
    with open(suite.DIR / "log", "rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")


def log_size():
    return (suite.DIR / "log").stat().st_size


def again(change):
    """What the suite says when it starts, after `change` was made without it."""
    suite.stop()
    change()
    size = log_size()
    suite.start()
    return log_since(size)


def end_guests():
    for pid in suite.jailed():
        os.kill(pid, signal.SIGKILL)
    assert suite.wait_for(lambda: not suite.jailed())


# ---- a restart of the host ----

def forget_run_dir():
    """As on a tmpfs that is new; links go with the kernel that had them."""
    for path in sorted(run_dir().rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for link in links():
        ip("link", "delete", link)


def old_ledger():
    """One that was kept, as on a host whose /run is on a disk."""
    now = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    changed = 0
    for path in (run_dir() / "ledger").iterdir():
        text = path.read_text()
        changed += now in text
        path.write_text(text.replace(now, "00000000-0000-4000-8000-000000000000"))
    assert changed


@pytest.mark.parametrize("run", [forget_run_dir, old_ledger])
def test_host_was_restarted(busybox, run, nothing):
    for name in ("ran", "paused", "stopped"):
        assert faults.create(busybox, name=name).status == 0
    suite.banger("vm", "pause", "paused", check=True)
    suite.banger("vm", "stop", "stopped", check=True)
    old = database("SELECT boot_id FROM host")
    assert old == [(Path("/proc/sys/kernel/random/boot_id").read_text().strip(),)]

    def restart():
        end_guests()
        run()
        database("UPDATE host SET boot_id = 'an earlier one'")

    text = again(restart)
    for name in ("ran", "paused"):
        row = show(name)
        assert (row["state"], row["last_error"]) == ("stopped", RESTARTED)
        assert not any(row[key] for key in ("started_at", "boot_id", "pid", "paused_why"))
        assert f"'{name}' is stopped: {RESTARTED}" in text
    assert (show("stopped")["state"], show("stopped")["last_error"]) == ("stopped", None)
    said = suite.banger_json("daemon", "status")["reconciled"]
    assert said.startswith("after a restart of the host: 3 VMs: 0 taken over, 2 stopped, 0 removed")
    assert f"reconciled: {said}" in text
    assert database("SELECT boot_id, started_at, paused_why FROM vm") == [("", 0, "")] * 3
    assert database("SELECT boot_id FROM host") == old, "it is this one from now on"
    for name in ("ran", "paused", "stopped"):
        suite.banger("vm", "start", name, check=True)
    assert "VMs: 3 taken over, 0 stopped" in again(lambda: None)
    faults.delete("ran", "paused", "stopped")


def test_nothing_to_do_is_said_too(nothing):
    text = again(lambda: None)
    assert ("reconciled: 0 VMs: 0 taken over, 0 stopped, 0 removed; off the host: 0 of VMs, 0 that "
            "nothing knew; 0 directories without a VM; 0 VMs lost a disk; 0 failed") in text


# ---- what no row of the ledger knows ----

def test_row_of_the_ledger_is_lost(busybox, nothing):
    """The VMM, its TAP, its cgroup and its directory are found without; the other VM runs on."""
    for name in ("lost", "kept"):
        assert faults.create(busybox, name=name).status == 0
    ident, pid = show("lost")["id"], show("kept")["pid"]
    text = again(lambda: (run_dir() / "ledger" / ident).unlink())
    assert "ending what runs under jail uid" in text and f"removing interface bt{ident}" in text
    assert f"removing the run directory of VM {ident}" in text
    assert show("lost")["state"] == "stopped" and show("kept")["pid"] == pid
    found = census.count()
    assert (found["taps"], found["jail directories"], found["ledger rows"]) == (1, 1, 1)
    assert "3 that nothing knew" in suite.banger_json("daemon", "status")["reconciled"]
    suite.banger("vm", "start", "lost", check=True)
    faults.delete("lost", "kept")


def uid(offset):
    return int(suite.settings()["uid_base"]) + offset


def sleeper(owner):
    return subprocess.Popen(["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups",
                             "sleep", "1000"])


def test_process_of_a_jail(nothing):
    """One of the range goes, one beside it does not."""
    end = uid(int(suite.settings()["uid_count"]))
    processes = [sleeper(uid(7)), sleeper(end), sleeper(uid(0) - 1)]
    try:
        assert suite.wait_for(lambda: suite.jailed() == [processes[0].pid])
        text = again(lambda: None)
        assert processes[0].wait(10) == -signal.SIGKILL
        assert f"jail uid {uid(7)}, which no VM has" in text
        assert [process.poll() for process in processes[1:]] == [None, None]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make_tap(name, *words):
    ip("tuntap", "add", "dev", name, "mode", "tap", *map(str, words))


def links():
    return {name for _, name in socket.if_nameindex() if name.startswith(("bt", "bgr"))}


def test_links(nothing):
    """A TAP is ours by its owner or its bridge, a bridge by its MAC."""
    bridge, foreign = "bgr4242", "bgr4243"
    uid_bytes = (4242).to_bytes(4, "big").hex(":")
    try:
        ip("link", "add", bridge, "address", f"02:ba:{uid_bytes}", "type", "bridge")
        ip("link", "add", foreign, "type", "bridge")
        make_tap("btc0ffee000001", "user", uid(3))
        make_tap("btc0ffee000002")
        ip("link", "set", "btc0ffee000002", "master", bridge)
        make_tap("btc0ffee000003")
        make_tap("btc0ffee000004", "user", uid(0) - 1)
        ip("link", "set", "btc0ffee000004", "master", foreign)
        ip("link", "add", "btc0ffee000005", "type", "bridge")
        make_tap("bt-no-id", "user", uid(3))
        text = again(lambda: None)
        assert links() == {foreign, "btc0ffee000003", "btc0ffee000004", "btc0ffee000005", "bt-no-id"}
        for gone in (bridge, "btc0ffee000001", "btc0ffee000002"):
            assert f"removing interface {gone}, which is no VM's" in text
    finally:
        for name in links():
            ip("link", "delete", name)


def test_rules(busybox, nothing):
    """Elements of a VM that is none go from our tables; others' tables are not looked at."""
    assert faults.create(busybox, name="there").status == 0

    def rules():
        text = subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, text=True,
                              check=True).stdout
        return text

    before = rules()
    stray = f"bt{ID}"
    chain = "table bridge banger"
    listed = subprocess.run(["nft", "list", "table", "bridge", "banger"], capture_output=True, text=True,
                            check=True).stdout
    sets = [line.split()[1] for line in listed.splitlines() if line.strip().startswith("set ")]
    assert sets, listed
    ident = show("there")["id"]
    done = 0
    for name in sets:
        text = subprocess.run(["nft", "list", "set", "bridge", "banger", name], capture_output=True,
                              text=True, check=True).stdout
        for element in text.replace("{", ",").replace("}", ",").split(","):
            if ident in element:
                subprocess.run(["nft", "add", "element", "bridge", "banger", name,
                                "{", element.strip().replace(f"bt{ident}", stray), "}"], check=True)
                done += 1
    assert done and stray in rules(), chain
    try:
        subprocess.run(["nft", "add", "table", "ip", "foreign"], check=True)
        again(lambda: None)
        assert stray not in rules() and "foreign" in rules() and f"bt{ident}" in rules()
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "foreign"], check=True)
    assert before.count(f"bt{ident}") == rules().count(f"bt{ident}")
    faults.delete("there")


def test_files(nothing):
    """Directories and files of VMs, images and kernels that are none; no others."""
    ours = [run_dir() / "vm" / ID / "console.in", state_dir() / "vms" / f"{ID}.gone" / "disk.img",
            state_dir() / "images" / f"{ID}.ext4", state_dir() / "kernels" / f"{ID}.vmlinux",
            state_dir() / "images/staging/0000000000000001.ext4"]
    others = [run_dir() / "vm/lost+found/file", state_dir() / "vms/lost+found/file",
              run_dir() / "foreign"]
    try:
        for path in ours + others:
            path.parent.mkdir(exist_ok=True)
            path.write_text("x")
            if state_dir() in path.parents:
                os.chown(path.parent, state_dir().stat().st_uid, -1)
        text = again(lambda: None)
        assert not [path for path in ours if path.exists()]
        assert all(path.exists() for path in others)
        assert f"removing the run directory of VM {ID}" in text
        assert f"removed the files of VM {ID}" in text
        assert "0 directories without a VM" in suite.banger_json("daemon", "status")["reconciled"]
    finally:
        for path in others:
            path.unlink()
            if path.parent.name == "lost+found":
                path.parent.rmdir()


def test_an_older_database_is_put_back(busybox, nothing):
    """The VM that it does not know is off the host, and all that it is made of is kept, also what is
    shared: when the younger one is put back, it is there again."""
    files = [state_dir() / f"banger.db{tail}" for tail in ("", "-wal", "-shm")]

    def copy(name):
        folder = state_dir().parent / name
        folder.mkdir()
        for path in files:
            if path.exists():
                shutil.copy2(path, folder)
                os.chown(folder / path.name, path.stat().st_uid, path.stat().st_gid)
        return folder

    def put_back(folder):
        for path in files:
            path.unlink(missing_ok=True)
            if (folder / path.name).exists():
                shutil.copy2(folder / path.name, path)
                os.chown(path, (folder / path.name).stat().st_uid, -1)

    folders = []
    again(lambda: folders.append(copy("db-older")))
    try:
        assert faults.create(busybox, name="younger").status == 0
        ident = show("younger")["id"]
        disk = state_dir() / "vms" / ident / "disk.img"
        inode = disk.stat().st_ino
        stray = state_dir() / "images" / f"{ID}.ext4"

        def older():
            folders.append(copy("db-younger"))
            put_back(folders[0])
            stray.write_text("x")

        text = again(older)
        assert f"VM {ident} of uid" in text and "is no more: taken off the host" in text
        assert f"vms/{ident} is kept, and of no VM" in text
        assert "1 directories without a VM" in suite.banger_json("daemon", "status")["reconciled"]
        assert stray.exists(), "an image that is unknown may be that VM's"
        again(lambda: put_back(folders[1]))
        assert not stray.exists() and show("younger")["state"] == "stopped"
        suite.banger("vm", "start", "younger", check=True)
        assert disk.stat().st_ino == inode
    finally:
        faults.delete("younger")
        for folder in folders:
            shutil.rmtree(folder)


def test_cgroup_of_no_vm(nothing):
    limits = suite.banger_json("daemon", "status")["host"]["limits"]
    if limits != "cgroup":
        pytest.skip(f"VMs are limited by {limits} here")
    place = Path("/sys/fs/cgroup/banger") / f"vm-{ID}"
    foreign = place.with_name("foreign")
    place.mkdir()
    foreign.mkdir()
    try:
        again(lambda: None)
        assert not place.exists() and foreign.exists()
    finally:
        foreign.rmdir()
