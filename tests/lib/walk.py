# SPDX-License-Identifier: GPL-2.0-or-later
"""A walk: every operation fails at each place that it passes, in each way; afterwards the world is what
it was before, or what it is after the operation."""

import os
import signal
import time
from collections import Counter

import failpoints
import operations
import rpc
import suite
import world
from failpoints import CRASH, ERROR, HANG

# Of a place in a process, what can happen there. Besides: that another process ends meanwhile.
OWN = ("error", "crash", "hang")
FAULTS = {"error": ERROR, "crash": CRASH, "hang": HANG}
COLUMNS = ("error", "crash", "hang", "bangerd", "netd", "imaged", "fetch")
# Processes of one job, whose end is the job's alone; and those where one that hangs is cancelled.
JOBS = ("worker", "fetcher")
CANCELLED = ("bangerd", *JOBS)
# A place of launch or netd that two operations pass in the same way is walked in all ways in one.
WALKED = set()
TALLY = Counter()  # (operation, fault, "points" or "converged") → how many
MET = set()
BEGIN = time.monotonic()


def process_of(place):
    """Whose it is; a saga's step is bangerd's."""
    head = place.split("/")[0]
    return "bangerd" if "." in head else head


def is_undo(place):
    return place.endswith(":undo")


def look():
    """Once those are gone that did a job which is over, and two looks see the same."""
    quiet = suite.wait_for(lambda: not suite.processes_of(*suite.JOBS), 20, 0.01)
    assert quiet, "a job is left"
    seen = [None, world.look()]

    def still():
        seen[:] = seen[1], world.look()
        return seen[0] == seen[1]

    assert suite.wait_for(still, 20, 0.02), f"never the same: {world.difference(*seen)}"
    return seen[1]


class Walk:
    """One operation's."""

    def __init__(self, page, daemon, operation):
        self.page, self.daemon, self.operation = page, daemon, operation
        self.begin, self.starts = time.monotonic(), daemon.starts
        self.table, self.problems = {}, []
        operation.before()
        self.before = look()
        page.arm()
        assert operations.Client(operation.ask).end() is None, "it fails by itself"
        self.passed = page.passed()
        self.places = [place for place in self.passed if operation.wants(place)]
        self.after = look()
        self.unequal = world.difference(self.before, self.after)
        assert self.unequal, "it changes nothing"
        operation.back()
        self.expect_before("taken back")

    def expect_before(self, when):
        found = suite.wait_for(lambda: not world.difference(self.before, world.look()), 10, 0.01)
        assert found, f"{when}: {world.difference(self.before, world.look())}"

    def state(self):
        """"before" or "after", or what is unlike both."""
        now = world.look()
        less = world.difference(self.operation.bare(self.before), self.operation.bare(now))
        if not less:
            return "before"
        more = world.difference(self.after, now)
        return "after" if not more else f"before, but {less} | after, but {more}"

    def settled(self, seconds):
        end = time.monotonic() + seconds
        while True:
            state = self.state()
            if state in ("before", "after") or time.monotonic() > end:
                return state
            time.sleep(0.02)

    # ---- one fault ----

    def wait_met(self, client, number):
        met = suite.wait_for(lambda: self.page.met(number) or not client.is_alive(), 120, 0.002)
        assert met and self.page.met(number), f"not met, but: {client.error}"

    def hang(self, place, client):
        """What ends it is what there is for that: the operation's end, or the watchdog's signal."""
        process = process_of(place)
        if process in CANCELLED:
            self.operation.stop(client)
        else:
            os.kill(failpoints.roles()[process], signal.SIGALRM)

    def let_fail(self, place, fault, trigger):
        """Let the operation meet it. Whether the suite lives on."""
        number = 1 if trigger else 0
        orders = [(trigger, ERROR)] if trigger else []
        orders.append((place, FAULTS.get(fault, HANG)))
        self.page.arm(*orders)
        client = operations.Client(self.operation.ask)
        self.wait_met(client, number)
        lives = fault == "error" or (fault == "crash" and process_of(place) in JOBS)
        if fault == "hang":
            self.hang(place, client)
            lives = process_of(place) in CANCELLED
        elif fault not in OWN:
            os.kill(failpoints.roles()[fault], signal.SIGKILL)
            self.page.clear()
        client.end()
        return lives

    def try_one(self, place, fault, trigger=None):
        how = f"{self.operation.name} {place} {fault}"
        state, mark = "", ""
        try:
            lives = self.let_fail(place, fault, trigger)
            state = self.settled(0.5) if lives else ""
            if state not in ("before", "after"):
                mark = "*" if lives else ""
                self.daemon.restart()
                state = self.settled(5 * suite.PATIENCE)
            if state in ("before", "after"):
                self.operation.proof()
        except (AssertionError, rpc.RpcError) as problem:
            state = f"{state}: {problem}"
        good = state in ("before", "after")
        self.table.setdefault(place, {})[fault] = f"{state}{mark}" if good else "FAILED"
        TALLY[self.operation.name, fault, "points"] += 1
        TALLY[self.operation.name, fault, "converged"] += good
        if not good:
            self.problems.append(f"{how}: {state}")
        MET.add(place)
        if state != "before" or self.operation.proves:
            self.go_back(how)

    def go_back(self, how):
        """To the world that the next fault begins in, however this one ended."""
        try:
            self.operation.back()
            self.expect_before("taken back")
            return
        except (AssertionError, rpc.RpcError, rpc.Closed, OSError):
            pass
        self.daemon.restart()
        for name in [vm["name"] for vm in rpc.call("vm.list")["vms"] if vm["name"] != "keeper"]:
            rpc.call("vm.delete", {"vm": name, "force": True})
        operations.quietly("image.delete", image=operations.IMAGE)
        operations.quietly("kernel.delete", kernel=operations.KERNEL)
        self.operation.before()
        self.expect_before(f"after {how}")

    # ---- all ----

    def faults_of(self, place):
        """Whoever dies behind a step dies before the next one: all that is between is what an error
        there undoes. The workers' server has to do with operations that have a job alone."""
        process = process_of(place)
        steps = [each for each in self.passed if "." in each.split("/")[0]]
        if is_undo(place):
            return ("error", "crash", "netd")
        if process == "bangerd" and place.endswith(":before"):
            imaged = self.operation.job or place == steps[0]
            return (*OWN, "netd", "imaged") if imaged else (*OWN, "netd")
        if place.startswith("bangerd/"):
            return ("error", "crash")
        if process == "bangerd":
            return ("error", "crash", "netd") if place == steps[-1] else ("error",)
        if process in ("worker", "imaged", "fetch"):
            return OWN
        if process == "fetcher" and place not in WALKED:
            return (*OWN, "bangerd", "fetch")
        return ("crash",) if place in WALKED else (*OWN, "bangerd")

    def undo_places(self):
        """Passed when the last step fails, where there are such that are wanted."""
        befores = [place for place in self.passed if place.endswith(":before")]
        undos = [place.replace(":before", ":undo") for place in befores]
        if not any(self.operation.wants(place) for place in undos):
            return None, []
        last = befores[-1]
        self.page.arm((last, ERROR))
        operations.Client(self.operation.ask).end()
        found = [place for place in self.page.passed()
                 if is_undo(place) and self.operation.wants(place)]
        if self.settled(0.5) != "before" or self.operation.proves:
            self.go_back("the last step's failure")
        return last, found

    def all(self):
        last, undo = self.undo_places()
        for place in self.places:
            for fault in self.faults_of(place):
                self.try_one(place, fault)
        WALKED.update(place for place in self.places if process_of(place) != "bangerd")
        for place in undo:
            for fault in self.faults_of(place):
                self.try_one(place, fault, trigger=last)

    def print(self):
        print(f"\n{self.operation.name:<38}" + "".join(f"{name:>9}" for name in COLUMNS))
        for place, row in self.table.items():
            print(f"{place:<38}" + "".join(f"{row.get(name, '-'):>9}" for name in COLUMNS))
        print(f"{self.daemon.starts - self.starts} starts of the suite, "
              f"{time.monotonic() - self.begin:.0f} s; * took one")

    def clear(self):
        """None of the operation's world is left."""
        self.page.clear()
        if not suite.running():
            self.daemon.restart()
        operations.quietly("vm.delete", vm=operations.VM, force=True)
        operations.quietly("image.delete", image=operations.IMAGE)
        operations.quietly("kernel.delete", kernel=operations.KERNEL)


class Beginning(Walk):
    """Of an operation that is never let through: whatever happens at these places, nothing of it is
    there afterwards."""

    def __init__(self, page, daemon, operation, places):
        self.page, self.daemon, self.operation = page, daemon, operation
        self.begin, self.starts = time.monotonic(), daemon.starts
        self.table, self.problems = {}, []
        operation.before()
        self.places = self.passed = places
        self.before = self.after = look()

    def undo_places(self):
        return None, []


def figures():
    """Operations and faults: how many of how many places converged; the sum; the time."""
    names = list(dict.fromkeys(name for name, _, _ in TALLY))

    def cell(picked):
        points, good = (sum(n for key, n in TALLY.items() if key[2] == kind and picked(key))
                        for kind in ("points", "converged"))
        return f"{good}/{points}" if points else "-"

    def line(title, of_operation):
        cells = [cell(lambda key, f=fault: key[1] == f and of_operation(key)) for fault in COLUMNS]
        return f"{title:<26}" + "".join(f"{text:>9}" for text in [*cells, cell(of_operation)])

    rows = [f"{'figure: converged':<26}" + "".join(f"{name:>9}" for name in [*COLUMNS, "all"])]
    rows += [line(name, lambda key, n=name: key[0] == n) for name in names]
    rows.append(line("all", lambda key: True))
    rows.append(f"figure: {cell(lambda key: True)} converged "
                f"in {time.monotonic() - BEGIN:.0f} s")
    return "\n".join(rows)
