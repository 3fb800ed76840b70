# SPDX-License-Identifier: GPL-2.0-or-later
"""How long banger itself takes to start a VM on Firecracker."""

import os
import statistics
import time
from pathlib import Path

import firecracker
import rpc
import suite

CROWD, PARALLEL, STARTS, SMALL = 200, 50, 200, 64


class Starts:
    """VMs whose VMM is the stand-in's engine `none`, which answers at once as an agent would and
    writes down when it was where (CLOCK_MONOTONIC)."""

    def __init__(self):
        self.client = rpc.Rpc(timeout=120)
        self.run_dir = Path(suite.settings()["run_dir"]) / "vm"
        self.names = []

    def create(self, name):
        suite.banger("vm", "create", "--quiet", "--no-start", "--vmm", "firecracker", "--image",
                     "busybox", "--memory", f"{SMALL}M", "--vcpu", "1", "--name", name, check=True)
        self.names.append(name)
        return suite.banger_json("vm", "show", name)["id"]

    def stamps(self, ident):
        """{moment: seconds} of the VMM's run."""
        text = (self.run_dir / ident / "fc/stamps").read_text()
        return {name: int(ns) / 1e9 for name, ns in
                (line.split() for line in text.splitlines())}

    def stopped(self, ident):
        while self.client.call("vm.show", {"vm": ident})["vm"]["state"] != "stopped":
            time.sleep(0.002)

    def once(self, ident):
        """One start: (until InstanceStart was accepted, the same without what the VMM itself took
        from its first instruction to its socket and in its answers, until vm.start answered)."""
        begin = time.monotonic()
        self.client.call("vm.start", {"vm": ident})
        end, at = time.monotonic(), self.stamps(ident)
        self.client.call("vm.kill", {"vm": ident})
        self.stopped(ident)
        whole = at["start"] - begin
        return whole, whole - (at["socket"] - at["begin"]) - at["busy"], end - begin

    def many(self, ident, count):
        """Columns of count starts, each sorted."""
        for _ in range(5):
            self.once(ident)
        return [sorted(column) for column in zip(*(self.once(ident) for _ in range(count)))]

    def at_once(self, idents):
        """Seconds from the first request until the last InstanceStart, all asked for at once."""
        clients = [rpc.Rpc(timeout=120) for _ in idents]
        begin = time.monotonic()
        asked = [client.request("vm.start", {"vm": ident})
                 for client, ident in zip(clients, idents)]
        for client, number in zip(clients, asked):
            client.response(number)
            client.close()
        taken = max(self.stamps(ident)["start"] for ident in idents) - begin
        for ident in idents:
            self.client.call("vm.kill", {"vm": ident})
        for ident in idents:
            self.stopped(ident)
        return taken

    def end(self):
        self.client.close()
        for name in self.names:
            suite.banger("vm", "delete", "--force", name, check=True)


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))] * 1000


def figure(bench):
    """banger's own work from vm.start to InstanceStart accepted; beside 200 VMs; 50 at once."""
    with firecracker.instead("engine=none stamps=/run/stamps"):
        starts = Starts()
        try:
            ident = starts.create("start")
            whole, own, answered = starts.many(ident, STARTS)
            p50, p99 = percentile(own, 0.5), percentile(own, 0.99)
            vmm = statistics.median(whole) * 1000 - p50
            bench.row("vm.start to InstanceStart, p50", p50, "ms", f"{vmm:.2f} ms more in the VMM",
                      "", "<= 10 ms", p50 <= 10)
            bench.row("the same, p99", p99, "ms", f"{len(own)} starts", "", "<= 25 ms", p99 <= 25)
            bench.row("vm.start until it answers, p50", percentile(answered, 0.5), "ms", "", "", "",
                      None)
            idents = [starts.create(f"many-{number}") for number in range(PARALLEL)]
            rate = PARALLEL / bench.median(lambda: starts.at_once(idents))
            bench.row(f"{PARALLEL} starts at once", rate, "/s", f"{os.cpu_count()} cores", "",
                      ">= 20/s", rate >= 20)
            for number in range(CROWD):
                name = f"crowd-{number}" if number >= PARALLEL else f"many-{number}"
                if number >= PARALLEL:
                    starts.create(name)
                starts.client.call("vm.start", {"vm": name})
            _, crowded, _ = starts.many(ident, STARTS)
            ratio = percentile(crowded, 0.5) / p50
            bench.row(f"p50 beside {CROWD} VMs", percentile(crowded, 0.5), "ms", f"{p50:.2f} ms",
                      f"{ratio:.2f}", "<= 1.30", ratio <= 1.3)
            ratio = percentile(crowded, 0.99) / p99
            bench.row(f"p99 beside {CROWD} VMs", percentile(crowded, 0.99), "ms", f"{p99:.2f} ms",
                      f"{ratio:.2f}", "", None)
        finally:
            starts.end()
