# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of images: import and pull against the tools that people have, what it costs a byte and an
entry, and how much memory. Measured in turn, wall and processor time, medians."""

import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import tarfile
import time
from pathlib import Path

import oci
import registry
import rpc
import suite

PEERS = 3  # rounds of a peer, which takes long
MEGABYTE = 1_000_000
# The Debian image's forms: name, compression, layers.
DEBIAN = (("one gzip layer", "gzip", 1), ("five gzip layers", "gzip", 5), ("one zstd layer", "zstd", 1))


# ---- what is measured ----

class Cost:
    """Seconds, on the wall and of processors."""

    def __init__(self, wall, cpu):
        self.wall, self.cpu = wall, cpu


def _children():
    used = os.times()
    return used.children_user + used.children_system


def _suite():
    """Processor seconds of the suite's processes, and of all that they waited for."""
    ticks = 0
    for program in (*suite.ROLES, "banger-imaged-worker", "banger-imaged-fetch"):
        for pid in suite.pids(program):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def cost(command, **more):
    """Of a command that must succeed, and of what the suite does for it."""
    before, begin = _children() + _suite(), time.monotonic()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, timeout=900, **more)
    return Cost(time.monotonic() - begin, _children() + _suite() - before)


def shell(script):
    return cost(["bash", "-c", "set -euo pipefail; " + script])


def in_turn(ours, theirs, rounds):
    """Medians of two, taken in turn, after one of ours that warms up; (ours, theirs)."""
    ours()
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return [Cost(statistics.median(c.wall for c in costs), statistics.median(c.cpu for c in costs))
            for costs in zip(*pairs)]


def told(bench, figure, ours, peer, name, aim, cpu_aim=None):
    ratio = peer.wall / ours.wall
    bench.row(figure, ours.wall, "s", f"{peer.wall:.2f} s ({name})", f"{ratio:.1f} x", f">= {aim} x",
              ratio >= aim)
    ratio = peer.cpu / ours.cpu
    bench.row(f"{figure}, processor", ours.cpu, "s", f"{peer.cpu:.2f} s", f"{ratio:.1f} x",
              f">= {cpu_aim} x" if cpu_aim else "", ratio >= cpu_aim if cpu_aim else None)


# ---- images ----

class Made:
    """An OCI layout on the disk: (layer files, what they expand to, entries)."""

    def __init__(self, folder, how):
        self.folder, self.how, self.layers, self.diff_ids = folder, how, [], []
        self.size, self.entries = 0, 0
        (folder / "blobs/sha256").mkdir(parents=True)

    def blob(self, data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    def layer(self, data):
        """Add one: the bytes of a tar."""
        words = {"gzip": ["gzip", "-c"], "zstd": ["zstd", "-q", "-c", "-T0"]}[self.how]
        packed = subprocess.run(words, input=data, check=True, capture_output=True).stdout
        self.layers.append(self.blob(packed, f"{oci.LAYER}+{self.how}"))
        self.diff_ids.append(oci.digest(data))
        self.size += len(data)

    def finish(self):
        """Write the documents; the path of the same as an archive."""
        config = self.blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
            "type": "layers", "diff_ids": self.diff_ids}}).encode(), oci.CONFIG)
        manifest = self.blob(json.dumps({"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config,
                                         "layers": self.layers}).encode(), oci.MANIFEST)
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
        (self.folder / "index.json").write_text(json.dumps({
            "schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [manifest]}))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.archive = self.folder.with_suffix(".tar")
        subprocess.run(["tar", "-C", self.folder, "-cf", self.archive, "oci-layout", "index.json", "blobs"],
                       check=True)
        return self

    def paths(self):
        return [self.folder / "blobs" / layer["digest"].replace(":", "/") for layer in self.layers]


def debian_tar(bench):
    """The Debian image's one layer, expanded: a path."""
    plain = bench.work / "debian.tar"
    if not plain.exists():
        with tarfile.open(bench.large) as archive:
            index = json.load(archive.extractfile("index.json"))

            def blob(digest):
                return archive.extractfile("blobs/" + digest.replace(":", "/"))

            (layer,) = json.load(blob(index["manifests"][0]["digest"]))["layers"]
            with open(plain, "wb") as out:
                unpack = subprocess.Popen(["gzip", "-dc"], stdin=subprocess.PIPE, stdout=out)
                shutil.copyfileobj(blob(layer["digest"]), unpack.stdin)
                unpack.stdin.close()
                assert unpack.wait() == 0
    return plain


def cuts(path, parts):
    """Offsets that cut a tar into parts at entries."""
    starts = [0]
    with tarfile.open(path) as archive:
        size = path.stat().st_size
        for member in archive:
            if member.offset >= size * len(starts) // parts and len(starts) < parts:
                starts.append(member.offset)
    return starts


def debian(bench, name, how, parts):
    """The Debian image in so many layers; made once."""
    if name in bench.made:
        return bench.made[name]
    folder = bench.work / f"debian-{how}-{parts}"
    plain = debian_tar(bench)
    made, starts = Made(folder, how), cuts(plain, parts)
    with open(plain, "rb") as file:
        for begin, end in zip(starts, starts[1:] + [plain.stat().st_size]):
            file.seek(begin)
            data = file.read(end - begin)
            made.layer(data if data.endswith(b"\0" * 1024) else data + b"\0" * 1024)
    bench.made[name] = made.finish()
    return made


def small_files(bench, count=200_000):
    """Files as a package manager's cache or a source tree has them."""
    made = Made(bench.work / "small", "gzip")
    data = io.BytesIO()
    for number in range(count):
        if number % 100 == 0:
            data.write(oci.directory(f"srv/{number // 2000}/{number // 100}")[0].tobuf())
        info, text = oci.entry(f"srv/{number // 2000}/{number // 100}/file-{number}.txt",
                               f"{number} ".encode() * (number % 60))
        data.write(info.tobuf(tarfile.USTAR_FORMAT) + text + b"\0" * (-len(text) % 512))
    data.write(b"\0" * 1024)
    made.layer(data.getvalue())
    return made.finish()


def of_size(bench, megabytes):
    """Of files of a megabyte that compress by half."""
    made = Made(bench.work / f"size-{megabytes}", "zstd")
    data = io.BytesIO()
    for number in range(megabytes):
        text = os.urandom(MEGABYTE // 2) + b"words and more words\n" * (MEGABYTE // 42)
        info, text = oci.entry(f"data/{number}", text[:MEGABYTE])
        data.write(info.tobuf(tarfile.USTAR_FORMAT) + text + b"\0" * (-len(text) % 512))
    data.write(b"\0" * 1024)
    made.layer(data.getvalue())
    return made.finish()


def hundred_layers(bench):
    made = Made(bench.work / "hundred", "gzip")
    for layer in range(100):
        made.layer(oci.tar([oci.entry(f"l{layer}/f{number}", b"%d" % number * 500)
                            for number in range(20)]))
    return made.finish()


# ---- ours and theirs ----

def ours(made):
    return lambda: cost(["banger", "image", "import", "--quiet", "--replace", "bench", made.archive])


def unpacked(bench, made):
    """gzip -d | tar -x of each layer, and mke2fs -d of the result."""
    tree, image = bench.work / "tree", bench.work / "tree.ext4"
    unpack = {"gzip": "gzip -dc", "zstd": "zstd -q -dc"}[made.how]
    room = made.size // 1024 * 3 // 2 + 700_000

    def run():
        shutil.rmtree(tree, ignore_errors=True)
        image.unlink(missing_ok=True)
        tree.mkdir()
        script = "".join(f"{unpack} {path} | tar -x -C {tree}; " for path in made.paths())
        return shell(script + f"mke2fs -q -t ext4 -N 400000 -d {tree} {image} {room}k; sync {image}")
    return run


def figure_import(bench):
    """The Debian image from an archive."""
    for name, how, parts in DEBIAN:
        made = debian(bench, name, how, parts)
        value, peer = in_turn(ours(made), unpacked(bench, made), PEERS)
        told(bench, f"import of {made.size // MEGABYTE} MB, {name}", value, peer,
             f"{how} -d | tar -x, mke2fs -d", 4)


def figure_small(bench):
    made = small_files(bench)
    value, peer = in_turn(ours(made), unpacked(bench, made), 1)
    told(bench, "import of 200,000 small files", value, peer, "gzip -d | tar -x, mke2fs -d", 15)
    memory(bench, "small files", made, 202_101)


def figure_hundred(bench):
    made = hundred_layers(bench)
    value, peer = in_turn(ours(made), unpacked(bench, made), PEERS)
    ratio = peer.wall / value.wall
    bench.row("import of a hundred small layers", value.wall, "s",
              f"{peer.wall:.2f} s (gzip -d | tar -x, mke2fs -d)", f"{ratio:.1f} x", "", None)


def figure_linear(bench):
    """What a megabyte costs, from 50 MB to 2 GB: the same."""
    each = {}
    for megabytes in (50, 200, 800, 2000):
        made = of_size(bench, megabytes)
        run = ours(made)
        run()
        costs = [run() for _ in range(bench.repeat)]
        each[megabytes] = statistics.median(c.cpu for c in costs) / megabytes
        wall = statistics.median(c.wall for c in costs)
        bench.row(f"import of {megabytes} MB", wall, "s", f"{1000 * each[megabytes]:.2f} ms a MB (processor)",
                  "", "", None)
        if megabytes == 2000:
            memory(bench, "2 GB", made, 2001)
        shutil.rmtree(made.folder)
        made.archive.unlink()
    ratio = each[2000] / each[200]
    bench.row("a megabyte of 2 GB", 1000 * each[2000], "ms", f"{1000 * each[200]:.2f} ms (of 200 MB)",
              f"{ratio:.2f}", "<= 1.25", ratio <= 1.25)


def memory(bench, name, made, entries):
    """The worker's peak; the tool that the tests use calls what the worker calls."""
    tool = bench.build / "tests/integration/flatten-tool"
    done = subprocess.run([tool, "--peak", made.archive, bench.work / "peak.ext4"], check=True,
                          capture_output=True, text=True)
    (bench.work / "peak.ext4").unlink()
    peak, aim = int(done.stdout.splitlines()[-1]), 48 * 1024 + 0.6 * entries
    bench.row(f"peak memory, {name}", peak / 1024, "MiB", f"{entries} entries", "",
              f"<= {aim / 1024:.1f} MiB", 0 < peak <= aim)


# ---- pull ----

def by_tools(bench, name, made):
    """skopeo copy, umoci unpack, mke2fs -d."""
    top, image = bench.work / "umoci", bench.work / "umoci.ext4"
    room = made.size // 1024 * 3 // 2 + 700_000

    def run():
        shutil.rmtree(top, ignore_errors=True)
        image.unlink(missing_ok=True)
        top.mkdir()
        return shell(f"skopeo copy -q --src-tls-verify=false docker://{name} oci:{top}/layout:latest; "
                     f"umoci unpack --image {top}/layout:latest {top}/bundle; "
                     f"mke2fs -q -t ext4 -N 400000 -d {top}/bundle/rootfs {image} {room}k; sync {image}")
    return run


def pull(name, known):
    """A pull of what is not known yet, nor any blob of it; or of what is."""
    def run():
        if not known:
            suite.banger("image", "delete", "pulled")
            rpc.call("image.cache.prune", {})
        before, begin = _suite(), time.monotonic()
        done = rpc.call("image.pull", {"reference": name, "name": "pulled"}, timeout=600)
        assert done["pulled"] != known, done
        return Cost(time.monotonic() - begin, _suite() - before)
    return run


def figure_pull(bench):
    """Registry to ext4, everything verified, from a docker-registry on the loopback device."""
    with registry.Registry(bench.work / "registry") as remote:
        for number, (name, how, parts) in enumerate(DEBIAN):
            made, image = debian(bench, name, how, parts), f"{remote.host}/debian:{number}"
            subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false",
                            f"oci:{made.folder}:latest", f"docker://{image}"], check=True)
            if how == "zstd":  # which umoci of Debian 12 does not read: beside the gzip layer's
                made = debian(bench, *DEBIAN[0])
                peer_image = f"{remote.host}/debian:0"
            else:
                peer_image = image
            value, peer = in_turn(pull(image, False), by_tools(bench, peer_image, made), PEERS)
            told(bench, f"pull of {made.size // MEGABYTE} MB, {name}", value, peer,
                 "skopeo, umoci, mke2fs -d", 7, 5)
            if number == 0:
                again = pull(image, True)
                middle = 1000 * statistics.median(again().wall for _ in range(bench.repeat))
                bench.row("second pull of the same digest", middle, "ms", "", "", "<= 50 ms",
                          middle <= 50)


FIGURES = {"import": figure_import, "small": figure_small, "hundred": figure_hundred,
           "linear": figure_linear, "pull": figure_pull}
