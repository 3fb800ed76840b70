# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's second disk, made for each machine: the build as `meson install` installs it, the
scenarios, and the images they use. In the lab it is /lab, read-only."""

import json
import os
import shutil
import threading
from pathlib import Path

import base
import cpu_loop
import guest_images
import repo
import scenario

FIRECRACKER = os.environ.get("LAB_FIRECRACKER")
INSTALLING = threading.Lock()  # meson keeps a log of it in the build directory


def make(folder, scenarios, kernel_deb, kvm):
    """The disk of a machine that runs these scenarios: folder/payload.ext4."""
    tree = folder / "payload"
    for name in ("guest", "scenarios", "files", "tests/lib", "tests/e2e", "common/proto"):
        (tree / name).mkdir(parents=True)
    with INSTALLING:
        base.call("meson", "install", "-C", repo.BUILD, "--no-rebuild", "--quiet",
                  "--destdir", tree / "system")
    configure(tree / "system/etc/banger/banger.conf")
    take_firecracker(tree)
    for source, name in ((base.HERE / "guest", "guest"), (base.HERE / "scenarios", "scenarios"),
                         (repo.TOP / "tests/lib", "tests/lib"),
                         (repo.TOP / "tests/e2e", "tests/e2e"),
                         (repo.TOP / "common/proto", "common/proto")):
        for path in source.iterdir():
            if path.is_file():
                shutil.copy(path, tree / name / path.name)
    shutil.copy(repo.TOP / "tests/conftest.py", tree / "tests")
    shutil.copy(guest_images.busybox(base.CACHE / "busybox.oci.tar"), tree / "files")
    shutil.copy(kernel_deb, tree / "files/kernel.deb")
    for each in scenarios:
        for name in each.files:
            if not (repo.BUILD / name).is_file():
                raise base.LabError(f"scenario {each.name} takes {name}, which was not built")
            shutil.copy(repo.BUILD / name, tree / "files" / Path(name).name)
        for name in each.cache:
            if not (base.CACHE / name).is_file():
                raise base.LabError(f"scenario {each.name} takes {name}, which {base.CACHE} has not")
            shutil.copy(base.CACHE / name, tree / "files")
    (tree / "config.json").write_text(json.dumps({
        "kvm": kvm, "patience": scenario.patience(), "cpu_loop_ms": cpu_loop.ms(),
        "scenarios": [each.for_guest() for each in scenarios]}))
    return write_disk(tree, folder / "payload.ext4")


def configure(path):
    """A machine inside an emulated one takes its time."""
    path.write_text(path.read_text() + "\n[vmm]\nstart_timeout = 400\n")


def take_firecracker(tree):
    """LAB_FIRECRACKER stands in the lab where administrators put it."""
    if not FIRECRACKER:
        return
    if not os.access(FIRECRACKER, os.X_OK):
        raise base.LabError(f"LAB_FIRECRACKER={FIRECRACKER} is no program")
    target = tree / "system/usr/local/bin/firecracker"
    target.parent.mkdir(parents=True)
    shutil.copy(FIRECRACKER, target)
    target.chmod(0o755)


def write_disk(tree, out):
    base.call("chown", "-R", "-h", "0:0", tree)
    size = sum(path.lstat().st_size + 8192 for path in tree.rglob("*")) * 5 // 4 + (32 << 20)
    base.call("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", tree, out,
              f"{size >> 10}k")
    shutil.rmtree(tree)
    return out
