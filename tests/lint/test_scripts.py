# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts, and what they install."""

import re
import shutil
import subprocess

import pytest
import repo

# The Debian package of each dependency() in meson.build.
PACKAGES = {
    "sqlite3": "libsqlite3-dev", "json-c": "libjson-c-dev", "libseccomp": "libseccomp-dev",
    "libcap-ng": "libcap-ng-dev", "libarchive": "libarchive-dev", "libsystemd": "libsystemd-dev",
    "com_err": "comerr-dev", "ext2fs": "libext2fs-dev", "libnftables": "libnftables-dev", "libmnl": "libmnl-dev",
    "libcrypto": "libssl-dev", "libcurl": "libcurl4-openssl-dev", "inih": "libinih-dev", "libisal": "libisal-dev",
    "libzstd": "libzstd-dev", "cmocka": "libcmocka-dev", "zlib": "zlib1g-dev",
    "threads": "libc6-dev", "com_err": "comerr-dev",
}


def sections():
    found, section = {}, None
    for line in (repo.TOP / "scripts/packages.txt").read_text().splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = found.setdefault(match.group(1), [])
        elif line and not line.startswith("#"):
            section.append(line)
    return found


def bash_scripts():
    return [path for path in repo.files(under=("scripts", ".ci", "bench", "tests/lab"))
            if path.suffix == ".sh" or path.read_bytes().startswith(b"#!/bin/bash")]


def test_shellcheck():
    done = subprocess.run(["shellcheck", "-x", "-P", repo.TOP, *bash_scripts()],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[:4000]


def test_strict_mode():
    bad = [repo.name(path) for path in bash_scripts()
           if path.suffix != ".sh" and not re.search(r"^set -euo pipefail$|^\. /lab/guest/lab\.sh$",
                                                     path.read_text(), re.M)]
    assert not bad, f"without set -euo pipefail: {bad}"


def test_dependencies_are_installed():
    """Whatever meson asks for, a machine with nothing gets."""
    text = "".join(path.read_text() for path in repo.files("meson.build"))
    listed = set(sum(sections().values(), []))
    for dependency in re.findall(r"dependency\('([^']+)'", text):
        assert dependency in PACKAGES, f"which package has {dependency}? (test_scripts.py)"
        assert PACKAGES[dependency] in listed, f"packages.txt lacks {PACKAGES[dependency]}"


def test_packages_exist():
    """No misspelt package: apt-get would fail on a machine with nothing, not on this one."""
    listed = sorted(set(sum(sections().values(), [])))
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\n", *listed],
                          capture_output=True, text=True, check=False)
    for package in listed:
        assert package in done.stdout.split() or subprocess.run(
            ["apt-cache", "show", package], capture_output=True, check=False).returncode == 0, \
            f"no package {package}"


def test_readme_test_command():
    """CI runs what the README says."""
    assert "scripts/test" in (repo.TOP / ".ci/run").read_text()
    assert "scripts/test" in (repo.TOP / "README.md").read_text()
    assert "scripts/quickstart" in (repo.TOP / "README.md").read_text()


def test_systemd_unit():
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                           repo.TOP / "data/bangerd.service"],
                          capture_output=True, text=True, check=False)
    bad = [line for line in done.stderr.splitlines()
           if "bangerd.service" in line and "is not executable" not in line]
    assert not bad, bad
