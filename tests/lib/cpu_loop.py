# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast a CPU is: what tells a figure of an emulated machine from one of a host."""

import time


def ms():
    """Of its own time, the best of some runs of the same loop."""
    best = float("inf")
    for _ in range(5):
        begun, n = time.process_time(), 0
        for i in range(200_000):
            n = (n * 31 + i) & 0xffffffff
        best = min(best, time.process_time() - begun)
    return best * 1000
