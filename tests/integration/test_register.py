# SPDX-License-Identifier: GPL-2.0-or-later
"""image register: a file of the caller's becomes an image where it is, while it is what it was."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import files_server
import pytest
import rpc
import suite

USER = 65534


@pytest.fixture(scope="module")
def folder():
    """On a tmpfs, whatever the rest is on; to be read by everybody."""
    path = Path(tempfile.mkdtemp(prefix="register.", dir=suite.settings()["run_dir"]))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def rootfs(folder):
    """An ext4 file of 4 MiB."""
    path = folder / "rootfs.ext4"
    path.write_bytes(b"")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", path, "4M"], check=True)
    path.chmod(0o644)
    yield path
    for row in suite.banger_json("image", "list"):
        if row["path"]:
            suite.banger("image", "delete", row["id"], check=True)
    path.unlink(missing_ok=True)


@pytest.fixture
def kernel(tmp_path):
    """One that is there, and boots nothing."""
    path = tmp_path / "vmlinux"
    path.write_bytes(files_server.vmlinux())
    suite.banger("kernel", "import", "-q", "--name", "tiny", path, check=True)
    yield "tiny"
    suite.banger("kernel", "delete", "tiny", check=True)


def refusal(method, params, *paths, flags=os.O_RDONLY):
    fds = [os.open(path, flags | os.O_CLOEXEC) for path in paths]
    try:
        with pytest.raises(rpc.RpcError) as caught:
            rpc.call(method, params, fds)
        return caught.value
    finally:
        for fd in fds:
            os.close(fd)


def register(path, *more, uid=None):
    return suite.banger("image", "register", "-q", *more, "mine", path, uid=uid)


def in_the_state():
    return {path.name for path in (Path(suite.settings()["state_dir"]) / "images").rglob("*")
            if path.is_file()}


def test_register(rootfs):
    """Its digest and size are the file's; nothing of it is in the state directory, and it stays."""
    before = in_the_state()
    done = register(rootfs)
    assert done.status == 0, done
    shown = suite.banger_json("image", "show", "mine")
    assert (shown["id"], shown["path"]) == (done.out.strip(), str(rootfs))
    assert shown["digest"] == "sha256:" + hashlib.sha256(rootfs.read_bytes()).hexdigest()
    assert shown["size_bytes"] == 4 << 20 and in_the_state() == before
    again = register(rootfs)
    assert again.status == 1 and "already" in again.err, again
    assert register(rootfs, "--replace").status == 0
    suite.banger("image", "delete", "mine", check=True)
    assert rootfs.stat().st_size == 4 << 20


def test_a_vm_of_it(rootfs, kernel):
    """Its disk is a copy, made by who may read the file; the file is as it was."""
    register(rootfs)
    content = rootfs.read_bytes()
    done = suite.banger("vm", "create", "--no-start", "--image", "mine", "--name", "of-file",
                        "--system-overlay-size", "16M", "--memory", "128M")
    assert done.status == 0, done
    disk = Path(suite.settings()["state_dir"]) / "vms" / done.out.strip() / "disk.img"
    assert disk.stat().st_size == 16 << 20
    with disk.open("rb") as file:
        assert file.read(len(content)) == content
    busy = suite.banger("image", "delete", "mine")
    assert busy.status == 1 and "of-file" in busy.err, busy
    changed = suite.banger("vm", "set", "--image", "mine", "of-file")
    assert changed.status == 1 and "a file of its owner's" in changed.err, changed
    suite.banger("vm", "delete", "of-file", check=True)
    assert rootfs.read_bytes() == content


def write(path):
    with path.open("r+b") as file:
        file.seek(3 << 20)
        file.write(b"x")


def write_and_hide(path):
    """The times that a user can set are as they were."""
    times = path.stat()
    write(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replace(path):
    """Another file of the same content and times."""
    times, other = path.stat(), path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize("change", [write, write_and_hide, replace,
                                    lambda path: os.truncate(path, 8 << 20)],
                         ids=["written", "hidden", "replaced", "larger"])
def test_changed(rootfs, kernel, change):
    register(rootfs)
    change(rootfs)
    done = suite.banger("vm", "create", "--no-start", "--image", "mine")
    assert done.status == 1 and "it changed; register it again" in done.err, done
    assert suite.banger_json("vm", "list") == []
    assert register(rootfs, "--replace").status == 0, "as it is now"


def test_gone(rootfs, kernel):
    register(rootfs)
    rootfs.unlink()
    done = suite.banger("vm", "create", "--no-start", "--image", "mine")
    assert done.status == 1 and f"cannot open the image's file {rootfs}" in done.err, done


def test_whose_it_is(rootfs, kernel):
    """Only its owner registers a file; who may not read it has no VM of it."""
    refused = register(rootfs, uid=USER)
    assert refused.status == 1 and "is not yours" in refused.err, refused
    os.chown(rootfs, USER, USER)
    assert register(rootfs).status == 1, "root neither"
    assert register(rootfs, uid=USER).status == 0
    assert suite.banger("image", "promote", suite.banger_json("image", "list")[0]["id"]).status == 1
    os.chown(rootfs, 0, 0)
    rootfs.chmod(0o600)
    register(rootfs)
    denied = suite.banger("vm", "create", "--no-start", "--image",
                          [row["id"] for row in suite.banger_json("image", "list")
                           if row["owner_uid"] == 0][0], uid=USER)
    assert denied.status == 1 and "cannot open" in denied.err, denied


NOT_ONE = {
    "empty": lambda path: os.truncate(path, 0),
    "text": lambda path: path.write_bytes(b"hello" * 10_000),
    "cut": lambda path: os.truncate(path, 3 << 20),
}


@pytest.mark.parametrize("what", NOT_ONE)
def test_what_is_none(rootfs, what):
    NOT_ONE[what](rootfs)
    error = refusal("image.register", {"name": "mine", "path": str(rootfs)}, rootfs)
    assert error.code == "bad_input", error
    assert suite.banger_json("image", "list") == []


def test_what_is_passed(rootfs, kernel):
    """The fds of the protocol are looked at, whatever the command line would have passed."""
    params = {"name": "mine", "path": str(rootfs)}
    for path, flags, says in ((rootfs, os.O_RDWR, "for reading alone"),
                              (rootfs, os.O_PATH, "for reading alone"),
                              ("/dev/null", os.O_RDONLY, "no "), (rootfs.parent, os.O_RDONLY, "no regular file"),
                              ("/proc/self/status", os.O_RDONLY, "no file system of the host's own")):
        error = refusal("image.register", params, path, flags=flags)
        assert error.code == "bad_request" and says in error.message, (path, error)
    assert refusal("image.register", {**params, "path": "rootfs"}, rootfs).code == "bad_request"
    register(rootfs)
    other = rootfs.with_suffix(".other")
    other.write_bytes(rootfs.read_bytes())
    ask = {"image": "mine", "no_start": True}
    assert "must be passed" in refusal("vm.create.begin", ask).message
    assert "it changed" in refusal("vm.create.begin", ask, other).message
    assert "for reading alone" in refusal("vm.create.begin", ask, rootfs, flags=os.O_RDWR).message
    other.unlink()
    assert suite.banger_json("vm", "list") == []
