# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: fuzz_seeds.py NAME FOLDER    what the tables of images have, as inputs of fuzz_NAME

Of `layer` and `manifest`; of other bodies nothing. The number that were written is printed."""

import itertools
import sys
import tarfile
import tempfile
from pathlib import Path

import images_tables
import oci

LARGEST = 256 << 10  # a larger input is more of the same


def rows():
    for table in itertools.chain(images_tables.GOOD.values(), images_tables.HOSTILE.values()):
        yield from table


def layers():
    """Two layers behind the number of the block where the second one begins."""
    for row in rows():
        tars = row.tars()[:2]
        blocks = len(tars[0]) // 512
        if blocks < 65536:
            yield blocks.to_bytes(2, "big") + b"".join(tars)


def files_of(source):
    """What is in an archive, as far as it is one."""
    found = []
    try:
        with tarfile.open(source) as archive:
            found += [archive.extractfile(member).read() for member in archive
                      if member.isfile() and member.size < LARGEST]
    except (tarfile.TarError, OSError, EOFError):
        pass
    return found


def documents():
    """Each as what it can be read as; the first byte says that."""
    for row in rows():
        with tempfile.TemporaryDirectory(prefix="banger-seeds.") as folder:
            found = files_of(row.make(Path(folder), row))
        for data in found:
            if data[:1] in (b"{", b"["):
                yield from (bytes([kind]) + data for kind in range(4))


def main(name, folder):
    kinds = {"layer": layers, "manifest": documents}
    seeds = {oci.digest(data)[7:27]: data for data in kinds.get(name, lambda: [])()
             if len(data) <= LARGEST}
    for digest, data in seeds.items():
        (Path(folder) / f"table-{digest}").write_bytes(data)
    print(len(seeds))


main(*sys.argv[1:])
