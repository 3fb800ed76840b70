# SPDX-License-Identifier: GPL-2.0-or-later
"""Run by test_pull_space.py beside a suite whose state is on a small file system, which fills up:
while a layer comes, the reserve that is to stay free, then the cache; then the image that is made.
Nothing is left of that pull but what is in the cache, and the next one, when there is
room again, goes on from it."""

import os
import re
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import oci  # noqa: E402
import suite  # noqa: E402
from mock_registry import Origin, World  # noqa: E402
from whole_pull import STATE, Slow, exact, nothing_but_parts, pull, reference  # noqa: E402


def keep_free(wanted):
    """A file of other people's that leaves that much to everybody but root."""
    found = os.statvfs(STATE)
    with open(STATE / "ballast", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - wanted)


class Dripping(Slow):
    """One that goes on, when it is freed, a little at a time."""

    def __init__(self, world):
        super().__init__(world)
        self.all = threading.Event()

    def hook(self, handler):
        begin = handler.start_of_range()
        if self.all.is_set() or handler.path != self.path or not begin:
            return super().hook(handler)
        handler.cut(206, b"", len(self.data) - begin,
                    Content_Range=f"bytes {begin}-{len(self.data) - 1}/{len(self.data)}")
        while begin < len(self.data) and not self.all.wait(0.01):
            handler.wfile.write(self.data[begin:begin + 4096])
            begin += 4096
        return True


def failed(process, pattern):
    """It says that there is no room, and leaves nothing else."""
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and re.search(pattern, said), said
    nothing_but_parts()


def pull_again(world, files):
    """With room: exact; which ranges of the second layer were asked for meanwhile."""
    (STATE / "ballast").unlink()
    before = len(world.seen)
    done = suite.banger("image", "pull", reference(world))
    assert done.status == 0, done
    exact(world, done.out.strip(), files)
    return [seen.range for seen in world.seen[before:] if "/blobs/" in seen.path]


def reserve(world, files):
    """What min_free says is to stay free: the daemon ends the fetcher."""
    slow = Dripping(world)
    with pull(world) as process:
        slow.wait()
        keep_free(8 << 20)
        slow.free.set()
        failed(process, "min_free")
    slow.all.set()
    at = slow.part().stat().st_size
    assert at > 190_000
    assert f"bytes={at}-" in pull_again(world, files)


def cache(world, files):
    """There is nothing left to write a layer to."""
    slow = Slow(world)
    with pull(world) as process:
        slow.wait()
        keep_free(64 << 10)
        slow.free.set()
        failed(process, "No space left|min_free")
    at = slow.part().stat().st_size
    assert at > 190_000
    assert f"bytes={at}-" in pull_again(world, files)


def image(world, files):
    """There is room for the layers, but not for what is in them."""
    slow = Slow(world)
    blobs = STATE / "cache/0/blobs"
    others = [blobs / layer["digest"].replace(":", "/") for n, layer in enumerate(world.layers) if n != 1]
    with pull(world) as process:
        slow.wait()
        assert suite.wait_for(lambda: all(path.exists() for path in others))
        keep_free(12 << 20)
        slow.free.set()
        failed(process, "cannot write the image.*No space left")
    assert pull_again(world, files) == [], "all of it is in the cache"


def run(what, origin):
    """One of them, with an image of its own; nothing of it stays."""
    files = {name: os.urandom(2_000_000) for name in ("one", "two", "three")}
    if what is image:
        files["large"] = b"0123456789abcdef" * (2 << 20)
    world = origin.world = World({"registry": origin})
    layout = oci.Layout()
    layout.image([oci.tar([oci.entry(*file)]) for file in files.items()])
    world.take(layout)
    what(world, files)
    suite.banger("image", "delete", reference(world), check=True)
    suite.banger("image", "cache", "prune", check=True)
    print(f"{what.__name__}: it is whole")


def main():
    origin = Origin("registry", "127.0.0.1")
    run(reserve, origin)
    # From here on, without a reserve: what fails is the write itself.
    conf = suite.DIR / "banger.conf"
    suite.stop()
    conf.write_text(conf.read_text().replace("min_free = 16M", "min_free = 1"))
    suite.start()
    run(cache, origin)
    run(image, origin)


main()
