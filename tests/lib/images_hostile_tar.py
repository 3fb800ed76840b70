# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile images: what a layer may try. A row says which rule or CVE it stands for, and either what
its refusal must say (words) or the exact tree that must come of it."""

import gzip
import io
import tarfile
import zipfile

import ext4_reader
import oci
import rawtar
from images import IMPLIED, SECOND, Row, file, folder, link
from oci import directory, entry, hardlink, symlink
from rawtar import END, GNU, directory as raw_directory, header, long_name, member, pax, record

ROWS = []
EVIL = "banger-evil"  # whoever writes it anywhere is found out


def row(rule, what, layers, words=None, tree=None, **more):
    ROWS.append(Row(rule, what, layers, tree, words=words, **more))


def raw(rule, what, data, words=None, tree=None, **more):
    row(rule, what, [data + END], words, tree, **more)


# ---- names that leave the root, in each field that carries one, of each kind of entry ----

OUT = {b"../" + EVIL.encode(): r"leads out", b"a/../../" + EVIL.encode(): r"leads out",
       b"./../" + EVIL.encode(): r"leads out", b"..": r"leads out", b"a/..": r"leads out",
       b"/" + EVIL.encode(): "absolute", b"//" + EVIL.encode() + b"/x": "absolute"}
CARRIERS = {"ustar": lambda name, **how: member(name, **how),
            "GNU": lambda name, **how: long_name(name) + member(b"x", **how | {"magic": GNU}),
            "pax": lambda name, **how: pax((b"path", name)) + member(b"x", **how)}
ENTRIES = {"file": {"kind": b"0"}, "directory": {"kind": b"5"}, "symlink": {"kind": b"2", "link": b"t"},
           "hardlink": {"kind": b"1", "link": b"ok"}, "device": {"kind": b"3", "major": 1}}
RULES = {"file": "CVE-2007-4559, CWE-22", "directory": "CVE-2016-6321", "symlink": "CVE-2021-32804",
         "hardlink": "CVE-2014-6407", "device": "CVE-2007-4559, CWE-22"}
for name, words in OUT.items():
    for carrier, build in CARRIERS.items():
        for kind, how in ENTRIES.items():
            raw(RULES[kind], f"a {kind} named {name.decode()} ({carrier})",
                member(b"ok") + build(name, **how), words)
raw("CVE-2016-6321", "'..' in ustar's prefix", member(EVIL.encode(), prefix=b".."), "leads out")
raw("CVE-2021-32804", "ustar's prefix is absolute", member(EVIL.encode(), prefix=b"/tmp"), "absolute")
raw("names that leave the root", "a whiteout's", member(b"../.wh.x"), "leads out")
raw("names that leave the root", "an opaque whiteout's", member(b"/.wh..wh..opq"), "absolute")
for name in (b"../" + EVIL.encode(), b"/etc/passwd", b"a/../../x", b"/", b".."):
    for carrier, data in {
            "ustar": member(b"h", kind=b"1", link=name),
            "GNU": long_name(name, b"K") + member(b"h", kind=b"1", magic=GNU, link=b"ok"),
            "pax": pax((b"linkpath", name)) + member(b"h", kind=b"1", link=b"ok")}.items():
        raw("CVE-2014-6407: hardlinks stay inside", f"a hardlink to {name.decode()} ({carrier})",
            member(b"ok") + data, "absolute|leads out")
for carrier, build in CARRIERS.items():
    raw("a component of 256 bytes", carrier, build(b"n" * 256) if carrier != "ustar" else member(
        b"n" * 100, prefix=b"n" * 155 + b"n"), "longer than 255" if carrier != "ustar" else None,
        None if carrier != "ustar" else {"n" * 155: IMPLIED, "n" * 155 + "/" + "n" * 100: file()})
    raw("a path of 4,096 bytes", carrier, build(b"/".join([b"p" * 99] * 41)) if carrier != "ustar"
        else pax((b"path", b"p/" * 2048)) + raw_directory(b"d"), "longer than 4095")
    raw("an empty name", carrier, build(b""), *(("no name",) if carrier != "pax" else (
        None, {"x": file()})))
# libarchive takes what stands before the NUL: one name, and the rest of it is nobody's.
LENIENT = {"pax path": (None, {"ok": file()}), "pax path, '..' behind it": (None, {"a": file()}),
           "pax linkpath": (r"target",), "GNU long name": (None, {"ok": file()})}
for carrier, data in {"pax path": pax((b"path", b"ok\0" + EVIL.encode())) + member(b"x"),
                      "pax path, '..' behind it": pax((b"path", b"a\0/../../b")) + member(b"x"),
                      "pax linkpath": pax((b"linkpath", b"t\0u")) + member(b"l", kind=b"2"),
                      "GNU long name": member(b"././@LongLink", b"ok\0evil\0", kind=b"L", magic=GNU)
                      + member(b"x", magic=GNU),
                      "xattr's name": pax((b"SCHILY.xattr.user.a\0b", b"v")) + member(b"x")}.items():
    raw("NUL in a name (poison null byte, CWE-158)", carrier, data, *LENIENT.get(carrier, ("NUL|pax",)))

# ---- through links ----

BELOW = {"file": entry("d/" + EVIL, b"x"), "directory": directory("d/" + EVIL),
         "symlink": symlink("d/" + EVIL, "t"), "hardlink": hardlink("d/" + EVIL, "ok"),
         "whiteout": entry("d/.wh." + EVIL), "opaque": entry("d/.wh..wh..opq")}
for target in ("/tmp", "../../../../tmp", "e", "."):
    for kind, below in BELOW.items():
        base = [directory("e"), entry("ok"), symlink("d", target)]
        row("CVE-2014-9356, CVE-2021-29136: nothing goes through a symlink",
            f"a {kind} below a symlink to {target} of a lower layer", [base, [below]], "symlink|whiteout")
        if kind not in ("whiteout", "opaque"):
            row("CVE-2021-37701: nothing goes through a symlink",
                f"a {kind} below a symlink to {target} of its own layer", [base + [below]], "symlink")
for target in ("d/f", "d/../ok", "l/f"):
    row("CVE-2019-18408 kind: hardlinks are not resolved through links", f"a hardlink to {target}",
        [[directory("e"), entry("e/f"), symlink("d", "e"), symlink("l", "/etc"),
          hardlink("h", target)]], "symlink|leads out")
row("CVE-2022-36227 kind: links to links", "a hardlink to a symlink, then an entry below it",
    [[symlink("s", "/tmp"), hardlink("h", "s"), entry("h/" + EVIL)]], "symlink")
row("CVE-2021-32803", "a directory becomes a symlink, and is gone through",
    [[directory("d"), symlink("d", "/tmp"), entry("d/" + EVIL)]], "symlink")
row("CVE-2021-37712", "a symlink whose name differs by its normal form is another name",
    [[symlink("é", "/tmp"), directory("e\u0301"), entry("e\u0301/x")]], None,
    {"é": link(b"/tmp"), "e\u0301": folder(), "e\u0301/x": file()})
row("CVE-2021-37713", "a backslash is a byte of a name", [[entry("..\\..\\x"), entry("C:\\x")]], None,
    {"..\\..\\x": file(), "C:\\x": file()})
for target in ("/proc/self/exe", "/proc/self/fd/7", "/etc/passwd"):
    row("CVE-2019-5736, CVE-2024-21626: what a symlink names is nobody's business here", target,
        [[symlink("l", target)]], None, {"l": link(target.encode())})
for below, what in ((entry("p"), "a file"), (entry("p", kind=tarfile.FIFOTYPE), "a FIFO"),
                    (entry("p", kind=tarfile.CHRTYPE, device=(1, 3)), "a device")):
    row("parents are directories", f"below {what} of its own layer", [[below, entry("p/x")]], "leads through")
    row("parents are directories", f"below {what} of a lower layer", [[below], [entry("p/x")]],
        "leads through")
    row("parents are directories", f"a whiteout below {what}", [[below], [entry("p/.wh.x")]],
        "whiteout|no directory")

# ---- the root ----

for kind, how in ENTRIES.items():
    for name in (b".", b"./", b"./."):
        if kind != "directory" and not (kind == "file" and name != b"."):
            raw("CVE-2021-29136: the root stays a directory", f"{name.decode()} is a {kind}",
                member(b"ok") + member(name, **how), "root|tar")
row("CVE-2021-29136", "./ restated as a symlink by an upper layer", [[entry("a")], [symlink("./", "/tmp")]],
    "root")
row("ext4 wants a directory there", "/lost+found is a file", [[entry("lost+found")]], "lost.found")

# ---- whiteouts ----

for name in (".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh...", "./.wh."):
    row(".wh. alone, .wh.. and .wh... are refused", name, [[directory("d")], [entry(name)]], "whiteout")
for kind, made in {"directory": directory, "symlink": lambda n: symlink(n, "x"),
                   "hardlink": lambda n: hardlink(n, "x"),
                   "device": lambda n: entry(n, kind=tarfile.CHRTYPE, device=(0, 0)),
                   "FIFO": lambda n: entry(n, kind=tarfile.FIFOTYPE)}.items():
    for name in (".wh.x", ".wh..wh..opq", "d/.wh.y"):
        row("whiteouts are plain files", f"{name} is a {kind}",
            [[entry("x"), directory("d"), entry("d/y")], [made(name)]], "whiteout")
row("whiteouts are plain files", "an entry below .wh.x", [[entry("x")], [entry(".wh.x/y")]], "whiteout")
row("a hardlink may not name a whiteout", "which is no file of the image",
    [[entry("x")], [entry(".wh.x"), hardlink("y", ".wh.x")]], "not there")
row("a whiteout takes what it names, nothing more", "200 whiteouts of one directory, opaque ones too",
    [[entry("d/x"), entry("e")], [entry(n) for n in ("d/.wh..wh..opq", ".wh.d") * 100]], None,
    {"e": file()})

# ---- links that cannot be ----

row("hardlinks point at what is there", "to nothing", [[hardlink("a", "b")]], "not there")
row("hardlinks point at what is there", "to what comes later", [[hardlink("a", "b"), entry("b")]],
    "not there")
row("hardlinks point at what is there", "to what a whiteout took",
    [[entry("b")], [entry(".wh.b"), hardlink("a", "b")]], "not there")
row("hardlinks point at what is there", "to itself", [[hardlink("a", "a")]], "not there|itself")
row("hardlinks point at what is there", "to itself, there already", [[entry("a"), hardlink("a", "./a")]],
    "itself")
row("no hardlink to a directory", "a directory", [[directory("d"), hardlink("a", "d")]], "directory")
row("no hardlink to a directory", "the root", [[hardlink("a", ".")]], "directory")
row("no hardlink to a directory", "the one that it stands in",
    [[directory("d"), hardlink("d/a", "d")]], "directory")
row("hardlinks point at what is there", "two that name each other",
    [[hardlink("a", "b"), hardlink("b", "a")]], "not there")
raw("hardlinks point at what is there", "no target", member(b"h", kind=b"1", link=b""), "no name|not there|link|type")
raw("a symlink to nothing", "that libarchive has no target of: the stream's first link, in pax alone",
    pax((b"linkpath", b"\xff\n\xfe")) + member(b"l", kind=b"2"), "target")
raw("a symlink to nothing", "no target", member(b"l", kind=b"2", link=b""), "symlink")
raw("CVE-2016-5418: a hardlink with content writes through nothing", "content behind a hardlink",
    member(b"a", b"a") + header(b"h", kind=b"1", link=b"a", size=512) + b"z" * 512 + member(b"b"),
    "damaged")
row("ext4's 65,000 links", "65,001 names of one file",
    [[entry("a")] + [hardlink(f"d/{n}", "a") for n in range(65_000)]], "65000")

# ---- numbers ----

for field, width in (("mode", 8), ("uid", 8), ("gid", 8), ("size", 12), ("mtime", 12)):
    for what, value in (("letters", b"zzzzzzz"), ("a digit that is not octal", b"0000889"),
                        ("a hexadecimal number", b"0x1ff00")):
        raw("CVE-2022-48303: numbers are octal digits", f"{field}: {what}",
            member(b"f", **{field: value.ljust(width - 1, b"z" if value[:1] == b"z" else b"9") + b"\0"}),
            "archive format")
for field in ("uid", "gid"):
    for what, value in (("negative", -1), ("2^32 - 1", 2 ** 32 - 1), ("2^32", 2 ** 32), ("2^40", 2 ** 40)):
        raw("uid and gid to 2^32 - 2", f"{field} in base 256: {what}", member(b"f", magic=GNU, **{
            field: rawtar.number(value, 8)}), "range|number")
    for value in (b"-1", b"4294967295", b"99999999999999999999"):
        raw("uid and gid to 2^32 - 2", f"pax {field} {value!r}", pax((field.encode(), value)) + member(b"f"),
            "range|number")
    # libarchive reads a number as far as it is one.
    for value, number in ((b"x", 0), (b"1x", 1), (b"1.5", 1), (b" 1", 1)):
        raw("uid and gid to 2^32 - 2", f"pax {field} {value!r}", pax((field.encode(), value)) + member(b"f"),
            None, {"f": file(owner=(number, 0) if field == "uid" else (0, number))})
for what, size in (("2^62", 2 ** 62), ("2^63", 2 ** 63), ("negative", -1), ("2^94", 2 ** 94)):
    raw("sizes are bounded", f"size in base 256: {what}",
        header(b"f", magic=GNU, size=rawtar.number(size, 12)) + b"x" * 512, "size|larger|number|ends|trunc|archive format")
for value in (b"1 ", b"1.0"):
    raw("sizes are bounded", f"pax size {value!r}", pax((b"size", value)) + member(b"f", b"x"),
        None, {"f": file(b"x")})
for value in (b"-1", b"9223372036854775808", b"99999999999999999999", b"x", b"0x10", b"+1"):
    raw("sizes are bounded", f"pax size {value!r}", pax((b"size", value)) + member(b"f", b"x"),
        "size|number|larger|pax|[Dd]amaged")
for value, ns in ((b"x", 0), (b"1.2.3", 1_200_000_000), (b"nan", 0), (b"inf", 0), (b"1e9", SECOND),
                  (b"--1", 0), (b"1.x", SECOND), (b".", 0)):
    raw("times are numbers", f"pax mtime {value!r}", pax((b"mtime", value)) + member(b"f"),
        None, {"f": file(ns=ns)})
raw("times that ext4 has no room for", "20 digits are cut to 2446",
    pax((b"mtime", b"9" * 20)) + member(b"f"), None, {"f": file(mtime=15_032_385_535)})
raw("times that ext4 has no room for", "the year 292 billion is cut to 2446",
    pax((b"mtime", b"9223372036854775807")) + member(b"f"), None, {"f": file(mtime=15_032_385_535)})
raw("times that ext4 has no room for", "the year -292 billion is cut to 1901",
    pax((b"mtime", b"-9223372036854775807")) + member(b"f"), None, {"f": file(mtime=-2 ** 31)})
for device in ((4096, 0), (0, 1 << 20), (2 ** 21 - 1, 0)):
    raw("12 and 20 bits of a device's number", f"{device[0]}:{device[1]}",
        member(b"c", kind=b"3", major=device[0], minor=device[1]), "device")
raw("12 and 20 bits of a device's number", "negative, in base 256",
    member(b"c", kind=b"3", magic=GNU, major=-1, minor=-1), "device|number")
for what, told in (("wrong", b"0000000\0"), ("letters", b"zzzzzzz\0"), ("blank", b" " * 8)):
    raw("a header's check sum", what, header(b"f", checksum=told), "tar")

# ---- extended headers ----

for what, body in {
        "length 0": b"0 path=x\n", "length 1": b"1 path=x\n", "a length beyond the header": b"999 path=x\n",
        "no length": b" path=x\n", "a negative length": b"-9 path=x\n", "a length of 30 digits":
        b"9" * 30 + b" path=x\n", "no '='": b"9 pathxy\n", "no newline": b"9 path=xy",
        "no key": b"6 =xy\n", "letters for a length": b"zz path=x\n", "nothing but NULs": b"\0" * 20,
        "a blank for the length": b"  path=x\n", "rubbish behind a record": record(b"path", b"x") + b"rubbish",
}.items():
    raw("CVE-2019-9923, CVE-2019-20907: pax records", what, pax(raw=body) + member(b"f"), "pax|tar")
raw("pax records of 1 MiB", "a comment of 2 MiB", pax((b"comment", b"x" * (2 << 20))) + member(b"f"),
    "MiB|large|tar")
raw("CVE-2022-2879: headers are bounded", "a header that says it has 8 GiB",
    header(b"pax", kind=b"x", size=8 << 30) + b"x" * 4096, "MiB|large|tar")
raw("CVE-2022-2879: headers are bounded", "100,000 records", pax(
    *[(b"VENDOR.%d" % n, b"x") for n in range(100_000)]) + member(b"f"), "MiB|large|tar")
raw("CVE-2022-2879: headers are bounded", "a chain of 10,000 extended headers",
    pax((b"comment", b"x")) * 10_000 + member(b"f"), "MiB|large|tar|header")
raw("extended headers are of an entry", "none follows", pax((b"path", b"x")), "tar|header|end")
raw("extended headers are of an entry", "a GNU name that none follows", long_name(b"x"), "tar|header|end")
raw("GNU names are bounded", "of 2 MiB", long_name(b"n" * (2 << 20)) + member(b"f", magic=GNU),
    "longer|MiB|large|tar")
raw("GNU names are bounded", "a link of 2 MiB", long_name(b"n" * (2 << 20), b"K")
    + member(b"f", kind=b"2", magic=GNU), "longer|MiB|large|tar")
raw("GNU names are bounded", "that say they have 8 GiB", header(b"L", kind=b"L", magic=GNU, size=8 << 30),
    "MiB|large|tar|ends")
raw("POSIX pax: an empty value", "is none of a size", pax(
    (b"path", b""), (b"uid", b""), (b"mtime", b""), (b"size", b"")) + member(b"f", b"x", uid=3),
    "[Dd]amaged")

# ---- xattrs ----

raw("xattrs 64 KiB a value", "64 KiB and one", pax((b"SCHILY.xattr.user.a", b"x" * 65537)) + member(b"f"),
    "xattr")
raw("xattrs must have a place", "70 of 1 KiB", pax(
    *[(b"SCHILY.xattr.user.%d" % n, b"x" * 1024) for n in range(70)]) + member(b"f"), "xattr")
raw("xattrs must have a place", "300 of them", pax(
    *[(b"SCHILY.xattr.user.%d" % n, b"") for n in range(300)]) + member(b"f"), "xattr")
raw("CVE-2023-39804: names of xattrs", "of 256 bytes", pax((b"SCHILY.xattr.user." + b"n" * 256, b"v"))
    + member(b"f"), "xattr")
raw("CVE-2023-39804: names of xattrs", "of 100,000 bytes",
    pax((b"SCHILY.xattr.user." + b"n" * 100_000, b"v")) + member(b"f"), "xattr|pax|tar")
for what, value in (("cut short", b"\2\0\0\0\1\0"), ("of version 9", b"\x09\0\0\0" + b"\0" * 24),
                    ("of rubbish", b"\2\0\0\0" + b"\xff" * 24), ("empty", b"")):
    raw("POSIX ACLs", f"an xattr {what}", pax((b"SCHILY.xattr.system.posix_acl_access", value))
        + member(b"f"), "xattr|ACL")
raw("POSIX ACLs", "as text: no others", pax((b"SCHILY.acl.access", b"user::rw-,group::r--"))
    + member(b"f"), None, {"f": file()})
for what, value in (("a name without a number",
                    b"user::rw-,user:bin:r--,group::r--,mask::r--,other::r--"), ("rubbish", b"zz:zz:zz"),
                    ("a thousand users", b"user::rw-," + b",".join(
                        b"user:x:r--:%d" % n for n in range(1000)) + b",group::r--,mask::r--,other::r--"),
                    ("an id of 20 digits", b"user::rw-,user:99999999999999999999:r--,group::r--,mask::r--,"
                     b"other::r--")):
    raw("POSIX ACLs", f"as text: {what}", pax((b"SCHILY.acl.access", value)) + member(b"f"), "ACL|tar")

# ---- sparse files ----


def sparse(what, *records, data=b"x" * 512, words="sparse|map|size|number|tar|pax"):
    raw("CVE-2018-20482: sparse maps", what, pax(*records) + member(b"f", data), words)


V1 = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"1000"))
sparse("a version of 7", (b"GNU.sparse.major", b"7"), (b"GNU.sparse.minor", b"0"))
for what, text in {"of an odd number": b"0,1,2", "out of order": b"9,1,5,1", "that overlaps": b"0,9,5,9",
                   "beyond the size": b"5000,100", "of letters": b"a,b", "negative": b"-5,10",
                   "whose sum overflows": b"9223372036854775807,9223372036854775807",
                   "of 30 digits": b"9" * 30 + b",1", "of nothing": b"", "of commas": b",,,,"}.items():
    sparse(f"0.1, a map {what}", (b"GNU.sparse.size", b"1000"), (b"GNU.sparse.map", text))
sparse("0.0, an offset alone", (b"GNU.sparse.size", b"1000"), (b"GNU.sparse.offset", b"9"))
sparse("0.0, a negative offset", (b"GNU.sparse.size", b"1000"), (b"GNU.sparse.offset", b"-9"),
       (b"GNU.sparse.numbytes", b"1"))
for what, told in {"letters": b"zz\n", "cut": b"4\n0\n1", "a count of 20 digits": b"9" * 20 + b"\n",
                   "a negative count": b"-1\n", "out of order": b"2\n9\n1\n5\n1\n",
                   "beyond the size": b"1\n5000\n512\n", "no newline at all": b"1" * 512,
                   "more than the file has": b"1\n0\n900\n"}.items():
    sparse(f"1.0, a map of {what}", *V1, data=rawtar.pad(told) + b"x" * 512)
sparse("1.0, a size of 2^62", (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
       (b"GNU.sparse.realsize", b"%d" % 2 ** 62), data=rawtar.pad(b"1\n0\n512\n") + b"x" * 512,
       words="larger|size|space")
raw("CVE-2018-20482: sparse maps", "1.0, 200,000 segments of nothing", rawtar.sparse_1_0(
    b"f", [(n, b"") for n in range(200_000)], 300_000), None, {"f": file(b"\0" * 300_000)})
raw("CVE-2018-20482: sparse maps", "1.0, a million segments of nothing", rawtar.sparse_1_0(
    b"f", [(n, b"") for n in range(1_000_000)], 3_000_000), "MiB")
raw("CVE-2018-20482: sparse maps", "old GNU, its further blocks are missing",
    rawtar.sparse_gnu(b"f", [(n * 1000, b"x") for n in range(30)], 40_000)[:700], "tar|end|sparse|trunc")
raw("CVE-2018-20482: sparse maps", "old GNU, a negative offset", rawtar.sparse_gnu(
    b"f", [(-512, b"x" * 512)], 1000), "sparse|map|size|number")
raw("CVE-2018-20482: sparse maps", "old GNU, out of order", rawtar.sparse_gnu(
    b"f", [(600, b"x" * 10), (10, b"x" * 10)], 1000), "sparse|map|size")
raw("CVE-2018-20482: sparse maps", "old GNU, larger than its file", rawtar.sparse_gnu(
    b"f", [(600, b"x" * 1000)], 1000), "sparse|map|size")
raw("sizes are bounded", "old GNU, a file of 2^62 bytes", rawtar.sparse_gnu(
    b"f", [(0, b"x")], 2 ** 62), "larger|size|sparse|tar")
raw("a hole costs nothing", "15 TiB of it", rawtar.sparse_1_0(b"f", [(15 << 40, b"x" * 4096)],
                                                             (15 << 40) + 4096),
    None, {"f": file() | {"content": ((15 << 40) + 4096, ext4_reader.digest_of_blocks(
        [(15 << 40, b"x" * 4096)]))}})

# ---- the stream ----

WHOLE = member(b"a", b"a" * 5000) + pax((b"path", b"b")) + member(b"x", b"b" * 600)
for at in (1, 100, 511, 513, 3000, 5511, 6145, 6150, 7169, 8000):
    row("truncation", f"after {at} bytes", [WHOLE[:at]], "tar|ends|trunc|end")
for what, data in {"text": b"hello, world\n" * 100, "random": bytes(n * 131 % 251 for n in range(4096)),
                   "ones": b"\xff" * 4096, "a cpio archive": b"070701" + b"0" * 200, "an ar archive":
                   b"!<arch>\n" + b"x" * 600, "an ELF program": b"\x7fELF" + b"\0" * 600,
                   "a 7-Zip archive": b"7z\xbc\xaf\x27\x1c" + b"\0" * 600, "an XAR": b"xar!" + b"\0" * 600,
                   "an mtree": b"#mtree\n/set type=file\n./evil mode=4755\n" + b"#" * 600,
                   "a shell archive": b"#!/bin/sh\ntouch " + EVIL.encode() + b"\n" * 600,
                   "an ISO 9660 image": b"\0" * 32769 + b"CD001" + b"\0" * 4096}.items():
    row("a layer is a tar", what, [data], "tar" if what != "an ISO 9660 image" else None,
        None if what != "an ISO 9660 image" else {})


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../" + EVIL, "x" * 1000)
    return out.getvalue()


row("CVE-2018-1002200 (zip slip): a layer is a tar", "a ZIP archive", [zipped()], "tar")
row("a layer is a tar", "a gzip within the gzip", [gzip.compress(oci.tar([entry("x")]))], "tar|gzip",
    how="gzip")
row("CVE-2021-20193: memory is bounded", "20,000 files of one name",
    [[entry("x", b"%d" % n) for n in range(20_000)]], None, {"x": file(b"19999")})
row("depth is bounded by the path's length", "2,000 directories deep", [[entry("d/" * 2000 + "x")]], None,
    {"/".join("d" * n): IMPLIED for n in range(1, 2001)} | {"d/" * 2000 + "x": file()})
row("depth is bounded by the path's length", "taken away again by one whiteout",
    [[entry("d/" * 2000 + "x")], [entry(".wh.d")]], None, {})
row("CWE-407: no quadratic time", "20,000 names with equal beginnings", [
    [entry(f"{'n' * 200}{n:05}") for n in range(20_000)]], None,
    {f"{'n' * 200}{n:05}": file() for n in range(20_000)})
