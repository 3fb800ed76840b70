# SPDX-License-Identifier: GPL-2.0-or-later
"""with-suite itself: whatever is left behind is found, each kind of it seen."""

import nested
import pytest

LEFT = [
    ("a process", "setsid sleep 1000 >/dev/null 2>&1 &", "sleep 1000"),
    ("a link", "ip link add br-left type bridge", "link br-left"),
    ("a table", "nft add table inet left", "nft table inet left"),
    ("a mount", "mount -t tmpfs left /mnt", "mount /mnt"),
    ("a file of the run directory", "touch $BANGER_SUITE/run/left", "run/left"),
    ("an address", "ip addr add 192.0.2.1/32 dev lo", "192.0.2.1"),
]


@pytest.mark.parametrize("what, command, word", LEFT, ids=[row[0] for row in LEFT])
def test_left_behind(what, command, word, tmp_path):
    status, _, err = nested.with_suite(command, tmp_path)
    assert status == 1, f"{what} was not seen"
    assert "left behind" in err and word in err


def test_status_is_passed_on(tmp_path):
    assert nested.with_suite("exit 0", tmp_path)[0] == 0
    assert nested.with_suite("exit 7", tmp_path)[0] == 7


def test_environment(tmp_path):
    status, out, err = nested.with_suite(
        "banger daemon status >/dev/null && echo $BANGER_SOCKET", tmp_path)
    assert status == 0 and out.strip().endswith("/run/bangerd.sock"), err
