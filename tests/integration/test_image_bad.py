# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that must be refused: each row says what it is, which rule it breaks, what the message
must name. Whatever it is, nothing of it stays."""

import gzip
import json
import os
import re
import signal
import struct
import subprocess
import tarfile

import oci
import pytest
import suite

GOOD = [oci.directory("etc"), oci.entry("etc/hostname", b"here\n")]


def archive(folder, layers=None, spoil=None, how="gzip", **options):
    """An OCI archive; spoil(layout) changes it before it is written."""
    layout = oci.Layout()
    layout.image([oci.tar(layer) for layer in layers or [GOOD]], how=how, **options)
    if spoil:
        spoil(layout)
    return layout.archive(folder / "bad.tar")


def raw_layer(folder, data, how="gzip"):
    layout = oci.Layout()
    layout.image([data], how=how)
    return layout.archive(folder / "bad.tar")


def manifest_of(layout):
    return json.loads(layout.files["blobs/" + layout.manifests[0]["digest"].replace(":", "/")])


def layer_path(layout, number=0):
    return "blobs/" + manifest_of(layout)["layers"][number]["digest"].replace(":", "/")


def flip(layout):
    path = layer_path(layout)
    data = bytearray(layout.files[path])
    data[len(data) // 2] ^= 1
    layout.files[path] = bytes(data)


def truncate(layout):
    path = layer_path(layout)
    layout.files[path] = layout.files[path][:-10]


def extend(layout):
    layout.files[layer_path(layout)] += b"x"


def config_missing(layout):
    path = "blobs/" + manifest_of(layout)["config"]["digest"].replace(":", "/")
    del layout.files[path]


def index_text(text):
    def spoil(layout):
        layout.finish()
        layout.files["index.json"] = text.encode() if isinstance(text, str) else text
    return spoil


def index_change(change):
    def spoil(layout):
        index = layout.index()
        change(index)
        layout.files["index.json"] = json.dumps(index).encode()
    return spoil


def change_manifest(**members):
    return lambda manifest: manifest.update(members)


def cut_manifest(*members):
    def change(manifest):
        for member in members:
            del manifest[member]
    return change


def descriptor(number=0, **members):
    return lambda manifest: manifest["layers"][number].update(members)


def config_descriptor(**members):
    return lambda manifest: manifest["config"].update(members)


def hostile(name, **more):
    return [oci.entry(name, b"x", **more)]


def bomb(folder):
    """Six GiB of zeros in a quarter of a megabyte."""
    info = tarfile.TarInfo("zeros")
    info.size = 6 << 30
    zeros = oci.compress(b"\0" * (64 << 20), "zstd")
    data = oci.compress(info.tobuf(tarfile.GNU_FORMAT), "zstd") + zeros * 96 \
        + oci.compress(b"\0" * 1024, "zstd")
    layout = oci.Layout()
    layer = layout.blob(data, oci.LAYER + "+zstd")
    config = layout.blob(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}).encode(), oci.CONFIG)
    layout.manifests.append(layout.blob(json.dumps({
        "schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config,
        "layers": [layer]}).encode(), oci.MANIFEST))
    return layout.archive(folder / "bad.tar")


def pax_header(records, size=None):
    """A pax extended header with given records' bytes."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    info.size = len(records) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + records + b"\0" * (-len(records) % 512)


def pax_record(key, value):
    for digits in range(1, 9):
        length = digits + 1 + len(key) + 1 + len(value) + 1
        if len(str(length)) == digits:
            return str(length).encode() + b" " + key + b"=" + value + b"\n"
    raise AssertionError("too long")


def with_pax(key, value):
    return pax_header(pax_record(key, value)) + oci.tar(GOOD)


def huge_size():
    """A file that says it has 2**62 bytes."""
    info = tarfile.TarInfo("huge")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\x80" + b"\0" * 3 + struct.pack(">Q", 1 << 62)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + b"\0" * 1024


def many_layers(folder):
    return archive(folder, [[oci.entry(f"f{n}", b"")] for n in range(129)])


def nested_index(folder, depth=6):
    layout = oci.Layout()
    child = layout.image([oci.tar(GOOD)])
    for _ in range(depth):
        child = layout.blob(json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX,
                                        "manifests": [child]}).encode(), oci.INDEX)
    layout.manifests[:] = [child]
    return layout.archive(folder / "bad.tar")


def two_references(folder):
    layout = oci.Layout()
    layout.image([oci.tar(GOOD)], reference="one")
    layout.image([oci.tar(GOOD + [oci.entry("x", b"")])], reference="two")
    return layout.archive(folder / "bad.tar")


def other_platform(folder):
    layout = oci.Layout()
    layout.image([oci.tar(GOOD)], platform={"architecture": "arm64", "os": "linux"})
    return layout.archive(folder / "bad.tar")


def cut_file(folder):
    path = archive(folder)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    return path


def cut_gzip(folder):
    path = folder / "bad.tar.gz"
    path.write_bytes(gzip.compress(oci.tar(GOOD * 1))[:-12])
    return path


def gzip_trailer(folder):
    path = folder / "bad.tar.gz"
    path.write_bytes(gzip.compress(oci.tar(GOOD)) + b"rubbish")
    return path


def layout_with(change):
    """A layout directory that change(folder) spoils."""
    def build(folder):
        layout = oci.Layout()
        layout.image([oci.tar(GOOD)])
        layout.write(folder / "layout")
        change(folder / "layout", layout)
        return folder / "layout"
    return build


def blob_symlink(folder, layout):
    path = folder / layer_path(layout)
    outside = folder.parent / "outside"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def blob_fifo(folder, layout):
    path = folder / layer_path(layout)
    path.unlink()
    os.mkfifo(path)


def archive_entry(*entries):
    """An OCI archive with entries beside the right ones."""
    def build(folder):
        layout = oci.Layout()
        layout.image([oci.tar(GOOD)])
        files = [oci.entry(name, data) for name, data in sorted(layout.finish().items())]
        (folder / "bad.tar").write_bytes(oci.tar(list(entries) + files))
        return folder / "bad.tar"
    return build


def both_lists(folder):
    return archive(folder, change=change_manifest(manifests=[]))


def docker(change):
    return lambda folder: oci.docker_archive(folder / "bad.tar", [oci.tar(GOOD)], change=change)


def docker_layer_missing(manifest, files):
    del files[manifest[0]["Layers"][0]]


def docker_layer_wrong(manifest, files):
    files[manifest[0]["Layers"][0]] += b"\0" * 512 + oci.tar(GOOD)


# what it is, rule, builder, what the message must match
ROWS = [
    # blobs
    ("layer with a flipped bit", "verified before parsed", lambda f: archive(f, spoil=flip),
     "digest"),
    ("layer cut short", "size is verified", lambda f: archive(f, spoil=truncate), "size|digest"),
    ("layer too long", "size is verified", lambda f: archive(f, spoil=extend), "size|digest"),
    ("descriptor says a smaller size", "size is verified",
     lambda f: archive(f, change=descriptor(size=10)), "size|digest"),
    ("descriptor says a negative size", "OCI descriptor",
     lambda f: archive(f, change=descriptor(size=-1)), "size"),
    ("descriptor says 2**63", "OCI descriptor",
     lambda f: archive(f, change=descriptor(size=2 ** 63)), "size"),
    ("descriptor's size is text", "OCI descriptor",
     lambda f: archive(f, change=descriptor(size="10")), "size"),
    ("config cut", "size is verified", lambda f: archive(f, change=config_descriptor(size=3)),
     "size|digest"),
    ("config missing", "every blob is there", lambda f: archive(f, spoil=config_missing),
     "no such|missing|not in|not found|has no"),
    ("digest leads out of the layout", "CVE-2021-43784 kind",
     lambda f: archive(f, change=descriptor(digest="sha256:../../../etc/passwd")), "digest"),
    ("digest of capitals", "OCI descriptor",
     lambda f: archive(f, change=lambda m: m["layers"][0].update(
         digest=m["layers"][0]["digest"].upper())), "digest"),
    ("digest too short", "OCI descriptor",
     lambda f: archive(f, change=descriptor(digest="sha256:abc")), "digest"),
    ("digest algorithm unknown", "sha256 and sha512 only",
     lambda f: archive(f, change=descriptor(digest="md5:" + "0" * 32)), "digest"),
    ("diff_id wrong", "diff_ids are verified", lambda f: archive(f, config_change=lambda c:
     c["rootfs"].update(diff_ids=["sha256:" + "0" * 64])), "diff_id"),
    ("a diff_id too few", "diff_ids in number",
     lambda f: archive(f, config_change=lambda c: c["rootfs"].update(diff_ids=[])), "diff_id|layer"),
    ("a diff_id too many", "diff_ids in number", lambda f: archive(f, config_change=lambda c:
     c["rootfs"]["diff_ids"].append("sha256:" + "0" * 64)), "diff_id|layer"),
    # documents
    ("both manifests and layers", "CVE-2021-41190", both_lists, "manifests|layers"),
    ("manifest with the media type of an index", "CVE-2021-41190",
     lambda f: archive(f, change=change_manifest(mediaType=oci.INDEX)), "media type"),
    ("schema 1", "refused by name", lambda f: archive(f, change=change_manifest(schemaVersion=1)),
     "schema"),
    ("manifest without layers", "OCI manifest", lambda f: archive(f, change=cut_manifest("layers")),
     "layers"),
    ("manifest without config", "OCI manifest", lambda f: archive(f, change=cut_manifest("config")),
     "config"),
    ("layer of a foreign media type", "foreign layers are refused",
     lambda f: archive(f, change=descriptor(
         mediaType="application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")),
     "media type|foreign|nondistributable"),
    ("layer of an unknown media type", "media type",
     lambda f: archive(f, change=descriptor(mediaType="text/plain")), "media type|text/plain"),
    ("layer says plain tar, is gzip", "type and bytes agree",
     lambda f: archive(f, change=descriptor(mediaType=oci.LAYER)), "media type|gzip|tar"),
    ("layer says zstd, is gzip", "type and bytes agree",
     lambda f: archive(f, change=descriptor(mediaType=oci.LAYER + "+zstd")), "media type|gzip|zstd"),
    ("index is no JSON", "OCI layout", lambda f: archive(f, spoil=index_text("{")), "index|JSON"),
    ("index is nested 100,000 deep", "depth is bounded",
     lambda f: archive(f, spoil=index_text("[" * 100_000)), "index|JSON|nest|deep"),
    ("index with a duplicate member", "RFC 8259 4",
     lambda f: archive(f, spoil=index_text('{"schemaVersion":2,"schemaVersion":2,"manifests":[]}')),
     "index|JSON|duplicate|twice"),
    ("index of 5 MiB", "manifests are at most 4 MiB",
     lambda f: archive(f, spoil=index_text(" " * (5 << 20))), "index|large|MiB|JSON|4194304"),
    ("index without manifests", "OCI index", lambda f: archive(f, spoil=index_change(
        lambda index: index.update(manifests=[]))), "manifest|image"),
    ("no index.json", "OCI layout", layout_with(lambda d, _: (d / "index.json").unlink()), "index"),
    ("no oci-layout", "OCI layout", layout_with(lambda d, _: (d / "oci-layout").unlink()),
     "oci-layout|layout"),
    ("layout version 9", "OCI layout", layout_with(
        lambda d, _: (d / "oci-layout").write_text('{"imageLayoutVersion":"9.0.0"}')), "ersion"),
    ("index nested six deep", "at most 4 deep", nested_index, "nest|deep|index"),
    ("two references, none chosen", "an error that lists them", two_references, "one.*two|two.*one"),
    ("another machine's image", "the host's platform only", other_platform,
     "platform|amd64|architecture"),
    ("129 layers", "at most 128 layers", many_layers, "128|layers"),
    # a layout is read inside itself
    ("a blob that is a symlink", "no symlink among the blobs", layout_with(blob_symlink),
     "symlink|symbolic|regular|ELOOP|levels"),
    ("a blob that is a FIFO", "no FIFO among the blobs", layout_with(blob_fifo),
     "FIFO|regular|plain"),
    ("archive entry with ..", "no path out of an archive",
     archive_entry(oci.entry("../evil", b"x")), r"\.\.|path|name"),
    ("archive entry that is absolute", "no path out of an archive",
     archive_entry(oci.entry("/etc/evil", b"x")), "absolute|path|name"),
    ("archive with a blob as symlink", "no link among the blobs",
     archive_entry(oci.symlink("blobs/sha256/" + "0" * 64, "/etc/passwd")), "link|regular|plain"),
    ("archive cut in the middle", "truncation", cut_file, "trunc|cut|end|short|size"),
    # layers
    ("entry with ..", "names inside the root",
     lambda f: archive(f, [hostile("../../evil")]), r"\.\."),
    ("entry with .. inside", "names inside the root",
     lambda f: archive(f, [hostile("a/../../evil")]), r"\.\."),
    ("absolute entry", "names inside the root", lambda f: archive(f, [hostile("/etc/evil")]),
     "absolute|/etc/evil"),
    ("name of 300 bytes", "components of at most 255 bytes",
     lambda f: archive(f, [hostile("x" * 300)]), "name|long|255"),
    ("path of 5,000 bytes", "paths of at most 4,095 bytes",
     lambda f: archive(f, [hostile("/".join(["x" * 99] * 50))]), "path|long|4095|4096"),
    ("hardlink out of the root", "CVE-2024-21626 kind; no path out",
     lambda f: archive(f, [[oci.hardlink("a", "../../etc/passwd")]]), r"\.\.|link"),
    ("absolute hardlink to nothing", "hardlinks stay inside",
     lambda f: archive(f, [[oci.hardlink("a", "/etc/shadow")]]), "absolute|link"),
    ("hardlink to nothing", "hardlinks point at what is there",
     lambda f: archive(f, [[oci.hardlink("a", "nothing")]]), "link|nothing"),
    ("hardlink to itself", "hardlinks point at what is there",
     lambda f: archive(f, [[oci.hardlink("a", "a")]]), "link|itself"),
    ("hardlink to a directory", "no hardlink to a directory",
     lambda f: archive(f, [[oci.directory("d"), oci.hardlink("a", "d")]]), "director|link"),
    ("file below a symlink", "no name is resolved through a symlink",
     lambda f: archive(f, [[oci.symlink("d", "/etc"), oci.entry("d/passwd", b"x")]]),
     "symlink|symbolic|director|link"),
    ("file below a symlink of a lower layer", "no name is resolved through a symlink",
     lambda f: archive(f, [[oci.symlink("d", "/etc")], [oci.entry("d/passwd", b"x")]]),
     "symlink|symbolic|director|link"),
    ("hardlink through a symlink", "no name is resolved through a symlink",
     lambda f: archive(f, [[oci.directory("e"), oci.entry("e/f", b"x"), oci.symlink("d", "e"),
                            oci.hardlink("a", "d/f")]]), "symlink|symbolic|director|link"),
    ("file below a file", "parents are directories",
     lambda f: archive(f, [[oci.entry("d", b""), oci.entry("d/x", b"")]]), "director|d/x"),
    ("whiteout of nothing", ".wh. alone is refused",
     lambda f: archive(f, [[oci.entry(".wh.", b"")]]), r"whiteout|\.wh"),
    ("whiteout of ..", ".wh... is refused",
     lambda f: archive(f, [[oci.entry("a/.wh...", b"")]]), r"whiteout|\.wh"),
    ("whiteout that is a directory", "whiteouts are plain files",
     lambda f: archive(f, [GOOD, [oci.directory(".wh.etc")]]), r"whiteout|\.wh"),
    ("device number out of range", "12 and 20 bits",
     lambda f: archive(f, [[oci.entry("dev0", kind=tarfile.CHRTYPE, device=(5000, 1))]]), "device|5000|major"),
    ("file of 2**62 bytes", "sizes are bounded", lambda f: raw_layer(f, huge_size()),
     "size|large|trunc|space|GiB|bytes|short"),
    ("pax record of 2 MiB", "pax records are at most 1 MiB",
     lambda f: raw_layer(f, with_pax(b"comment", b"x" * (2 << 20))), "pax|header|MiB|large|long"),
    ("pax size of 20 digits", "sizes are bounded",
     lambda f: raw_layer(f, with_pax(b"size", b"99999999999999999999")), "size|pax|large|number|trunc"),
    ("pax size negative", "sizes are bounded",
     lambda f: raw_layer(f, with_pax(b"size", b"-1")), "size|pax|number|negative"),
    ("pax path with ..", "names inside the root",
     lambda f: raw_layer(f, with_pax(b"path", b"../../evil")), r"\.\."),
    ("pax header whose length lies", "pax records",
     lambda f: raw_layer(f, pax_header(b"99999 path=x\n") + oci.tar(GOOD)), "pax|header|malformed|record|length"),
    ("xattr of 100 KiB", "values of at most 64 KiB",
     lambda f: raw_layer(f, with_pax(b"SCHILY.xattr.user.big", b"x" * 100_000)),
     "xattr|attribute"),
    ("tar header with a bad checksum", "tar",
     lambda f: raw_layer(f, b"x" * 512 + oci.tar(GOOD)), "tar|header|checksum|archive|format|recogni"),
    ("layer ends in the middle of a file", "truncation",
     lambda f: raw_layer(f, oci.tar([oci.entry("big", b"x" * 100_000)])[:50_000]),
     "trunc|end|short"),
    ("zstd bomb", "ratio of at most 1:2000 beyond the first GiB", bomb,
     "ratio|bomb|expand|large|GiB|times|diff_id"),
    # docker archives, bare root file systems
    ("docker: a layer is missing", "every layer is there", docker(docker_layer_missing),
     "layer|missing|no such|not in"),
    ("docker: a layer's content differs", "diff_ids are verified", docker(docker_layer_wrong),
     "diff_id|digest"),
    ("docker: config leads outside", "no path out of an archive",
     docker(lambda m, f: m[0].update(Config="../../etc/passwd")), r"\.\.|Config|config|path"),
    ("docker: Layers is text", "docker manifest", docker(lambda m, f: m[0].update(Layers="x")),
     "Layers|layers"),
    ("rootfs cut in its gzip", "truncation", cut_gzip, "trunc|end|gzip|short"),
    ("rootfs with rubbish behind its gzip", "trailing bytes", gzip_trailer,
     "trailing|behind|after|gzip"),
    ("an empty file", "what is it?", lambda f: write(f, b""), "empty|neither|recogni|kind|format"),
    ("text", "what is it?", lambda f: write(f, b"hello, world\n" * 100),
     "neither|recogni|kind|format|archive|tar"),
]


def write(folder, data):
    path = folder / "bad"
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module", autouse=True)
def as_before():
    """All of the rows together leave neither rows nor files."""
    before, images = suite.host_state(), suite.banger_json("image", "list")
    yield
    assert suite.banger_json("image", "list") == images
    found = suite.wait_state(before)
    assert not found, f"left behind: {found}"


@pytest.mark.parametrize("what, rule, build, words", ROWS, ids=[row[0] for row in ROWS])
def test_row(what, rule, build, words, tmp_path):
    before = suite.host_state()["state"]
    done = suite.banger("image", "import", "--quiet", "bad", build(tmp_path), timeout=120)
    assert done.status == 1, f"{what} ({rule}): {done}"
    assert re.search(words, done.err, re.I), f"{what}: the message says why: {done.err}"
    assert suite.wait_for(lambda: suite.host_state()["state"] == before, 5), \
        f"{what}: left {set(suite.host_state()['state']) - set(before)}"


def test_good_one_is_taken(tmp_path):
    """The builder's own mistakes would make every row pass: unspoilt, its image is right."""
    suite.banger("image", "import", "good", archive(tmp_path), check=True)
    suite.banger("image", "delete", "good", check=True)


def test_no_such_file(tmp_path):
    done = suite.banger("image", "import", "bad", tmp_path / "nothing")
    assert done.status == 1 and "nothing" in done.err


def test_name_exists_already(tmp_path):
    suite.banger("image", "import", "twice", archive(tmp_path), check=True)
    try:
        done = suite.banger("image", "import", "twice", archive(tmp_path))
        assert done.status == 1 and "already" in done.err
        suite.banger("image", "import", "--replace", "twice", archive(tmp_path), check=True)
    finally:
        suite.banger("image", "delete", "twice", check=True)


def test_source_that_is_unreadable(tmp_path):
    """Files are opened with the caller's rights, never with the daemon's."""
    path = archive(tmp_path)
    path.chmod(0o600)
    tmp_path.chmod(0o755)
    done = suite.banger("image", "import", "bad", path, uid=65534)
    assert done.status == 1 and "ermission denied" in done.err


def test_cancelled_import_leaves_nothing(tmp_path):
    """Ctrl-C, or the CLI's death, in the middle of an import."""
    before = suite.host_state()
    for number in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(["banger", "image", "import", "--type", "rootfs", "slow", "-"],
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdin.write(oci.tar([oci.entry("x", b"y" * 5_000_000)], end=False))
            process.stdin.flush()
            process.send_signal(number)
            process.wait(20)
            process.stdin.close()
            assert process.returncode != 0
    found = suite.wait_state(before)
    assert not found, f"left behind: {found}"
