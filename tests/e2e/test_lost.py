# SPDX-License-Identifier: GPL-2.0-or-later
"""What a VM is made of is lost: `vm start` says what, and what to do, and changes nothing; once it
is back, or another disk was asked for, the VM starts."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
import suite
import vms

NAME = "lost"


def state(*parts):
    return Path(suite.settings()["state_dir"]).joinpath(*parts)


def folder():
    return state("vms", vms.row(NAME)["id"])


def disk():
    return folder() / "disk.img"


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


NEW_DISK = f"banger vm set --image IMAGE {NAME}"

# How it is lost, and words of the error.
LOST = {
    "the disk is gone": (lambda: away(disk()), "'disk.img' is gone", NEW_DISK),
    "the disk is empty": (lambda: short(disk(), 0), "'disk.img' is cut short", NEW_DISK),
    "the disk has an end": (lambda: short(disk(), 65536), "'disk.img' is cut short", NEW_DISK),
    "the disk is a directory": (lambda: away(disk(), Path.mkdir), "is no file", NEW_DISK),
    "the disk is a FIFO": (lambda: away(disk(), lambda path: (os.mkfifo(path), path.chmod(0o666))),
                           "is no file", NEW_DISK),
    "the disk is a link": (lambda: away(disk(), lambda path: path.symlink_to("/etc/hostname")),
                           "is no file", NEW_DISK),
    "the disk is root's": (lambda: away(disk(), lambda path: (path.touch(), path.chmod(0))),
                           "cannot open the disk", "Permission denied"),
    "all its files are gone": (lambda: away(folder()), "the directory of VM", NEW_DISK),
    "the kernel is gone": (lambda: away(kernel_file("vmlinux")), ".vmlinux, which was taken from",
                           "imported again"),
    "the initramfs is gone": (lambda: away(kernel_file("initramfs")),
                              ".initramfs, which was taken from", "imported again"),
}

# The same where a new disk is to be made.
BASE_LOST = {
    "the image is gone": (lambda: away(image_file()), ".ext4, which was taken from", NEW_DISK),
    "the image is cut short": (lambda: short(image_file(), 1 << 20), "is not as large as",
                               NEW_DISK),
}


def is_refused(lose, *words):
    before, row = suite.host_state(), vms.row(NAME)
    with lose():
        held = suite.host_state()
        done = suite.banger("vm", "start", NAME)
        assert done.status == 1 and all(word in done.err for word in words), done
        assert not suite.difference(held, suite.host_state())
        now = suite.banger_json("vm", "show", NAME)
        assert now["state"] == "stopped" and words[0] in now["last_error"], now
    assert {**vms.row(NAME), "last_error": None} == {**row, "last_error": None}
    assert not suite.wait_state(before)


@pytest.fixture
def stopped(busybox, nothing_left):
    suite.banger("vm", "create", "--quiet", "--no-start", "--image", busybox, "--name", NAME,
                 "--memory", vms.MEMORY, "--vcpu", "1", check=True)
    yield
    suite.banger("vm", "delete", "--force", NAME, check=True)


def test_what_is_lost(stopped, busybox):
    for name, (lose, *words) in LOST.items():
        print(name)
        is_refused(lose, *words)
    suite.banger("vm", "start", NAME, check=True)
    vms.output(NAME, "sh", "-c", "echo mine >/file; sync")
    suite.banger("vm", "stop", NAME, check=True)

    # For good: what is asked for is a new disk, of an image that must be there, too.
    shutil.rmtree(folder())
    suite.banger("vm", "set", "--image", busybox, NAME, check=True)
    for name, (lose, *words) in BASE_LOST.items():
        print(name)
        is_refused(lose, *words)
    suite.banger("vm", "start", NAME, check=True)
    assert vms.output(NAME, "sh", "-c", "cat /file || echo new").endswith("new")
