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
import subprocess
import time
from pathlib import Path

import oci
import pytest
import registry_bad  # noqa: F401  (adds rows)
from mock_registry import (BASIC, IDENTITY, NAME, PASSWORD, SECRETS, TOKEN, USER, Origin, Trap, World,
                           certificates)
from registry_cases import CASES

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


def test_no_leaks():
    """Over all rows; each secret was seen by those who may, so that this shows something."""
    assert len(CASES) >= 40
    print(f"{len(CASES)} behaviours, {len(LEAKS)} leaks of credentials")
    assert WITNESSED == set(SECRETS) - {PASSWORD}
    assert not LEAKS


def test_names_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
