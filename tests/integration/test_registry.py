# SPDX-License-Identifier: GPL-2.0-or-later
"""banger-imaged-fetch, confined as it runs, with a registry that behaves as each row of
registry_cases.py says, and with docker-registry. Whatever one does: the image comes exactly or not
at all, the cache holds what digests say, nobody connects where nobody may, and credentials are seen
by those alone for whom they are."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import oci
import pytest
import registry_bad  # noqa: F401  (adds rows)
import suite
from mock_registry import (BASIC, IDENTITY, NAME, PASSWORD, SECRETS, TOKEN, USER, Origin, Trap, World,
                           certificates)
from registry_cases import CASES

# The tool starts the fetcher, always with the filter that kills: the suite's own mode does not matter.
if suite.settings().get("seccomp", "kill") != "kill":
    pytest.skip("the same as with seccomp = kill", allow_module_level=True)

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BANGER_BUILD", TOP / "build"))
TOOL = BUILD / "tests/integration/fetch-tool"
PUBLIC, PRIVATE, METADATA = "203.0.113.10", "10.99.0.1", "169.254.169.254"
NOBODY = 65534
# Which origins may see which secret; a password stands in no request as it is.
MAY_SEE = {PASSWORD: lambda world: set(), BASIC.split()[1]: lambda world: world.trusted,
           IDENTITY: lambda world: {"token"}, TOKEN: lambda world: {world.at}}
LEAKS = []       # (case, origin, secret), of all cases
WITNESSED = set()  # secrets that somebody saw at all


@pytest.fixture(scope="module")
def addresses():
    """Public, private and link-local ones, on this namespace's loopback."""
    added = (PUBLIC, PRIVATE, METADATA)
    for address in added:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    yield added
    for address in added:
        subprocess.run(["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)


@pytest.fixture(scope="module")
def folder():
    """Where the program, which runs as nobody, and its caches are."""
    path = Path(subprocess.run(["mktemp", "-d", "/var/tmp/banger-registry.XXXXXX"], check=True,
                               capture_output=True, text=True).stdout.strip())
    path.chmod(0o755)
    shutil.copy(BUILD / "banger-imaged/banger-imaged-fetch", path / "fetch")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def origins(addresses, folder):
    local, other = folder / "ca", folder / "other"
    for path, names in ((local, [PUBLIC]), (other, ["203.0.113.99"])):
        path.mkdir()
        certificates(path, names)
    pair = (local / "cert.pem", local / "key.pem")
    made = {name: Origin(name, "127.0.0.1") for name in ("registry", "storage", "token", "mirror")}
    made |= {name: Origin(name, PUBLIC) for name in ("public", "public-token")}
    made |= {name: Origin(name, PUBLIC, pair) for name in ("tls", "tls-storage")}
    # A certificate of a CA that is trusted, for another address.
    subprocess.run(["openssl", "x509", "-req", "-in", other / "csr.pem", "-CA", local / "ca.pem",
                    "-CAkey", local / "ca.key", "-CAcreateserial", "-extfile", other / "ext",
                    "-out", other / "cert.pem"], check=True, capture_output=True)
    made["tls-other"] = Origin("tls-other", PUBLIC, (other / "cert.pem", other / "key.pem"))
    made["tls"].ca = str(local / "ca.pem")
    made |= {"trap-private": Trap(PRIVATE), "trap-loopback": Trap("127.0.0.1"),
             "trap-metadata": Trap(METADATA, 80)}
    yield made
    for origin in made.values():
        if isinstance(origin, Origin):
            origin.shutdown()
            origin.server_close()
        else:
            origin.socket.close()


@pytest.fixture
def cache(folder):
    path = Path(subprocess.run(["mktemp", "-d", folder / "cache.XXXXXX"], check=True,
                               capture_output=True, text=True).stdout.strip())
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


class Pull:
    """One run of the tool, and what it left."""

    def __init__(self, folder, cache, options, reference=None, target=None, timeout=60):
        begin = time.monotonic()
        command = [TOOL, *options, folder / "fetch", cache]
        command += [reference] if reference else []
        command += [target] if target else []
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                              timeout=timeout, check=False)
        self.took = time.monotonic() - begin
        self.error = re.sub(r"^pid \d+\n", "", done.stderr).strip()
        self.answer = json.loads(done.stdout) if done.returncode == 0 else None
        print(f"{' '.join(map(str, command[1:]))}: {self.answer or self.error}")
        assert done.returncode in (0, 1), (done.returncode, done.stderr)
        assert "ended with status" not in self.error, self.error


def layout_of(target):
    """{name: bytes} of what was served."""
    return {path.name: path.read_bytes() for path in target.iterdir()}


def check_cache(cache):
    """Whole blobs are what they are called; nothing is anywhere else."""
    for path in cache.rglob("*"):
        if path.is_file() and path.relative_to(cache).parts[0] == "blobs":
            _, algorithm, name = path.relative_to(cache).parts
            assert hashlib.new(algorithm, path.read_bytes()).hexdigest() == name, path
        else:
            assert path.is_dir() or path.relative_to(cache).parts[0] == "parts", path


def options_of(world):
    options = [word for mirror in world.mirrors for word in mirror]
    options += ["--endpoint", world.host(), *world.options]
    if world.credentials == "identity":
        options += ["--identity", IDENTITY]
    elif world.credentials:
        options += ["--user", USER, "--secret", PASSWORD]
    return options + world.tool


def reference_of(world, name=NAME):
    separator = "" if world.reference.startswith("@") else ":"
    return f"{world.host()}/{name}{separator}{world.reference}"


def exact(world, answer, target):
    """What was served is the image, and nothing else."""
    assert answer, "there was no answer"
    served = layout_of(target)
    manifest = served.pop("blobs:" + answer["digest"])
    assert oci.digest(manifest, answer["digest"].split(":")[0]) == answer["digest"]
    named = [json.loads(manifest)["config"], *json.loads(manifest)["layers"]]
    for descriptor in named:
        served.pop("blobs:" + descriptor["digest"], None)
        data = (target / ("blobs:" + descriptor["digest"])).read_bytes()
        assert data == world.blobs[descriptor["digest"]]
    index = json.loads(served.pop("index.json"))
    assert [entry["digest"] for entry in index["manifests"]] == [answer["digest"]]
    assert json.loads(served.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    assert not served


def note_secrets(case, world):
    for seen in world.seen:
        for secret in seen.secrets():
            WITNESSED.add(secret)
            if seen.origin not in MAY_SEE[secret](world):
                LEAKS.append((case.name, repr(seen), secret))


def in_world(origins, world):
    for origin in origins.values():
        if isinstance(origin, Origin):
            origin.world = world


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case, origins, folder, cache, tmp_path):
    world = World(origins)
    in_world(origins, world)
    case.set_up(world)
    pull = Pull(folder, cache, options_of(world), reference_of(world), tmp_path)
    world.took = pull.took
    in_world(origins, None)
    note_secrets(case, world)
    assert not [leak for leak in LEAKS if leak[0] == case.name], LEAKS
    check_cache(cache)
    for trap in origins.values():
        assert not isinstance(trap, Trap) or trap.connections == 0, f"{trap.host} was reached"
    for secret in SECRETS:
        assert secret not in pull.error, "a secret is in what is said"
    if case.code:
        assert pull.answer is None, f"taken: {pull.answer}"
        code, _, message = pull.error.splitlines()[0].partition(": ")
        assert code == case.code, pull.error
        assert re.search(case.message, message), pull.error
        assert len(layout_of(tmp_path)) < len(world.layers) + 4
    else:
        assert pull.answer, pull.error
        exact(world, pull.answer, tmp_path)
        assert re.search(case.message, " ".join(pull.answer["notes"])), pull.answer["notes"]
    if case.check:
        assert case.check(world), world.seen


class Slow:
    """A registry that sends the first 30,000 bytes of a layer, and no more while it is held."""

    def __init__(self, world):
        self.world, self.free = world, threading.Event()
        world.hook = self.hook

    def hook(self, handler):
        if handler.path != self.world.layer_path() or handler.headers.get("Range"):
            return False
        handler.cut(200, self.world.blobs[self.world.layers[1]["digest"]][:30000], 78000)
        handler.wfile.flush()
        return self.free.wait(20) or True


def part_of(cache, world):
    name = world.layers[1]["digest"].replace(":", "-")
    return cache / "parts" / name


def wait_for(condition, what):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within 10 s: {what}")


def start(folder, cache, world, target):
    """The tool at work; its process and the fetcher's id."""
    tool = subprocess.Popen(list(map(str, [TOOL, *options_of(world), folder / "fetch", cache,
                                           reference_of(world), target])),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return tool, int(re.fullmatch(r"pid (\d+)\n", tool.stderr.readline()).group(1))


@pytest.mark.parametrize("how", ["kill -9", "cancel"])
def test_ended_in_the_middle(how, origins, folder, cache, tmp_path):
    """The fetcher is killed, or its job's socket closes: the next goes on where it was."""
    world = World(origins)
    in_world(origins, world)
    slow = Slow(world)
    # The reader of the first outlives its tool for a moment: the second has a place of its own.
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    tool, fetcher = start(folder, cache, world, first)
    wait_for(lambda: part_of(cache, world).exists()
             and part_of(cache, world).stat().st_size >= 16384, "a part in the cache")
    os.kill(fetcher if how == "kill -9" else tool.pid, signal.SIGKILL)
    assert tool.wait(10) != 0
    tool.stderr.close()
    tool.stdout.close()
    wait_for(lambda: not Path(f"/proc/{fetcher}/fd/3").exists(), "the fetcher's end")
    slow.free.set()
    at = part_of(cache, world).stat().st_size
    pull = Pull(folder, cache, options_of(world), reference_of(world), second)
    in_world(origins, None)
    exact(world, pull.answer, second)
    assert [seen.range for seen in world.requests("registry", world.layer_path())] \
        == ["", f"bytes={at}-"]
    check_cache(cache)
    assert not list((cache / "parts").iterdir())


def test_a_part_that_is_none(origins, folder, cache, tmp_path):
    """What somebody left of a blob is something else: it is found out, and fetched anew."""
    world = World(origins)
    in_world(origins, world)
    (cache / "parts").mkdir()
    part_of(cache, world).write_bytes(b"x" * 40000)
    for path in (cache / "parts", part_of(cache, world)):
        os.chown(path, NOBODY, NOBODY)
    pull = Pull(folder, cache, options_of(world), reference_of(world), tmp_path)
    in_world(origins, None)
    exact(world, pull.answer, tmp_path)
    assert [seen.range for seen in world.requests("registry", world.layer_path())] \
        == ["bytes=40000-", ""]


def test_damage_in_the_cache(origins, folder, cache, tmp_path):
    """A blob that changed on the disk is not given out, but fetched anew; the others are not."""
    world = World(origins)
    in_world(origins, world)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    Pull(folder, cache, options_of(world), reference_of(world), first)
    path = cache / "blobs" / world.layers[1]["digest"].replace(":", "/")
    path.write_bytes(b"x" + path.read_bytes()[1:])
    pull = Pull(folder, cache, options_of(world), reference_of(world), second)
    in_world(origins, None)
    exact(world, pull.answer, second)
    assert pull.answer["fetched"] == world.layers[1]["size"]


def test_two_at_once(origins, folder, cache, tmp_path):
    """Of two who want the same blob one fetches it, and the other waits."""
    world = World(origins)
    in_world(origins, world)
    slow = Slow(world)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = start(folder, cache, world, tmp_path / "a")[0]
    wait_for(lambda: world.requests("registry", world.layer_path()), "a request")
    second = start(folder, cache, world, tmp_path / "b")[0]
    wait_for(lambda: len(world.requests("registry", "HEAD")) == 2, "the second's first request")
    slow.free.set()
    answers = [json.loads(tool.communicate(timeout=30)[0]) for tool in (first, second)]
    in_world(origins, None)
    for answer, name in zip(answers, "ab"):
        exact(world, answer, tmp_path / name)
    blobs = [world.layers[0]["size"], world.layers[1]["size"], world.layers[2]["size"]]
    assert sum(answer["fetched"] for answer in answers) < 2 * sum(blobs)
    assert {seen.range for seen in world.requests("registry", world.layer_path())} \
        <= {"", "bytes=30000-"}
    assert len(world.requests("registry", world.layer_path())) == 2


def test_no_room(origins, folder, tmp_path):
    """The cache's disk is full: said before anything is fetched, or where it was met."""
    world = World(origins)
    world.image(layers=[bytes(1 << 20), b"x"])
    in_world(origins, world)
    small = folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=65m,uid={NOBODY}", "none", small], check=True)
    try:
        (small / "ballast").write_bytes(bytes(600 << 10))
        pull = Pull(folder, small, options_of(world), reference_of(world), tmp_path)
    finally:
        subprocess.run(["umount", small], check=True)
        in_world(origins, None)
    assert pull.error.startswith("no_space: ") and "MiB" in pull.error, pull.error
    assert not world.requests("registry", "blobs")


def test_cache_is_asked(origins, folder, cache, tmp_path):
    """What it holds, what a prune would free, and that it does."""
    world = World(origins)
    in_world(origins, world)
    Pull(folder, cache, options_of(world), reference_of(world), tmp_path)
    in_world(origins, None)
    size = sum(layer["size"] for layer in world.layers) + world.top["size"] \
        + len(world.blobs[json.loads(world.manifests["v1"][1])["config"]["digest"]])
    expected = {"bytes": size, "blobs": 5}
    for options in ([], ["--prune", "--dry-run"], ["--prune"]):
        answer = Pull(folder, cache, options).answer
        assert {key: answer[key] for key in expected} == expected, options
    assert Pull(folder, cache, []).answer["blobs"] == 0


def test_bad_requests(origins, folder, cache):
    """What bangerd would not ask."""
    for options, pattern in (
            (["--endpoint", "http://x/"], "no registry"),
            (["--endpoint", "x.y/z"], "no registry"),
            (["--endpoint", "x.y", "--prefix", "../a"], "prefix|path"),
            (["--endpoint", "x.y", "--prefix", "A"], "prefix|path"),
            (["--endpoint", "x.y", "--user", "a:b", "--secret", "c"], "colon"),
            (["--endpoint", "x.y", "--user", "a", "--secret", "c" * 20000], "KiB"),
            (["--endpoint", "x.y", "--platform", "linux/s390x"], "does not run here"),
            (["--endpoint", "x.y", "--platform", "linux/amd64/"], "does not run here"),
            ([], "no registry")):
        pull = Pull(folder, cache, options, "x.y/z")
        assert pull.error.startswith("bad_request: ") and re.search(pattern, pull.error), pull.error


def test_no_leaks():
    """Over all rows; each secret was seen by those who may, so that this shows something."""
    assert len(CASES) >= 40
    print(f"\n{len(CASES)} behaviours, {len(LEAKS)} leaks of credentials")
    assert WITNESSED == set(SECRETS) - {PASSWORD}
    assert not LEAKS


def test_names_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
