# SPDX-License-Identifier: GPL-2.0-or-later
"""Many users at once, and parts of the suite that die meanwhile: what was acknowledged holds, every
request is answered, and in the end nothing is left."""

import collections
import os
import random
import time

import census
import firecracker
import oci
import pytest
import storm
import suite

SECONDS = int(os.environ.get("BANGER_STORM_SECONDS", "8"))
SEED = int(os.environ.get("BANGER_STORM_SEED", str(time.time_ns() % 1000000)))
USERS = ((storm.Owner, 1001), (storm.Owner, 1002), (storm.Vandal, 1003), (storm.Vandal, 1003),
         (storm.Vandal, 1003))


def rage(strikes):
    """(what users say, what was killed how often)."""
    weather, draw = storm.Weather(), random.Random(SEED)
    users = [storm.Process(kind, uid, f"u{uid}", weather, SEED + number)
             for number, (kind, uid) in enumerate(USERS)]
    killed = collections.Counter()
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not any(user.ended() for user in users):
            time.sleep(draw.random())
            if strikes:
                killed[storm.strike(weather, draw)] += 1
    finally:
        weather.end()
        said = [user.end() for user in users]
    return said, killed


def clear():
    """What stands still starts; then all of it goes."""
    for row in suite.banger_json("vm", "list"):
        if row["state"] == "stopped":
            suite.banger("vm", "start", row["id"], check=True)
    if names := [row["id"] for row in suite.banger_json("vm", "list")]:
        suite.banger("vm", "delete", "--force", *names, check=True)
    if images := [row["id"] for row in suite.banger_json("image", "list")
                  if row["name"] == "small"]:
        suite.banger("image", "delete", *images, check=True)
    assert suite.wait_for(lambda: not any(census.count().values()), 10, 0.2), census.count()


@pytest.mark.parametrize("strikes", [False, True], ids=["all alive", "parts die"])
def test_storm(strikes, busybox, capsys, nothing):
    storm.TAR.write_bytes(oci.tar([oci.directory("etc"), oci.entry("etc/hostname", b"small\n")]))
    storm.TAR.chmod(0o644)
    with firecracker.instead("engine=none"):
        suite.banger("vm", "list", check=True)
        fds = sum(census.fds().values())
        said, killed = rage(strikes)
        faults = [each["fault"] for each in said if each["fault"]]
        assert not faults, f"seed {SEED}, after {dict(killed)}:\n" + "\n".join(faults)
        total = {key: sum(each[key] for each in said) for key in ("done", "refused", "cut")}
        with capsys.disabled():
            print(f"\nfigure: storm {SEED}: {total['done']} requests done, {total['refused']} refused, "
                  f"{total['cut']} cut off; killed: {dict(killed) or 'nothing'}")
        assert total["done"] >= 50
        clear()
        assert suite.wait_for(lambda: sum(census.fds().values()) <= fds, 5), "fds are left"
