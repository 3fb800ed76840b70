# SPDX-License-Identifier: GPL-2.0-or-later
"""What an ext4 file holds, read from its bytes: no kernel, no library, none of banger's code. As much
of the format (Documentation/filesystems/ext4) as an image uses: extents, 64-bit groups, xattrs in
the inode, in a block and in an inode of their own."""

import hashlib
import os
import stat
import struct

ROOT = 2
EXTENT_MAGIC, XATTR_MAGIC = 0xF30A, 0xEA020000
PREFIXES = {1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.",
            6: "security.", 7: "system."}
EXTENTS_FLAG = 0x80000
HASH_WHOLE = 1 << 30  # a larger file's content is told by its blocks that are not zeros


def digest_of_blocks(pieces):
    """Of a large sparse file: (offset, bytes) pieces, whole 4 KiB blocks, zeros left out."""
    told = hashlib.sha256()
    for offset, data in pieces:
        for at in range(0, len(data), 4096):
            block = data[at:at + 4096].ljust(4096, b"\0")
            if block.strip(b"\0"):
                told.update(struct.pack("<Q", offset + at) + block)
    return told.hexdigest()


def acl_of_disk(value):
    """From ext4's form of an ACL to that of the xattr."""
    found, at = struct.pack("<I", 2), 4
    while at < len(value):
        tag, permissions = struct.unpack_from("<HH", value, at)
        named = tag in (2, 8)
        who = struct.unpack_from("<I", value, at + 4)[0] if named else 0xffffffff
        found += struct.pack("<HHI", tag, permissions, who)
        at += 8 if named else 4
    return found


class Inode:
    """One, decoded; `raw` is all of its bytes."""

    def __init__(self, raw):
        self.raw = raw
        self.mode, uid, size = struct.unpack_from("<HHI", raw, 0)
        mtime, = struct.unpack_from("<i", raw, 16)
        gid, self.links = struct.unpack_from("<HH", raw, 24)
        self.blocks, self.flags = struct.unpack_from("<II", raw, 28)
        self.block = raw[40:100]
        acl, high = struct.unpack_from("<II", raw, 104)
        _, acl_high, uid_high, gid_high = struct.unpack_from("<HHHH", raw, 116)
        extra, = struct.unpack_from("<I", raw, 136)
        self.extra_size, = struct.unpack_from("<H", raw, 128)
        self.size, self.acl = size | high << 32, acl | acl_high << 32
        self.owner = (uid | uid_high << 16, gid | gid_high << 16)
        self.mtime = (mtime + ((extra & 3) << 32)) * 10 ** 9 + (extra >> 2)

    def device(self):
        old, new = struct.unpack_from("<II", self.block)
        if old:
            return old >> 8 & 0xff, old & 0xff
        return new >> 8 & 0xfff, new & 0xff | new >> 12 & 0xfff00


class Reader:
    """An ext4 file, opened."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY)
        head = os.pread(self.fd, 1024, 1024)
        if head[56:58] != b"\x53\xef":
            raise ValueError(f"{path} is no ext4")
        self.block_size = 1024 << struct.unpack_from("<I", head, 24)[0]
        self.inodes, = struct.unpack_from("<I", head, 0)
        self.per_group, = struct.unpack_from("<I", head, 40)
        self.inode_size, = struct.unpack_from("<H", head, 88)
        self.descriptor_size, = struct.unpack_from("<H", head, 254)
        self.features = struct.unpack_from("<III", head, 92)
        self.uuid = head[104:120]

    def close(self):
        os.close(self.fd)

    def bytes_at(self, block, count=1):
        data = os.pread(self.fd, count * self.block_size, block * self.block_size)
        return data.ljust(count * self.block_size, b"\0")

    def inode(self, number):
        group, index = divmod(number - 1, self.per_group)
        at = self.block_size + group * self.descriptor_size
        descriptor = os.pread(self.fd, self.descriptor_size, at)
        low, high = struct.unpack_from("<I", descriptor, 8)[0], struct.unpack_from(
            "<I", descriptor, 0x28)[0]
        table = (low | high << 32) * self.block_size
        return Inode(os.pread(self.fd, self.inode_size, table + index * self.inode_size))

    def extents(self, node):
        """(logical block, block, count) in order, from the node down."""
        magic, count, _, depth = struct.unpack_from("<HHHH", node)
        if magic != EXTENT_MAGIC:
            raise ValueError("an extent tree without its magic")
        for at in range(12, 12 + 12 * count, 12):
            if depth:
                _, low, high = struct.unpack_from("<IIH", node, at)
                yield from self.extents(self.bytes_at(low | high << 32))
            else:
                logical, length, high, low = struct.unpack_from("<IHHI", node, at)
                if length > 32768:
                    raise ValueError("an extent that is not written")
                yield logical, low | high << 32, length

    def pieces(self, inode):
        """(offset, bytes) of what is stored, cut at the file's size."""
        for logical, block, length in self.extents(inode.block):
            offset = logical * self.block_size
            for at in range(0, length, 256):
                data = self.bytes_at(block + at, min(256, length - at))
                begin = offset + at * self.block_size
                if begin < inode.size:
                    yield begin, data[:inode.size - begin]

    def data(self, inode):
        found = bytearray(inode.size)
        for offset, piece in self.pieces(inode):
            found[offset:offset + len(piece)] = piece
        return bytes(found)

    def content(self, inode):
        if inode.size > HASH_WHOLE:
            return inode.size, digest_of_blocks(self.pieces(inode))
        told, at, zeros = hashlib.sha256(), 0, bytes(1 << 20)
        for offset, piece in list(self.pieces(inode)) + [(inode.size, b"")]:
            while at < offset:
                told.update(zeros[:min(offset - at, len(zeros))])
                at += min(offset - at, len(zeros))
            told.update(piece)
            at += len(piece)
        return inode.size, told.hexdigest()

    def xattr_entries(self, area, at, base):
        while at + 16 <= len(area) and area[at:at + 4] != b"\0\0\0\0":
            length, index, offset, own, size = struct.unpack_from("<BBHII", area, at)
            name = PREFIXES[index] + os.fsdecode(area[at + 16:at + 16 + length])
            if own:
                value = self.data(self.inode(own))
                if len(value) != size:
                    raise ValueError(f"the inode of {name} has another size")
            else:
                value = area[base + offset:base + offset + size]
            yield name, acl_of_disk(value) if index in (2, 3) else value
            at += 16 + (length + 3) // 4 * 4

    def xattrs(self, inode):
        found = {}
        at = 128 + inode.extra_size
        if inode.raw[at:at + 4] == struct.pack("<I", XATTR_MAGIC):
            found.update(self.xattr_entries(inode.raw, at + 4, at + 4))
        if inode.acl:
            block = self.bytes_at(inode.acl)
            if block[:4] != struct.pack("<I", XATTR_MAGIC):
                raise ValueError("a block of xattrs without its magic")
            found.update(self.xattr_entries(block, 32, 0))
        return found

    def names(self, inode):
        """(name, inode number) of a directory, in the order of the disk."""
        data = self.data(inode)
        for start in range(0, len(data), self.block_size):
            at = start
            while at < start + self.block_size:
                number, length, size = struct.unpack_from("<IHB", data, at)
                name = data[at + 8:at + 8 + size]
                if number and name not in (b".", b".."):
                    yield name, number
                at += length or self.block_size

    def target(self, inode):
        return self.data(inode) if inode.flags & EXTENTS_FLAG else inode.block[:inode.size]

    def entry(self, inode):
        """As ext4_tree.entry() of the same thing in a mounted file system."""
        found = {"mode": oct(inode.mode), "owner": inode.owner, "mtime": inode.mtime,
                 "xattrs": self.xattrs(inode)}
        kind = stat.S_IFMT(inode.mode)
        if kind == stat.S_IFLNK:
            found["target"] = self.target(inode)
        elif kind == stat.S_IFREG:
            found["content"] = self.content(inode)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            found["device"] = inode.device()
        return found

    def walk(self):
        """{name from the root (bytes): entry}; lost+found left out."""
        tree, numbers, waiting = {b"": self.entry(self.inode(ROOT))}, {}, [(b"", ROOT)]
        while waiting:
            top, number = waiting.pop()
            for name, below in self.names(self.inode(number)):
                path = top + b"/" + name if top else name
                if path == b"lost+found":
                    continue
                inode = self.inode(below)
                tree[path] = self.entry(inode)
                if stat.S_ISDIR(inode.mode):
                    waiting.append((path, below))
                else:
                    numbers.setdefault((below, inode.links), []).append(path)
        for (number, links), paths in numbers.items():
            if links != len(paths):
                raise ValueError(f"inode {number} says {links} links, and has {paths}")
            if links > 1:
                for path in paths:
                    tree[path]["same as"] = sorted(paths)
        return tree

    def stored(self, path):
        """Bytes that a file's blocks take, by its name."""
        number = ROOT
        for part in path.split(b"/"):
            number = dict(self.names(self.inode(number)))[part]
        return self.inode(number).blocks * 512


def walk(path):
    reader = Reader(path)
    try:
        return reader.walk()
    finally:
        reader.close()
