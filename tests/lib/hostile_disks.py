# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bangerd that is somebody else's might hand over as the two files of a copy-on-write disk.
Needs nothing of the checkout: the lab has it too."""

import os
import tempfile
from pathlib import Path

CHUNK = 4096
IMAGE = 1 << 20
SIZE = 4 << 20
EIB_8 = (1 << 63) - CHUNK  # the largest file that tmpfs has, in whole chunks


def cow_size(size):
    """As common/cow.c has it."""
    chunks, entries = size // CHUNK, CHUNK // 16
    return (chunks + chunks // entries + 2 + entries) * CHUNK


class Files:
    """Good files and odd ones; close() takes them away."""

    def __init__(self, folder):
        self.dir = Path(folder)
        self.image, self.cow = self.dir / "image", self.dir / "cow"
        self.image.write_bytes(b"i" * IMAGE)
        self.length = cow_size(SIZE)
        self.fresh_cow()
        os.mkfifo(self.dir / "fifo")
        (self.dir / "empty").touch()
        self.sized("odd", IMAGE + 512)
        self.sized("short", self.length - CHUNK)
        self.sized("long", self.length + CHUNK)
        for name, length in ("foreign", IMAGE), ("foreign-cow", self.length):
            self.sized(name, length)
            os.chown(self.dir / name, 4242, 4242)
        self.memory = tempfile.TemporaryDirectory(dir="/dev/shm")
        with open(f"{self.memory.name}/huge", "wb") as huge:
            huge.truncate(EIB_8)
        self.gone = open(self.sized("gone", IMAGE), "rb")
        self.gone_cow = open(self.sized("gone-cow", self.length), "r+b")
        for name in "gone", "gone-cow":
            (self.dir / name).unlink()

    def sized(self, name, length):
        path = self.dir / name
        path.touch()
        os.truncate(path, length)
        return path

    def fresh_cow(self):
        self.cow.unlink(missing_ok=True)
        self.sized("cow", self.length)

    def good(self):
        return SIZE, f"ro:{self.image}", f"rw:{self.cow}"

    def wrong(self, **nodes):
        """{what: (size, image, cow)}; nodes: block devices of the host, by what they are."""
        size, image, cow = self.good()
        d = self.dir
        reopened = f"/proc/{os.getpid()}/fd/"
        images = {
            "open for both": f"rw:{d}/image", "write-only": f"wo:{d}/image",
            "O_PATH": f"path:{d}/image", "for appending": f"append:{d}/image",
            "a directory": f"ro:{d}", "a FIFO": f"ro:{d}/fifo", "a memfd": f"memfd:{d}/image",
            "a device": "ro:/dev/zero", "of another group": f"ro:{d}/foreign",
            "without a name": f"ro:{reopened}{self.gone.fileno()}", "empty": f"ro:{d}/empty",
            "not in chunks": f"ro:{d}/odd", "of 8 EiB": f"ro:{self.memory.name}/huge",
            "a file of the host's": "ro:/etc/passwd", "a file of /proc": "ro:/proc/version",
            "the differences": f"ro:{d}/cow",
        }
        cows = {
            "read-only": f"ro:{d}/cow", "write-only": f"wo:{d}/cow", "O_PATH": f"path:{d}/cow",
            "for appending": f"append:{d}/cow", "a directory": f"ro:{d}",
            "a FIFO": f"rw:{d}/fifo", "a memfd": f"memfd:{d}/cow", "a device": "rw:/dev/zero",
            "of another group": f"rw:{d}/foreign-cow", "empty": f"rw:{d}/empty",
            "without a name": f"rw:{reopened}{self.gone_cow.fileno()}",
            "a chunk short": f"rw:{d}/short", "a chunk long": f"rw:{d}/long",
            "of 8 EiB": f"rw:{self.memory.name}/huge", "the image": f"rw:{d}/image",
        }
        sizes = {"no size": 0, "smaller than the image": IMAGE - CHUNK,
                 "not in chunks": SIZE + 512, "beyond the largest": (1 << 46) + CHUNK,
                 "8 EiB": 1 << 63, "all bits": (1 << 64) - CHUNK}
        found = {f"image {what}": (size, spec, cow) for what, spec in images.items()}
        found |= {f"differences {what}": (size, image, spec) for what, spec in cows.items()}
        found |= {f"size: {what}": (number, image, cow) for what, number in sizes.items()}
        for what, node in nodes.items():
            found[f"image {what}"] = (size, f"ro:{node}", cow)
            found[f"differences {what}"] = (size, image, f"rw:{node}")
        return found

    def close(self):
        self.gone.close()
        self.gone_cow.close()
        self.memory.cleanup()
