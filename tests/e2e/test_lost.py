# SPDX-License-Identifier: GPL-2.0-or-later
"""What a VM is made of is lost: `vm start` says what, and what to do, and changes nothing; once it
is back, or another disk was asked for, the VM starts."""

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
import suite
import vms
from conftest import CACHE

NAME = "lost"


def state(*parts):
    return Path(suite.settings()["state_dir"]).joinpath(*parts)


def folder():
    return state("vms", vms.row(NAME)["id"])


def disk():
    return folder() / "disk.img"


def work():
    return folder() / "work"


def image_file():
    return state("images", suite.banger_json("image", "show", vms.row(NAME)["image"])["id"] + ".ext4")


def kernel_file(suffix):
    kernel = suite.banger_json("kernel", "show", vms.row(NAME)["kernel"])
    return state("kernels", f"{kernel['id']}.{suffix}")


@contextlib.contextmanager
def away(path, instead=lambda path: None):
    """Something else stands there meanwhile."""
    kept = path.with_name(f"kept-{path.name}")
    path.rename(kept)
    try:
        instead(path)
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        kept.rename(path)


@contextlib.contextmanager
def short(path, size):
    """A copy of its beginning stands there meanwhile."""
    def copy(where):
        kept = where.with_name(f"kept-{where.name}")
        with open(kept, "rb") as file:
            where.write_bytes(file.read(size))
        shutil.copystat(kept, where)
        os.chown(where, kept.stat().st_uid, kept.stat().st_gid)
    with away(path, copy):
        yield


@contextlib.contextmanager
def cut(path):
    """Its last block is gone meanwhile; it is of zeros afterwards."""
    size = path.stat().st_size
    os.truncate(path, size - 4096)
    try:
        yield
    finally:
        os.truncate(path, size)


@contextlib.contextmanager
def emptied(path):
    """A file of the same size, and nothing in it."""
    def hole(where):
        kept = where.with_name(f"kept-{where.name}").stat()
        where.touch()
        os.truncate(where, kept.st_size)
        where.chmod(kept.st_mode & 0o777)
        os.chown(where, kept.st_uid, kept.st_gid)
    with away(path, hole):
        yield


@contextlib.contextmanager
def rewritten(path):
    """A block of it is another, and then it is as it was, as a backup would bring it."""
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(before.st_size // 2)
        block = file.read(512)
        file.seek(before.st_size // 2)
        file.write(bytes(byte ^ 1 for byte in block))
    os.utime(path, (before.st_mtime + 60, before.st_mtime + 60))
    try:
        yield
    finally:
        with open(path, "r+b") as file:
            file.seek(before.st_size // 2)
            file.write(block)
        os.utime(path, (int(before.st_mtime), int(before.st_mtime)))


NEW_DISK = f"banger vm set --image IMAGE {NAME}"
NEW_WORK = f"banger vm set --disk-size SIZE {NAME}"
NEW_KERNEL = f"banger vm set --kernel KERNEL {NAME}"

# How it is lost, what of the row says so, and words of the error.
LOST = {
    "the disk is gone": (lambda: away(disk()), "disk_lost", "'disk.img' is gone", NEW_DISK),
    "the disk is empty": (lambda: short(disk(), 0), "disk_lost", "'disk.img' is cut short",
                          NEW_DISK),
    "the disk has an end": (lambda: short(disk(), 65536), "disk_lost", "'disk.img' is cut short",
                            NEW_DISK),
    "the disk is larger than its image still": (lambda: cut(disk()), "disk_lost",
                                                "'disk.img' is cut short", NEW_DISK),
    "the disk is a hole": (lambda: emptied(disk()), "disk_lost", "'disk.img' has nothing in it",
                           NEW_DISK),
    "the disk is a directory": (lambda: away(disk(), Path.mkdir), "disk_lost", "is no file",
                                NEW_DISK),
    "the disk is a FIFO": (lambda: away(disk(), lambda path: (os.mkfifo(path), path.chmod(0o666))),
                           "disk_lost", "is no file", NEW_DISK),
    "the disk is a link": (lambda: away(disk(), lambda path: path.symlink_to("/etc/hostname")),
                           "disk_lost", "is no file", NEW_DISK),
    "the disk is root's": (lambda: away(disk(), lambda path: (path.touch(), path.chmod(0))), None,
                           "cannot open the disk", "Permission denied"),
    "all its files are gone": (lambda: away(folder()), "disk_lost", "the directory of VM", NEW_DISK),
    "the kernel is gone": (lambda: away(kernel_file("vmlinux")), None,
                           ".vmlinux, which was taken from", "imported again", NEW_KERNEL),
    "the initramfs is gone": (lambda: away(kernel_file("initramfs")), None,
                              ".initramfs, which was taken from", "imported again", NEW_KERNEL),
    "the kernel is cut short": (lambda: short(kernel_file("vmlinux"), 65536), None,
                                "are not as large as", NEW_KERNEL),
    "the initramfs is a hole": (lambda: emptied(kernel_file("initramfs")), None,
                                "have nothing in them", NEW_KERNEL),
}

# The same where a new disk is to be made.
BASE_LOST = {
    "the image is gone": (lambda: away(image_file()), None, ".ext4, which was taken from", NEW_DISK),
    "the image is cut short": (lambda: short(image_file(), 1 << 20), None, "is not as large as",
                               NEW_DISK),
    "the image is another": (lambda: rewritten(image_file()), None, "was written to since", NEW_DISK),
    "the image is a hole": (lambda: emptied(image_file()), None, "has nothing in it", NEW_DISK),
}

WORK_LOST = {
    "the work disk is gone": (lambda: away(work()), "work_lost", "'work' is gone", NEW_WORK),
    "the work disk is cut short": (lambda: cut(work()), "work_lost", "'work' is cut short", NEW_WORK),
    "the work disk is a hole": (lambda: emptied(work()), "work_lost", "'work' has nothing in it",
                                NEW_WORK),
    "the work disk is a link": (lambda: away(work(), lambda path: path.symlink_to("disk.img")),
                                "work_lost", "is no file", NEW_WORK),
    "both are gone": (lambda: away(folder()), "work_lost", "the directory of VM",
                      f"banger vm set --image IMAGE --disk-size SIZE {NAME}"),
}


def doctor():
    done = suite.banger("doctor", "-o", "json")
    found, = (each for each in json.loads(done.out) if each["check"] == "vms")
    return found


def is_refused(lose, flag, *words):
    before, row = suite.host_state(), vms.row(NAME)
    with lose():
        held = suite.host_state()
        done = suite.banger("vm", "start", NAME)
        assert done.status == 1 and all(word in done.err for word in words), done
        assert not suite.difference(held, suite.host_state())
        now = suite.banger_json("vm", "show", NAME)
        assert now["state"] == "stopped" and words[0] in now["last_error"], now
        if flag:
            assert vms.row(NAME)[flag] and "lost" in now["disk_warning"], now
            found = doctor()
            assert found["health"] == "WARN" and words[0] in found["found"], found
    assert doctor()["health"] == "PASS", "it is back"
    assert vms.row(NAME) == row
    assert not suite.wait_state(before)


@pytest.fixture
def stopped(busybox, nothing_left):
    suite.banger("vm", "create", "--quiet", "--no-start", "--image", busybox, "--name", NAME,
                 "--memory", vms.MEMORY, "--vcpu", "1", "--system-overlay-size", "512M", check=True)
    yield
    suite.banger("vm", "delete", "--force", NAME, check=True)


def test_what_is_lost(stopped, busybox):
    for name, (lose, *words) in LOST.items():
        print(name)
        is_refused(lose, *words)
    suite.banger("vm", "start", NAME, check=True)
    vms.output(NAME, "sh", "-c", "echo mine >/file; sync")
    with away(disk()):
        assert "'disk.img' is gone" in doctor()["found"], "while it runs"
    suite.banger("vm", "stop", NAME, check=True)

    # For good: what is asked for is a new disk, of an image that must be there, too.
    shutil.rmtree(folder())
    suite.banger("vm", "set", "--image", busybox, NAME, check=True)
    for name, (lose, *words) in BASE_LOST.items():
        print(name)
        is_refused(lose, *words)
    suite.banger("vm", "start", NAME, check=True)
    assert vms.output(NAME, "sh", "-c", "cat /file || echo new").endswith("new")


def started_with(expected, then="true"):
    suite.banger("vm", "start", NAME, check=True)
    assert vms.output(NAME, "sh", "-c", f"cat ~/file || echo none; {then}; sync") == expected
    suite.banger("vm", "stop", NAME, check=True)


def size(name):
    return vms.row(NAME)[name]


def test_a_work_disk_is_lost(stopped):
    """It is never made anew by the way: only when its owner, who was told, asks for it."""
    suite.banger("vm", "set", "--disk-size", "256M", NAME, check=True)
    suite.banger("vm", "set", "--disk-size", "192M", NAME, check=True)
    started_with("none", "echo mine >~/file; echo root >/file")
    for name, (lose, *words) in WORK_LOST.items():
        print(name)
        is_refused(lose, *words)

    # It grew, and is as large as it was before.
    suite.banger("vm", "set", "--disk-size", "256M", NAME, check=True)
    started_with("mine")
    assert work().stat().st_size == 256 << 20
    os.truncate(work(), 192 << 20)
    done = suite.banger("vm", "start", NAME)
    assert done.status == 1 and "'work' is cut short" in done.err, done
    os.truncate(work(), 256 << 20)
    assert doctor()["health"] == "PASS"

    # Who was not told is; who was gets a new one, of any size.
    work().unlink()
    done = suite.banger("vm", "set", "--disk-size", "320M", NAME)
    assert done.status == 1 and "'work' is gone" in done.err and "once more" in done.err, done
    assert size("disk_size") == 256 << 20 and size("work_lost") and not work().exists()
    suite.stop()
    suite.start()
    assert "1 VMs lost a disk" in suite.banger_json("daemon", "status")["reconciled"]
    assert size("work_lost") and not size("disk_lost")
    suite.banger("vm", "set", "--disk-size", "128M", NAME, check=True)
    assert size("disk_size") == 128 << 20 and not size("work_lost")
    started_with("none\nroot", "cat /file")
    assert work().stat().st_size == 128 << 20


def rows(statement):
    with contextlib.closing(sqlite3.connect(state("banger.db"))) as database, database:
        return database.execute(statement).fetchall()


def restart(meanwhile):
    suite.stop()
    meanwhile()
    suite.start()


def test_rows_of_an_earlier_banger(stopped):
    """They did not say what was made: from its first start on it is what is there by then."""
    made = "SELECT disk_made >> 20, work_made >> 20 FROM vm"
    unknown = "UPDATE vm SET disk_made = -1, work_made = -1"
    suite.banger("vm", "set", "--disk-size", "128M", NAME, check=True)
    assert rows(made) == [(512, 0)]
    restart(lambda: rows(unknown))
    assert rows(made) == [(512, 0)]
    started_with("none", "echo mine >~/file")
    assert rows(made) == [(512, 128)]

    # What is larger in the row has not grown yet; what is smaller than a work disk was once is cut.
    suite.banger("vm", "set", "--disk-size", "256M", "--system-overlay-size", "1G", NAME, check=True)
    restart(lambda: rows(unknown))
    assert rows(made) == [(0, 128)]
    with short(work(), 0):
        restart(lambda: rows(unknown))
        assert rows(made) == [(0, 128)]
        done = suite.banger("vm", "start", NAME)
        assert done.status == 1 and NEW_WORK in done.err, done
    started_with("mine")
    assert rows(made) == [(1024, 256)]
    with away(work()):
        restart(lambda: rows(unknown))
        assert rows(made) == [(1024, 0)]
        rows("UPDATE vm SET work_made = 256 << 20")
    assert disk().stat().st_size == 1 << 30


def test_another_kernel(stopped, kernel):
    """As `vm create --kernel` takes it; the one that is used is not deleted."""
    deb = sorted(CACHE.glob("linux-image-*-cloud-amd64_*.deb"))[-1]
    suite.banger("kernel", "import", "--quiet", "--name", "spare", deb, check=True)
    done = suite.banger("vm", "set", "--kernel", "nobody", NAME)
    assert done.status == 1 and "nobody" in done.err
    with away(kernel_file("vmlinux")):
        assert NEW_KERNEL in suite.banger("vm", "start", NAME).err
        suite.banger("vm", "set", "--kernel", "spare", NAME, check=True)
        assert vms.row(NAME)["kernel"] == "spare"
        suite.banger("vm", "start", NAME, check=True)
        done = suite.banger("vm", "set", "--kernel", kernel, NAME)
        assert done.status == 1 and "is running" in done.err, done
        suite.banger("vm", "kill", NAME, check=True)
        assert NAME in suite.banger("kernel", "delete", "spare").err
        suite.banger("vm", "set", "--kernel", kernel, NAME, check=True)
    suite.banger("kernel", "delete", "spare", check=True)
