# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of images: each good one exact, entry by entry; each hostile one refused by name, or
exact, with nothing left anywhere. `scripts/image-tables` prints them."""

import images
import images_tables
import pytest


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


def test_there_are_as_many_as_are_promised():
    """Each about something of its own."""
    for tables, least in ((images_tables.GOOD, 120), (images_tables.HOSTILE, 300)):
        rows = [(row.rule, row.what) for rows in tables.values() for row in rows]
        assert len(rows) >= least
        assert len(set(rows)) == len(rows), [row for row in rows if rows.count(row) > 1]
