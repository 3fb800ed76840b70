# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels of catalogs: fetched by https, taken by their digest alone, told of in the catalog."""

import threading
from pathlib import Path

import files_server
import oci
import pytest
import rpc
import suite
from files_server import entry

ZERO = "sha256:" + "0" * 64
FOREIGN = "127.0.0.2"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two origins; registries.conf has the authority of both, for their hosts."""
    with files_server.trusted(tmp_path_factory.mktemp("files"), ("127.0.0.1", FOREIGN)) as files:
        yield files


def kernels(uid):
    return {row["id"] for row in suite.banger_json("kernel", "list", uid=uid)}


@pytest.fixture
def catalog(world):
    """catalog(TEXT, NAME) writes a file of the host's catalogs; all that came of it goes."""
    written, before = [], kernels(None) | kernels(65534)
    world.seen.clear()
    world.files.clear()
    world.misbehave = lambda handler: False

    def write(text, name="test.conf"):
        path = Path(suite.settings()["catalog_dir"]) / name
        path.write_text(text)
        path.chmod(0o644)
        written.append(path)

    yield write
    for path in written:
        path.unlink(missing_ok=True)
    for uid in (None, 65534):
        for ident in kernels(uid) - before:
            suite.banger("kernel", "delete", ident, check=True)
        suite.banger("image", "cache", "prune", uid=uid, check=True)


def refusal(params=None):
    with pytest.raises(rpc.RpcError) as caught:
        rpc.call("kernel.pull", params or {"kernel": "k"})
    return caught.value


def nothing_is_here():
    state = Path(suite.settings()["state_dir"])
    files = [path for path in (state / "kernels").rglob("*") if path.is_file()]
    return suite.banger_json("kernel", "list") == [] and files == []


def test_pull(world, catalog):
    """Fetched once, proven, made; here then, also for who asks again or lists the catalog."""
    catalog(entry(world, description="a kernel"))
    before = suite.banger_json("kernel", "catalog")
    assert before[0]["present"] is None and before[0]["description"] == "a kernel"
    done = suite.banger("kernel", "pull", "k")
    assert done.status == 0 and "fetch" in done.err and files_server.RELEASE in done.err, done
    shown = suite.banger_json("kernel", "show", "k")
    assert (shown["id"], shown["version"]) == (done.out.strip(), files_server.RELEASE)
    assert shown["digest"] == before[0]["digest"]
    again = suite.banger("kernel", "pull", "k")
    assert again.out == done.out and "was here already" in again.err, again
    assert len(world.requests("/kernel")) == 1
    assert suite.banger_json("kernel", "catalog")[0]["present"] == shown["id"]
    table = suite.banger("kernel", "catalog", check=True).out.splitlines()
    assert table[0].split()[:3] == ["NAME", "HERE", "PREFERRED"] and shown["id"] in table[1]
    assert not world.requests("/kernel")[0].authorization


def test_for_another_user(world, catalog):
    """What root has is everybody's; what a user has is the user's."""
    catalog(entry(world))
    own = suite.banger("kernel", "pull", "-q", "k", uid=65534, check=True).out
    assert suite.banger_json("kernel", "catalog")[0]["present"] is None
    roots = suite.banger("kernel", "pull", "-q", "k", check=True).out
    assert own != roots and len(world.requests("/kernel")) == 2, "caches are their owners'"
    suite.banger("kernel", "delete", own.strip(), check=True)
    assert suite.banger("kernel", "pull", "-q", "k", uid=65534, check=True).out == roots


def test_names(world, catalog):
    catalog(entry(world))
    first = rpc.call("kernel.pull", {"kernel": "k", "name": "mine"})["kernel"]
    assert first["name"] == "mine" and len(world.requests("/kernel")) == 1
    assert rpc.call("kernel.pull", {"kernel": "k"})["kernel"]["id"] == first["id"]
    other = rpc.call("kernel.pull", {"kernel": "k", "name": "other"})
    assert other["pulled"] and len(world.requests("/kernel")) == 1, "out of the cache"


def test_a_newer_entry(world, catalog):
    """Takes the place of what a catalog gave; of what a user made, when it is said."""
    catalog(entry(world))
    old = rpc.call("kernel.pull", {"kernel": "k"})["kernel"]
    catalog(entry(world, data=files_server.vmlinux("6.2.0-newer")))
    new = rpc.call("kernel.pull", {"kernel": "k"})["kernel"]
    assert new["version"] == "6.2.0-newer" and new["name"] == "k" and new["id"] != old["id"]
    assert [row["id"] for row in suite.banger_json("kernel", "list")] == [new["id"]]


def test_a_name_that_is_taken(world, catalog, tmp_path):
    catalog(entry(world))
    (tmp_path / "vmlinux").write_bytes(files_server.vmlinux("6.3.0-own"))
    suite.banger("kernel", "import", "-q", "--name", "k", tmp_path / "vmlinux", check=True)
    error = refusal()
    assert error.code == "already_exists" and world.seen == [], error
    assert rpc.call("kernel.pull", {"kernel": "k", "replace": True})["pulled"]


def test_the_preferred_one(world, catalog):
    assert refusal({}).code == "not_found"
    catalog(entry(world, "a") + entry(world, "b", path="/b", preferred="yes"))
    assert rpc.call("kernel.pull", {})["kernel"]["name"] == "b"
    error = refusal({"kernel": "c"})
    assert error.code == "not_found" and "no catalog has a kernel 'c'" in error.message, error


def test_the_same_at_once(world, catalog):
    """One fetches, the others share what comes of it."""
    gate = threading.Event()
    catalog(entry(world))
    world.misbehave = lambda handler: not gate.wait(20)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        rpc.call("kernel.pull", {"kernel": "k"}))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert suite.wait_for(lambda: world.seen)
    gate.set()
    for thread in threads:
        thread.join()
    assert sum(answer["pulled"] for answer in answers) == 1, answers
    assert len({answer["kernel"]["id"] for answer in answers}) == 1
    assert len(world.requests("/kernel")) == 1


# ---- what is not taken ----

GOOD = files_server.vmlinux()
OTHER = files_server.vmlinux("6.6.6-evil")


def goes_to(where):
    return lambda handler: handler.path == "/kernel" and \
        handler.reply(302, Location=where(handler.server))


BAD = {
    "another file of that size": (lambda h: h.reply(200, OTHER), "bad_input", "has the digest sha256:"),
    "one more byte": (lambda h: h.reply(200, GOOD + b"x"), "bad_input", "has 200001 bytes"),
    "more than it says": (lambda h: h.chunks([GOOD, b"x" * 100_000]), "bad_input", "larger than"),
    "less": (lambda h: h.reply(200, GOOD[:-1]), "bad_input", "has 199999 bytes"),
    "encoded": (lambda h: h.reply(200, GOOD, Content_Encoding="gzip"), "bad_input", "encoding"),
    "nothing": (lambda h: h.reply(404), "not_found", "has no file"),
    "a page of an error": (lambda h: h.reply(503, b"<html>", Retry_After="999"), "unavailable", "status 503"),
    "asked who we are": (lambda h: h.reply(401, WWW_Authenticate='Basic realm="x"'), "unauthorized", ""),
    "a redirect to http": (goes_to(lambda s: f"http://{s.host}/plain"), "bad_input", "from https to http"),
    "a redirect to a file": (goes_to(lambda s: "file:///etc/passwd"), "bad_input", "redirect"),
    "a redirect to metadata": (goes_to(lambda s: "https://169.254.169.254/kernel"), "bad_input",
                               "link-local"),
    "a redirect to itself": (goes_to(lambda s: "/kernel"), "bad_input", "more than 10 times"),
    "a redirect without a place": (lambda h: h.reply(302), "bad_input", "status 302"),
    "no HTTP": (lambda h: h.raw(b"SSH-2.0-x\r\n"), "bad_input", "HTTP/1.1"),
}


@pytest.mark.parametrize("how", BAD)
def test_what_is_not_taken(world, catalog, how):
    """A clear error, and nothing of it stays; then the right file is taken."""
    catalog(entry(world, data=GOOD))
    hook, code, says = BAD[how]
    world.misbehave = hook
    error = refusal()
    assert error.code == code and says in error.message, error
    assert "127.0.0.1" in error.message, f"says who: {error}"
    assert nothing_is_here() and suite.running()
    world.misbehave = lambda handler: False
    assert rpc.call("kernel.pull", {"kernel": "k"})["kernel"]["version"] == files_server.RELEASE


@pytest.mark.parametrize("data, says", [
    (b"hello" * 1000, "no bzImage, ELF vmlinux or Debian package"),
    (files_server.vmlinux().replace(b"Linux version", b"Linux nothing"), ""),
    (b"!<arch>\ndebian-binary   " + bytes(500), "")], ids=["text", "elf", "deb"])
def test_what_is_no_kernel(world, catalog, data, says):
    """Of the right digest, and yet nothing that boots."""
    catalog(entry(world, data=data))
    error = refusal()
    assert error.code == "bad_input" and says in error.message, error
    assert nothing_is_here()


def test_wrong_in_the_catalog(world, catalog):
    """A digest or size that the file has not, however well-meaning its server is."""
    catalog(entry(world, digest=ZERO))
    error = refusal()
    assert error.code == "bad_input" and "has the digest" in error.message, error
    catalog(entry(world, size=1000))
    assert refusal().code == "bad_input"
    assert nothing_is_here()


def test_an_authority_that_nobody_named(world, catalog):
    """The certificate counts although the digest does: who listens is to learn nothing."""
    catalog(entry(world, url=world.origins["127.0.0.1"].url.replace("127.0.0.1", "localhost") + "/kernel"))
    error = refusal()
    assert error.code == "unavailable" and "certificate" in error.message, error
    assert world.seen == []


def test_redirects(world, catalog):
    """To another origin, as releases have it: the authority of the first is trusted there, too."""
    target = world.origins[FOREIGN].url + "/moved"
    catalog(entry(world, data=GOOD))
    world.put("/moved", GOOD)
    world.misbehave = goes_to(lambda server: target)
    assert rpc.call("kernel.pull", {"kernel": "k"})["pulled"]
    assert [seen.path for seen in world.seen] == ["/kernel", "/moved"]


def test_cut_off(world, catalog):
    """It goes on where it was, in the same pull and in the next one after a cancellation."""
    data = files_server.vmlinux(size=3_000_000, fill=b"f")
    catalog(entry(world, data=data))
    stopped = threading.Event()

    def cut(handler):
        if len(world.requests("/kernel")) == 1:
            return handler.cut(200, data[:1_000_000], len(data))
        if len(world.requests("/kernel")) == 2:
            handler.cut(206, data[1_000_000:2_000_000], 2_000_000,
                        Content_Range=f"bytes 1000000-{len(data) - 1}/{len(data)}")
            handler.wfile.flush()
            stopped.wait(20)
            return True
        return False

    world.misbehave = cut
    with rpc.Rpc() as client:
        client.request("kernel.pull", {"kernel": "k"}, progress=True)
        assert suite.wait_for(lambda: len(world.seen) == 2)
        part = Path(suite.settings()["state_dir"]) / "cache/0/parts"
        assert suite.wait_for(lambda: [f for f in part.iterdir() if f.stat().st_size == 2_000_000])
    stopped.set()
    assert suite.wait_for(lambda: not suite.pids("banger-imaged-fetch"))
    assert nothing_is_here()
    assert rpc.call("kernel.pull", {"kernel": "k"})["pulled"]
    assert [seen.range for seen in world.seen] == ["", "bytes=1000000-", "bytes=2000000-"]


def test_a_fetcher_that_dies(world, catalog):
    """Says so; the daemon lives, and what was fetched is kept."""
    data = files_server.vmlinux(size=1_000_000)
    catalog(entry(world, data=data))
    killed = threading.Event()

    def half(handler):
        handler.cut(200, data[:500_000], len(data))
        handler.wfile.flush()
        return killed.wait(20)

    world.misbehave = half
    with rpc.Rpc() as client:
        ident = client.request("kernel.pull", {"kernel": "k"})
        assert suite.wait_for(lambda: suite.pids("banger-imaged-fetch") and world.seen)
        suite.kill("banger-imaged-fetch")
        with pytest.raises(rpc.RpcError) as caught:
            client.response(ident)
    killed.set()
    assert "the fetcher died" in caught.value.message, caught.value
    world.misbehave = lambda handler: False
    assert rpc.call("kernel.pull", {"kernel": "k"})["pulled"] and suite.running()


def test_a_cache_that_is_changed(world, catalog):
    """Who could write the cache could not have another kernel booted."""
    catalog(entry(world, data=GOOD))
    rpc.call("kernel.pull", {"kernel": "k", "name": "first"})
    blob = Path(suite.settings()["state_dir"]) / "cache/0/blobs/sha256" / \
        oci.digest(GOOD).removeprefix("sha256:")
    blob.write_bytes(OTHER)
    assert rpc.call("kernel.pull", {"kernel": "k", "name": "second"})["kernel"]["version"] == \
        files_server.RELEASE
    assert len(world.requests("/kernel")) == 2, "found, and fetched anew"


def test_broken_catalogs(world, catalog):
    catalog("[kernel broken]\nurl = http://plain.example.org/k\n", "a.conf")
    catalog(entry(world), "b.conf")
    listed = rpc.call("kernel.catalog")
    assert [row["name"] for row in listed["kernels"]] == ["k"]
    assert len(listed["problems"]) == 1 and "a.conf, line 2: url" in listed["problems"][0], listed
    shown = suite.banger("kernel", "catalog")
    assert shown.status == 0 and "a.conf, line 2" in shown.err and "a.conf" not in shown.out, shown
    error = refusal({"kernel": "broken"})
    assert error.code == "bad_request" and "a.conf, line 2" in error.message, error
    assert rpc.call("kernel.pull", {"kernel": "k"})["pulled"]
    assert rpc.call("image.catalog")["problems"] == listed["problems"]
