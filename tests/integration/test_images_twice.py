# SPDX-License-Identifier: GPL-2.0-or-later
"""The same image gives the same bytes, whatever the threads, the caches and the disk did meanwhile;
and a disk that fills up at any write leaves an error, never half an image."""

import contextlib
import hashlib
import os
import subprocess
import tempfile
import threading
from pathlib import Path

import ext4_tree
import images
import oci
import pytest
import suite


def some_of_everything():
    """Layers with files of all sizes, xattrs, hardlinks, whiteouts, an indexed directory, holes."""
    lower = [oci.directory("./", mtime=5), oci.entry("big", os.urandom(5_000_000)),
             oci.entry("hole", b"x" * 5000 + b"\0" * 300_000 + b"y"), oci.symlink("long", "t" * 200)]
    lower += [oci.entry(f"many/{n:04}-{'n' * (n % 80)}", b"%d" % n * (n % 900)) for n in range(700)]
    upper = [oci.entry(f"xattrs/{n}", b"", pax={"SCHILY.xattr.user.a": "v" * n}) for n in range(0, 900, 9)]
    upper += [oci.hardlink("linked", "big"), oci.entry("many/.wh.0007-" + "n" * 7),
              oci.entry("other", os.urandom(700_000))]
    return [oci.tar(lower), oci.tar(upper)]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """(OCI layout with gzip layers, the same as an archive, the digest of what comes of it)."""
    folder = tmp_path_factory.mktemp("twice")
    layout = oci.Layout()
    layout.image(some_of_everything())
    layout.write(folder / "layout")
    archive = layout.archive(folder / "image.tar")
    return folder / "layout", archive, digest_of(archive, folder / "first.ext4")


def digest_of(source, target, *before):
    """The sha256 of what comes of a source; the command runs behind `before`."""
    subprocess.run([*before, images.TOOL, source, target], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["sha256sum", target], check=True, capture_output=True, text=True)
    return done.stdout.split()[0]


@contextlib.contextmanager
def tmpfs(size):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def forget(path):
    """Out of the page cache."""
    with open(path, "rb") as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---- the same bytes ----

def test_one_processor_or_more(image, tmp_path):
    _, archive, digest = image
    for cpu in ("0", "0-1"):
        assert digest_of(archive, tmp_path / "o", "taskset", "-c", cpu) == digest


def test_busy_processors(image, tmp_path):
    """Somebody is in the way of each thread."""
    _, archive, digest = image
    over = threading.Event()

    def spin():
        told = hashlib.sha256()
        block = bytes(1 << 20)
        while not over.is_set():
            told.update(block)

    threads = [threading.Thread(target=spin) for _ in range(os.cpu_count() or 1)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            assert digest_of(archive, tmp_path / "o") == digest
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_cold_caches_and_an_older_file_in_the_place(image, tmp_path):
    _, archive, digest = image
    (tmp_path / "o").write_bytes(b"\xff" * 3_000_000)
    forget(archive)
    assert digest_of(archive, tmp_path / "o") == digest


def test_a_directory_gives_what_its_archive_does(image, tmp_path):
    layout, _, digest = image
    assert digest_of(layout, tmp_path / "o") == digest


def test_another_file_system(image):
    """tmpfs: nothing goes past the page cache there."""
    _, archive, digest = image
    with tmpfs("200m") as folder:
        assert digest_of(archive, folder / "o") == digest


def test_through_a_pipe(tmp_path):
    """A root file system, read as it comes: slowly, and in pieces of any size."""
    data = oci.compress(some_of_everything()[0], "gzip")
    (tmp_path / "rootfs.tar.gz").write_bytes(data)
    digest = digest_of(tmp_path / "rootfs.tar.gz", tmp_path / "o")
    with subprocess.Popen([images.TOOL, "--kind", "rootfs", "-", tmp_path / "p"],
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        at, step = 0, 1
        while at < len(data):
            process.stdin.write(data[at:at + step])
            process.stdin.flush()
            at, step = at + step, (step * 3 + 1) % 200_000 + 1
        process.stdin.close()
        assert process.wait(30) == 0
    assert hashlib.sha256((tmp_path / "p").read_bytes()).hexdigest() == digest


def test_the_daemons_is_the_same(image):
    """The worker, confined, on the state's own file system."""
    _, archive, digest = image
    suite.banger("image", "import", "--quiet", "same", archive, check=True)
    try:
        (row,) = [row for row in suite.banger_json("image", "list") if row["name"] == "same"]
        (path,) = [path for path in Path(suite.settings()["state_dir"]).glob("images/*.ext4")
                   if row["id"] in str(path)]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    finally:
        suite.banger("image", "delete", "same", check=True)


# ---- a full disk ----

def small_image(folder):
    """Data, a directory with an index, xattrs in blocks: all kinds of writes, few of each."""
    layout = oci.Layout()
    layout.image([oci.tar([oci.entry("data", os.urandom(50_000)),
                           oci.entry("x", b"", pax={"SCHILY.xattr.user.a": "v" * 3000})]
                          + [oci.entry(f"d/{n:03}".ljust(120, "n")) for n in range(60)])])
    return layout.archive(folder / "small.tar")


def test_a_disk_that_fills_up_at_each_write(tmp_path):
    """A page more each time: the write that fails is another one, until none does."""
    source = small_image(tmp_path)
    whole, failed = images.flatten(source, tmp_path / "whole"), 0
    assert whole.status == 0
    with tmpfs("4k") as folder:
        for pages in range(1, 2000):
            subprocess.run(["mount", "-o", f"remount,size={pages * 4}k", folder], check=True)
            done = images.flatten(source, folder / "o")
            if done.status == 0:
                break
            assert done.status == 1 and done.err.startswith("no_space: "), (pages, done.err)
            failed += 1
            (folder / "o").unlink()
        assert done.status == 0
        ext4_tree.check(folder / "o")
        assert (folder / "o").read_bytes() == (tmp_path / "whole").read_bytes()
    # As many as there are pages in the file: no write is too small to have failed once.
    assert failed >= (tmp_path / "whole").stat().st_blocks * 512 // 4096 - 2, failed


def test_a_limit_of_each_size(tmp_path):
    """RLIMIT_FSIZE, past the page cache: at each megabyte of the data, and where it becomes whole."""
    layout = oci.Layout()
    layout.image([oci.tar([oci.entry("data", os.urandom(9 << 20))])], how="")
    source = layout.archive(tmp_path / "image.tar")
    for limit in ("4K", *(f"{n}M" for n in range(1, 12)), "127M"):
        done = images.flatten(source, tmp_path / "o", "--fsize", limit)
        assert done.status == 1 and done.err.startswith("no_space: "), (limit, done.err)
    done = images.flatten(source, tmp_path / "o", "--fsize", "128M")
    assert done.status == 0, done.err
    ext4_tree.check(tmp_path / "o")
