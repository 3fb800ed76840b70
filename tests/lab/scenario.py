# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario of the lab: a script, and what the comments at its head say about it:

    # machine: any|kvm          the machine it runs in (any)
    # cpus: N                   processors that it has at least (1)
    # timeout: SECONDS          of its own, in the lab (120)
    # files: PATH…              programs of the build directory that it finds in /lab/files
    # cache: NAME…              images of the cache that it finds there too
    # needs: VARIABLE           left out where this is not in the environment
    # expect: REGEX             an error in the journal that belongs to it; may stand more than once
    # order: N                  those with less come first (50)
    # takes: SECONDS            about, in a machine beside another (30)
"""

import os
import re

import base

MACHINES = ("any", "kvm")
HEAD = re.compile(r"^# (machine|cpus|timeout|files|cache|needs|expect|order|takes): +(.+?)\s*$")


class Scenario:
    """One file of tests/lab/scenarios, and how it ended."""

    def __init__(self, path):
        self.name = path.name
        self.machine, self.cpus, self.timeout, self.order, self.takes = "any", 1, 120, 50, 30
        self.files, self.cache, self.expect = [], [], []
        self.about = self.needs = ""
        for line in path.read_text().splitlines():
            if not line.startswith("#"):
                break
            if match := HEAD.match(line):
                self.take(*match.groups())
            elif not self.about and line.startswith("# ") and "SPDX" not in line:
                self.about = line[2:]
        self.why, self.output = None, []  # why: "" once it passed
        self.seconds = self.cpu = 0.0
        self.skipped = False

    def take(self, key, value):
        if key == "machine":
            if value not in MACHINES:
                raise base.LabError(f"scenario {self.name}: machine is one of {MACHINES}")
            self.machine = value
        elif key in ("cpus", "timeout", "order", "takes"):
            setattr(self, key, int(value))
        elif key in ("files", "cache"):
            getattr(self, key).extend(value.split())
        elif key == "needs":
            self.needs = value
        else:
            re.compile(value)
            self.expect.append(value)

    def lacks(self):
        """What it would need, and there is not."""
        return self.needs if self.needs and not os.environ.get(self.needs) else ""

    def for_guest(self):
        return {"name": self.name, "timeout": self.timeout, "expect": self.expect}


def patience():
    """What time-outs are multiplied with: they hold for one machine on a host that does nothing
    else."""
    return min(8.0, max(2.0, os.getloadavg()[0] / os.cpu_count()))


def every():
    found = [Scenario(path) for path in (base.HERE / "scenarios").iterdir()
             if path.is_file() and "." not in path.name]
    return sorted(found, key=lambda each: (each.order, each.name))


def lanes(chosen, count):
    """As many lists that take about as long as each other. Those for more than one processor are in
    the first: what they make an emulated machine do for one another costs half as much again."""
    found = [[] for _ in range(count)]
    for each in sorted(chosen, key=lambda each: (-each.cpus, -each.takes)):
        (found[0] if each.cpus > 1 else
         min(found, key=lambda lane: sum(one.takes for one in lane))).append(each)
    return [sorted(lane, key=lambda one: (one.order, one.name)) for lane in found if lane]


def plan(chosen, kvm):
    """[(whether the machine has KVM, [scenarios])]: as few machines as they take."""
    with_kvm = kvm or any(scenario.machine == "kvm" for scenario in chosen)
    machines = {True: [], False: []}
    for scenario in chosen:
        here = scenario.machine == "kvm" or scenario.machine == "any" and with_kvm
        machines[here].append(scenario)
    return [(has_kvm, those) for has_kvm, those in machines.items() if those]
