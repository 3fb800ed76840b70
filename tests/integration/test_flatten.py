# SPDX-License-Identifier: GPL-2.0-or-later
"""Images into ext4, entry by entry: against what the rules say, what umoci unpacks, what GNU tar
extracts. No daemon takes part: flatten-tool calls what the worker calls."""

import gzip
import json
import os
import re
import stat
import struct
import subprocess
import tarfile
from pathlib import Path

import ext4_tree
import oci
import pytest

TOP = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("BANGER_BUILD", TOP / "build")) / "tests/integration/flatten-tool"
FILE, DIR, LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK


def run(source, target, *options, stdin=None):
    return subprocess.run([TOOL, *options, source, target], stdin=stdin, capture_output=True,
                          text=True, timeout=120)


def flatten(source, *options, stdin=None, target=None):
    """The answer and the tree."""
    image = target or Path(source if source != "-" else "/var/tmp/stdin").with_suffix(".ext4")
    try:
        done = run(source, image, *options, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), ext4_tree.read(image)
    finally:
        if not target:
            image.unlink(missing_ok=True)


def image_of(folder, *layers, how="gzip", **more):
    layout = oci.Layout()
    layout.image([layer if isinstance(layer, bytes) else oci.tar(layer) for layer in layers],
                 how=how, **more)
    return layout.archive(folder / "image.tar")


def tree_of(folder, *layers, **more):
    return flatten(image_of(folder, *layers, **more))[1]


def names(tree):
    return sorted(name.decode("utf-8", "backslashreplace") for name in tree if name)


def refused(folder, *layers):
    target = folder / "none.ext4"
    done = run(image_of(folder, *layers), target)
    assert done.returncode == 1, done.stdout
    return done.stderr


ALL = [oci.directory("./", mode=0o755, mtime=7), oci.directory("etc", mode=0o751, mtime=100),
       oci.entry("etc/hostname", b"here\n", mode=0o640, uid=5, gid=6),
       oci.symlink("etc/link", "hostname"), oci.hardlink("etc/hard", "etc/hostname"),
       oci.entry("big", os.urandom(3_000_000))]


# ---- kinds of input ----

KINDS = ["layout", "archive", "archive.gz", "archive.xz", "archive.zst", "docker", "docker.gz",
         "rootfs", "rootfs.gz", "rootfs.xz", "rootfs.zst"]
HOW = {"gz": "gzip", "xz": "xz", "zst": "zstd"}


def make_kind(folder, kind, data):
    base, _, suffix = kind.partition(".")
    path, how = folder / f"in.{kind}", HOW.get(suffix, "")
    if base == "layout":
        layout = oci.Layout()
        layout.image([data])
        return layout.write(folder / "layout")
    if base == "archive":
        layout = oci.Layout()
        layout.image([data])
        return layout.archive(path, how)
    if base == "docker":
        return oci.docker_archive(path, [data], how=how)
    path.write_bytes(oci.compress(data, how))
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return tree_of(tmp_path_factory.mktemp("plain"), ALL)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_input_gives_the_same(tmp_path, plain, kind):
    answer, tree = flatten(make_kind(tmp_path, kind, oci.tar(ALL)), target=tmp_path / "o")
    assert ext4_tree.differences(tree, plain) == []
    assert answer["entries"] == 5
    assert answer["size"] == (tmp_path / "o").stat().st_size


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "layout"])
def test_each_kind_comes_through_a_pipe(tmp_path, plain, kind):
    source = make_kind(tmp_path, kind, oci.tar(ALL))
    for options in [[], ["--kind", "rootfs"]] if "rootfs" in kind else [[]]:
        with subprocess.Popen(["cat", source], stdout=subprocess.PIPE) as cat:
            answer, tree = flatten("-", *options, stdin=cat.stdout, target=tmp_path / "o")
        assert ext4_tree.differences(tree, plain) == []
        if "rootfs" in kind:
            assert answer["id"] == oci.digest(source.read_bytes())


@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
def test_each_compression_of_layers(tmp_path, plain, how):
    assert ext4_tree.differences(tree_of(tmp_path, ALL, how=how), plain) == []


def test_several_gzip_members_and_zstd_frames(tmp_path, plain):
    data = oci.tar(ALL)
    parts = [data[:1000], data[1000:1001], data[1001:2_000_000], data[2_000_000:]]
    skippable = struct.pack("<II", 0x184D2A53, 5) + b"hello"
    for name, joined in [("gz", b"".join(oci.compress(part, "gzip") for part in parts)),
                         ("zst", skippable.join(oci.compress(part, "zstd") for part in parts))]:
        source = tmp_path / f"rootfs.{name}"
        source.write_bytes(joined)
        assert ext4_tree.differences(flatten(source)[1], plain) == []


def test_the_same_input_gives_the_same_bytes(tmp_path):
    source = image_of(tmp_path, ALL, [oci.entry("more", b"x" * 100_000)])
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(source, first).returncode == 0 and run(source, second).returncode == 0
    assert subprocess.run(["cmp", first, second]).returncode == 0


# ---- layers ----

LOWER = [oci.directory("d", mode=0o700, uid=9), oci.entry("d/a", b"a"), oci.directory("d/sub"),
         oci.entry("d/sub/b", b"b"), oci.entry("f", b"f")]
# name, upper layer, the names that are left
WHITEOUTS = [
    ("a file", [oci.entry(".wh.f")], ["d", "d/a", "d/sub", "d/sub/b"]),
    ("a directory", [oci.entry(".wh.d")], ["f"]),
    ("nothing that is there", [oci.entry(".wh.x"), oci.entry("y/.wh.z")], None),
    ("opaque, first", [oci.entry("d/.wh..wh..opq"), oci.entry("d/new", b"n")], ["d", "d/new", "f"]),
    ("opaque, last", [oci.entry("d/new", b"n"), oci.entry("d/.wh..wh..opq")], ["d", "d/new", "f"]),
    ("opaque at the root, last", [oci.entry("n/x"), oci.entry(".wh..wh..opq")], ["n", "n/x"]),
    ("opaque, new below a lower directory", [oci.entry("d/sub/new"), oci.entry("d/.wh..wh..opq")],
     ["d", "d/sub", "d/sub/new", "f"]),
    ("replaced by its own layer, whiteout first", [oci.entry(".wh.d"), oci.entry("d/new")],
     ["d", "d/new", "f"]),
    ("replaced by its own layer, whiteout last", [oci.entry("d/new"), oci.entry(".wh.d")],
     ["d", "d/new", "f"]),
    ("restated by its own layer", [oci.directory("d"), oci.entry(".wh.d")], ["d", "f"]),
    ("its own layer's file stays", [oci.entry("f", b"new"), oci.entry(".wh.f")],
     ["d", "d/a", "d/sub", "d/sub/b", "f"]),
    ("twice", [oci.entry("d/.wh.sub"), oci.entry("d/.wh.sub"), oci.entry("d/.wh..wh..opq")],
     ["d", "f"]),
    ("below one that goes", [oci.entry("d/sub/.wh.b"), oci.entry(".wh.d")], ["f"]),
    ("below what its own layer put in its place", [oci.entry("d", b""), oci.entry("d/.wh.a")],
     ["d", "f"]),
    ("below a symlink of its own layer, which umoci 0.4 would follow",
     [oci.directory("e"), oci.entry("e/a"), oci.symlink("d", "e"), oci.entry("d/.wh.a")],
     ["d", "e", "e/a", "f"]),
    ("names that only begin like one", [oci.entry(".what"), oci.entry(".wh")], [
        ".wh", ".what", "d", "d/a", "d/sub", "d/sub/b", "f"]),
]


@pytest.mark.parametrize("upper, left", [row[1:] for row in WHITEOUTS],
                         ids=[row[0] for row in WHITEOUTS])
def test_whiteouts(tmp_path, upper, left):
    want = left if left is not None else ["d", "d/a", "d/sub", "d/sub/b", "f"]
    assert names(tree_of(tmp_path, LOWER, upper)) == want


def test_what_a_whiteout_leaves_of_a_directory(tmp_path):
    """Its own metadata when it is opaque; root's 0755 when it went with the lower layer."""
    opaque = tree_of(tmp_path, LOWER, [oci.entry("d/new"), oci.entry("d/.wh..wh..opq")])
    assert (opaque[b"d"]["mode"], opaque[b"d"]["owner"]) == (oct(DIR | 0o700), (9, 0))
    for upper in ([oci.entry("d/new"), oci.entry(".wh.d")],
                  [oci.entry(".wh.d"), oci.entry("d/new")]):
        gone = tree_of(tmp_path, LOWER, upper)
        assert (gone[b"d"]["mode"], gone[b"d"]["owner"]) == (oct(DIR | 0o755), (0, 0))


def test_a_rootfs_has_no_whiteouts(tmp_path):
    source = tmp_path / "rootfs.tar"
    source.write_bytes(oci.tar(LOWER + [oci.entry(".wh.f"), oci.entry("d/.wh..wh..opq")]))
    assert names(flatten(source)[1]) == [".wh.f", "d", "d/.wh..wh..opq", "d/a", "d/sub",
                                         "d/sub/b", "f"]


def test_replacing(tmp_path):
    """Directory over directory changes metadata; all else replaces; the last one wins."""
    tree = tree_of(tmp_path, LOWER + [oci.symlink("s", "f"), oci.entry("x", b"1", pax={
        "SCHILY.xattr.user.old": "1"})], [
            oci.directory("d", mode=0o711, pax={"SCHILY.xattr.user.new": "2"}),
            oci.directory("f"), oci.entry("s", b"s"), oci.entry("x", b"2"),
            oci.entry("twice", b"first"), oci.entry("twice", b"last"),
            oci.entry("made/on/the/way", b"")])
    assert names(tree) == ["d", "d/a", "d/sub", "d/sub/b", "f", "made", "made/on", "made/on/the",
                           "made/on/the/way", "s", "twice", "x"]
    assert tree[b"d"]["mode"] == oct(DIR | 0o711) and tree[b"d"]["owner"] == (0, 0)
    assert tree[b"d"]["xattrs"] == {"user.new": b"2"}
    assert tree[b"f"]["mode"] == oct(DIR | 0o755) and tree[b"s"]["mode"] == oct(FILE | 0o644)
    assert tree[b"x"]["xattrs"] == {}
    assert tree[b"twice"]["content"][0] == 4
    assert tree[b"made"]["mode"] == oct(DIR | 0o755)


def test_a_directory_replaced_by_a_file_loses_what_is_in_it(tmp_path):
    assert names(tree_of(tmp_path, LOWER, [oci.entry("d", b"")])) == ["d", "f"]


def test_hardlinks(tmp_path):
    """To lower layers, symlinks, through a replacement; the inode outlives the first name."""
    tree = tree_of(tmp_path, [oci.entry("a", b"a", uid=3), oci.symlink("s", "a"), oci.directory("d"),
                              oci.entry("d/in", b"in")],
                   [oci.hardlink("b", "a"), oci.hardlink("t", "s"), oci.hardlink("./d", "d/in"),
                    oci.entry(".wh.a")],
                   [oci.entry("b2", b"b2"), oci.hardlink("b2", "b")])
    assert names(tree) == ["b", "b2", "d", "s", "t"]
    assert tree[b"b"]["same as"] == [b"b", b"b2"] and tree[b"b"]["owner"] == (3, 0)
    assert tree[b"t"]["same as"] == [b"s", b"t"] and tree[b"t"]["target"] == b"a"
    assert tree[b"d"]["content"][0] == 2 and "same as" not in tree[b"d"]


def test_blocks_of_what_went_are_free(tmp_path):
    source = image_of(tmp_path, [oci.entry("big", os.urandom(40 << 20))], [oci.entry(".wh.big")])
    target = tmp_path / "o"
    assert run(source, target).returncode == 0
    ext4_tree.check(target)
    assert target.stat().st_blocks * 512 < 8 << 20


# ---- metadata ----

def test_metadata(tmp_path):
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in [
        (1, 6, 0xffffffff), (2, 4, 1000), (4, 4, 0xffffffff), (16, 6, 0xffffffff),
        (32, 0, 0xffffffff)])

    def xattrs(**values):
        return {"SCHILY.xattr." + name.replace("_", ".", 1): value.decode("utf-8", "surrogateescape")
                for name, value in values.items()}

    entries = [
        oci.directory("./", mode=0o750, uid=1, gid=2, mtime=1234),
        oci.entry("suid", b"x", mode=0o4755), oci.entry("sgid", b"x", mode=0o2755),
        oci.directory("sticky", mode=0o1777, mtime=55),
        oci.entry("sticky/late", b"x", mtime=99),
        oci.entry("ids", b"", uid=2 ** 32 - 2, gid=2 ** 32 - 2),
        oci.entry("ns", b"", pax={"mtime": "1.123456789"}),
        oci.entry("before", b"", pax={"mtime": "-1.5"}),
        oci.entry("just-before", b"", pax={"mtime": "-0.25"}),
        oci.entry("after", b"", pax={"mtime": "5000000000.5"}),
        oci.entry("old-ustar", b"", mtime=0o7777777777),
        oci.symlink("short", "../../../etc/passwd"), oci.symlink("n59", "x" * 59),
        oci.symlink("n60", "x" * 60), oci.symlink("n4095", "y" * 4095),
        oci.entry("char", kind=tarfile.CHRTYPE, device=(5, 1), mode=0o620),
        oci.entry("block", kind=tarfile.BLKTYPE, device=(259, 70000)),
        oci.entry("char-large", kind=tarfile.CHRTYPE, device=(4095, 1048575)),
        oci.entry("fifo", kind=tarfile.FIFOTYPE),
        oci.entry("caps", b"x", pax=xattrs(security_capability=capability)),
        oci.entry("acl", b"x", mode=0o660,
                  pax=xattrs(**{"system_posix_acl_access": acl, "user_a": b"1", "trusted_b": b"2"})),
        oci.directory("aclx", pax=xattrs(system_posix_acl_default=acl)),
        oci.entry("large-xattr", b"x", pax=xattrs(user_big=b"z" * 3000)),
        oci.symlink("xattr-link", "ns", pax=xattrs(trusted_l=b"on a link")),
        oci.entry("empty-xattr", b"", pax=xattrs(user_none=b"")),
        oci.entry("no-linux-xattr", b"", pax=xattrs(com_apple_provenance=b"x")),
        oci.entry("n" * 255, b""), oci.entry("/".join(["p" * 200] * 20), b""),
    ]
    answer, tree = flatten(image_of(tmp_path, entries))
    assert answer["entries"] == len(entries) - 1 + 19
    assert tree[b""]["mode"] == oct(DIR | 0o750) and tree[b""]["owner"] == (1, 2)
    assert tree[b""]["mtime"] == 1234 * 10 ** 9
    assert [tree[name]["mode"] for name in (b"suid", b"sgid", b"sticky")] == [
        oct(FILE | 0o4755), oct(FILE | 0o2755), oct(DIR | 0o1777)]
    assert tree[b"sticky"]["mtime"] == 55 * 10 ** 9
    assert tree[b"ids"]["owner"] == (2 ** 32 - 2, 2 ** 32 - 2)
    assert {name: tree[name.encode()]["mtime"] for name in (
        "ns", "before", "just-before", "after", "old-ustar")} == {
            # libarchive 3.6 loses the sign of times between -1 and 0.
            "ns": 1123456789, "before": -1500000000, "just-before": 250000000,
            "after": 5000000000500000000, "old-ustar": 0o7777777777 * 10 ** 9}
    assert [len(tree[name]["target"]) for name in (b"n59", b"n60", b"n4095")] == [59, 60, 4095]
    assert tree[b"short"]["target"] == b"../../../etc/passwd"
    assert [tree[name]["device"] for name in (b"char", b"block", b"char-large")] == [
        (5, 1), (259, 70000), (4095, 1048575)]
    assert tree[b"fifo"]["mode"] == oct(stat.S_IFIFO | 0o644)
    assert tree[b"caps"]["xattrs"] == {"security.capability": capability}
    assert tree[b"acl"]["xattrs"] == {"system.posix_acl_access": acl, "user.a": b"1",
                                      "trusted.b": b"2"}
    assert tree[b"aclx"]["xattrs"] == {"system.posix_acl_default": acl}
    assert tree[b"large-xattr"]["xattrs"] == {"user.big": b"z" * 3000}
    assert tree[b"xattr-link"]["xattrs"] == {"trusted.l": b"on a link"}
    assert tree[b"empty-xattr"]["xattrs"] == {"user.none": b""}
    assert tree[b"no-linux-xattr"]["xattrs"] == {}


def pax(*records):
    """A pax header with given (key, value) bytes, for the entry that follows."""
    body = b""
    for key, value in records:
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest)
        while len(str(length)) + len(rest) != length:
            length = len(str(length)) + len(rest)
        body += str(length).encode() + rest
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + b"\0" * (-len(body) % 512)


def test_names_are_bytes(tmp_path):
    odd = [b"\xff\xfe", b"caf\xe9", "café".encode(), b"new\nline", b"a b", b"\x01", b"-rf", b"."
           b"hidden", b"..x", b"\xe2\x82", b"cafe\xcc\x81", b"\xe2\x84\xaa"]
    end = b"\0" * 1024
    layer = b"".join(pax((b"path", name)) + oci.tar([oci.entry("x", b"")], end=False)
                     for name in odd) + end
    assert sorted(name for name in tree_of(tmp_path, layer) if name) == sorted(odd)
    in_header = b"".join(
        oci.tar([oci.entry(os.fsdecode(name), b"")], form=tarfile.GNU_FORMAT, end=False)
        for name in odd) + end
    assert sorted(name for name in tree_of(tmp_path, in_header) if name) == sorted(odd)


@pytest.mark.parametrize("records, what", [
    ([(b"path", b"../a\0b")], "leads out"), ([(b"uid", b"4294967295")], "owner"),
    ([(b"GNU.sparse.major", b"7")], "sparse"),
    ([(b"GNU.sparse.size", b"100"), (b"GNU.sparse.map", b"50,100")], "sparse"),
    ([(b"GNU.sparse.size", b"100"), (b"GNU.sparse.map", b"9,1,5,1")], "sparse"),
    ([(b"SCHILY.xattr.user.x", b"z" * 5000)], "xattr"),
])
def test_bad_pax_records(tmp_path, records, what):
    assert what in refused(tmp_path, pax(*records) + oci.tar([oci.entry("x", b"")]))


def test_old_headers(tmp_path):
    """v7, ustar with a prefix, GNU long names."""
    deep = "/".join(["d" * 60] * 3)
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT):
        tree = tree_of(tmp_path, oci.tar([oci.entry(deep, b"x"), oci.symlink(
            "l", "t" * (90 if form == tarfile.USTAR_FORMAT else 300))], form=form))
        assert deep.encode() in tree and len(tree[b"l"]["target"]) >= 90
    info, data = oci.entry("old/", b"")
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[0:4], block[156:157], block[257:265] = b"old/", b"\0", b"\0" * 8
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert tree_of(tmp_path, bytes(block) + b"\0" * 1024)[b"old"]["mode"] == oct(DIR | 0o644)


# ---- large things ----

SPARSE = {"gnu": ["--format=gnu"], "0.0": ["--format=posix", "--sparse-version=0.0"],
          "0.1": ["--format=posix", "--sparse-version=0.1"],
          "1.0": ["--format=posix", "--sparse-version=1.0"]}


@pytest.mark.parametrize("form", SPARSE)
def test_sparse_files(tmp_path, form):
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "many", "wb") as file:
        for number in range(2000):
            file.seek(number * 16384 + number % 3)
            file.write(b"%d" % number)
    with open(source / "hole-behind", "wb") as file:
        file.write(b"x" * 5000)
        file.truncate(200 << 20)
    with open(source / "all-hole", "wb") as file:
        file.truncate(12_345_678)
    archive = tmp_path / "sparse.tar"
    subprocess.run(["tar", "--sparse", *SPARSE[form], "-C", source, "-cf", archive, "."], check=True)
    target = tmp_path / "o"
    done = run(archive, target, "--kind", "rootfs")
    assert done.returncode == 0, done.stderr
    ext4_tree.check(target)
    with ext4_tree.mounted(target) as folder:
        for name in ("many", "hole-behind", "all-hole"):
            assert subprocess.run(["cmp", source / name, Path(folder) / name]).returncode == 0
        assert (Path(folder) / "hole-behind").stat().st_blocks * 512 <= 128 << 10
    assert target.stat().st_blocks * 512 < 64 << 20


def test_zeros_become_holes(tmp_path):
    data = b"\0" * 1_000_000 + b"x" + b"\0" * 5_000_000 + b"y" * 70_000 + b"\0" * 100_000
    source = image_of(tmp_path, [oci.entry("zeros", data), oci.entry("all", b"\0" * 300_000)])
    target = tmp_path / "o"
    _, tree = flatten(source, target=target)
    assert tree[b"zeros"]["content"] == (len(data), oci.digest(data)[7:])
    assert tree[b"all"]["content"] == (300_000, oci.digest(b"\0" * 300_000)[7:])
    with ext4_tree.mounted(target) as folder:
        assert (Path(folder) / "zeros").stat().st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("count, length", [(200, 10), (3000, 40), (40000, 200)])
def test_large_directories(tmp_path, count, length):
    """Linear, an index of one level, an index of two; each name is found by the kernel."""
    entries = [oci.entry(f"d/{n}".ljust(length, "x"), b"") for n in range(count)]
    target = tmp_path / "o"
    answer = json.loads(run(image_of(tmp_path, entries), target).stdout)
    assert answer["entries"] == count + 1
    ext4_tree.check(target)
    with ext4_tree.mounted(target) as folder:
        assert len(os.listdir(Path(folder) / "d")) == count
        for info, _ in entries[::7]:
            assert os.path.lexists(Path(folder) / info.name)
        assert not os.path.lexists(Path(folder) / "d/none")


def test_more_than_a_group(tmp_path):
    """Data across the places of superblock copies; a file in several extents."""
    block = os.urandom(1 << 20)
    data = block * 300
    source = tmp_path / "rootfs.tar"
    source.write_bytes(oci.tar([oci.entry("big", data), oci.entry("after", b"x")]))
    _, tree = flatten(source, "--kind", "rootfs")
    assert tree[b"big"]["content"] == (len(data), oci.digest(data)[7:])


def test_it_grows(tmp_path):
    target = tmp_path / "o"
    _, before = flatten(image_of(tmp_path, ALL), target=target)
    os.truncate(target, 20 << 30)
    subprocess.run(["resize2fs", target], check=True, capture_output=True)
    assert ext4_tree.differences(ext4_tree.read(target), before) == []


# ---- the image's configuration, and which image ----

def test_configuration(tmp_path):
    config = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo", ""], "Env": ["A=b", "N=x\ny"],
              "User": "1000:1000", "WorkingDir": "/work", "StopSignal": "SIGINT",
              "ExposedPorts": {"80/tcp": {}, "53/udp": {}}}
    answer, _ = flatten(image_of(tmp_path, ALL, config=config, reference="latest"))
    assert [answer[key] for key in ("entrypoint", "command", "environment", "user", "directory",
                                    "stop_signal", "exposed_ports", "reference")] == [
        ["/bin/sh", "-c"], ["echo", ""], ["A=b", "N=x\ny"], "1000:1000", "/work", "SIGINT",
        ["80/tcp", "53/udp"], "latest"]


def test_what_it_is_made_of(tmp_path):
    """The digests of the configuration and of each layer, with its size as it is stored."""
    tars = [oci.tar([oci.entry(name, name.encode() * 999)]) for name in ("one", "two")]
    layout = oci.Layout()
    manifest = json.loads(layout.files[
        "blobs/" + layout.image(tars)["digest"].replace(":", "/")])
    answer, _ = flatten(layout.archive(tmp_path / "oci.tar"))
    assert answer["config"] == manifest["config"]["digest"]
    assert answer["layers"] == [word for layer in manifest["layers"]
                                for word in (layer["digest"], str(layer["size"]))]
    # A docker archive names layers by what is in them alone.
    archive = oci.docker_archive(tmp_path / "docker.tar", tars)
    answer, _ = flatten(archive)
    assert answer["config"] == answer["id"]
    assert answer["layers"] == [word for tar in tars for word in (oci.digest(tar), str(len(tar)))]
    (tmp_path / "rootfs.tar").write_bytes(tars[0])
    answer, _ = flatten(tmp_path / "rootfs.tar")
    assert (answer["config"], answer["layers"]) == ("", [])


def test_the_most_text_and_layers(tmp_path):
    """As much as an image may say of itself fits into the worker's answer."""
    layout = oci.Layout()
    strings = ["x" * 1023] * 90
    layout.image([oci.tar([oci.entry(f"f{n}")]) for n in range(128)],
                 {"Env": strings, "User": "u" * 500, "StopSignal": "S" * 500})
    answer, _ = flatten(layout.archive(tmp_path / "large.tar"))
    assert len(answer["layers"]) == 256 and answer["environment"] == strings


def two_images():
    layout = oci.Layout()
    layout.image([oci.tar([oci.entry("one")])], reference="one")
    layout.image([oci.tar([oci.entry("two")])], reference="two")
    return layout


def test_choosing_by_reference(tmp_path):
    layout = two_images()
    source = layout.archive(tmp_path / "two.tar")
    assert names(flatten(source, "--ref", "two")[1]) == ["two"]
    assert names(flatten(source, "--ref", layout.manifests[0]["digest"])[1]) == ["one"]
    assert "one, two" in run(source, tmp_path / "o").stderr
    assert run(source, tmp_path / "o", "--ref", "three").stderr.startswith("not_found")


def test_several_names_of_one_image(tmp_path):
    layout = oci.Layout()
    layout.image([oci.tar([oci.entry("one")])], reference="a")
    layout.manifests.append(layout.manifests[0] | {"annotations": {
        "org.opencontainers.image.ref.name": "b"}})
    assert names(flatten(layout.archive(tmp_path / "same.tar"))[1]) == ["one"]


def test_choosing_by_platform(tmp_path):
    layout = oci.Layout()
    for name, platform in [("arm", {"os": "linux", "architecture": "arm64"}),
                           ("v3", {"os": "linux", "architecture": "amd64", "variant": "v3"}),
                           ("plain", {"os": "linux", "architecture": "amd64"}),
                           ("attestation", {"os": "unknown", "architecture": "unknown"})]:
        layout.image([oci.tar([oci.entry(name)])], platform=platform)
    index = layout.blob(json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX,
                                    "manifests": layout.manifests}).encode(), oci.INDEX)
    assert names(flatten(layout.archive(tmp_path / "flat.tar"))[1]) == ["plain"]
    layout.manifests = [index | {"annotations": {"org.opencontainers.image.ref.name": "x"}}]
    del layout.files["index.json"]
    assert names(flatten(layout.archive(tmp_path / "nested.tar"), "--ref", "x")[1]) == ["plain"]


# ---- against others ----

def something_like_a_distribution(folder):
    """A tree with some of everything, made by hand rather than copied from the machine."""
    top = folder / "tree"
    for number in range(60):
        below = top / f"usr/share/doc/package-{number}"
        below.mkdir(parents=True)
        for name in range(number % 7 + 1):
            (below / f"file {name}").write_bytes(os.urandom(number * 977 % 70_000))
        os.utime(below, ns=(0, number * 10 ** 15 + 7))
    (top / "bin").symlink_to("usr/bin")
    (top / "etc").mkdir()
    (top / "etc/shadow").write_text("root:*:\n")
    os.chmod(top / "etc/shadow", 0o640)
    os.chown(top / "etc/shadow", 0, 42)
    (top / "usr/bin").mkdir()
    (top / "usr/bin/su").write_bytes(b"\x7fELF")
    os.chmod(top / "usr/bin/su", 0o4755)
    os.link(top / "usr/bin/su", top / "usr/bin/su2")
    os.setxattr(top / "usr/bin/su", "user.note", b"\0\xff")
    os.setxattr(top / "usr/bin/su", "security.capability",
                struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
    os.mkfifo(top / "run-fifo")
    os.mknod(top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.utime(top / "etc", ns=(0, -1_500_000_000))
    os.utime(top, ns=(0, 10 ** 18 + 1))
    return top


def test_against_gnu_tar(tmp_path):
    top = something_like_a_distribution(tmp_path)
    archive, out = tmp_path / "t.tar", tmp_path / "out"
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--format=posix", "-C", top, "-cf",
                    archive, "."], check=True)
    out.mkdir()
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", archive,
                    "-C", out], check=True)
    _, tree = flatten(archive, target=tmp_path / "o")
    assert ext4_tree.differences(tree, ext4_tree.walk(out)) == []
    assert ext4_tree.differences(tree, ext4_tree.read_by_kernel(tmp_path / "o")) == []


def test_acls_of_gnu_tar(tmp_path):
    """It writes ACLs as text, and ids that no user has as numbers."""
    top, out, archive = tmp_path / "tree", tmp_path / "out", tmp_path / "t.tar"
    top.mkdir()
    out.mkdir()
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in [
        (1, 7, 0xffffffff), (2, 4, 54321), (4, 5, 0xffffffff), (8, 1, 54322), (16, 5, 0xffffffff),
        (32, 0, 0xffffffff)])
    os.setxattr(top, "system.posix_acl_default", acl)
    (top / "file").write_text("x")
    os.setxattr(top / "file", "system.posix_acl_access", acl)
    (top / "none").write_text("x")
    os.removexattr(top / "none", "system.posix_acl_access")
    subprocess.run(["tar", "--acls", "--format=posix", "-C", top, "-cf", archive,
                    "."], check=True)
    subprocess.run(["tar", "--acls", "-xpf", archive, "-C", out], check=True)
    _, tree = flatten(archive)
    assert tree[b"file"]["xattrs"] == {"system.posix_acl_access": acl}
    assert ext4_tree.differences(tree, ext4_tree.walk(out)) == []


def test_against_umoci(tmp_path):
    """Two layers made by umoci out of a changed bundle, its own whiteouts among them."""
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"

    def umoci(*args):
        subprocess.run(["umoci", *args], check=True, capture_output=True, cwd=tmp_path)

    umoci("init", "--layout", layout)
    umoci("new", "--image", f"{layout}:a")
    umoci("unpack", "--image", f"{layout}:a", bundle)
    top = something_like_a_distribution(tmp_path)
    subprocess.run(["cp", "-a", f"{top}/.", bundle / "rootfs"], check=True)
    umoci("repack", "--image", f"{layout}:b", bundle)
    umoci("unpack", "--image", f"{layout}:b", tmp_path / "second")
    for path in ("usr/share/doc/package-3", "usr/share/doc/package-4/file 0", "run-fifo"):
        subprocess.run(["rm", "-r", tmp_path / "second/rootfs" / path], check=True)
    (tmp_path / "second/rootfs/usr/share/doc/package-3").write_text("a file now")
    (tmp_path / "second/rootfs/etc/new").write_text("new")
    umoci("repack", "--image", f"{layout}:c", tmp_path / "second")
    umoci("unpack", "--image", f"{layout}:c", tmp_path / "third")
    _, tree = flatten(layout, "--ref", "c", target=tmp_path / "o")
    want = ext4_tree.walk(tmp_path / "third/rootfs")
    assert ext4_tree.differences(tree, want) == []
    assert b"etc/new" in tree and b"run-fifo" not in tree


# ---- failing ----

def test_a_full_disk(tmp_path):
    source = image_of(tmp_path, [oci.entry("big", os.urandom(20 << 20))])
    done = run(source, tmp_path / "o", "--fsize", "10M")
    assert done.returncode == 1 and done.stderr.startswith("no_space: "), done.stderr
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
    try:
        done = run(source, disk / "o")
    finally:
        subprocess.run(["umount", disk], check=True)
    assert done.returncode == 1 and done.stderr.startswith("no_space: "), done.stderr


def test_a_disk_that_is_full_at_every_write(tmp_path):
    """Whichever call meets it, of the spool, the data and all of the file system's own: it is said,
    and no more is written. Without it the same input is exact."""
    many = [oci.entry(f"many/{'n' * 180}-{n}", b"x") for n in range(60)]
    lower = oci.tar([oci.directory("many"), *many, oci.entry("large", os.urandom(400_000)),
                     oci.entry("gone", b"x")])
    upper = oci.tar([oci.entry(".wh.gone"), oci.entry("large", b"small now"), oci.entry(
        "xattr", b"x", pax={"SCHILY.xattr.user.long": "v" * 2000})])
    data, target, places = image_of(tmp_path, lower, upper).read_bytes(), tmp_path / "o.ext4", 0
    for number in range(1, 500):
        done = subprocess.run([TOOL, "--full-at", str(number), "-", target], input=data,
                              capture_output=True, timeout=60, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == 1 and re.fullmatch(rb"no_space: [^\n]+\n", done.stderr), done
        places += 1
    assert done.returncode == 0 and places > 30, places
    tree = ext4_tree.read(target)
    assert tree[b"large"]["content"][0] == 9 and b"gone" not in tree and len(tree) == 64
    print(f"a disk full at each of {places} places: said at each")


def test_a_file_without_end(tmp_path):
    source = tmp_path / "rootfs.tar"
    source.write_bytes(oci.tar(ALL, end=False))
    done = run(source, tmp_path / "o")
    assert done.returncode == 1 and "end" in done.stderr


def test_gzip_whose_sum_is_wrong(tmp_path):
    data = bytearray(gzip.compress(oci.tar(ALL)))
    data[-6] ^= 1
    (tmp_path / "rootfs.gz").write_bytes(data)
    assert "damaged" in run(tmp_path / "rootfs.gz", tmp_path / "o").stderr
