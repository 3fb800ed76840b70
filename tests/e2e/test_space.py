# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that fills up: VMs are paused before anything is lost, and go on when there is room."""

import sys
from pathlib import Path

import nested

INSIDE = Path(__file__).with_name("space_inside.py")


def test_full_host(tmp_path):
    status, out, err = nested.with_suite(
        nested.IMPORT + f"CACHE=$cache {sys.executable} {INSIDE}\n", tmp_path,
        settings="[daemon]\nseccomp = kill\n[vmm]\nvmm = qemu\n[image]\nmin_free = 48M\ndisk = clone\n",
        state_size="330M")
    assert (status, out) == (0, "all of it\n"), (out, err)
