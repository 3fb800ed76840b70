# SPDX-License-Identifier: GPL-2.0-or-later
"""A list of scenarios, and the machines that they are run in; labs run beside each other."""

import tempfile
import threading
import time
from pathlib import Path

import base
import payload
import scenario
from machine import Machine


class Lab:
    """Machines, one after the other, until each of its scenarios has a result."""

    def __init__(self, outcome, files, name, scenarios):
        self.outcome, self.files, self.name, self.scenarios = outcome, files, name, scenarios
        self.by_name = {each.name: each for each in scenarios}
        self.machine, self.over, self.lock = None, False, threading.Lock()
        self.current = None  # the scenario that runs
        self.begun, self.cpu = 0.0, 0.0  # what the clocks said then

    def log(self, text):
        self.outcome.say(f"lab: {text}")

    def power_on(self, *given):
        """A machine; none once the lab is over."""
        with self.lock:
            if self.over:
                raise base.LabError("the lab is over")
            self.machine = Machine(*given)
            return self.machine

    def end(self):
        """From another thread: its machine ends, and no other comes."""
        with self.lock:
            self.over = True
            if self.machine:
                self.machine.end()

    def boot(self, kvm, pending):
        """One machine; scenarios that it did not come to have no result then."""
        self.current = None
        kind = f"{'kvm' if kvm else 'plain'}{self.name}"
        with tempfile.TemporaryDirectory(prefix="banger-lab.", dir="/var/tmp") as folder:
            disk = payload.make(Path(folder), pending, self.files / "kernel.deb", kvm)
            machine = self.power_on(Path(folder), self.files, disk, kvm,
                                    max(each.cpus for each in self.scenarios))
            try:
                for event in machine.events():
                    getattr(self, f"on_{event['event']}")(kind, event)
            finally:
                machine.end()
                if machine.woken:
                    self.log(f"the machine ({kind}) stood still {machine.woken} times, and was woken")
                if machine.console.exists():
                    (self.outcome.folder / f"console-{kind}").write_bytes(
                        machine.console.read_bytes())

    def on_boot(self, kind, event):
        self.log(f"the machine ({kind}) is up after {event['seconds']:.0f} s")
        if event["surprise"]:
            raise base.LabError("the machine was reset, and nobody asked for it; "
                                f"{self.machine.last_words()}")

    def on_reboot(self, _, event):
        self.log(f"{self.current.name} lets the machine reboot ({event['how']})")

    def on_installed(self, _, event):
        if event["why"]:
            raise base.LabError(f"banger could not be installed: {event['why']}")

    def on_begin(self, _, event):
        if not self.current:  # else it goes on after a reboot
            self.begun, self.cpu = time.monotonic(), self.machine.cpu_seconds()
        self.current = self.by_name[event["name"]]

    def on_output(self, _, event):
        self.outcome.output(self.by_name[event["name"]], event["text"])

    def on_end(self, _, event):
        done, self.current = self.current, None
        done.seconds = time.monotonic() - self.begun
        done.cpu = self.machine.cpu_seconds() - self.cpu
        self.outcome.result(done, event["why"])

    def on_journal(self, kind, event):
        (self.outcome.folder / f"journal-{kind}").write_text(event["text"])

    def on_finish(self, _, event):
        pass

    def run_in(self, kvm, scenarios):
        while pending := [each for each in scenarios if each.why is None]:
            begun = time.monotonic()
            try:
                self.boot(kvm, pending)
                why = "the runner in the lab left it out"
            except base.LabError as error:
                why = str(error)
            if self.over:
                return
            # Who failed, or was there when the machine died, is done with it: the others get one
            # anew. A machine that came to nobody would do so again.
            left = [each for each in pending if each.why is None]
            for each in [self.current] if self.current else left if left == pending else []:
                each.seconds = time.monotonic() - begun
                self.outcome.result(each, why)

    def run(self, kvm):
        for has_kvm, scenarios in scenario.plan(self.scenarios, kvm):
            self.run_in(has_kvm, scenarios)


def run_beside(labs, kvm):
    """Each in a thread. Whatever ends this ends their machines."""
    threads = [threading.Thread(target=lab.run, args=(kvm,)) for lab in labs]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for lab in labs:
            lab.end()
        for thread in threads:
            if thread.ident:
                thread.join()
