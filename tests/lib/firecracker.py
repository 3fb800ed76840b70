# SPDX-License-Identifier: GPL-2.0-or-later
"""The firecracker of the suite that the tests run beside: another in its place, for one test."""

import contextlib
import shutil
from pathlib import Path

import fake_firecracker
import suite


def path():
    """Where the suite's settings say it is; a file that tests may replace."""
    found = suite.settings().get("firecracker")
    assert found, "this suite has no firecracker: scripts/test sets [vmm] firecracker"
    return Path(found)


def put(place, words="engine=none"):
    """The stand-in at a path, told `words`."""
    fake_firecracker.install(place.parent, words, place.name)


def setting(place, words="", **more):
    """Settings of a suite whose firecracker is the stand-in, put at `place`."""
    put(place, words)
    return "\n".join(["[vmm]", f"firecracker = {place}"] +
                     [f"{key} = {value}" for key, value in more.items()]) + "\n"


def status():
    """What the daemon says about its host."""
    return suite.banger_json("daemon", "status")["host"]


@contextlib.contextmanager
def instead(words=None, make=None):
    """The suite, restarted with another firecracker: the stand-in that is told `words`, or what
    make(path) puts there (nothing: none)."""
    place = path()
    assert not str(place).startswith("/usr/"), f"{place} is the host's own"
    kept = place.with_suffix(".kept")
    suite.stop()
    place.rename(kept)
    try:
        if words is not None:
            put(place, words)
        else:
            make(place)
        suite.start()
        yield place
    finally:
        with contextlib.suppress(Exception):
            suite.stop()
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        kept.rename(place)
        if not suite.running():
            suite.start()
