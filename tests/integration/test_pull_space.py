# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that fills up during a whole pull."""

import sys
from pathlib import Path

import nested
import pytest
import suite

# A suite of its own, with the filter that kills: this one's mode does not matter.
if suite.settings().get("seccomp", "kill") != "kill":
    pytest.skip("the same as with seccomp = kill", allow_module_level=True)

INSIDE = Path(__file__).with_name("pull_space_inside.py")


def test_full_disk(tmp_path):
    status, out, err = nested.with_suite(
        f"{sys.executable} {INSIDE}\n", tmp_path, state_size="170M",
        settings="[daemon]\nseccomp = kill\n[image]\nmin_free = 16M\n")
    expected = [f"{what}: it is whole" for what in ("reserve", "cache", "image")]
    assert (status, out.splitlines()) == (0, expected), (out, err)
