# SPDX-License-Identifier: GPL-2.0-or-later
"""What the built programs are linked with, and how."""

import functools
import json
import re
import subprocess

import pytest
import repo

# Fifth law of privilege (PRIVSEP.md): what a program may need, besides libc and what that brings.
NEVER = {
    "banger-netd": ("json-c", "sqlite3", "curl", "archive", "ext2fs", "http_parser"),
    "bangerd": ("curl", "archive", "ext2fs", "nftables"),
    "banger-imaged": ("json-c", "sqlite3", "curl", "archive", "ext2fs", "nftables", "systemd", "http_parser"),
    "banger-imaged-worker": ("sqlite3", "curl", "nftables", "systemd", "http_parser"),
    "banger-imaged-fetch": ("sqlite3", "archive", "ext2fs", "isal", "zstd", "nftables", "systemd",
                            "http_parser"),
    "banger": ("sqlite3", "curl", "archive", "ext2fs", "nftables", "seccomp", "http_parser"),
}
STATIC = ("guest-init", "guest-agent")


@functools.cache
def programs():
    """{name: path} of what is installed for running."""
    done = subprocess.run(["meson", "introspect", "--targets", repo.BUILD], check=True,
                          capture_output=True, text=True)
    return {target["name"]: target["filename"][0] for target in json.loads(done.stdout)
            if target["type"] == "executable" and target["installed"]}


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], check=True, capture_output=True,
                          text=True).stdout


def needed(path):
    return [line.split("[")[1].rstrip("]") for line in readelf("-d", path).splitlines()
            if "(NEEDED)" in line]


@pytest.mark.parametrize("name", sorted(NEVER))
def test_link_line(name):
    libraries = needed(programs()[name])
    assert libraries, f"{name} needs no library at all: is it the program that was meant?"
    bad = [library for library in libraries for word in NEVER[name]
           if library.startswith(f"lib{word}")]
    assert not bad, f"{name} must not be linked with {bad}"


def test_netd_has_systemd_for_limits_alone():
    """Launch asks the service manager for scopes; the rest of banger-netd does not know of it."""
    users = {path.name for path in (repo.TOP / "banger-netd").glob("*.[ch]")
             if "<systemd/" in path.read_text()}
    assert users == {"limits.c", "limits_bus.h", "limits_scope.c"}
    callers = {path.name for path in (repo.TOP / "banger-netd").glob("*.[ch]")
               if '"banger-netd/limits.h"' in path.read_text()
               and not path.name.startswith("limits")}
    assert callers == {"launch.c"}


def test_known_programs():
    """A new program must be told here what it may be linked with."""
    assert set(programs()) == set(NEVER) | set(STATIC)


@pytest.mark.parametrize("name", STATIC)
def test_guest_programs_are_static(name):
    path = programs()[name]
    assert not needed(path), f"{name} runs where no library is"
    assert "INTERP" not in readelf("-l", path)


@pytest.mark.parametrize("name", sorted(NEVER))
def test_hardened(name):
    path = programs()[name]
    assert "DYN" in readelf("-h", path), "position-independent"
    dynamic, segments = readelf("-d", path), readelf("-l", path)
    assert "BIND_NOW" in dynamic or "NOW" in dynamic, "all bound at start"
    assert "GNU_RELRO" in segments, "relocations read-only"
    stack = [line for line in segments.splitlines() if "GNU_STACK" in line]
    assert stack and "E" not in stack[0].split()[-2], "no executable stack"


def test_nothing_of_failpoints(tmp_path):
    """What only tests may ask for is in no product: neither the code nor the places' names."""
    rows = re.findall(r"^POINT\((\w+), (\w+),", (repo.TOP / "common/proto/failpoints.tbl.h").read_text(),
                      re.M)
    assert rows
    words = [b"failpoint"] + [f"{process}/{name}".encode() for process, name in rows]
    for name, path in programs().items():
        # Debugging information names the header, which is included in every build.
        stripped = tmp_path / name
        subprocess.run(["objcopy", "--strip-debug", path, stripped], check=True)
        data = stripped.read_bytes().lower()
        assert not [word for word in words if word in data], name
