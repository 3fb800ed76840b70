# SPDX-License-Identifier: GPL-2.0-or-later
"""registries.conf through the whole daemon: short names, mirrors, plain http, an authority of one's
own, and none at all."""

import subprocess
from pathlib import Path

import oci
import pytest
import registry
import rpc
import suite
from mock_registry import NAME, Origin, World, certificates

# With the filter that kills; in the other mode it is the same.
if suite.settings().get("seccomp", "kill") != "kill":
    pytest.skip("the same as with seccomp = kill", allow_module_level=True)

PUBLIC = "203.0.113.10"
TARS = [oci.tar([oci.entry(name, name.encode() * 9999)]) for name in ("a", "b")]


@pytest.fixture(scope="module")
def address():
    """A public one, on this namespace's loopback."""
    subprocess.run(["ip", "address", "add", f"{PUBLIC}/32", "dev", "lo"], check=True)
    yield PUBLIC
    subprocess.run(["ip", "address", "del", f"{PUBLIC}/32", "dev", "lo"], check=True)


@pytest.fixture(scope="module")
def authorities():
    """A folder below /etc, where the daemon may read."""
    folder = Path("/etc/opt")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="module")
def origins(address, authorities):
    """One that speaks TLS, with an authority of its own (ca), and one that does not."""
    folder = authorities / "made"
    folder.mkdir()
    ca, pair = certificates(folder, [address])
    made = {"tls": Origin("tls", address, pair), "plain": Origin("plain", address)}
    made["tls"].ca = ca
    yield made
    for origin in made.values():
        origin.shutdown()
        origin.server_close()


@pytest.fixture
def world(origins):
    """An image that both have."""
    layout = oci.Layout()
    layout.image(TARS)
    world = World(origins)
    world.digest = world.take(layout)["digest"]
    for origin in origins.values():
        origin.world = world
    yield world
    for origin in origins.values():
        origin.world = None


@pytest.fixture(autouse=True)
def no_images():
    yield
    for image in suite.banger_json("image", "list"):
        suite.banger("image", "delete", image["id"], check=True)
    suite.banger("image", "cache", "prune", check=True)


@pytest.fixture(scope="module")
def configured():
    """configured(TEXT) makes it what registries.conf says; the suite is as it was afterwards."""
    conf, path = suite.DIR / "banger.conf", suite.DIR / "registries.conf"
    before = conf.read_text()
    path.write_text("")
    suite.stop()
    conf.write_text(f"{before}\n[image]\nregistries = {path}\n")
    suite.start()
    yield path.write_text
    suite.stop()
    conf.write_text(before)
    path.unlink()
    suite.start()


def test_short_names_and_mirrors(tmp_path, configured):
    """Read for each pull. What a mirror gives is an image of the registry that it stands for."""
    with registry.Registry(tmp_path / "registry") as plain:
        digest = plain.push("hub/team/tool:1", TARS)
        configured("[short-names]\ntool = far.invalid/team/tool:1\n"
                   f"[far.invalid]\nmirror = 127.0.0.1:1\nmirror = {plain.host}/hub\n")
        asked = rpc.call("image.reference", {"reference": "tool"})
        assert asked == {"reference": "far.invalid/team/tool:1",
                         "hosts": ["127.0.0.1:1", plain.host, "far.invalid"]}
        image = rpc.call("image.pull", {"reference": "tool"})["image"]
    assert (image["name"], image["digest"]) == ("tool", digest)
    found = rpc.call("image.pull", {"reference": "far.invalid/team/tool:1", "policy": "never"})
    assert found["image"]["id"] == image["id"], "known by what it is, too"
    configured("[short-names]\ntool = nothing\n")
    with pytest.raises(rpc.RpcError) as caught:
        rpc.call("image.pull", {"reference": "tool"})
    assert caught.value.code == "bad_request" and "line 2" in caught.value.message


def pulled(reference):
    """The digest of what came, or why nothing did."""
    done = suite.banger("image", "pull", "-q", reference)
    if done.status == 0:
        return suite.banger_json("image", "show", done.out.strip())["digest"]
    assert done.status == 1 and suite.banger_json("image", "list") == [], done
    return done.err


def test_own_authority(world, origins, configured):
    """A certificate counts by the authority that is given for its registry, and by no other."""
    tls = origins["tls"]
    reference = f"{tls.host}/{NAME}:v1"
    configured("")
    assert "certificate" in pulled(reference)
    configured(f"[{tls.host}]\nca = {tls.ca}\n")
    assert pulled(reference) == world.digest


def test_an_authority_of_others(world, origins, configured, authorities):
    tls = origins["tls"]
    reference = f"{tls.host}/{NAME}:v1"
    folder = authorities / "others"
    folder.mkdir()
    other, _ = certificates(folder, [PUBLIC])
    configured(f"[{tls.host}]\nca = {other}\n")
    assert "certificate" in pulled(reference)
    # For another registry than this.
    configured(f"[{origins['plain'].host}]\nca = {tls.ca}\n")
    assert "certificate" in pulled(reference)
    assert not world.requests("tls"), "nothing was asked where nobody was known"


def test_an_authority_that_cannot_be_read(world, origins, configured, authorities):
    tls = origins["tls"]
    reference = f"{tls.host}/{NAME}:v1"
    (authorities / "garbage.pem").write_text("no certificate\n")
    (authorities / "large.pem").write_text("x" * 70000)
    for name, word in (("absent.pem", "absent.pem"), ("garbage.pem", "certificate"),
                       ("large.pem", "large.pem")):
        configured(f"[{tls.host}]\nca = {authorities / name}\n")
        why = pulled(reference)
        assert word in why and tls.host in why, why


def test_insecure(world, origins, configured):
    """Whoever the other end is: what it sends must be what the digest says all the same."""
    tls = origins["tls"]
    configured(f"[{tls.host}]\ninsecure = yes\n")
    assert pulled(f"{tls.host}/{NAME}:v1") == world.digest
    suite.banger("image", "delete", f"{tls.host}/{NAME}:v1", check=True)
    suite.banger("image", "cache", "prune", check=True)
    world.blobs[world.layers[0]["digest"]] = bytes(world.layers[0]["size"])
    assert "digest" in pulled(f"{tls.host}/{NAME}:v1")


def test_plain_http(world, origins, configured):
    """Asked for by the operator, or not at all."""
    plain = origins["plain"]
    reference = f"{plain.host}/{NAME}:v1"
    configured("")
    pulled(reference)
    assert not world.requests("plain")
    configured(f"[{plain.host}]\nplain_http = yes\n")
    assert pulled(reference) == world.digest


def test_mirrors(world, origins, configured):
    """Each mirror as it is configured itself: the first's certificate is nobody's, the second is
    asked by http. What it has is an image of the registry, which is never asked."""
    tls, plain = origins["tls"], origins["plain"]
    reference = f"far.invalid/{NAME}:v1"
    mirrors = f"[far.invalid]\nmirror = {tls.host}\nmirror = {plain.host}\n"
    configured(f"{mirrors}[{plain.host}]\nplain_http = yes\n")
    assert pulled(reference) == world.digest
    assert world.requests("plain") and not world.requests("tls")
    shown = suite.banger_json("image", "show", reference)
    assert shown["reference"] == reference
    suite.banger("image", "delete", reference, check=True)
    suite.banger("image", "cache", "prune", check=True)
    world.seen.clear()
    configured(f"{mirrors}[{tls.host}]\nca = {tls.ca}\n")
    assert pulled(reference) == world.digest
    assert world.requests("tls") and not world.requests("plain")
