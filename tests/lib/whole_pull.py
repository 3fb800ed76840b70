# SPDX-License-Identifier: GPL-2.0-or-later
"""Pulls from a mock registry through the whole suite: held up, watched, and what they leave."""

import hashlib
import subprocess
import threading
from pathlib import Path

import ext4_tree
import suite
from mock_registry import NAME

STATE = Path(suite.settings().get("state_dir", "/nonexistent"))


class Slow:
    """The second layer stops after 200,000 bytes, until it is freed."""

    def __init__(self, world):
        self.world, self.free, self.path = world, threading.Event(), world.layer_path()
        self.data = world.blobs[world.layers[1]["digest"]]
        world.hook = self.hook

    def hook(self, handler):
        if handler.path != self.path or handler.headers.get("Range"):
            return False
        handler.cut(200, self.data[:200_000], len(self.data))
        handler.wfile.flush()
        return self.free.wait(60) or True

    def part(self, uid=0):
        return STATE / "cache" / str(uid) / "parts" / self.path.split("/")[-1].replace(":", "-")

    def wait(self, uid=0):
        """Until as much of it came as comes."""
        def came():
            return self.part(uid).exists() and self.part(uid).stat().st_size >= 190_000
        assert suite.wait_for(came), f"no part of {uid}"

    def ranges(self):
        return [seen.range for seen in self.world.requests("registry", self.path)]


def reference(world):
    return f"{world.host()}/{NAME}:v1"


def pull(world, uid=0, words=("image", "pull")):
    """A pull at work, or another command that ends with the reference."""
    command = ["banger", *words, reference(world)]
    if uid:
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def exact(world, ident, files):
    """An image's files ({name: bytes}), byte for byte."""
    assert suite.banger_json("image", "show", ident)["digest"] == world.top["digest"]
    path = STATE / "images" / f"{ident}.ext4"
    tree = ext4_tree.read(path)
    assert {name.decode(): node["content"] for name, node in tree.items() if "content" in node} == {
        name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    subprocess.run(["e2fsck", "-fn", path], check=True, capture_output=True)


def nothing_but_parts():
    """No image, no file of one, nobody at work; each whole blob in the cache is what its name says."""
    assert suite.wait_for(lambda: not suite.pids("banger-imaged-fetch")
                          and not suite.pids("banger-imaged-worker"))
    assert suite.banger_json("image", "list") == []
    assert [path for path in suite.tree(STATE / "images") if path.is_file()] == []
    for path in suite.tree(STATE / "cache"):
        if path.is_file() and "blobs" in path.parts:
            name = hashlib.new(path.parent.name, path.read_bytes()).hexdigest()
            assert name == path.name, path
        else:
            assert path.is_dir() or path.parent.name == "parts", path
