# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of images: how each is made, what must come of it, and a runner for all of them at once."""

import concurrent.futures
import os
import re
import resource
import stat
import subprocess
import tempfile
from pathlib import Path

import ext4_tree
import oci

TOP = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("BANGER_BUILD", TOP / "build")) / "tests/integration/flatten-tool"
TIME = 1_000_000  # of an entry that says nothing else
SECOND = 10 ** 9
# Where what a hostile image names would come to be.
EVIL = [f"{top}banger-evil" for top in ("/", "/tmp/", "/var/tmp/", "/var/", "../", "")]


# ---- what is expected of a name ----

def _found(kind, mode, owner, mtime, xattrs, ns=None, same=None, **more):
    found = {"mode": oct(kind | mode), "owner": owner, "xattrs": xattrs or {},
             "mtime": mtime * SECOND if ns is None else ns}
    if same:
        found["same as"] = sorted(same)
    return found | more


def file(data=b"", mode=0o644, owner=(0, 0), mtime=TIME, xattrs=None, **more):
    return _found(stat.S_IFREG, mode, owner, mtime, xattrs,
                  content=(len(data), oci.digest(data)[7:]), **more)


def folder(mode=0o755, owner=(0, 0), mtime=TIME, xattrs=None, **more):
    return _found(stat.S_IFDIR, mode, owner, mtime, xattrs, **more)


def link(target, owner=(0, 0), mtime=TIME, xattrs=None, **more):
    return _found(stat.S_IFLNK, 0o777, owner, mtime, xattrs, target=target, **more)


def node(kind, device, mode=0o644, owner=(0, 0), mtime=TIME, xattrs=None, **more):
    return _found(kind, mode, owner, mtime, xattrs, device=device, **more)


def fifo(mode=0o644, owner=(0, 0), mtime=TIME, xattrs=None, **more):
    return _found(stat.S_IFIFO, mode, owner, mtime, xattrs, **more)


IMPLIED = folder(mtime=0)  # a parent, or the root, that no entry stated


def whole(tree):
    """The tree with names as bytes and the root in it."""
    return {b"": IMPLIED} | {os.fsencode(name): found for name, found in tree.items()}


class Row:
    """An image. `make(folder, row)` writes it and gives its path."""

    def __init__(self, rule, what, layers, tree=None, make=None, words=None, options=(), **how):
        self.rule, self.what, self.layers, self.tree = rule, what, layers, tree
        self.make, self.words, self.options, self.how = make or archive, words, options, how

    def tars(self):
        return [layer if isinstance(layer, bytes) else oci.tar(layer) for layer in self.layers]


def archive(folder_, row):
    """An OCI archive of the row's layers; spoil(layout) changes it before it is written."""
    how = dict(row.how)
    spoil = how.pop("spoil", None)
    layout = oci.Layout()
    layout.image(row.tars(), **{"how": ""} | how)
    if spoil:
        spoil(layout)
    return layout.archive(folder_ / "image.tar")


# ---- the runner ----

class Done:
    """How an import ended."""

    def __init__(self, status, out, err, resident):
        self.status, self.out, self.err, self.resident = status, out, err, resident


def flatten(source, target, *options, limits=()):
    """Run the tool beside nobody; `resident` is its peak in KiB."""
    def prepare():
        for what, value in limits:
            resource.setrlimit(what, (value, value))

    done = subprocess.run([TOOL, "--peak", *options, source, target], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=False,
                          preexec_fn=prepare if limits else None)
    out, err = (text.decode("utf-8", "backslashreplace") for text in (done.stdout, done.stderr))
    *lines, peak = out.splitlines() or ["0"]
    return Done(done.returncode, "".join(lines), err, int(peak))


def differences(row, where):
    """Lines that say how the row's image differs from what it should be; none when it is exact."""
    source = row.make(where, row)
    target = where / "image.ext4"
    done = flatten(source, target, *row.options)
    if done.status != 0:
        return [f"refused: {done.err.strip()}"]
    try:
        return ext4_tree.differences(ext4_tree.read(target), whole(row.tree))
    except (AssertionError, ValueError) as error:
        return [f"not well-formed: {error}"]


def run(rows, judge, at_once=2):
    """judge(row, folder) of all, in order, some at once."""
    def one(row):
        with tempfile.TemporaryDirectory(prefix="banger-images.", dir="/var/tmp") as where:
            return judge(row, Path(where))

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, rows))


# ---- hostile ones ----

RESIDENT = 64 << 10  # KiB that no row may take


def outcome(row, where):
    """Lines that say what is wrong with how a hostile image ended; none when nothing is."""
    source = row.make(where, row)
    target = where / "image.ext4"
    before = set(where.rglob("*"))
    done = flatten(source, target, *row.options)
    wrong = [f"made {path}" for path in set(where.rglob("*")) - before - {target}]
    wrong += [f"made {path}" for path in EVIL if os.path.lexists(path)]
    if done.resident > RESIDENT:
        wrong.append(f"took {done.resident} KiB of memory")
    if done.status == 0 and row.tree is None:
        return wrong + [f"accepted: {sorted(ext4_tree.read(target))[:5]}"]
    if done.status == 0:
        try:
            return wrong + ext4_tree.differences(ext4_tree.read(target), whole(row.tree))
        except (AssertionError, ValueError) as error:
            return wrong + [f"not well-formed: {error}"]
    if done.status != 1 or row.words is None or not re.search(row.words, done.err, re.I):
        wrong.append(f"status {done.status}: {done.err.strip()[:400]}")
    if not re.fullmatch(r"(bad_input|not_found): [^\n]{1,600}\n", done.err):
        wrong.append(f"not one line with a code: {done.err[:400]!r}")
    return wrong


def report(rows, found, word, verbose=False):
    """Print how many rows are as they should be; lines about the others."""
    lines = []
    for row, wrong in zip(rows, found):
        if wrong:
            lines.append(f"{row.rule}: {row.what}: " + "; ".join(wrong[:5])[:600])
        if verbose or wrong:
            print(f"{'NOT ' + word if wrong else word:12}  {row.rule}: {row.what}"
                  + "".join(f"\n    {line[:300]}" for line in wrong[:5]))
    print(f"{len(rows) - len(lines)} of {len(rows)} {word}")
    return lines
