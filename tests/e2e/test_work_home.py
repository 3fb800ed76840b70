# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose home the work disk is, and what is in it at first."""

import vms


def test_home_is_the_users(homes, nothing_left):
    done = vms.run(homes, "sh", "-c", "cd; touch mine && stat -c %a:%u:%g . .config .config/rc link "
                   "mine; readlink link; cat link; df . | tail -n 1",
                   options=("--disk-size", "256M", "--user", "user"), check=True)
    lines = done.out.split("\n")
    assert lines[:5] == ["750:1000:1000", "700:1000:1000", "600:1000:1000", "777:1000:1000",
                         "644:1000:1000"]
    assert lines[5:7] == [".config/rc", "mine"] and lines[7].startswith("/dev/vdb")


def test_home_that_the_image_lacks_is_made(homes, nothing_left):
    done = vms.run(homes, "sh", "-c", "cd; pwd; stat -c %a:%u:%g . .skel; cat .skel; "
                   "stat -c %a:%u /var/homes", options=("--disk-size", "256M", "--user", "late"),
                   check=True)
    assert done.out.split("\n")[:5] == ["/var/homes/late", "700:1001:1002", "644:1001:1002",
                                        "a pattern", "755:0"]


def test_a_user_without_a_home_cannot_have_one(homes, nothing_left):
    done = vms.run(homes, "true", options=("--disk-size", "256M", "--user", "4242"))
    assert done.status == 125 and "work disk" in done.err and "no home" in done.err
