# SPDX-License-Identifier: GPL-2.0-or-later
"""banger-imaged-fetch with the real docker-registry, open and behind htpasswd, plain and with TLS,
filled by skopeo."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import mock_registry
import oci
import pytest
import suite

# The tool starts the fetcher, always with the filter that kills: the suite's own mode does not matter.
if suite.settings().get("seccomp", "kill") != "kill":
    pytest.skip("the same as with seccomp = kill", allow_module_level=True)

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BANGER_BUILD", TOP / "build"))
TOOL = BUILD / "tests/integration/fetch-tool"
NOBODY = 65534
USER, PASSWORD = "bob", "correct-horse"


@pytest.fixture(scope="module")
def folder():
    path = Path(subprocess.run(["mktemp", "-d", "/var/tmp/banger-docker.XXXXXX"], check=True,
                               capture_output=True, text=True).stdout.strip())
    path.chmod(0o755)
    shutil.copy(BUILD / "banger-imaged/banger-imaged-fetch", path / "fetch")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def cache(folder):
    path = Path(subprocess.run(["mktemp", "-d", folder / "cache.XXXXXX"], check=True,
                               capture_output=True, text=True).stdout.strip())
    os.chown(path, NOBODY, NOBODY)
    return path


class Registry:
    def __init__(self, folder, name, password=False, tls=None):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        self.secret = ["--user", USER, "--secret", PASSWORD] if password else []
        settings = {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}},
                    "storage": {"filesystem": {"rootdirectory": str(folder / name)}},
                    "http": {"addr": self.host}}
        if password:
            entry = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], check=True,
                                   capture_output=True, text=True).stdout
            (folder / "htpasswd").write_text(entry)
            settings["auth"] = {"htpasswd": {"realm": "mine", "path": str(folder / "htpasswd")}}
        if tls:
            settings["http"]["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
        (folder / f"{name}.yml").write_text(json.dumps(settings))
        self.process = subprocess.Popen(["docker-registry", "serve", folder / f"{name}.yml"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        host, port = self.host.split(":")
        for _ in range(200):
            with socket.socket() as s:
                if s.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("docker-registry does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def push(self, layout, name, *options):
        """By skopeo; layout is a directory."""
        credentials = ["--dest-creds", f"{USER}:{PASSWORD}"] if self.secret else []
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false",
                        *credentials, *options, f"oci:{layout}", f"docker://{self.host}/{name}"],
                       check=True, capture_output=True)
        return f"{self.host}/{name}"


@pytest.fixture(scope="module")
def registries(folder):
    made = []

    def make(*arguments, **options):
        made.append(Registry(folder, *arguments, **options))
        return made[-1]
    yield make
    for registry in made:
        registry.stop()


@pytest.fixture(scope="module")
def open_registry(registries):
    return registries("open")


@pytest.fixture(scope="module")
def closed_registry(registries):
    return registries("closed", password=True)


def layers():
    return [oci.tar([oci.entry(f"file-{number}", os.urandom(300_000))]) for number in range(3)]


@pytest.fixture(scope="module")
def layout(folder):
    """A directory with one image of three layers; {digest: bytes} is in the second."""
    made = oci.Layout()
    made.image(layers())
    return made.write(folder / "layout"), made


def pull(folder, cache, options, reference, target):
    done = subprocess.run(list(map(str, [TOOL, *options, folder / "fetch", cache, reference,
                                         *([target] if target else [])])),
                          capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.splitlines()[-1]


def exact(target, made, digest):
    """All of an image of a layout, byte for byte."""
    manifest = json.loads(made.files["blobs/" + digest.replace(":", "/")])
    for named in [digest, manifest["config"]["digest"],
                  *[layer["digest"] for layer in manifest["layers"]]]:
        assert (target / f"blobs:{named}").read_bytes() \
            == made.files["blobs/" + named.replace(":", "/")]


def test_open(open_registry, layout, folder, cache, tmp_path):
    reference = open_registry.push(layout[0], "a/b:1")
    answer = pull(folder, cache, ["--endpoint", open_registry.host], reference, tmp_path)
    assert answer["digest"] == layout[1].manifests[0]["digest"], answer
    assert answer["fetched"] > 900_000 and not answer["cached"] and not answer["notes"]
    exact(tmp_path, layout[1], answer["digest"])


def test_again(open_registry, layout, folder, cache, tmp_path):
    """A second time nothing is fetched; by digest nobody is even asked."""
    reference = open_registry.push(layout[0], "a/again:1")
    options = ["--endpoint", open_registry.host]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = pull(folder, cache, options, reference, tmp_path / "one")
    second = pull(folder, cache, options, reference, tmp_path / "two")
    assert second["cached"] and second["fetched"] == 0 and second["reused"] > 900_000, second
    exact(tmp_path / "two", layout[1], first["digest"])
    (tmp_path / "three").mkdir()
    by_digest = f"127.0.0.1:1/a/again@{first['digest']}"
    third = pull(folder, cache, ["--endpoint", "127.0.0.1:1"], by_digest, tmp_path / "three")
    assert third["cached"] and third["fetched"] == 0, third


def test_docker_schema_2(open_registry, layout, folder, cache, tmp_path):
    reference = open_registry.push(layout[0], "a/docker:1", "--format", "v2s2")
    answer = pull(folder, cache, ["--endpoint", open_registry.host], reference, tmp_path)
    assert answer["type"] == mock_registry.DOCKER, answer
    manifest = json.loads((tmp_path / f"blobs:{answer['digest']}").read_bytes())
    for layer in manifest["layers"]:
        assert (tmp_path / f"blobs:{layer['digest']}").read_bytes() \
            == layout[1].files["blobs/" + layer["digest"].replace(":", "/")]


def test_index(open_registry, folder, cache, tmp_path):
    """Two platforms behind one tag: the host's, by tag and by the index's digest."""
    made = oci.Layout()
    for machine in ("arm64", "amd64"):
        made.image(layers(), config_change=lambda c, m=machine: c.update(architecture=m),
                   platform={"os": "linux", "architecture": machine})
    index = made.blob(json.dumps(made.index()).encode(), oci.INDEX)
    wanted = made.manifests[1]["digest"]
    made.manifests = [index]
    source = made.write(folder / "multi")
    reference = open_registry.push(source, "a/multi:1", "--all")
    options = ["--endpoint", open_registry.host]
    answer = pull(folder, cache, options, reference, tmp_path)
    assert (answer["digest"], answer["top"]) == (wanted, index["digest"]), answer
    exact(tmp_path, made, wanted)
    again = pull(folder, cache, options, f"{open_registry.host}/a/multi@{index['digest']}", None)
    assert again["digest"] == wanted and again["cached"]


def test_absent(open_registry, folder, cache):
    answer = pull(folder, cache, ["--endpoint", open_registry.host],
                  f"{open_registry.host}/no/such:1", None)
    assert answer.startswith("not_found: ") and "MANIFEST_UNKNOWN" in answer, answer


def test_password(closed_registry, layout, folder, cache, tmp_path):
    reference = closed_registry.push(layout[0], "secret/app:1")
    options = ["--endpoint", closed_registry.host]
    for shown in ([], ["--user", USER, "--secret", "wrong"], ["--user", "eve", "--secret", PASSWORD]):
        answer = pull(folder, cache, [*options, *shown], reference, None)
        assert isinstance(answer, str) and answer.startswith("unauthorized: "), answer
        assert "wrong" not in answer and PASSWORD not in answer
    answer = pull(folder, cache, [*options, *closed_registry.secret], reference, tmp_path)
    exact(tmp_path, layout[1], answer["digest"])


def test_tls(registries, layout, folder, cache, tmp_path):
    certificates = folder / "tls"
    certificates.mkdir()
    ca, pair = mock_registry.certificates(certificates, ["127.0.0.1"])
    registry = registries("tls-storage", tls=pair)
    reference = registry.push(layout[0], "a/tls:1")
    answer = pull(folder, cache, ["--endpoint", registry.host], reference, None)
    assert isinstance(answer, str) and "certificate" in answer, answer
    answer = pull(folder, cache, ["--endpoint", registry.host, "--ca", ca], reference, tmp_path)
    exact(tmp_path, layout[1], answer["digest"])
