# SPDX-License-Identifier: GPL-2.0-or-later
"""Images from Debian's own docker-registry: pulled, shared, updated, refused; the cache; and where
credentials come from and never go."""

import base64
import json
import os
import subprocess
import threading
from pathlib import Path

import mock_registry
import oci
import pytest
import registry
import rpc
import suite

USER, PASSWORD = "somebody", "a-pass-word-that-is-told-nowhere"


def layers(*names):
    return [[oci.entry(name, name.encode() * 5000)] for name in names]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with registry.Registry(tmp_path_factory.mktemp("registry")) as r:
        yield r


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    with registry.Registry(tmp_path_factory.mktemp("private"), {USER: PASSWORD}) as r:
        yield r


@pytest.fixture(autouse=True)
def no_images():
    yield
    for image in suite.banger_json("image", "list"):
        suite.banger("image", "delete", image["id"], check=True)
    suite.banger("image", "cache", "prune", check=True)


def auth_file(path, host, user=USER, password=PASSWORD, **more):
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": pair}} if host else {}, **more}))
    return path


def banger(*arguments, **environment):
    """The command line with some variables set."""
    done = subprocess.run(["banger", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, **{k: str(v) for k, v in environment.items()}})
    return suite.Result(done)


def test_pull(plain):
    digest = plain.push("some/image:1", layers("a", "b", "c"), {"Env": ["A=1"]})
    reference = f"{plain.host}/some/image:1"
    done = suite.banger("image", "pull", reference)
    assert done.status == 0, done
    assert done.err.count(" is here (") >= 3, f"each layer is told: {done.err}"
    shown = suite.banger_json("image", "show", reference)
    assert shown["digest"] == digest and shown["reference"] == reference
    assert shown["env"] == ["A=1"] and done.out.strip() == shown["id"]
    manifest = plain.manifest("some/image", digest)
    assert shown["config"] == manifest["config"]["digest"] and shown["used_by"] == []
    assert shown["layers"] == [{"digest": layer["digest"], "size_bytes": layer["size"]}
                               for layer in manifest["layers"]]
    again = suite.banger("image", "pull", reference)
    assert again.out == done.out and "was here already" in again.err, again
    assert rpc.call("image.pull", {"reference": reference, "policy": "never"})["pulled"] is False


def test_another_name_is_the_same_file(plain):
    plain.push("some/image:2", layers("d"))
    reference = f"{plain.host}/some/image:2"
    first = suite.banger("image", "pull", "-q", reference, check=True).out.strip()
    second = suite.banger("image", "pull", "-q", "--name", "other", reference, check=True).out.strip()
    assert first != second
    folder = Path(suite.settings()["state_dir"]) / "images"
    assert (folder / f"{first}.ext4").samefile(folder / f"{second}.ext4")
    shown = [suite.banger_json("image", "show", i) for i in (first, second)]
    assert shown[0]["layers"] == shown[1]["layers"] != [] and shown[0]["config"] == shown[1]["config"]
    suite.banger("image", "delete", first, check=True)
    assert (folder / f"{second}.ext4").exists()


def test_a_tag_that_moved(plain):
    plain.push("some/moving:tag", layers("old"))
    reference = f"{plain.host}/some/moving:tag"
    old = rpc.call("image.pull", {"reference": reference})["image"]
    digest = plain.push("some/moving:tag", layers("new"))
    assert rpc.call("image.pull", {"reference": reference, "policy": "missing"})["image"] == old
    new = rpc.call("image.pull", {"reference": reference})
    assert new["pulled"] and new["image"]["digest"] == digest
    assert [image["id"] for image in suite.banger_json("image", "list")] == [new["image"]["id"]]


def test_a_name_that_is_taken(plain, tmp_path):
    plain.push("some/image:3", layers("e"))
    layout = oci.Layout()
    layout.image([oci.tar([oci.entry("mine")])])
    suite.banger("image", "import", "-q", "mine", layout.write(tmp_path / "mine"), check=True)
    reference = f"{plain.host}/some/image:3"
    refused = suite.banger("image", "pull", "--name", "mine", reference)
    assert refused.status == 1 and "already" in refused.err, refused
    assert suite.banger("image", "pull", "-q", "--name", "mine", "--replace", reference).status == 0


@pytest.mark.parametrize("reference, code", [
    ("{host}/some/image:none", "not_found"), ("{host}/no/such:1", "not_found"),
    ("{host}/UPPER:1", "bad_request"), ("127.0.0.1:1/a:b", "unavailable"),
    ("{host}/some/image@sha256:" + "0" * 64, "not_found")])
def test_what_cannot_be_had(plain, reference, code):
    with pytest.raises(rpc.RpcError) as caught:
        rpc.call("image.pull", {"reference": reference.format(host=plain.host)})
    assert caught.value.code == code, caught.value
    assert suite.banger_json("image", "list") == []


def test_a_registry_that_stops_answering():
    """Once its manifest is here: what it says is told, not that somebody died of it."""
    origin = mock_registry.Origin("registry", "127.0.0.1")
    world = origin.world = mock_registry.World({"registry": origin})
    world.hook = lambda handler: "/blobs/" in handler.path and handler.reply(503, Retry_After="999")
    with pytest.raises(rpc.RpcError) as caught:
        rpc.call("image.pull", {"reference": f"{origin.host}/{mock_registry.NAME}:v1"})
    origin.shutdown()
    origin.server_close()
    assert caught.value.code == "unavailable" and "status 503" in caught.value.message, caught.value


def test_the_same_twice_at_once(plain):
    """One works, the others share what comes of it."""
    plain.push("some/large:1", [[oci.entry("f", os.urandom(8 << 20))]])
    ask = {"reference": f"{plain.host}/some/large:1"}
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(rpc.call("image.pull", ask)))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6 and sum(answer["pulled"] for answer in answers) == 1, answers
    assert len({answer["image"]["id"] for answer in answers}) == 1


def test_prune(plain):
    plain.push("some/image:4", layers("g", "h"))
    reference = f"{plain.host}/some/image:4"
    suite.banger("image", "pull", "-q", reference, check=True)
    would = suite.banger("image", "cache", "prune", "--dry-run", check=True).out
    assert would.startswith("would free ") and " across 4 blob(s) in /" in would, would
    freed = suite.banger("image", "cache", "prune", check=True).out
    assert freed == would.replace("would free", "freed")
    assert rpc.call("image.cache.prune", {})["blobs_freed"] == 0
    assert suite.banger("image", "delete", reference).status == 0
    assert suite.banger("image", "pull", "-q", reference).status == 0, "fetched anew"


def test_caches_are_their_owners(plain):
    """What one user fetched is not another's to have."""
    plain.push("some/image:5", layers("i"))
    suite.banger("image", "pull", "-q", f"{plain.host}/some/image:5", check=True)
    assert rpc.call("image.cache.prune", {"dry_run": True})["blobs_freed"] > 0
    asked = suite.banger("image", "cache", "prune", "--dry-run", uid=65534, check=True)
    assert " across 0 blob(s) in " in asked.out and asked.out.strip().endswith("/cache/65534")


def test_promote(plain):
    """A user's image becomes everybody's; the user's own may go then."""
    plain.push("some/image:6", layers("n"))
    reference = f"{plain.host}/some/image:6"
    own = suite.banger("image", "pull", "-q", "--name", "mine", reference, uid=65534, check=True)
    assert suite.banger("image", "promote", "mine", uid=65534).status == 1, "root's to do"
    copy = suite.banger("image", "promote", own.out.strip(), "--name", "ours", check=True).out.strip()
    suite.banger("image", "delete", "mine", uid=65534, check=True)
    shown = suite.banger_json("image", "show", "ours", uid=65534)
    assert (shown["id"], shown["owner_uid"]) == (copy, 0)
    again = suite.banger("image", "promote", "ours")
    assert again.status == 1 and "everybody's already" in again.err, again
    assert suite.banger("image", "promote", "ours", "--name", "ours").status == 1
    suite.banger("image", "cache", "prune", uid=65534, check=True)


# ---- credentials ----

def test_private(private, tmp_path):
    private.push("secret/image:1", layers("j"))
    reference = f"{private.host}/secret/image:1"
    refused = banger("image", "pull", reference, REGISTRY_AUTH_FILE=tmp_path / "none")
    assert refused.status == 1, refused
    wrong = auth_file(tmp_path / "wrong.json", private.host, password="not-this")
    assert banger("image", "pull", reference, REGISTRY_AUTH_FILE=wrong).status == 1
    good = auth_file(tmp_path / "good.json", private.host)
    done = banger("image", "pull", reference, REGISTRY_AUTH_FILE=good)
    assert done.status == 0, done


PLACES = {"XDG_RUNTIME_DIR": "containers/auth.json", "XDG_CONFIG_HOME": "containers/auth.json",
          "DOCKER_CONFIG": "config.json", "HOME": ".docker/config.json"}


@pytest.mark.parametrize("variable", PLACES)
def test_private_by_each_file(private, tmp_path, variable):
    """Where engines keep their logins, by what is set; of several entries the closest."""
    private.push("secret/image:place", layers("q"))
    path = tmp_path / variable / PLACES[variable]
    path.parent.mkdir(parents=True)
    unset = {name: "" for name in PLACES}
    nowhere = unset | {"HOME": tmp_path / "nowhere"} | {variable: tmp_path / variable}
    pull = ("image", "pull", "-q", f"{private.host}/secret/image:place")
    auth_file(path, f"{private.host}/other")
    assert banger(*pull, **nowhere).status == 1, "for another path"
    auth_file(path, f"{private.host}/secret")
    wrong = json.loads(auth_file(tmp_path / "wrong", private.host, password="not-this").read_text())
    both = json.loads(path.read_text())
    both["auths"] |= wrong["auths"]
    path.write_text(json.dumps(both))
    done = banger(*pull, **nowhere)
    assert done.status == 0, done


def test_private_by_store(private, tmp_path):
    """One helper for all registries; what it says to a registry that it does not know."""
    private.push("secret/image:store", layers("r"))
    helper = tmp_path / "docker-credential-store"
    answer = json.dumps({"Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\n[ \"$1 $(cat)\" = 'get {private.host}' ] && echo '{answer}' && exit\n"
                      "echo credentials not found in native keychain\nexit 1\n")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "store"}))
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = banger("image", "pull", f"{private.host}/secret/image:store", DOCKER_CONFIG=tmp_path,
                  PATH=path)
    assert done.status == 0, done
    asked = banger("image", "pull", "127.0.0.1:1/not/there:1", DOCKER_CONFIG=tmp_path, PATH=path)
    assert asked.status == 1 and "127.0.0.1:1" in asked.err and "keychain" not in asked.err, asked


def test_a_login_is_its_owners(private, tmp_path):
    """Another user, at the same time, without one: has nothing of it, neither cache nor image."""
    private.push("secret/image:two", layers("s"))
    good = auth_file(tmp_path / "good.json", private.host)
    reference = f"{private.host}/secret/image:two"
    done = []
    mine = threading.Thread(target=lambda: done.append(
        banger("image", "pull", reference, REGISTRY_AUTH_FILE=good)))
    mine.start()
    other = suite.banger("image", "pull", reference, uid=65534)
    mine.join()
    assert done[0].status == 0 and other.status == 1, (done, other)
    again = suite.banger("image", "pull", reference, uid=65534)
    assert again.status == 1 and PASSWORD not in again.err + other.err, again
    assert rpc.call("image.cache.prune", {"dry_run": True})["blobs_freed"] > 0
    held = suite.banger("image", "cache", "prune", "--dry-run", uid=65534, check=True)
    assert " across 0 blob(s) " in held.out, held


def test_private_by_helper(private, tmp_path):
    """docker-credential-NAME along the PATH, asked for the registry."""
    private.push("secret/image:2", layers("k"))
    reference = f"{private.host}/secret/image:2"
    helper = tmp_path / "docker-credential-test"
    answer = json.dumps({"ServerURL": private.host, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\n[ \"$1 $(cat)\" = 'get {private.host}' ] && echo '{answer}'\n")
    helper.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    asks = auth_file(tmp_path / "config.json", None, credHelpers={private.host: "test"})
    done = banger("image", "pull", reference, DOCKER_CONFIG=tmp_path, PATH=path)
    assert done.status == 0, done
    missing = banger("image", "pull", reference, REGISTRY_AUTH_FILE=asks)
    assert missing.status == 1 and "docker-credential-test" in missing.err, missing


def test_credentials_are_told_nowhere(private, tmp_path):
    """Neither a log nor any file of the daemon's has them, nor an error."""
    private.push("secret/image:3", layers("l"))
    good = auth_file(tmp_path / "good.json", private.host)
    done = banger("image", "pull", f"{private.host}/secret/image:3", REGISTRY_AUTH_FILE=good)
    failed = banger("image", "pull", f"{private.host}/secret/none:3", REGISTRY_AUTH_FILE=good)
    assert done.status == 0 and failed.status == 1, f"{done} {failed}"
    assert PASSWORD not in done.err + failed.err
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    for path in [suite.DIR / "log", *Path(suite.settings()["state_dir"]).rglob("*")]:
        if path.is_file() and path.suffix != ".ext4":
            data = path.read_bytes()
            assert PASSWORD.encode() not in data and pair not in data, path
