# SPDX-License-Identifier: GPL-2.0-or-later
"""Good images: what tar streams say of an entry, in all their formats. A row is one rule."""

import base64
import os
import stat
import struct
import tarfile

import rawtar
from images import IMPLIED, Row, SECOND, TIME, fifo, file, folder, link, node
from oci import directory, entry, hardlink, symlink
from rawtar import END, GNU, V7, directory as raw_directory, header, member, pax

ROWS = []
NONE = 0xffffffff


def row(rule, what, layer, tree, **more):
    ROWS.append(Row(rule, what, [layer], tree, **more))


def raw(rule, what, data, tree, **more):
    row(rule, what, data + END, tree, **more)


# ---- names ----

LONG = "/".join(["d" * 60] * 3)
DEEP = {"d" * 60: IMPLIED, "/".join(["d" * 60] * 2): IMPLIED}
raw("ustar", "a name of exactly 100 bytes, without a NUL", member(b"n" * 100), {"n" * 100: file()})
raw("ustar", "prefix and name", member(b"d" * 60, prefix=b"/".join([b"d" * 60] * 2)),
    DEEP | {LONG: file()})
raw("ustar", "a prefix of exactly 155 bytes", member(b"x", prefix=b"p" * 155),
    {"p" * 155: IMPLIED, "p" * 155 + "/x": file()})
raw("ustar", "a link of exactly 100 bytes", member(b"l", kind=b"2", link=b"t" * 100),
    {"l": link(b"t" * 100)})
raw("v7", "no magic, no prefix", member(b"old", b"x", kind=b"\0", magic=V7), {"old": file(b"x")})
raw("v7", "a directory by its slash", member(b"old/", kind=b"\0", magic=V7), {"old": folder(0o644)})
raw("GNU", "a long name", rawtar.long_name(LONG.encode()) + member(b"short", b"x", magic=GNU),
    DEEP | {LONG: file(b"x")})
raw("GNU", "a long link", rawtar.long_name(b"t" * 300, b"K") + member(b"l", kind=b"2", magic=GNU,
                                                                     link=b"t" * 99),
    {"l": link(b"t" * 300)})
raw("GNU", "both, link first", rawtar.long_name(b"t" * 300, b"K") + rawtar.long_name(b"n" * 200)
    + member(b"n", kind=b"2", magic=GNU, link=b"t"), {"n" * 200: link(b"t" * 300)})
raw("GNU", "a long directory's name ends with a slash", rawtar.long_name(b"n" * 200 + b"/")
    + member(b"n", kind=b"5", magic=GNU, mode=0o700), {"n" * 200: folder(0o700)})
raw("pax", "path", pax((b"path", LONG.encode())) + member(b"short"), DEEP | {LONG: file()})
raw("pax", "linkpath", pax((b"linkpath", b"t" * 4095)) + member(b"l", kind=b"2", link=b"t"),
    {"l": link(b"t" * 4095)})
raw("pax", "linkpath of a hardlink", member(b"a" * 90, b"a") + pax((b"linkpath", b"a" * 90))
    + member(b"b", kind=b"1", link=b"cut"),
    {name: file(b"a", same=[b"a" * 90, b"b"]) for name in ("a" * 90, "b")})
raw("pax", "the last of a record's values counts", pax((b"path", b"one"), (b"path", b"two"))
    + member(b"x"), {"two": file()})
raw("pax", "an unknown record is passed over", pax((b"VENDOR.thing", b"\0\xff"), (b"comment", b"c"))
    + member(b"x"), {"x": file()})
raw("pax", "a header is for one entry alone", pax((b"path", b"one")) + member(b"x") + member(b"y"),
    {"one": file(), "y": file()})
raw("pax", "a global header (git archive writes one) is no entry",
    pax((b"comment", b"0123456789abcdef"), kind=b"g") + member(b"x"), {"x": file()})
raw("names", "a component of 255 bytes", member(b"x" * 100, b"") + pax((b"path", b"n" * 255))
    + member(b"n"), {"x" * 100: file(), "n" * 255: file()})
DEEPEST = "/".join(["p" * 203] * 20 + ["q" * 15])
row("names", "a path of 4,095 bytes", [entry(DEEPEST)],
    {"/".join(["p" * 203] * n): IMPLIED for n in range(1, 21)} | {DEEPEST: file()})
row("names", "./, //, /./ and a slash at the end of a directory",
    [directory("./a//"), entry("a/./b"), entry(".//a//c")],
    {"a": folder(), "a/b": file(), "a/c": file()})
row("names", "that look like others", [entry(name) for name in (
    "...", "..a", "a..", "-rf", " ", "a b", "~", "*", "\\", "C:", "con", "#x", "a\\b", "%2e%2e")],
    {name: file() for name in ("...", "..a", "a..", "-rf", " ", "a b", "~", "*", "\\", "C:", "con",
                               "#x", "a\\b", "%2e%2e")})
row("names", "that differ in case alone", [entry("Name", b"1"), entry("name", b"2")],
    {"Name": file(b"1"), "name": file(b"2")})
ODD = [b"\xff\xfe", b"caf\xe9", b"new\nline", b"\x01", b"\xe2\x82", b"\x7f", b"tab\t"]
raw("names are bytes", "in ustar headers", b"".join(map(member, ODD)),
    {os.fsdecode(name): file() for name in ODD})
raw("names are bytes", "in pax records",
    b"".join(pax((b"path", name)) + member(b"x") for name in ODD),
    {os.fsdecode(name): file() for name in ODD})
raw("names are bytes", "in GNU headers",
    b"".join(rawtar.long_name(name) + member(b"x", magic=GNU) for name in ODD),
    {os.fsdecode(name): file() for name in ODD})
raw("names are bytes", "two normal forms are two names",
    pax((b"path", "é".encode())) + member(b"x", b"1") + pax((b"path", b"e\xcc\x81"))
    + member(b"x", b"2"), {"é": file(b"1"), "e\u0301": file(b"2")})
raw("names are bytes", "hdrcharset=BINARY", pax((b"hdrcharset", b"BINARY"), (b"path", b"caf\xe9"))
    + member(b"x"), {"caf\udce9": file()})
raw("symlink targets to the byte", "in pax, not UTF-8", pax((b"linkpath", b"\xff\n\xfe"))
    + member(b"l", kind=b"2", link=b"x"), {"l": link(b"\xff\n\xfe")})
raw("symlink targets to the byte", "in pax alone, behind another link", member(b"k", kind=b"2", link=b"t")
    + pax((b"linkpath", "é".encode())) + member(b"l", kind=b"2"), {"k": link(b"t"), "l": link("é".encode())})
row("symlink targets to the byte", "out of the image, absolute, with . and doubled slashes",
    [symlink("a", "../../../etc/passwd"), symlink("b", "/etc/./x//y/"), symlink("c", "."),
     symlink("d", "..")],
    {"a": link(b"../../../etc/passwd"), "b": link(b"/etc/./x//y/"), "c": link(b"."),
     "d": link(b"..")})
for length in (59, 60, 4095):
    row("symlink targets to the byte", f"of {length} bytes", [symlink("l", "t" * length)],
        {"l": link(b"t" * length)})

# ---- modes, owners, numbers ----

for mode in (0, 0o4755, 0o2755, 0o1777, 0o7777):
    row("setuid, setgid, sticky", f"{mode:o}", [entry("f", mode=mode), directory("d", mode=mode)],
        {"f": file(mode=mode), "d": folder(mode)})
raw("modes", "the type's bits in the field say nothing", member(b"f", mode=0o100640),
    {"f": file(mode=0o640)})
raw("modes", "a symlink's are 0777", member(b"l", kind=b"2", link=b"t", mode=0o600),
    {"l": link(b"t")})
raw("owners", "to 2^32-2, in pax", pax((b"uid", b"4294967294"), (b"gid", b"4294967294"))
    + member(b"f"), {"f": file(owner=(2 ** 32 - 2,) * 2)})
raw("owners", "to 2^32-2, in base 256", member(b"f", uid=2 ** 32 - 2, gid=2 ** 21, magic=GNU),
    {"f": file(owner=(2 ** 32 - 2, 2 ** 21))})
raw("owners", "above 65,535, in octal", member(b"f", uid=100_000, gid=65_536),
    {"f": file(owner=(100_000, 65_536))})
raw("owners", "names of users say nothing", member(b"f", uname=b"root", gname=b"nobody", uid=5),
    {"f": file(owner=(5, 0))})
raw("numbers", "octal with blanks before and behind, without a NUL",
    member(b"f", b"xyz", mode=b"   644 ", uid=b"     12\0", gid=b"0000013 ", size=b"          3 "),
    {"f": file(b"xyz", owner=(10, 11))})
raw("numbers", "fields of blanks or nothing are zero", member(b"f", uid=b" " * 8, gid=b"", mode=b""),
    {"f": file(mode=0)})
raw("numbers", "a size in base 256", member(b"f", b"xyz", size=b"\x80" + b"\0" * 10 + b"\3", magic=GNU),
    {"f": file(b"xyz")})
raw("numbers", "a size in pax, above the header's", pax((b"size", b"3")) + member(b"f", b"xyz", size=0),
    {"f": file(b"xyz")})
raw("numbers", "the sum of signed bytes (old Solaris) is a sum as well",
    (lambda block: header(b"caf\xe9", checksum=b"%06o\0 " % (
        sum(byte - 256 if byte > 127 else byte for byte in block[:148] + b" " * 8 + block[156:]))))(
            header(b"caf\xe9")), {"caf\udce9": file()})

# ---- times ----

for text, ns in (("1.123456789", 1_123_456_789), ("1.1234567891", 1_123_456_789),
                 ("1.5", 1_500_000_000), ("0", 0), ("0.000000001", 1), ("-1", -SECOND),
                 ("-1.5", -1_500_000_000), ("-1.000000001", -1_000_000_001),
                 ("2147483648", 2 ** 31 * SECOND), ("5000000000.5", 5_000_000_000_500_000_000),
                 ("15032385535", 15_032_385_535 * SECOND), ("-2147483648", -2 ** 31 * SECOND)):
    raw("times to the nanosecond, before 1970 and after 2038", f"pax mtime {text}",
        pax((b"mtime", text.encode())) + member(b"f"), {"f": file(ns=ns)})
raw("times", "octal, as large as it gets", member(b"f", mtime=0o77777777777),
    {"f": file(mtime=0o77777777777)})
raw("times", "base 256, before 1970", member(b"f", mtime=-86400, magic=GNU), {"f": file(mtime=-86400)})
raw("times", "atime and ctime are not the time of a file",
    pax((b"atime", b"5"), (b"ctime", b"6")) + member(b"f"), {"f": file()})
raw("times", "of a symlink, a directory, a device", pax((b"mtime", b"-1.5"))
    + member(b"l", kind=b"2", link=b"t") + pax((b"mtime", b"3.5")) + raw_directory(b"d")
    + pax((b"mtime", b"4.5")) + member(b"c", kind=b"3", major=1, minor=3),
    {"l": link(b"t", ns=-1_500_000_000), "d": folder(ns=3_500_000_000),
     "c": node(stat.S_IFCHR, (1, 3), ns=4_500_000_000)})

# ---- kinds ----

raw("kinds", "contiguous and unknown ones are plain files (POSIX)",
    member(b"7", b"x", kind=b"7") + member(b"Z", b"y", kind=b"Z"), {"7": file(b"x"), "Z": file(b"y")})
for what, kind, device in (("a character device", "3", (5, 1)), ("a block device", "4", (259, 70000)),
                           ("the largest numbers", "3", (4095, 1048575)), ("0:0", "3", (0, 0)),
                           ("255:255", "4", (255, 255)), ("256:0", "4", (256, 0)),
                           ("0:256", "4", (0, 256))):
    raw("devices in Linux's range", what, member(
        b"dev", kind=kind.encode(), major=device[0], minor=device[1], mode=0o620),
        {"dev": node(stat.S_IFCHR if kind == "3" else stat.S_IFBLK, device, 0o620)})
raw("kinds", "a FIFO", member(b"p", kind=b"6", mode=0o600), {"p": fifo(0o600)})
raw("kinds", "links, directories and devices have no content, whatever their size says",
    member(b"a", b"a") + header(b"h", kind=b"1", link=b"a", size=1) + header(
        b"l", kind=b"2", link=b"t", size=1) + raw_directory(b"d", size=4096)
    + header(b"c", kind=b"3", major=1, minor=3, size=9) + member(b"f", b"x"),
    {name: file(b"a", same=[b"a", b"h"]) for name in "ah"}
    | {"l": link(b"t"), "d": folder(), "c": node(stat.S_IFCHR, (1, 3)), "f": file(b"x")})
raw("kinds", "a plain file whose name ends with a slash is a directory",
    member(b"d/", kind=b"0", mode=0o700) + member(b"d/f"), {"d": folder(0o700), "d/f": file()})
raw("kinds", "a volume's label of GNU tar is no entry", member(b"label", kind=b"V", magic=GNU)
    + member(b"f"), {"f": file()})
raw("kinds", "a directory of GNU tar with a list of what was in it",
    member(b"d", b"Yf\0\0", kind=b"D", magic=GNU, mode=0o755) + member(b"d/f"),
    {"d": folder(), "d/f": file()})
raw("star", "a prefix of 131 bytes, times behind it", header(b"f", tail=(
    b"p".ljust(131, b"\0") + b"00000000001\0" * 2).ljust(163, b"\0") + b"tar\0"),
    {"p": IMPLIED, "p/f": file()})

# ---- xattrs ----

CAP2 = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
CAP3 = struct.pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, 1000)
ACL_ROWS = [(1, 6, NONE), (2, 4, 1000), (4, 4, NONE), (8, 5, 2000), (16, 6, NONE), (32, 0, NONE)]
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in ACL_ROWS)
SMALL_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *each) for each in ((1, 6, NONE), (4, 4, NONE), (32, 0, NONE)))


def xattr(rule, values, **more):
    records = [(b"SCHILY.xattr." + name.encode(), value) for name, value in values.items()]
    raw("xattrs kept whole", rule, pax(*records) + member(b"f", b"x", **more),
        {"f": file(b"x", xattrs=values, mode=more.get("mode", 0o644))})


xattr("user.", {"user.a": b"1"})
xattr("trusted. and security.", {"trusted.overlay.x": b"y", "security.selinux": b"a:b:c:s0\0"})
xattr("security.capability", {"security.capability": CAP2})
xattr("security.capability of a namespace (version 3)", {"security.capability": CAP3})
xattr("an ACL", {"system.posix_acl_access": ACL}, mode=0o660)
xattr("an ACL without names", {"system.posix_acl_access": SMALL_ACL}, mode=0o640)
xattr("an empty value", {"user.none": b""})
xattr("a value of any bytes", {"user.bytes": bytes(range(256)) + b"\n=\0"})
xattr("that fill the inode", {"user.abc": b"z" * 60})
xattr("that fill a block", {"user.big": b"z" * 3900})
xattr("many small ones", {f"user.n{n:02}": b"%d" % n for n in range(60)})
xattr("a long name", {"user." + "n" * 240: b"v"})
raw("xattrs kept whole", "a name that is not ASCII", pax(("SCHILY.xattr.user.é".encode(), b"v"))
    + member(b"f"), {"f": file(xattrs={"user.é": b"v"})})
raw("xattrs kept whole", "of a directory: a default ACL", pax((b"SCHILY.xattr.system.posix_acl_default", ACL))
    + raw_directory(b"d"), {"d": folder(xattrs={"system.posix_acl_default": ACL})})
raw("xattrs kept whole", "of symlinks, FIFOs and devices",
    pax((b"SCHILY.xattr.trusted.l", b"1")) + member(b"l", kind=b"2", link=b"t")
    + pax((b"SCHILY.xattr.trusted.p", b"2")) + member(b"p", kind=b"6")
    + pax((b"SCHILY.xattr.security.c", b"3")) + member(b"c", kind=b"3", major=1, minor=3),
    {"l": link(b"t", xattrs={"trusted.l": b"1"}), "p": fifo(xattrs={"trusted.p": b"2"}),
     "c": node(stat.S_IFCHR, (1, 3), xattrs={"security.c": b"3"})})
raw("xattrs", "of the root", pax((b"SCHILY.xattr.user.root", b"1")) + raw_directory(b"./"),
    {"": folder(xattrs={"user.root": b"1"})})
raw("xattrs", "of the target stay when a hardlink says others", pax((b"SCHILY.xattr.user.a", b"1"))
    + member(b"a", b"a") + pax((b"SCHILY.xattr.user.b", b"2")) + member(b"b", kind=b"1", link=b"a"),
    {name: file(b"a", xattrs={"user.a": b"1"}, same=[b"a", b"b"]) for name in "ab"})
raw("xattrs", "other systems' have no place", pax((b"SCHILY.xattr.com.apple.provenance", b"x"),
                                                 (b"SCHILY.xattr.user.a", b"1")) + member(b"f"),
    {"f": file(xattrs={"user.a": b"1"})})
raw("xattrs", "as libarchive writes them", pax((b"LIBARCHIVE.xattr.user.a%20b", base64.b64encode(
    b"\0v").rstrip(b"="))) + member(b"f"), {"f": file(xattrs={"user.a b": b"\0v"})})
raw("POSIX ACLs", "as text, with numbers", pax((
    b"SCHILY.acl.access", b"user::rw-,user:bin:r--:1000,group::r--,group:x:r-x:2000,mask::rw-,"
    b"other::---")) + member(b"f", mode=0o660),
    {"f": file(mode=0o660, xattrs={"system.posix_acl_access": ACL})})
raw("POSIX ACLs", "as text, a directory's default",
    pax((b"SCHILY.acl.default", b"user::rw-\nuser:1000:r--\ngroup::r--\ngroup:2000:r-x\nmask::rw-\n"
         b"other::---\n")) + raw_directory(b"d"),
    {"d": folder(xattrs={"system.posix_acl_default": ACL})})

# ---- content ----

for size in (0, 1, 511, 512, 513, 4095, 4096, 4097, 65536, 65537, (4 << 20) - 1, (4 << 20) + 1):
    data = bytes(n * 7 % 251 + 1 for n in range(997)) * (size // 997 + 1)
    row("content", f"{size} bytes", [entry("f", data[:size]), entry("g", b"behind")],
        {"f": file(data[:size]), "g": file(b"behind")})
for what, data in (("all", b"\0" * 300_000), ("in the middle", b"x" * 70_000 + b"\0" * 300_000 + b"y"),
                   ("at the end", b"x" + b"\0" * 300_000), ("at the start", b"\0" * 131_072 + b"x"),
                   ("not aligned", b"x" * 100 + b"\0" * 65_536 + b"y" * 100)):
    row("zeros may become holes, and stay zeros", what, [entry("f", data)], {"f": file(data)})

SEGMENTS = [(0, b"begin"), (100_000, b"x" * 5000), (250_000, b"y"), (300_001, b"z" * 700)]
MANY = [(n * 10_000, b"%05d" % n) for n in range(60)]
FORMS = {"old GNU": rawtar.sparse_gnu, "0.0": rawtar.sparse_0_0, "0.1": rawtar.sparse_0_1,
         "1.0": rawtar.sparse_1_0}


def spread(segments, size):
    data = bytearray(size)
    for offset, piece in segments:
        data[offset:offset + len(piece)] = piece
    return bytes(data)


for form, build in FORMS.items():
    raw("sparse files", f"{form}", build(b"s", SEGMENTS, 400_000) + member(b"behind", b"b"),
        {"s": file(spread(SEGMENTS, 400_000)), "behind": file(b"b")})
    raw("sparse files", f"{form}, 60 segments", build(b"s", MANY, 600_000) + member(b"behind", b"b"),
        {"s": file(spread(MANY, 600_000)), "behind": file(b"b")})
    raw("sparse files", f"{form}, a hole as a whole", build(b"s", [(500_000, b"")], 500_000),
        {"s": file(b"\0" * 500_000)})
    raw("sparse files", f"{form}, mode, owner and time as well",
        build(b"s", SEGMENTS, 400_000, mode=0o600, uid=4, mtime=5),
        {"s": file(spread(SEGMENTS, 400_000), 0o600, (4, 0), 5)})
raw("sparse files", "1.0, with a time and an xattr", rawtar.sparse_1_0(
    b"s", SEGMENTS, 400_000, more=((b"mtime", b"7.5"), (b"SCHILY.xattr.user.a", b"1"))),
    {"s": file(spread(SEGMENTS, 400_000), ns=7_500_000_000, xattrs={"user.a": b"1"})})
raw("sparse files", "0.1, a long name", rawtar.sparse_0_1(b"n" * 250, SEGMENTS, 400_000),
    {"n" * 250: file(spread(SEGMENTS, 400_000))})

# ---- the stream ----

raw("the archive's end", "what stands behind it is nobody's", member(b"x") + END + member(b"y"),
    {"x": file()})
row("the archive's end", "a layer without one", member(b"x", b"1"), {"x": file(b"1")})
row("the archive's end", "one block of zeros", member(b"x", b"1") + b"\0" * 512, {"x": file(b"1")})
row("the archive's end", "a layer of no byte at all", b"", {})
raw("padding", "need not be zeros", member(b"x", b"1")[:513] + b"\xff" * 511 + member(b"y"),
    {"x": file(b"1"), "y": file()})
row("formats may be mixed", "v7, ustar, pax and GNU in one stream",
    member(b"a", magic=V7, kind=b"\0") + member(b"b") + pax((b"path", b"c")) + member(b"-")
    + rawtar.long_name(b"d") + member(b"-", magic=GNU) + END, {name: file() for name in "abcd"})
for count, length in ((1, 1), (150, 20), (400, 100)):
    row("directories", f"{count} names of {length} bytes",
        [entry("d/" + f"{n}".ljust(length, "x")) for n in range(count)],
        {"d": IMPLIED} | {"d/" + f"{n}".ljust(length, "x"): file() for n in range(count)})
row("tarfile's own forms", "GNU", [entry("f", b"x", mtime=TIME), symlink("l", "t"),
                                   hardlink("h", "f")],
    {"f": file(b"x", same=[b"f", b"h"]), "h": file(b"x", same=[b"f", b"h"]), "l": link(b"t")})
