# SPDX-License-Identifier: GPL-2.0-or-later
"""Catalogs: short names of images and kernels, each with the one digest that it may have; what is
broken in them is named, and nothing is pulled past them."""

from pathlib import Path

import oci
import pytest
import registry
import rpc
import suite

ZERO = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with registry.Registry(tmp_path_factory.mktemp("registry")) as r:
        yield r


def ids(kind):
    return {row["id"] for row in suite.banger_json(kind, "list")}


@pytest.fixture
def catalog():
    """catalog(TEXT, NAME, vendor=) writes a file of a catalog; the files and what was pulled go."""
    conf, written, before = suite.settings(), [], ids("image") | ids("kernel")

    def write(text, name="test.conf", vendor=False):
        path = Path(conf["vendor_catalog_dir" if vendor else "catalog_dir"]) / name
        path.write_text(text)
        path.chmod(0o644)
        written.append(path)
        return path

    yield write
    for path in written:
        path.unlink(missing_ok=True)
    for kind in ("image", "kernel"):
        for ident in ids(kind) - before:
            suite.banger(kind, "delete", ident, check=True)
    suite.banger("image", "cache", "prune", check=True)


def image(name, reference, digest):
    return f"[image {name}]\nreference = {reference}\ndigest = {digest}\n"


def refusal(method, params):
    with pytest.raises(rpc.RpcError) as caught:
        rpc.call(method, params)
    return caught.value


def test_an_image(plain, catalog):
    """Its digest rules, wherever the tag went; a newer entry takes the older one's place."""
    old = plain.push("team/box:1", [[oci.entry("old")]], {"Env": ["OLD=1"]})
    catalog(image("box", f"{plain.host}/team/box:1", old))
    new = plain.push("team/box:1", [[oci.entry("new")]])
    assert rpc.call("image.reference", {"reference": "box"})["reference"] == \
        f"{plain.host}/team/box:1@{old}"
    done = suite.banger("image", "pull", "box")
    assert done.status == 0, done
    shown = suite.banger_json("image", "show", "box")
    assert (shown["digest"], shown["env"]) == (old, ["OLD=1"])
    assert rpc.call("image.pull", {"reference": "box"})["pulled"] is False
    catalog(image("box", f"{plain.host}/team/box:1", new))
    assert rpc.call("image.pull", {"reference": "box"})["image"]["digest"] == new
    assert [row["digest"] for row in suite.banger_json("image", "list")] == [new]


def test_the_digest_is_enforced(plain, catalog):
    """What a registry has not by this digest is not had by its tag; nor is what it calls so."""
    plain.push("team/box:2", [[oci.entry("a")]])
    catalog(image("box", f"{plain.host}/team/box:2", ZERO))
    error = refusal("image.pull", {"reference": "box"})
    assert error.code == "not_found" and plain.host in error.message, error
    assert suite.banger_json("image", "list") == []


def test_the_hosts_own_before_the_packages(plain, catalog):
    first, second = (plain.push(f"team/box:{n}", [[oci.entry(n)]]) for n in "34")
    catalog(image("box", f"{plain.host}/team/box:3", first), "theirs.conf", vendor=True)
    ask = {"reference": "box"}
    assert rpc.call("image.reference", ask)["reference"].endswith(first)
    catalog(image("box", f"{plain.host}/team/box:4", second), "ours.conf")
    assert rpc.call("image.reference", ask)["reference"].endswith(second)
    catalog("", "ours.conf")
    catalog("", "theirs.conf")
    assert rpc.call("image.reference", ask)["reference"] == "docker.io/library/box:latest", "masked"


def test_told_at_the_start(catalog):
    """The daemon starts, and its log has the file and the line."""
    catalog("[kernel k]\nsize = much\n")
    suite.stop()
    suite.start()
    log = (suite.DIR / "log").read_text()
    assert "a catalog is left out: " in log and "test.conf, line 2: size: must be" in log


@pytest.mark.parametrize("text, mode, says", [
    ("[image box]\nreference = box\n", 0o644, "test.conf, line 2: "),
    ("nothing\n", 0o644, "test.conf, line 1: "),
    ("[image other]\nreference = docker.io/a\n", 0o644, "line 2: image 'other' has no 'digest'"),
    ("", 0o666, "test.conf must be a regular file of root's"),
    ("[image a]\n\0\n", 0o644, "test.conf has a NUL in it"),
    ("#\n" * 150_000, 0o644, "test.conf: a file is larger than")],
    ids=["value", "line", "incomplete", "mode", "nul", "large"])
def test_broken(catalog, text, mode, says):
    """Neither does the daemon stop, nor is a name that may be in there sought elsewhere; others are."""
    catalog(text).chmod(mode)
    for method in ("image.reference", "image.pull"):
        error = refusal(method, {"reference": "box"})
        assert error.code == "bad_request" and says in error.message, error
    assert rpc.call("image.reference", {"reference": "library/box"})["reference"]
    catalog(image("box", "docker.io/library/box", ZERO), "sound.conf")
    assert rpc.call("image.reference", {"reference": "box"})["reference"].endswith(ZERO)
