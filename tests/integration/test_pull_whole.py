# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole pulls from a registry that can be held up: ended in the middle, by two users at once, of
platforms that are not there. The image comes exact or not at all, nothing is left but parts in the
cache, and the next pull goes on from those."""

import os
import signal
import time

import oci
import pytest
import suite
from mock_registry import Origin, World
from registry_cases import cut_each
from whole_pull import STATE, Slow, exact, nothing_but_parts, pull, reference

# With the filter that kills; in the other mode it is the same.
if suite.settings().get("seccomp", "kill") != "kill":
    pytest.skip("the same as with seccomp = kill", allow_module_level=True)

USER, OTHER = 65534, 65533
FILES = {name: os.urandom(400_000) for name in ("one", "two", "three")}


@pytest.fixture(scope="module")
def origins():
    made = {"registry": Origin("registry", "127.0.0.1")}
    yield made
    made["registry"].shutdown()
    made["registry"].server_close()


@pytest.fixture
def world(origins):
    """An image of three layers, which do not compress."""
    made = World(origins)
    layout = oci.Layout()
    layout.image([oci.tar([oci.entry(*file)]) for file in FILES.items()])
    made.take(layout)
    origins["registry"].world = made
    yield made
    origins["registry"].world = None
    for uid in (0, USER, OTHER):
        for image in suite.banger_json("image", "list", uid=uid):
            suite.banger("image", "delete", image["id"], uid=uid, check=True)
        suite.banger("image", "cache", "prune", uid=uid, check=True)


@pytest.fixture
def slow(world):
    """The second layer stops after 200,000 bytes, until it is freed."""
    made = Slow(world)
    yield made
    made.free.set()


@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-C of a run", "the client is killed",
                                 "the daemon is killed"])
def test_ended_in_the_middle(world, slow, how):
    words = ("vm", "run", "--rm", "--image") if "run" in how else ("image", "pull")
    with pull(world, words=words) as first:
        slow.wait()
        if "Ctrl-C" in how:
            first.send_signal(signal.SIGINT)
        elif how == "the client is killed":
            first.kill()
        else:
            suite.kill("bangerd")
        _, said = first.communicate(timeout=30)
    statuses = {"the client is killed": -9, "the daemon is killed": 1}
    assert first.returncode == statuses.get(how, 130), said
    if "Ctrl-C" in how:
        assert "kept for the next pull" in said
    if how == "the daemon is killed":
        suite.restart()
    nothing_but_parts()
    at = slow.part().stat().st_size
    again = suite.banger("image", "pull", reference(world))
    assert again.status == 0, again
    assert slow.ranges() == ["", f"bytes={at}-"], "it goes on where it was"
    exact(world, again.out.strip(), FILES)
    assert not list(slow.part().parent.iterdir())


def test_200_restarts(world):
    """Of one blob, each from where the last one ended; the image is exact."""
    cut_each(world, 201)
    done = suite.banger("image", "pull", reference(world))
    assert done.status == 0, done
    begins = [int(seen.range[6:-1] or 0) for seen in world.requests("registry", world.layer_path())]
    assert len(begins) == 201 and begins == sorted(set(begins)), begins
    exact(world, done.out.strip(), FILES)


def test_two_users_at_once(world, slow):
    """Each fetches, into its own cache, an image of its own."""
    with pull(world, USER) as one, pull(world, OTHER) as two:
        slow.wait(USER)
        slow.wait(OTHER)
        slow.free.set()
        ids = [process.communicate(timeout=60)[0].strip() for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0) and ids[0] != ids[1]
    for uid, ident in zip((USER, OTHER), ids):
        assert [row["id"] for row in suite.banger_json("image", "list", uid=uid)] == [ident]
        exact(world, ident, FILES)
    assert not (STATE / "images" / f"{ids[0]}.ext4").samefile(STATE / "images" / f"{ids[1]}.ext4")
    assert len(slow.ranges()) == 4


def test_a_prune_meanwhile(world, slow):
    """It leaves what is being fetched; the pull goes on."""
    with pull(world) as process:
        slow.wait()
        freed = suite.banger("image", "cache", "prune", check=True).out
        assert slow.part().exists() and freed.startswith("freed "), freed
        slow.free.set()
        ident, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert len(slow.ranges()) == 2 and slow.ranges()[1].startswith("bytes="), slow.ranges()
    exact(world, ident.strip(), FILES)


def test_the_first_of_two_gives_up(world, slow):
    """Of the same pull asked for twice, the second one takes over, from where the first was."""
    with pull(world) as first:
        slow.wait()
        with pull(world) as second:
            assert any("the same pull" in line for line in second.stderr)
            first.send_signal(signal.SIGINT)
            assert first.wait(30) == 130
            ident, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert len(slow.ranges()) == 2 and slow.ranges()[1].startswith("bytes=")
    exact(world, ident.strip(), FILES)


def test_the_second_of_two_gives_up(world, slow):
    """It waits for nobody then, and the first is none the worse for it."""
    with pull(world) as first:
        slow.wait()
        with pull(world) as second:
            assert any("the same pull" in line for line in second.stderr)
            second.send_signal(signal.SIGINT)
            assert second.wait(30) == 130
        slow.free.set()
        ident, said = first.communicate(timeout=60)
    assert first.returncode == 0, said
    exact(world, ident.strip(), FILES)


# ---- who is to blame, of two that end each other ----

def refused(world, *options):
    done = suite.banger("image", "pull", reference(world), *options)
    assert done.status == 1 and suite.banger_json("image", "list") == [], done
    return done.err


def test_a_layer_that_is_not_there(world):
    """The worker that waits for it is told that it was cancelled; the user is told why."""
    missing = world.layers[2]["digest"]
    del world.blobs[missing]
    why = refused(world)
    assert f"{world.host()} has no blobs/{missing}" in why and "cancelled" not in why, why


def test_a_layer_that_is_another(world):
    changed = world.layers[1]["digest"]
    world.blobs[changed] = bytes(len(world.blobs[changed]))
    why = refused(world)
    assert changed in why and "digest" in why and "cancelled" not in why, why


def test_a_layer_that_is_none(world):
    """It is what its digest says, and no gzip: that is found out, and ends the fetcher, while another
    layer does not come, for which the fetcher alone would wait for 30 s."""
    layout = oci.Layout()

    def change(manifest):
        manifest["layers"][0] = layout.blob(b"no gzip", f"{oci.LAYER}+gzip")
    layout.image([oci.tar([oci.entry(*file)]) for file in FILES.items()], change=change)
    world.take(layout)
    slow, begin = Slow(world), time.monotonic()
    why = refused(world)
    assert time.monotonic() - begin < 20
    slow.free.set()
    assert world.layers[0]["digest"] in why and "gzip" in why and "cancelled" not in why, why


# ---- platforms ----

def image_for(layout, architecture, variant=None, said=None):
    """One more in the layout; its configuration may say (`said`) something else."""
    platform = {"os": "linux", "architecture": architecture}
    layout.image([oci.tar([oci.entry("which", f"{architecture} {variant}".encode())])],
                 platform=platform | ({"variant": variant} if variant else {}),
                 config_change=lambda c: c.update(architecture=said or architecture))


def test_no_image_for_this_host(world):
    layout = oci.Layout()
    for architecture, variant in (("arm64", "v8"), ("riscv64", None), ("unknown", None)):
        image_for(layout, architecture, variant)
    layout.manifests[-1]["platform"]["os"] = "unknown"
    world.take(layout)
    why = refused(world)
    assert "linux/amd64" in why and "linux/arm64/v8, linux/riscv64" in why and "unknown" not in why
    assert not world.requests("registry", "blobs"), "nothing of it was fetched"


def test_one_image_for_another_host(world):
    """Its configuration alone says so."""
    layout = oci.Layout()
    image_for(layout, "arm64")
    del layout.manifests[0]["platform"]
    world.take(layout)
    why = refused(world)
    assert "linux/arm64" in why and "linux/amd64" in why


def test_an_index_that_lies(world):
    layout = oci.Layout()
    image_for(layout, "amd64", said="arm64")
    image_for(layout, "riscv64")
    world.take(layout)
    assert "the image is for linux/arm64" in refused(world)


def test_another_platform_is_asked_for(world):
    """This host cannot run it: nobody is asked for it."""
    why = refused(world, "--platform", "linux/arm64")
    assert "'linux/arm64' does not run here" in why and "linux/amd64" in why
    assert not world.requests()


def test_variants(world):
    layout = oci.Layout()
    for variant in (None, "v2", "v3"):
        image_for(layout, "amd64", variant)
    image_for(layout, "arm64", "v8")
    world.take(layout)
    why = refused(world, "--platform", "linux/amd64/v4")
    assert "linux/amd64/v4" in why and "linux/amd64, linux/amd64/v2, linux/amd64/v3, linux/arm64/v8" \
        in why, why
    done = suite.banger("image", "pull", "-q", reference(world), "--platform", "linux/amd64/v3")
    assert done.status == 0, done
    shown = suite.banger_json("image", "show", done.out.strip())
    assert shown["digest"] == layout.manifests[2]["digest"]
    # With none asked for, the plain one.
    done = suite.banger("image", "pull", "-q", reference(world), check=True)
    shown = suite.banger_json("image", "show", done.out.strip())
    assert shown["digest"] == layout.manifests[0]["digest"]
