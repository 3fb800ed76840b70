# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile images: what layouts, archives, manifests, configurations and compressed layers may try. A
row says which rule or CVE it stands for, and what its refusal must say, or what must come of it."""

import bz2
import gzip
import json
import lzma
import os
import struct
import tarfile
import zlib

import oci
from images import Row, archive, file
from oci import entry

ROWS = []
LAYER = [entry("one", b"1")]
ONE = {"one": file(b"1")}
TAR = oci.tar(LAYER)
ABSENT = "sha256:" + "0" * 64


def row(rule, what, words, make=archive, tree=None, **more):
    ROWS.append(Row(rule, what, [LAYER], tree, make=make, words=words, **more))


# ---- documents changed, with digests that are right ----

def manifest(rule, what, change, words, tree=None):
    row(rule, what, words, change=change, tree=tree)


def config(rule, what, change, words, tree=None):
    row(rule, what, words, config_change=change, tree=tree)


def index(rule, what, change, words, tree=None):
    def spoil(layout):
        found = layout.index()
        change(found)
        layout.files["index.json"] = json.dumps(found).encode()
    row(rule, what, words, spoil=spoil, tree=tree)


def put(path, value):
    """A change that sets a member, by its path."""
    def change(document):
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = value
    return change


def without(*path):
    def change(document):
        for part in path[:-1]:
            document = document[part]
        del document[path[-1]]
    return change


WRONG = {"a number": 7, "a text": "x", "a list": [1], "an object": {"x": 1}, "true": True}
KINDS = {int: "a number", str: "a text", list: "a list", dict: "an object"}
MEMBERS = {
    "manifest": (manifest, [(("schemaVersion",), int, "schema"), (("mediaType",), str, "mediaType|media type"),
                            (("config",), dict, "config"), (("config", "mediaType"), str, "mediaType|artifact"),
                            (("config", "digest"), str, "digest"), (("config", "size"), int, "size"),
                            (("layers",), list, "layers"), (("layers", 0), dict, "layers|descriptor"),
                            (("layers", 0, "mediaType"), str, "mediaType|media type"),
                            (("layers", 0, "digest"), str, "digest"),
                            (("layers", 0, "size"), int, "size")]),
    "configuration": (config, [(("rootfs",), dict, "rootfs"), (("rootfs", "diff_ids"), list, "diff_ids"),
                               (("rootfs", "type"), str, "type"), (("architecture",), str, "architecture"),
                               (("os",), str, "'os'"), (("config",), dict, "config")]),
    "index": (index, [(("manifests",), list, "manifests"), (("manifests", 0), dict, "descriptor|manifests"),
                      (("schemaVersion",), int, "schema"), (("manifests", 0, "digest"), str, "digest"),
                      (("manifests", 0, "size"), int, "size"),
                      (("manifests", 0, "platform"), dict, "platform"),
                      (("manifests", 0, "annotations"), dict, "annotations")]),
}
for document, (build, members) in MEMBERS.items():
    for path, kind, words in members:
        name = ".".join(map(str, path))
        for what, value in WRONG.items():
            if what != KINDS[kind] and not (kind is int and value is True):
                build("OCI: types of members", f"{document}, {name} is {what}", put(path, value), words)
        if path[-1] not in (0, "platform", "annotations", "mediaType") and name != "config":
            build("OCI: required members", f"{document} without {name}", without(*path), words)
config("OCI: types of members", "configuration, config.Env is a text",
       lambda c: c.update(config={"Env": "A=b"}), "Env")
config("OCI: types of members", "configuration, config.Cmd has numbers",
       lambda c: c.update(config={"Cmd": [1]}), "Cmd")
config("CVE-2024-21626: a working directory is a text of one line", "with a newline",
       lambda c: c.update(config={"WorkingDir": "/a\nb"}), "WorkingDir")
config("memory is bounded", "200,000 bytes of environment",
       lambda c: c.update(config={"Env": ["A=" + "x" * 1000] * 200}), "bytes of text")
config("NUL in a text (CWE-158)", "in an argument", lambda c: c.update(config={"Cmd": ["a\0b"]}), "NUL")

# ---- digests and sizes ----

BAD_DIGESTS = {"a path": "sha256:../../../../etc/passwd", "a path as algorithm": "../x:" + "0" * 64,
               "capitals": "sha256:" + "A" * 64, "too short": "sha256:" + "0" * 63,
               "too long": "sha256:" + "0" * 65, "sha512's length for sha256": "sha256:" + "0" * 128,
               "md5": "md5:" + "0" * 32, "nothing": "", "no algorithm": "0" * 64,
               "a separator alone": ":", "a NUL in it": "sha256:" + "0" * 63 + "\0",
               "an algorithm that nobody has": "blake3:" + "0" * 64}
for what, digest in BAD_DIGESTS.items():
    for where, build, path in (("a layer's", manifest, ("layers", 0, "digest")),
                               ("the configuration's", manifest, ("config", "digest")),
                               ("the manifest's", index, ("manifests", 0, "digest"))):
        build("CVE-2024-3727: digests are validated", f"{where} is {what}", put(path, digest),
              "digest|NUL")
for what, digest in BAD_DIGESTS.items():
    config("CVE-2024-3727: digests are validated", f"a diff_id is {what}",
           put(("rootfs", "diff_ids", 0), digest), "diff_ids")
for what, size in (("less than it is", 10), ("0", 0), ("more than it is", 1 << 30), ("negative", -1),
                   ("2^63", 2 ** 63), ("2^64", 2 ** 64), ("a fraction", 1.5)):
    manifest("sizes are verified", f"a layer's is {what}", put(("layers", 0, "size"), size), "size")
    manifest("sizes are verified", f"the configuration's is {what}", put(("config", "size"), size), "size")
    index("sizes are verified", f"the manifest's is {what}", put(("manifests", 0, "size"), size), "size")


def blob_of(which):
    """The path of a blob of a layout."""
    def find(layout):
        top = "blobs/" + layout.manifests[0]["digest"].replace(":", "/")
        told = json.loads(layout.files[top])
        return {"manifest": top, "configuration": "blobs/" + told["config"]["digest"].replace(":", "/"),
                "layer": "blobs/" + told["layers"][0]["digest"].replace(":", "/")}[which]
    return find


def flip(data):
    return data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:]


SPOILT = {"a bit is flipped": (flip, "digest"), "cut short": (lambda d: d[:-7], "size|digest"),
          "longer": (lambda d: d + b" ", "size|digest"), "empty": (lambda d: b"", "size|digest"),
          "missing": (None, "not in|not_found"),
          "another of its size": (lambda d: b" " * len(d), "digest")}
for which in ("manifest", "configuration", "layer"):
    for what, (change, words) in SPOILT.items():
        def spoil(layout, which=which, change=change):
            path = blob_of(which)(layout)
            if change:
                layout.files[path] = change(layout.files[path])
            else:
                del layout.files[path]
        row("verified before parsed", f"the {which} is {what}" if what != "a bit is flipped" else
            f"in the {which} {what}", words, spoil=spoil)
config("diff_ids in number and value", "another layer's", put(("rootfs", "diff_ids", 0), ABSENT), "diff_id")
config("diff_ids in number and value", "one too few", put(("rootfs", "diff_ids"), []), "diff_id|layer")
config("diff_ids in number and value", "one too many",
       lambda c: c["rootfs"]["diff_ids"].append(ABSENT), "diff_id|layer")
config("diff_ids in number and value", "100,000 of them",
       lambda c: c["rootfs"].update(diff_ids=[ABSENT] * 40_000), "diff_id|layer")

# ---- documents that are none, or two ----

manifest("CVE-2021-41190", "a manifest with 'manifests'", put(("manifests",), []), "neither")
manifest("CVE-2021-41190", "a manifest that calls itself an index", put(("mediaType",), oci.INDEX), "media type")
manifest("CVE-2021-41190", "a manifest that calls itself something else", put(("mediaType",), "text/plain"),
         "media type")
index("CVE-2021-41190", "an index with 'layers'", put(("layers",), []), "neither")
index("CVE-2021-41190", "an index with 'config'", put(("config",), {}), "neither")
index("CVE-2021-41190", "an index that calls itself a manifest", put(("mediaType",), oci.MANIFEST),
      "media type|called")
index("CVE-2021-41190", "a manifest called an index", put(("manifests", 0, "mediaType"), oci.INDEX),
      "media type|manifests|neither")
for version in (0, 1, 3, -2, 2 ** 40):
    manifest("schema 1 is refused by name", f"version {version}", put(("schemaVersion",), version), "schema")
    index("schema 1 is refused by name", f"an index of version {version}", put(("schemaVersion",), version),
          "schema")
for kind in ("vnd.docker.distribution.manifest.v1+json", "vnd.docker.distribution.manifest.v1+prettyjws"):
    index("schema 1 is refused by name", kind, put(("manifests", 0, "mediaType"), "application/" + kind),
          "media type")
for kind in ("nondistributable.v1.tar", "nondistributable.v1.tar+gzip", "nondistributable.v1.tar+zstd"):
    manifest("CVE-2020-15157: foreign layers", kind, lambda m, kind=kind: m["layers"][0].update(
        mediaType="application/vnd.oci.image.layer." + kind, urls=["http://169.254.169.254/"]), "foreign")
manifest("CVE-2020-15157: foreign layers", "docker's", lambda m: m["layers"][0].update(
    mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["http://x"]), "foreign")
for kind in ("application/vnd.oci.empty.v1+json", "application/vnd.cncf.helm.config.v1+json", "text/plain"):
    manifest("artifacts are no images", kind, put(("config", "mediaType"), kind), "artifact")
for kind in ("text/plain", "application/vnd.oci.image.layer.v1.tar+bzip2",
             "application/vnd.in-toto+json", "application/vnd.oci.image.layer.v1.squashfs", oci.CONFIG):
    manifest("OCI layer media types", kind, put(("layers", 0, "mediaType"), kind), "media type")
SAYS = {"": "", "gzip": "+gzip", "zstd": "+zstd"}
for told, suffix in SAYS.items():
    for how in SAYS:
        if told != how:
            row("what the type says and the bytes are must agree", f"says {told or 'tar'}, is {how or 'tar'}",
                "media type", how=how, change=put(("layers", 0, "mediaType"), oci.LAYER + suffix))


def platform(what, entries, words):
    def spoil(layout):
        base = layout.manifests[0]
        layout.manifests = [base | {"platform": each} for each in entries]
    row("a platform is chosen", what, words, spoil=spoil)


platform("another architecture alone", [{"os": "linux", "architecture": "arm64"}], "no image for")
platform("another system alone", [{"os": "windows", "architecture": "amd64"}], "no image for")
platform("attestations alone", [{"os": "unknown", "architecture": "unknown"}] * 3, "no image|none at all")
config("a platform is chosen", "the configuration's is another", put(("architecture",), "s390x"),
       "s390x|architecture|platform")
config("a platform is chosen", "the configuration's system is another", put(("os",), "windows"),
       "windows|platform|linux")
index("an index is of something", "of nothing", put(("manifests",), []), "none at all|no image")
index("memory is bounded", "30,000 descriptors of one blob",
      lambda i: i.update(manifests=i["manifests"] * 12_000), None, ONE)


def two(names, same=False):
    def make(folder, row_):
        layout = oci.Layout()
        for number, name in enumerate(names):
            layout.image([oci.tar([entry("x", b"" if same else b"%d" % number)])], reference=name)
        return layout.archive(folder / "image.tar")
    return make


row("several references, none chosen, are listed", "two names", "one.*two", two(["one", "two"]))
row("several images that nothing tells apart", "without names", "several", two([None, None]))
row("several images that nothing tells apart", "with one name", "several", two(["a", "a"]),
    options=("--ref", "a"))
row("a reference that is not there", "and those that are", "has: one, two|one, two", two(["one", "two"]),
    options=("--ref", "three"))


def nested(depth):
    def make(folder, row_):
        layout = oci.Layout()
        child = layout.image([TAR])
        for _ in range(depth):
            child = layout.blob(json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX,
                                            "manifests": [child]}).encode(), oci.INDEX)
        layout.manifests[:] = [child]
        return layout.archive(folder / "image.tar")
    return make


for depth in (5, 6, 40):
    row("an index nested deeper than 4", f"{depth} deep", "deeper", nested(depth))
ROWS.append(Row("at most 128 layers", "129", [[entry(f"f{n}")] for n in range(129)], words="128"))
manifest("at most 128 layers", "10,000 of one blob", lambda m: m.update(layers=m["layers"] * 10_000), "128")

# ---- JSON ----

JSON = {"nothing": b"", "cut": b'{"schemaVersion":2,"manifests":[', "deep lists": b"[" * 100_000,
        "deep objects": b'{"a":' * 100_000, "a list": b"[]", "a text": b'"x"', "a number": b"2",
        "null": b"null", "two of them": b"{}{}", "trailing rubbish": b"{}x", "a comment": b"{}/* x */",
        "a trailing comma": b'{"schemaVersion":2,}', "single quotes": b"{'schemaVersion':2}",
        "a name without quotes": b"{schemaVersion:2}", "NaN": b'{"schemaVersion":NaN}',
        "UTF-16": '{"schemaVersion":2}'.encode("utf-16"), "a byte order mark": b"\xef\xbb\xbf{}",
        "a NUL": b'{"schemaVersion":2}\0', "bytes that are no UTF-8": b'{"\xff":"\xc0\xaf"}',
        "a member twice": b'{"schemaVersion":2,"manifests":[],"manifests":[]}',
        "a member twice, one escaped": b'{"schemaVersion":2,"manifests":[],"manifest\\u0073":[]}',
        "half a surrogate": b'{"schemaVersion":2,"x":"\\ud800"}', "5 MiB": b" " * (5 << 20),
        "binary": bytes(range(256)) * 16, "HTML": b"<html><body>Not found</body></html>"}
for what, data in JSON.items():
    row("RFC 8259; CVE-2020-12762", f"index.json is {what}", "JSON|index|MiB|nor an array|schema|manifests",
        spoil=lambda layout, data=data: layout.files.update({"index.json": data}))
    if what not in ("5 MiB",):
        row("RFC 8259; CVE-2020-12762", f"oci-layout is {what}", "oci-layout|layout|JSON",
            spoil=lambda layout, data=data: layout.files.update({"oci-layout": data}))


def raw_manifest(data):
    def make(folder, row_):
        layout = oci.Layout()
        layout.image([TAR])
        layout.manifests = [layout.blob(data, oci.MANIFEST)]
        return layout.archive(folder / "image.tar")
    return make


for what, data in JSON.items():
    row("RFC 8259; CVE-2020-12762", f"the manifest is {what}",
        "JSON|manifest|MiB|nor an array|schema|config", raw_manifest(data))

# ---- layouts and archives ----

for version in ("9.0.0", "1.0", "", "1.0.0.0", "../1.0.0"):
    row("OCI layout versions", repr(version), "version", spoil=lambda layout, version=version:
        layout.files.update({"oci-layout": json.dumps({"imageLayoutVersion": version}).encode()}))
for name in ("oci-layout", "index.json"):
    def remove(folder, row_, name=name):
        layout = oci.Layout()
        layout.image([TAR])
        layout.finish()
        del layout.files[name]
        (folder / "image.tar").write_bytes(oci.tar([entry(*each) for each in layout.files.items()]))
        return folder / "image.tar"
    row("a layout is whole", f"no {name}", "not in", remove)


def directory(spoil):
    def make(folder, row_):
        layout = oci.Layout()
        layout.image([TAR], how="gzip")
        layout.write(folder / "layout")
        spoil(folder / "layout", folder / "layout" / blob_of("layer")(layout))
        return folder / "layout"
    return make


def replaced(how):
    def spoil(folder, path):
        data = path.read_bytes()
        path.unlink()
        how(folder, path, data)
    return directory(spoil)


def outside(folder, path, data):
    (folder / "elsewhere").write_bytes(data)
    path.symlink_to(folder / "elsewhere")


def directory_link(folder, path, data):
    path.write_bytes(data)
    path.parent.rename(folder / "elsewhere")
    path.parent.symlink_to("../elsewhere")


for what, how in {
        "a symlink to the very bytes": outside, "a symlink to /etc/passwd": lambda f, p, d: p.symlink_to(
            "/etc/passwd"), "a FIFO": lambda f, p, d: os.mkfifo(p), "a directory": lambda f, p, d: p.mkdir(),
        "a device": lambda f, p, d: os.mknod(p, 0o20666, os.makedev(1, 5)),
        "a dangling symlink": lambda f, p, d: p.symlink_to("nothing"),
        "a symlink to itself": lambda f, p, d: p.symlink_to(p.name),
        "below a symlink": directory_link}.items():
    row("CVE-2015-1337 kind: no link, device or FIFO among the blobs", f"a layer is {what}",
        "plain file|cannot open|size", replaced(how))


def beside(*entries, last=()):
    """An OCI archive with more in it."""
    def make(folder, row_):
        layout = oci.Layout()
        layout.image([TAR])
        files = [entry(name, data) for name, data in sorted(layout.finish().items())]
        (folder / "image.tar").write_bytes(oci.tar([*entries, *files, *last]))
        return folder / "image.tar"
    return make


for name in ("../banger-evil", "blobs/../../banger-evil", "/banger-evil", ".."):
    row("no path out of an archive", name, "absolute|leads out", beside(entry(name, b"x")))
row("no link among the blobs", "a symlink", "link or device", beside(oci.symlink(
    "blobs/sha256/" + "0" * 64, "/etc/passwd")))
row("no link among the blobs", "a hardlink", "link or device", beside(last=[oci.hardlink(
    "blobs/sha256/" + "0" * 64, "index.json")]))
row("no link among the blobs", "a device", "link or device", beside(entry(
    "blobs/sha256/" + "0" * 64, kind=tarfile.CHRTYPE, device=(1, 5))))
row("nothing stands twice", "index.json", "twice", beside(entry("index.json", b"{}")))
row("nothing stands twice", "oci-layout, written in another way", "twice", beside(entry("./oci-layout", b"{}")))
row("memory is bounded", "an archive of 70,000 entries", "entries|manifest|oci-layout",
    lambda folder, row_: beside(*[entry(f"f{n}") for n in range(70_000)])(folder, row_),
    options=("--kind", "oci_archive"))
for at in (1, 511, 600, 1500, 3000):
    row("truncation", f"an OCI archive of {at} bytes", "tar|ends|neither|not in|end",
        lambda folder, row_, at=at: cut(archive(folder, row_), at))


def cut(path, at):
    path.write_bytes(path.read_bytes()[:at])
    return path


def docker(change):
    return lambda folder, row_: oci.docker_archive(folder / "image.tar", [TAR], change=change)


def set_docker(*path):
    *path, value = path
    return lambda m, _: put(path, value)(m)


DOCKER = {
    "a layer is missing": (lambda m, f: f.pop(m[0]["Layers"][0]), "not in|missing"),
    "a layer's content differs": (lambda m, f: f.update({m[0]["Layers"][0]: oci.tar([entry("x")])}), "diff_id"),
    "a layer is text": (lambda m, f: f.update({m[0]["Layers"][0]: b"text" * 500}), "tar|diff_id"),
    "the configuration leads outside": (set_docker(0, "Config", "../../etc/passwd"), "not in|absolute|leads out"),
    "the configuration is missing": (lambda m, f: f.pop(m[0]["Config"]), "not in"),
    "the configuration is another": (lambda m, f: f.update({m[0]["Config"]: b"{}"}), "digest|os"),
    "Layers is text": (set_docker(0, "Layers", "x"), "Layers"),
    "Layers has numbers": (set_docker(0, "Layers", [1]), "Layers"),
    "Layers has one too many": (lambda m, f: m[0]["Layers"].append(m[0]["Layers"][0]), "diff_id|layer"),
    "no Layers": (lambda m, f: m[0].pop("Layers"), "Layers"),
    "no Config": (lambda m, f: m[0].pop("Config"), "Config"),
    "Config is a list": (set_docker(0, "Config", []), "Config"),
    "no image": (lambda m, f: m.clear(), "image"),
    "two images": (lambda m, f: (f.update({"b.json": f[m[0]["Config"]] + b" "}),
                                 m.append({**m[0], "Config": "b.json", "RepoTags": ["b:1"]})), "b:1"),
    "an image is a text": (set_docker(0, "x"), "object|manifest.json"),
    "RepoTags is a text": (set_docker(0, "RepoTags", "x"), "RepoTags"),
    "a layer is absolute": (set_docker(0, "Layers", 0, "/etc/passwd"), "not in"),
    "a layer leads outside": (set_docker(0, "Layers", 0, "../../../etc/passwd"), "not in"),
    "10,000 layers": (lambda m, f: m[0].update(Layers=m[0]["Layers"] * 10_000), "128"),
    "a layer is xz": (lambda m, f: f.update({m[0]["Layers"][0]: lzma.compress(TAR)}), "xz"),
}
for what, (change, words) in DOCKER.items():
    row("docker archives", what, words, docker(change))

# ---- compressed layers ----


def layer(data, how):
    def make(folder, row_):
        layout = oci.Layout()
        layout.image([TAR], how=how, change=lambda m: m.update(
            layers=[layout.blob(data, f"{oci.LAYER}+{how}")]))
        return layout.archive(folder / "image.tar")
    return make


GZIP, ZSTD = gzip.compress(TAR), oci.compress(TAR, "zstd")


def head(flags=0, method=8, more=b""):
    return b"\x1f\x8b" + bytes([method, flags]) + b"\0" * 4 + b"\0\xff" + more + GZIP[10:]


for what, data, words in (
        ("cut in its head", GZIP[:5], "gzip|ends"), ("cut in the middle", GZIP[:60], "gzip|ends"),
        ("without its trailer", GZIP[:-8], "gzip|ends"), ("half of its trailer", GZIP[:-4], "gzip|ends"),
        ("a wrong CRC", GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:], "damaged"),
        ("a wrong length", GZIP[:-4] + b"\1\0\0\0", "damaged"), ("bytes behind it", GZIP + b"rubbish", "follow"),
        ("a NUL behind it", GZIP + b"\0", "follow"), ("half a member behind it", GZIP + GZIP[:20], "gzip"),
        ("reserved flags", head(0xe0), "damaged|gzip|nobody"), ("an unknown method", head(method=9), "damaged|gzip|nobody"),
        ("CVE-2022-37434: an extra field that has no end", head(4, more=b"\xff\xff"), "damaged|gzip|ends"),
        ("a name without an end", b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"x" * 1000, "gzip|ends"),
        ("a wrong sum of the head", head(2, more=b"\0\0"), "damaged|gzip|nobody"),
        ("CVE-2018-25032 kind: a reserved block", GZIP[:10] + b"\x07" + b"\0" * 100, "damaged|gzip|nobody"),
        ("a distance before the beginning", GZIP[:10] + zlib.compress(b"")[2:3] + b"\xff" * 50, "damaged|gzip|nobody"),
        ("a member of another content first", gzip.compress(b"x") + GZIP, "diff_id|tar"),
):
    row("gzip is verified", what, words, layer(data, "gzip"))
for what, data, words in (
        ("cut in its head", ZSTD[:5], "zstd|ends"), ("cut in the middle", ZSTD[:-20], "zstd|ends"),
        ("without its check sum", ZSTD[:-4], "zstd|ends"),
        ("a wrong check sum", ZSTD[:-1] + bytes([ZSTD[-1] ^ 1]), "zstd"),
        ("bytes behind it", ZSTD + b"rubbish", "zstd"), ("a cut skippable frame behind it",
                                                        ZSTD + struct.pack("<II", 0x184D2A50, 100), "zstd"),
        ("CVE-2019-11922 kind: a window of 2 GiB", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\1\0\0", "zstd"),
        ("a dictionary that nobody has", b"\x28\xb5\x2f\xfd\x03\x00\x01\x02\x03\x04" + b"\1\0\0", "zstd"),
        ("a reserved block", b"\x28\xb5\x2f\xfd\x00\x58" + b"\x07\0\0", "zstd"),
        ("a size that lies", b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + ZSTD[6:], "zstd"),
        ("a frame of another content first", oci.compress(b"x", "zstd") + ZSTD, "diff_id|tar"),
):
    row("zstd is verified", what, words, layer(data, "zstd"))
for what, data in (("bzip2", bz2.compress(TAR)), ("xz", lzma.compress(TAR)), ("plain tar", TAR),
                   ("zstd", ZSTD), ("zlib", zlib.compress(TAR)), ("nothing", b"")):
    row("what the type says and the bytes are must agree", f"a gzip layer is {what}",
        "media type|gzip", layer(data, "gzip"))


def bomb(how):
    """Two GiB and more of zeros."""
    def make(folder, row_):
        info = tarfile.TarInfo("zeros")
        info.size = 6 << 30
        zeros = oci.compress(b"\0" * (64 << 20), how)
        if how == "gzip":
            zeros = gzip.compress(b"\0" * (8 << 20), 9) * 8
        data = oci.compress(info.tobuf(tarfile.GNU_FORMAT), how) + zeros * 96
        return layer(data, how)(folder, row_)
    return make


row("CWE-409: 1:2000 beyond the first GiB", "a zstd bomb", "times its size|diff_id", bomb("zstd"))


def entries_bomb(folder, row_):
    """Two million and one entries in half a megabyte."""
    block = entry("x")[0].tobuf(tarfile.USTAR_FORMAT) * (1 << 15)
    return layer(oci.compress(block, "zstd") * 62, "zstd")(folder, row_)


row("2 million entries", "2,031,616 of one name", "2000000 entries", entries_bomb)
for what, data in (("nothing", b""), ("text", b"hello, world\n" * 100), ("zeros alone, cut", b"\0" * 100),
                   ("an ELF program", b"\x7fELF" + b"\0" * 600)):
    def write(folder, row_, data=data):
        (folder / "input").write_bytes(data)
        return folder / "input"
    row("what is it?", what, "empty|neither|tar", write)
row("a root file system", "without an end", "end", lambda folder, row_: cut_end(folder))


def cut_end(folder):
    (folder / "rootfs.tar").write_bytes(oci.tar([entry("etc/x")], end=False))
    return folder / "rootfs.tar"
