# SPDX-License-Identifier: GPL-2.0-or-later
"""VMs that something is to go wrong with, on Firecracker."""

from pathlib import Path

import suite

ON_IT = ("--vmm", "firecracker")
CREATE = ("vm", "create", "--quiet", *ON_IT, "--memory", "64M", "--vcpu", "1")


def create(image, *options, name="fault", timeout=120):
    return suite.banger(*CREATE, "--image", image, "--name", name, *options, timeout=timeout)


def delete(*names):
    suite.banger("vm", "delete", "--force", *names, check=True)


def resident(program):
    """KiB of its processes."""
    total = 0
    for pid in suite.pids(program):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1])
    return total
