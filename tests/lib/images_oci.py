# SPDX-License-Identifier: GPL-2.0-or-later
"""Good images: layouts, archives, manifests and compressed layers. A row is one rule."""

import gzip
import json
import struct
import subprocess
import zlib

import oci
from images import Row, archive, file
from oci import entry

ROWS = []
ONE = {"one": file(b"1")}
LAYER = [entry("one", b"1")]
TAR = oci.tar(LAYER)
DOCKER = "application/vnd.docker."


def row(rule, what, make=archive, tree=None, layers=None, **more):
    ROWS.append(Row(rule, what, layers or [LAYER], tree or ONE, make=make, **more))


# ---- what a layer's bytes may be ----

def compressed(rule, what, data, how):
    """The layer's blob is `data`, which expands to TAR."""
    def make(folder, _):
        layout = oci.Layout()

        def change(manifest):
            manifest["layers"] = [layout.blob(data, f"{oci.LAYER}+{how}")]
        layout.image([TAR], how=how, change=change)
        return layout.archive(folder / "image.tar")
    row(rule, what, make)


def gzip_with(flags, fields, level=9):
    body = zlib.compressobj(level, zlib.DEFLATED, -15)
    data = body.compress(TAR) + body.flush()
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff" + fields
    if flags & 2:
        head += struct.pack("<H", zlib.crc32(head) & 0xffff)
    return head + data + struct.pack("<II", zlib.crc32(TAR), len(TAR))


def zstd(data, *options, known=True):
    """With or without the size of what comes out in the frame's head."""
    words = ["zstd", "-q", "-c", *options]
    if known:
        words.append(f"--stream-size={len(data)}")
    return subprocess.run(words, input=data, check=True, capture_output=True).stdout


SKIPPABLE = struct.pack("<II", 0x184D2A5F, 7) + b"skipped"
CUT = (TAR[:100], TAR[100:101], TAR[101:])
compressed("RFC 1952", "one member", gzip.compress(TAR), "gzip")
compressed("RFC 1952", "several members", b"".join(map(gzip.compress, CUT)), "gzip")
compressed("RFC 1952", "members without content",
           gzip.compress(b"") + gzip.compress(TAR) + gzip.compress(b""), "gzip")
compressed("RFC 1952", "a name, a comment, an extra field and a sum of the head",
           gzip_with(2 + 4 + 8 + 16, struct.pack("<H", 5) + b"extra" + b"name\0" + b"comment\0"), "gzip")
compressed("RFC 1951", "stored blocks", gzip_with(0, b"", 0), "gzip")
compressed("RFC 1951", "a fixed code", gzip_with(0, b"", 1), "gzip")
compressed("RFC 8878", "one frame", zstd(TAR), "zstd")
compressed("RFC 8878", "a frame that does not say its size", zstd(TAR, known=False), "zstd")
compressed("RFC 8878", "several frames", b"".join(map(zstd, CUT)), "zstd")
compressed("RFC 8878", "skippable frames first, between and last",
           SKIPPABLE + SKIPPABLE.join(map(zstd, CUT)) + SKIPPABLE, "zstd")
compressed("RFC 8878", "without a check sum", zstd(TAR, "--no-check"), "zstd")
compressed("RFC 8878", "a window of 128 MiB", zstd(TAR, "--long=27", "-19", known=False), "zstd")
compressed("RFC 8878", "a frame without content", zstd(b"") + zstd(TAR), "zstd")
for how in ("", "gzip", "zstd"):
    row("OCI layer media types", how or "plain tar", how=how)


def mixed(folder, row_):
    layout = oci.Layout()
    layers = [oci.tar([entry(name, name.encode())]) for name in "abcd"]

    def change(manifest):
        hows = (("", ""), ("gzip", "+gzip"), ("zstd", "+zstd"), ("gzip", "+gzip"))
        manifest["layers"] = [layout.blob(oci.compress(layer, how), oci.LAYER + suffix)
                              for layer, (how, suffix) in zip(layers, hows)]
    layout.image(layers, change=change)
    return layout.archive(folder / "image.tar")


row("OCI layer media types", "each layer its own", mixed, {n: file(n.encode()) for n in "abcd"})


# ---- documents ----

def docker_types(layout_type=DOCKER + "distribution.manifest.v2+json"):
    def make(folder, row_):
        layout = oci.Layout()

        def change(manifest):
            manifest["mediaType"] = layout_type
            manifest["config"]["mediaType"] = DOCKER + "container.image.v1+json"
            manifest["layers"][0]["mediaType"] = DOCKER + "image.rootfs.diff.tar.gzip"
        layout.image(row_.tars(), how="gzip", change=change)
        layout.manifests[0]["mediaType"] = layout_type
        return layout.archive(folder / "image.tar")
    return make


def member(change):
    """The manifest changed, and nothing made of it."""
    return lambda folder, row_: archive(folder, Row("", "", row_.layers, how="gzip", change=change))


def settings(change):
    return lambda folder, row_: archive(folder, Row("", "", row_.layers, config_change=change))


def digests(algorithm):
    """Everything by another algorithm: manifest, configuration, layer and diff_id."""
    def make(folder, row_):
        layout = oci.Layout()
        layers = row_.tars()
        blob = layout.blob
        layout.blob = lambda data, kind: blob(data, kind, algorithm)
        layout.image(layers, config_change=lambda config: config["rootfs"].update(
            diff_ids=[oci.digest(layer, algorithm) for layer in layers]))
        return layout.archive(folder / "image.tar")
    return make


def directory(folder, row_):
    layout = oci.Layout()
    layout.image(row_.tars())
    return layout.write(folder / "layout")


def docker(**more):
    return lambda folder, row_: oci.docker_archive(folder / "image.tar", row_.tars(), **more)


def docker_gzip(folder, row_):
    def change(manifest, files):
        for name in manifest[0]["Layers"]:
            files[name] = gzip.compress(files[name])
    return oci.docker_archive(folder / "image.tar", row_.tars(), change=change)


def indexed(*entries, depth=0, reference=None, cut=()):
    """An index of images for platforms, `depth` deep; its image for this host has LAYER."""
    def make(folder, row_):
        layout = oci.Layout()
        for name, platform in entries:
            layout.image([oci.tar(LAYER if name == "this" else [entry(name)])], platform=platform,
                         reference=reference)
        for _ in range(depth):
            layout.manifests = [layout.blob(json.dumps({
                "schemaVersion": 2, "mediaType": oci.INDEX,
                "manifests": layout.manifests}).encode(), oci.INDEX)]
        if cut:
            index = layout.index()
            for key in cut:
                del index[key]
            layout.files["index.json"] = json.dumps(index).encode()
        return layout.archive(folder / "image.tar")
    return make


AMD64 = {"os": "linux", "architecture": "amd64"}
ARM64 = {"os": "linux", "architecture": "arm64"}
WINDOWS = {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348"}
UNKNOWN = {"os": "unknown", "architecture": "unknown"}
row("OCI image layout", "a directory", directory)
row("OCI image layout", "in an archive, compressed", lambda folder, row_: archive(
    folder, row_).rename(folder / "plain.tar") and (folder / "image.tar.gz").write_bytes(
        gzip.compress((folder / "plain.tar").read_bytes())) and folder / "image.tar.gz")
row("docker archives", "as docker save writes them", docker())
row("docker archives", "compressed as a whole", docker(how="gzip"))
row("docker archives", "layers that are gzip and do not say so", docker_gzip)
row("docker archives", "without a tag", docker(tags=()))
row("docker schema 2", "its media types", docker_types())
row("sha512", "every digest", digests("sha512"))
row("OCI manifest", "without a media type of its own", member(lambda m: m.pop("mediaType")))
row("OCI manifest", "members that nobody knows, annotations, a subject",
    member(lambda m: m.update(unknown=[1, {"a": None}], annotations={"a": "b"}, subject={
        "mediaType": oci.MANIFEST, "digest": "sha256:" + "0" * 64, "size": 1})))
row("OCI manifest", "a layer with annotations, URLs of elsewhere unused, embedded data",
    member(lambda m: m["layers"][0].update(annotations={"org.opencontainers.image.title": "x"},
                                           data="AAAA")))
row("OCI configuration", "history with empty layers, members that nobody knows",
    settings(lambda c: c.update(history=[{"created_by": "x"}, {"empty_layer": True}], x={"y": 1},
                                created="2024-01-01T00:00:00Z", author="é")))
row("OCI configuration", "no 'config' at all", settings(lambda c: c.pop("config")))
row("OCI configuration", "null where nothing is said",
    settings(lambda c: c["config"].update(Env=None, Cmd=None, Entrypoint=None, Labels=None)))
row("a platform is chosen", "the host's among several",
    indexed(("arm", ARM64), ("this", AMD64), ("windows", WINDOWS)))
row("a platform is chosen", "the plain variant before a finer one",
    indexed(("v3", AMD64 | {"variant": "v3"}), ("this", AMD64), ("v2", AMD64 | {"variant": "v2"})))
row("a platform is chosen", "a finer one where it is the only one",
    indexed(("arm", ARM64), ("this", AMD64 | {"variant": "v2"})))
row("attestations are never chosen", "beside an image", indexed(("this", AMD64), ("att", UNKNOWN)))
row("an index within an index", "one", indexed(("arm", ARM64), ("this", AMD64), depth=1))
row("an index within an index", "four deep", indexed(("this", AMD64), depth=4))
row("OCI index", "without a media type", indexed(("this", None), cut=("mediaType",)))
row("references", "the only one needs no name", indexed(("this", None), reference="latest"))


def same_digest(folder, row_):
    layout = oci.Layout()
    layout.image(row_.tars(), reference="a")
    layout.manifests.append(layout.manifests[0] | {"annotations": {
        "org.opencontainers.image.ref.name": "b"}})
    return layout.archive(folder / "image.tar")


def two(folder, row_):
    layout = oci.Layout()
    layout.image([oci.tar([entry("two")])], reference="two")
    layout.image(row_.tars(), reference="one:1.0-x_y/z")
    return layout.archive(folder / "image.tar")


row("references", "two names of one digest", same_digest)
row("references", "chosen by its name", two, options=("--ref", "one:1.0-x_y/z"))
row("a layer may stand twice", "one blob, two diff_ids", layers=[LAYER, LAYER])
row("no layer at all", "an image of nothing", lambda folder, _: archive(folder, Row("", "", [])),
    tree={"": {"mode": oct(0o40755), "owner": (0, 0), "mtime": 0, "xattrs": {}}})


def doubled_names(folder, row_):
    """Names in the archive with ./, and directories of their own."""
    layout = oci.Layout()
    layout.image(row_.tars())
    files = [oci.directory("./"), oci.directory("./blobs"), oci.directory("./blobs/sha256")]
    files += [entry("./" + name, data) for name, data in sorted(layout.finish().items())]
    (folder / "image.tar").write_bytes(oci.tar(files))
    return folder / "image.tar"


row("OCI archive", "names with ./, directories of their own", doubled_names)


def rootfs(data, suffix=""):
    def make(folder, _):
        path = folder / f"rootfs.tar{suffix}"
        path.write_bytes(data)
        return path
    return make


for how in ("", "gzip", "zstd", "xz"):
    row("a bare root file system", how or "plain", rootfs(oci.compress(oci.tar([
        entry("etc/one", b"1"), entry("etc/.wh.x", b"2")]), how)), {
            "etc": {"mode": oct(0o40755), "owner": (0, 0), "mtime": 0, "xattrs": {}},
            "etc/one": file(b"1"), "etc/.wh.x": file(b"2")})
