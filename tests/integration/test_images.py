# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of images: each good one exact, entry by entry; each hostile one refused by name, or
exact, with nothing left anywhere. `scripts/image-tables` prints them."""

from pathlib import Path

import images
import images_tables
import pytest
import suite


@pytest.mark.parametrize("table", images_tables.GOOD)
def test_good_ones_are_exact(table):
    rows = images_tables.GOOD[table]
    found = images.run(rows, images.differences)
    wrong = images.report(rows, found, "exact")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("table", images_tables.HOSTILE)
def test_hostile_ones_are_harmless(table):
    rows = images_tables.HOSTILE[table]
    found = images.run(rows, images.outcome)
    wrong = images.report(rows, found, "harmless")
    assert not wrong, "\n".join(wrong)


def state_files():
    top = Path(suite.settings()["state_dir"])
    return {path for path in top.rglob("*") if not path.name.endswith(("-wal", "-shm"))}


def through_daemon(row, where):
    """Lines that say what a hostile image left in the daemon's state, or how it was taken wrongly."""
    source = row.make(where, row)
    before = state_files()
    done = suite.banger("image", "import", "--quiet", "hostile", source)
    if done.status == 0:
        suite.banger("image", "delete", "hostile", check=True)
    wrong = [] if (done.status == 0) == (row.tree is not None) else [f"{done}"]
    left = suite.wait_for(lambda: state_files() == before, 5)
    return wrong + ([] if left else [f"left {state_files() - before}"])


def test_hostile_ones_leave_nothing_with_the_daemon():
    """Each third of them: no image, whole or in part, no file. (Which each is refused for, and what
    it may use, is the same code's, above.)"""
    listed = suite.banger_json("image", "list")
    for rows in images_tables.HOSTILE.values():
        some = [row for row in rows if not row.options][::3]
        found = images.run(some, through_daemon, at_once=1)
        wrong = images.report(some, found, "harmless")
        assert not wrong, "\n".join(wrong)
    assert suite.banger_json("image", "list") == listed


def test_there_are_as_many_as_are_promised():
    """Each about something of its own."""
    for tables, least in ((images_tables.GOOD, 120), (images_tables.HOSTILE, 300)):
        rows = [(row.rule, row.what) for rows in tables.values() for row in rows]
        assert len(rows) >= least
        assert len(set(rows)) == len(rows), [row for row in rows if rows.count(row) > 1]
