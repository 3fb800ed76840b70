# SPDX-License-Identifier: GPL-2.0-or-later
"""Tar streams block by block, for what tarfile does not write: other formats, right ones and wrong
ones. Names, links and values are bytes; a number may be given as the bytes of its field."""

BLOCK = 512
END = b"\0" * 1024
USTAR, GNU, V7 = b"ustar\0" b"00", b"ustar  \0", b"\0" * 8
FIELDS = (("name", 100), ("mode", 8), ("uid", 8), ("gid", 8), ("size", 12), ("mtime", 12),
          ("checksum", 8), ("kind", 1), ("link", 100), ("magic", 8), ("uname", 32), ("gname", 32),
          ("major", 8), ("minor", 8), ("prefix", 155), ("rest", 12))


def number(value, width):
    """Octal, or in base 256 where that has no room (or the number is negative)."""
    if isinstance(value, bytes):
        return value
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    found = bytearray((value + (1 << 8 * width) if value < 0 else value).to_bytes(width, "big"))
    found[0] |= 0x80
    return bytes(found)


def header(name, kind=b"0", magic=USTAR, checksum=None, tail=None, **fields):
    """One block. `tail`: what stands from byte 345 on, in place of prefix and the rest."""
    given = {"name": name, "mode": 0o644, "uid": 0, "gid": 0, "size": 0, "mtime": 1_000_000,
             "checksum": b" " * 8, "kind": kind, "link": b"", "magic": magic, "uname": b"",
             "gname": b"", "major": 0 if magic != V7 else b"", "minor": 0 if magic != V7 else b"",
             "prefix": b"", "rest": b""} | fields
    block = b""
    for field, width in FIELDS:
        value = given[field]
        block += (value if isinstance(value, bytes) else number(value, width)).ljust(
            width, b"\0")[:width]
    if tail is not None:
        block = block[:345] + tail.ljust(167, b"\0")
    told = b"%06o\0 " % sum(block) if checksum is None else checksum
    return block[:148] + told.ljust(8, b"\0") + block[156:]


def pad(data):
    return data + b"\0" * (-len(data) % BLOCK)


def member(name, data=b"", **fields):
    fields.setdefault("size", len(data))
    return header(name, **fields) + pad(data)


def directory(name, **fields):
    return header(name, **({"kind": b"5", "mode": 0o755} | fields))


def record(key, value):
    """A record of a pax header: its length counts itself."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return b"%d" % length + rest


def pax(*records, kind=b"x", raw=None):
    body = b"".join(record(*each) for each in records) if raw is None else raw
    return member(b"././@PaxHeader", body, kind=kind)


def long_name(text, kind=b"L"):
    return member(b"././@LongLink", text + b"\0", kind=kind, magic=GNU)


# ---- sparse files: segments are (offset, bytes) ----

def _stored(segments):
    return b"".join(data for _, data in segments)


def sparse_gnu(name, segments, size, **fields):
    """The old form: four segments in the header, 21 in each block that follows it."""
    pairs = [number(offset, 12) + number(len(data), 12) for offset, data in segments]
    more = [pairs[at:at + 21] for at in range(4, len(pairs), 21)]
    stored = _stored(segments)
    tail = (b"\0" * 41 + b"".join(pairs[:4]).ljust(96, b"\0") + (b"\1" if more else b"\0")
            + number(size, 12))
    blocks = b""
    for at, some in enumerate(more):
        blocks += b"".join(some).ljust(504, b"\0") + (b"\1" if at + 1 < len(more) else b"\0")
        blocks += b"\0" * 7
    return (header(name, kind=b"S", magic=GNU, size=len(stored), tail=tail, **fields) + blocks
            + pad(stored))


def sparse_0_0(name, segments, size, **fields):
    records = [(b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", b"%d" % len(segments))]
    for offset, data in segments:
        records += [(b"GNU.sparse.offset", b"%d" % offset),
                    (b"GNU.sparse.numbytes", b"%d" % len(data))]
    return pax(*records) + member(name, _stored(segments), **fields)


def sparse_0_1(name, segments, size, **fields):
    told = b",".join(b"%d,%d" % (offset, len(data)) for offset, data in segments)
    return pax((b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", b"%d" % len(segments)),
               (b"GNU.sparse.map", told), (b"GNU.sparse.name", name)) + member(
                   b"GNUSparseFile.1/x", _stored(segments), **fields)


def sparse_1_0(name, segments, size, more=(), **fields):
    told = b"%d\n" % len(segments) + b"".join(
        b"%d\n%d\n" % (offset, len(data)) for offset, data in segments)
    return pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name),
               (b"GNU.sparse.realsize", b"%d" % size), *more) + member(
                   b"GNUSparseFile.1/x", pad(told) + _stored(segments), **fields)
