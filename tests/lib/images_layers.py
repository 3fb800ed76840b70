# SPDX-License-Identifier: GPL-2.0-or-later
"""Good images: what layers do to each other. A row is one rule."""

import stat
import tarfile

from images import IMPLIED, Row, fifo, file, folder, link, node
from oci import directory, entry, hardlink, symlink

ROWS = []


def row(rule, what, layers, tree, **more):
    ROWS.append(Row(rule, what, layers, tree, **more))


# ---- one kind over another ----

# (entries of the name x, what they become)
KINDS = {
    "a file": ([entry("x", b"new", uid=7)], {"x": file(b"new", owner=(7, 0))}),
    "a directory": ([directory("x", mode=0o700), entry("x/in", b"in")],
                    {"x": folder(0o700), "x/in": file(b"in")}),
    "a symlink": ([symlink("x", "other")], {"x": link(b"other")}),
    "a character device": ([entry("x", kind=tarfile.CHRTYPE, device=(1, 3))],
                           {"x": node(stat.S_IFCHR, (1, 3))}),
    "a block device": ([entry("x", kind=tarfile.BLKTYPE, device=(8, 1))],
                       {"x": node(stat.S_IFBLK, (8, 1))}),
    "a FIFO": ([entry("x", kind=tarfile.FIFOTYPE)], {"x": fifo()}),
    "a hardlink": ([hardlink("x", "other")], {
        "x": file(b"other", same=[b"other", b"x"]),
        "other": file(b"other", same=[b"other", b"x"])}),
}
OTHER = entry("other", b"other")
for below, (lower, _) in KINDS.items():
    for above, (upper, tree) in KINDS.items():
        if below != above:
            row("layer.md: any other replacement removes first", f"{below}, then {above}",
                [[OTHER] + lower, upper], {"other": file(b"other")} | tree)
row("a directory over a directory changes its metadata", "a directory, then a directory",
    [[directory("x", mode=0o700, uid=3), entry("x/in")], [directory("x", mode=0o711, mtime=9)]],
    {"x": folder(0o711, mtime=9), "x/in": file()})
row("any other replacement removes first", "a directory, a file, a directory again",
    [KINDS["a directory"][0], [entry("x")], [directory("x")]], {"x": folder()})
row("any other replacement removes first", "a file over a file: nothing of the old one stays",
    [[entry("x", b"long" * 9999, mode=0o4755, uid=5, pax={"SCHILY.xattr.user.a": "1"})],
     [entry("x", b"s")]], {"x": file(b"s")})

# ---- whiteouts ----

LOWER = [directory("d", mode=0o700, uid=9), entry("d/a", b"a"), directory("d/sub"),
         entry("d/sub/b", b"b"), entry("f", b"f")]
D, A, SUB, B, F = folder(0o700, (9, 0)), file(b"a"), folder(), file(b"b"), file(b"f")
ALL = {"d": D, "d/a": A, "d/sub": SUB, "d/sub/b": B, "f": F}
NEW = {"d/new": file(b"n")}
new = entry("d/new", b"n")


def white(what, upper, tree):
    row("layer.md, whiteouts: lower layers only", what, [LOWER, upper], tree)


white("of a file", [entry(".wh.f")], {name: ALL[name] for name in ALL if name != "f"})
white("of a directory, with all in it", [entry(".wh.d")], {"f": F})
white("of a directory deeper down", [entry("d/.wh.sub")], {"d": D, "d/a": A, "f": F})
white("of nothing that is there", [entry(".wh.x"), entry("y/.wh.z"), entry("f/.wh.z")][:2], ALL)
white("opaque, first", [entry("d/.wh..wh..opq"), new], {"d": D, "f": F} | NEW)
white("opaque, last", [new, entry("d/.wh..wh..opq")], {"d": D, "f": F} | NEW)
white("opaque, of a directory that is empty then", [entry("d/.wh..wh..opq")], {"d": D, "f": F})
white("opaque, with the directory restated behind it",
      [entry("d/.wh..wh..opq"), directory("d", mode=0o711)], {"d": folder(0o711), "f": F})
white("opaque at the root, last", [entry("n/x"), entry(".wh..wh..opq")],
      {"n": IMPLIED, "n/x": file()})
white("opaque at the root, named with ./", [entry("./n"), entry("./.wh..wh..opq")], {"n": file()})
white("opaque: what is new below a lower directory stays",
      [entry("d/sub/new", b"n"), entry("d/.wh..wh..opq")],
      {"d": D, "d/sub": IMPLIED, "d/sub/new": file(b"n"), "f": F})
white("opaque in a directory that only this layer has", [directory("e"), entry("e/.wh..wh..opq"),
                                                          entry("e/x")], ALL | {
                                                              "e": folder(), "e/x": file()})
white("of a directory that its layer fills again, first", [entry(".wh.d"), new],
      {"d": IMPLIED, "f": F} | NEW)
white("of a directory that its layer fills again, last", [new, entry(".wh.d")],
      {"d": IMPLIED, "f": F} | NEW)
white("of a directory that its layer restates", [directory("d", mode=0o711), entry(".wh.d")],
      {"d": folder(0o711), "f": F})
white("of a file that its own layer has, last", [entry("f", b"new"), entry(".wh.f")],
      ALL | {"f": file(b"new")})
white("of a file that its own layer has, first", [entry(".wh.f"), entry("f", b"new")],
      ALL | {"f": file(b"new")})
white("of a file, which becomes a directory", [entry(".wh.f"), entry("f/x")],
      ALL | {"f": IMPLIED, "f/x": file()})
white("twice, and opaque beside it", [entry("d/.wh.sub"), entry("d/.wh.sub"),
                                      entry("d/.wh..wh..opq")], {"d": D, "f": F})
white("below one that goes", [entry("d/sub/.wh.b"), entry(".wh.d")], {"f": F})
white("below what its own layer put in its place", [entry("d", b""), entry("d/.wh.a")],
      {"d": file(), "f": F})
white("names that only begin like one", [entry(".what"), entry(".wh"), entry(".w"), entry("x.wh.f")],
      ALL | {".what": file(), ".wh": file(), ".w": file(), "x.wh.f": file()})
white("of a name that begins with dots", [entry("..x"), entry(".wh..y")], ALL | {"..x": file()})
white("a whiteout's content is nobody's", [entry(".wh.f", b"content" * 1000)],
      {name: ALL[name] for name in ALL if name != "f"})
row("whiteouts", "of what two layers below made; a third makes it anew",
    [LOWER, [entry("d/x")], [entry(".wh.d")], [entry("d/y")]],
    {"d": IMPLIED, "d/y": file(), "f": F})
row("whiteouts", "of a symlink: the link goes, not what it names",
    [LOWER + [symlink("s", "f")], [entry(".wh.s")]], ALL)
row("whiteouts", "of a hardlink: the other name stays",
    [[entry("a", b"a"), hardlink("b", "a")], [entry(".wh.a")]], {"b": file(b"a")})
row("whiteouts", "of a device", [[entry("dev", kind=tarfile.CHRTYPE, device=(1, 3))],
                                 [entry(".wh.dev")]], {})
row("whiteouts", "in the first layer, of nothing", [[entry(".wh.f"), entry("f", b"f")]], {"f": F})
row("whiteouts", "names are bytes there, too",
    [[entry("caf\udce9"), entry("x")], [entry(".wh.caf\udce9")]], {"x": file()})
row("no name is resolved through a symlink", "a whiteout below a symlink of its own layer",
    [LOWER, [directory("e"), entry("e/a"), symlink("d", "e"), entry("d/.wh.a")]],
    {"d": link(b"e"), "e": folder(), "e/a": file(), "f": F})

# ---- parents, metadata of directories, duplicates ----

row("implied parents are root's 0755", "parents without entries", [[entry("a/b/c", b"x")]],
    {"a": IMPLIED, "a/b": IMPLIED, "a/b/c": file(b"x")})
row("a parent keeps the lower layer's metadata", "an upper entry below a lower directory",
    [LOWER, [entry("d/sub/new", b"n")]], ALL | {"d/sub/new": file(b"n")})
row("a parent that is stated late", "a directory behind what is in it",
    [[entry("a/b", b"x"), directory("a", mode=0o700, mtime=5)]],
    {"a": folder(0o700, mtime=5), "a/b": file(b"x")})
row("./ sets the root's metadata", "./", [[directory("./", mode=0o700, uid=1, gid=2, mtime=3)]],
    {"": folder(0o700, (1, 2), 3)})
row("./ sets the root's metadata", ".", [[directory(".", mode=0o711)]], {"": folder(0o711)})
row("./ sets the root's metadata", "the last layer's counts",
    [[directory("./", mode=0o700, pax={"SCHILY.xattr.user.a": "1"})], [directory("./", mode=0o711)]],
    {"": folder(0o711)})
row("directory times survive what is done in them", "entries behind a directory, upper layers too",
    [[directory("d", mtime=5), entry("d/a")], [entry("d/b")], [entry("d/.wh.a")]],
    {"d": folder(mtime=5), "d/b": file()})
row("an upper entry's xattrs replace the old ones", "on a directory",
    [[directory("d", pax={"SCHILY.xattr.user.a": "1"})],
     [directory("d", pax={"SCHILY.xattr.user.b": "2"})]], {"d": folder(xattrs={"user.b": b"2"})})
row("the last of duplicate entries wins", "file and file",
    [[entry("x", b"one"), entry("x", b"two", mode=0o600)]], {"x": file(b"two", 0o600)})
row("the last of duplicate entries wins", "file and directory",
    [[entry("x", b"one"), directory("x"), entry("x/y")]], {"x": folder(), "x/y": file()})
row("the last of duplicate entries wins", "directory and file",
    [[directory("x"), entry("x/y"), entry("x", b"f")]], {"x": file(b"f")})
row("the last of duplicate entries wins", "the same name written in two ways",
    [[entry("a/x", b"one"), entry("./a//x", b"two")]], {"a": IMPLIED, "a/x": file(b"two")})

# ---- hardlinks ----

PAIR = {"a": file(b"a", same=[b"a", b"b"]), "b": file(b"a", same=[b"a", b"b"])}
row("hardlinks", "in one layer", [[entry("a", b"a"), hardlink("b", "a")]], PAIR)
row("hardlinks", "to a lower layer", [[entry("a", b"a")], [hardlink("b", "a")]], PAIR)
row("hardlinks", "the target named with ./", [[entry("a", b"a"), hardlink("./b", "./a")]], PAIR)
row("hardlinks", "metadata is the target's, not the link entry's",
    [[entry("a", b"a"), hardlink("b", "a", uid=9, mtime=1)]], PAIR)
row("hardlinks", "to a symlink: the symlink itself",
    [[symlink("s", "nowhere"), hardlink("t", "s")]],
    {name: link(b"nowhere", same=[b"s", b"t"]) for name in "st"})
row("hardlinks", "to a FIFO and a device",
    [[entry("p", kind=tarfile.FIFOTYPE), hardlink("q", "p"),
      entry("c", kind=tarfile.CHRTYPE, device=(1, 5)), hardlink("e", "c")]],
    {name: fifo(same=[b"p", b"q"]) for name in "pq"}
    | {name: node(stat.S_IFCHR, (1, 5), same=[b"c", b"e"]) for name in "ce"})
row("hardlinks", "of a hardlink", [[entry("a", b"a"), hardlink("b", "a"), hardlink("c", "b")]],
    {name: file(b"a", same=[b"a", b"b", b"c"]) for name in "abc"})
row("hardlinks", "the target is replaced above: the other name keeps the old file",
    [[entry("a", b"a"), hardlink("b", "a")], [entry("a", b"new")]],
    {"a": file(b"new"), "b": file(b"a")})
row("hardlinks", "to what the same layer put over a lower file",
    [[entry("a", b"old")], [entry("a", b"a"), hardlink("b", "a")]], PAIR)
row("hardlinks", "over the directory that holds its target",
    [[directory("d"), entry("d/in", b"in")], [hardlink("d", "d/in")]], {"d": file(b"in")})
row("hardlinks", "across directories, implied ones too",
    [[entry("p/a", b"a"), hardlink("q/r/b", "p/a")]],
    {"p": IMPLIED, "q": IMPLIED, "q/r": IMPLIED}
    | {name: file(b"a", same=[b"p/a", b"q/r/b"]) for name in ("p/a", "q/r/b")})
row("hardlinks", "a thousand names of one file",
    [[entry("a", b"a")] + [hardlink(f"l{n:03}", "a") for n in range(999)]],
    {name: file(b"a", same=[b"a"] + [b"l%03d" % n for n in range(999)])
     for name in ["a"] + [f"l{n:03}" for n in range(999)]})
row("hardlinks", "a link that an upper layer states again",
    [[entry("a", b"a"), hardlink("b", "a")], [hardlink("b", "a")]], PAIR)
row("hardlinks", "the target was whited out by the layer before, and is linked under its other name",
    [[entry("a", b"a"), hardlink("b", "a")], [entry(".wh.a")], [hardlink("a", "b")]], PAIR)

# ---- layers as such ----

row("oldest first", "the youngest of three wins",
    [[entry("x", b"1")], [entry("x", b"2")], [entry("x", b"3")]], {"x": file(b"3")})
row("a layer may be empty", "no entries, only its end", [[entry("x")], [], [entry("y")]],
    {"x": file(), "y": file()})
row("at most 128 layers", "128 of them", [[entry(f"f{n}")] for n in range(128)],
    {f"f{n}": file() for n in range(128)})
row("the same layer may stand twice", "the same digest, with a whiteout between",
    [[entry("x", b"x")], [entry(".wh.x")], [entry("x", b"x")]], {"x": file(b"x")})
row("no name is resolved through a symlink", "a symlink to a directory of the image, replaced by one",
    [[symlink("lib", "usr/lib"), entry("usr/lib/a")], [directory("lib"), entry("lib/b")]],
    {"lib": folder(), "lib/b": file(), "usr": IMPLIED, "usr/lib": IMPLIED, "usr/lib/a": file()})
