# SPDX-License-Identifier: GPL-2.0-or-later
"""Files by https from loopback, from servers that can be told to misbehave; and kernels that are
small enough for it."""

import contextlib
import struct
from pathlib import Path

import mock_registry
import oci
import suite

RELEASE = "6.1.0-test"


def vmlinux(release=RELEASE, size=200_000, fill=b"\0"):
    """An x86-64 ELF executable with one segment that says "Linux version RELEASE (…"."""
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0x1000000, size, size + 4096, 0)
    words = b"Linux version %s\0" + f"Linux version {release} (test) #1".encode() + b"\0"
    data = (header + segment).ljust(size - 256, fill) + words
    return data.ljust(size, b"\0")


class Files:
    """What the origins of a test serve, as a World of mock_registry. `files` are by their paths;
    `hook` may answer before them."""

    def __init__(self):
        self.seen, self.files = [], {}
        self.misbehave = lambda handler: False

    def put(self, path, data):
        self.files[path] = data
        return oci.digest(data)

    def hook(self, handler):
        if self.misbehave(handler):
            return True
        data = self.files.get(handler.path)
        if data is None:
            return handler.reply(404)
        start = handler.start_of_range()
        if not start:
            return handler.reply(200, data)
        last = len(data) - 1
        return handler.reply(206, data[start:], Content_Range=f"bytes {start}-{last}/{len(data)}")

    def requests(self, path):
        return [seen for seen in self.seen if seen.path == path]


@contextlib.contextmanager
def served(folder, addresses=("127.0.0.1",)):
    """(Files, origins by address, the file of their CA)."""
    ca, pair = mock_registry.certificates(folder, addresses)
    origins = {address: mock_registry.Origin(address, address, pair) for address in addresses}
    files = Files()
    for origin in origins.values():
        origin.world = files
    try:
        yield files, origins, ca
    finally:
        for origin in origins.values():
            origin.shutdown()
            origin.server_close()


@contextlib.contextmanager
def trusted(folder, addresses=("127.0.0.1",)):
    """The Files of served(), with `origins`; registries.conf of the suite has the authority of each
    for its host."""
    conf, registries = suite.DIR / "banger.conf", suite.DIR / "registries.conf"
    authority = Path(suite.settings()["catalog_dir"]) / "ca.pem"
    before = conf.read_text()
    with served(folder, addresses) as (files, origins, ca):
        authority.write_bytes(ca.read_bytes())
        authority.chmod(0o644)
        registries.write_text("".join(f"[{origin.host}]\nca = {authority}\n"
                                      for origin in origins.values()))
        suite.stop()
        conf.write_text(f"{before}\n[image]\nregistries = {registries}\n")
        suite.start()
        files.origins = origins
        try:
            yield files
        finally:
            suite.stop()
            conf.write_text(before)
            registries.unlink()
            authority.unlink()
            suite.start()


def entry(world, name="k", data=None, path="/kernel", **change):
    """A catalog's entry for a file that is put there."""
    data = vmlinux() if data is None else data
    keys = {"url": world.origins["127.0.0.1"].url + path, "digest": world.put(path, data),
            "size": len(data), **change}
    return f"[kernel {name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
