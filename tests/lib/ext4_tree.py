# SPDX-License-Identifier: GPL-2.0-or-later
"""What a directory tree holds, entry by entry: a directory's, an ext4 file's."""

import contextlib
import hashlib
import os
import stat
import subprocess
import tempfile

import ext4_reader


def entry(path, links):
    """All that can be told of a name: as a dict, so that a difference is readable."""
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    found = {"mode": oct(info.st_mode), "owner": (info.st_uid, info.st_gid),
             "mtime": info.st_mtime_ns,
             "xattrs": {name: os.getxattr(path, name, follow_symlinks=False)
                        for name in os.listxattr(path, follow_symlinks=False)}}
    if kind == stat.S_IFLNK:
        found["target"] = os.readlink(path)
    elif kind == stat.S_IFREG:
        with open(path, "rb") as file:
            found["content"] = (info.st_size, hashlib.sha256(file.read()).hexdigest())
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        found["device"] = (os.major(info.st_rdev), os.minor(info.st_rdev))
    if kind != stat.S_IFDIR and info.st_nlink > 1:
        found["same as"] = links.setdefault((info.st_dev, info.st_ino), path)
    return found


def walk(top):
    """{name below top (bytes): entry}, "" for top itself; lost+found left out."""
    top = os.fsencode(top)
    tree, links = {}, {}
    for folder, dirs, files in os.walk(top):
        dirs.sort()
        if folder == top and b"lost+found" in dirs:
            dirs.remove(b"lost+found")
        links_to = [os.path.join(folder, name) for name in dirs + sorted(files)]
        for path in ([top] if folder == top else []) + links_to:
            name = path[len(top) + 1:]
            tree[name] = entry(path, links)
    # Which name of a shared inode is the first depends on the order: name them all.
    groups = {}
    for name, found in tree.items():
        if "same as" in found:
            groups.setdefault(found["same as"], []).append(name)
    for found in tree.values():
        if "same as" in found:
            found["same as"] = sorted(groups[found["same as"]])
    return tree


@contextlib.contextmanager
def mounted(image):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-o", "loop,ro,noload", image, folder], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)


def check(image):
    """e2fsck finds nothing to say."""
    run = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def read(image):
    """Of an ext4 file that e2fsck is content with."""
    check(image)
    return ext4_reader.walk(image)


def read_by_kernel(image):
    """The same, by a read-only mount."""
    with mounted(image) as folder:
        return walk(folder)


def differences(got, want, leave_out=()):
    """Readable lines; none when the trees are equal."""
    lines = [f"only in the image: {name!r}" for name in sorted(got.keys() - want.keys())]
    lines += [f"missing: {name!r}" for name in sorted(want.keys() - got.keys())]
    for name in sorted(got.keys() & want.keys()):
        for key in sorted(got[name].keys() | want[name].keys()):
            if (name, key) in leave_out or key in leave_out:
                continue
            if got[name].get(key) != want[name].get(key):
                lines.append(f"{name!r} {key}: {got[name].get(key)!r}, "
                             f"not {want[name].get(key)!r}")
    return lines
