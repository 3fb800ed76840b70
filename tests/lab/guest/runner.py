# SPDX-License-Identifier: GPL-2.0-or-later
"""Inside the lab: install banger as an administrator would, run the scenarios, tell the host.

An event is one line of JSON on the port lab.events. Besides its script's status a scenario is
judged by what it leaves: errors in the journal, VMs, processes, links, mounts. One that asked for
a reboot (reboot_lab in lab.sh) is called again after it; PROGRESS says where it was."""

import glob
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

LAB = Path("/lab")
PROGRESS = Path("/var/lib/lab-progress")
INSTALLED = Path("/var/lib/lab-installed")
REBOOT = Path("/run/lab-reboot")
KVM_MODULE = "kvm-amd"
JAIL_UIDS = range(1900000000, 1900065536)
# What the kernel says when something of ours or of its own went wrong.
KERNEL_BAD = re.compile(r"BUG:|Oops|WARNING:|general protection|segfault|type=1326|Call Trace|"
                        r"blocked for more than|Out of memory|oom-kill")
INSTALL = (
    ("cp", "-a", "/lab/system/.", "/"),
    ("systemd-sysusers",),
    ("systemd-tmpfiles", "--create"),
    ("systemctl", "daemon-reload"),
)


def open_port(wanted, mode):
    subprocess.run(["modprobe", "virtio_console"], check=True)
    for _ in range(200):
        for name in glob.glob("/sys/class/virtio-ports/*/name"):
            if Path(name).read_text().strip() == wanted:
                node = Path("/dev") / Path(name).parent.name
                if node.exists():
                    return open(node, mode, buffering=0)
        time.sleep(0.1)
    raise RuntimeError(f"no port {wanted}")


class Host:
    """Who listens."""

    def __init__(self):
        self.port, self.lock = open_port("lab.events", "wb"), threading.Lock()
        self.wake = open_port("lab.wake", "rb")  # that something comes is enough (../machine.py)

    def tell(self, event, **values):
        line = json.dumps({"event": event, **values}).encode() + b"\n"
        with self.lock:
            while line:
                line = line[self.port.write(line):]


def output_of(*command, timeout=60):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return f"{command[0]}: no end after {timeout} s\n"
    return done.stdout


class Journal:
    """What is new in the journal: all of this boot, unless that is none of the scenarios' doing."""

    def __init__(self, whole):
        self.cursor = None
        if not whole:
            self.new()

    def new(self):
        """Entries since the last call."""
        subprocess.run(["journalctl", "--sync"], check=False)
        command = ["journalctl", "-q", "-o", "json", "--output-fields="
                   "MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER,_TRANSPORT"]
        command += [f"--after-cursor={self.cursor}"] if self.cursor else []
        entries = [json.loads(line) for line in output_of(*command).splitlines()
                   if line.startswith("{")]
        if entries:
            self.cursor = entries[-1]["__CURSOR"]
        return entries


def text_of(entry):
    message = entry.get("MESSAGE")
    if isinstance(message, list):  # not UTF-8
        message = bytes(message).decode(errors="replace")
    return f"{entry.get('SYSLOG_IDENTIFIER', '?')}: {message}"


def journal_faults(entries, expect):
    """Errors of banger's units, and of the kernel, that nobody expects."""
    faults = []
    for entry in entries:
        text = text_of(entry)
        unit = entry.get("_SYSTEMD_UNIT") or entry.get("UNIT") or ""
        ours = unit.startswith("banger") or entry.get("UNIT", "").startswith("banger")
        bad = (ours and int(entry.get("PRIORITY", 6)) <= 3
               or entry.get("_TRANSPORT") in ("kernel", "audit") and KERNEL_BAD.search(text))
        if bad and not any(re.search(known, text) for known in expect):
            faults.append(text)
    return faults


def jailed():
    """Processes under a jail's user id."""
    found = []
    for status in glob.glob("/proc/[0-9]*/status"):
        try:
            text = Path(status).read_text()
        except OSError:
            continue
        uid = int(re.search(r"^Uid:\s+(\d+)", text, re.M).group(1))
        if uid in JAIL_UIDS and not re.search(r"^State:\s+Z", text, re.M):
            name = re.search(r"^Name:\s+(.*)", text, re.M).group(1)
            found.append(f"process {status.split('/')[2]} {name} uid {uid}")
    return found


def host_objects():
    """What VMs bring onto the host."""
    found = set(jailed())
    found |= {f"link {name}" for name in os.listdir("/sys/class/net")}
    found |= {f"mount {line.split()[4]}" for line in
              Path("/proc/self/mountinfo").read_text().splitlines()
              if "/credentials/" not in line}
    found |= {f"cgroup {path}" for path in
              glob.glob("/sys/fs/cgroup/**/banger-vm-*", recursive=True)}
    found |= {f"block {path}" for path in glob.glob("/sys/block/dm-*")}
    found |= {f"loop {path}" for path in glob.glob("/sys/block/loop*/loop/backing_file")}
    found |= {f"directory {path}" for path in glob.glob("/run/banger/vm/*")}
    found |= {f"disk {path}" for path in glob.glob("/var/lib/banger/vms/*")}
    return found


def left_behind(before, seconds):
    """Objects that were not there before and stay; an owner's bridge goes after some seconds."""
    end = time.monotonic() + seconds
    while True:
        more = sorted(host_objects() - before)
        if not more or time.monotonic() > end:
            return more
        time.sleep(0.5)


DIAGNOSIS = (
    ("systemctl", "--no-pager", "--full", "status", "bangerd"),
    ("ps", "-o", "pid,ppid,uid,stat,wchan:20,args", "--sort=start_time", "--ppid", "2", "-p", "2",
     "--deselect"),
    ("tail", "-n", "40", "--", *sorted(glob.glob("/run/banger/vm/*/vmm.log"))),
)


class Run:
    """One scenario."""

    def __init__(self, host, journal, given, config, step=0, before=()):
        self.host, self.journal, self.kvm = host, journal, config["kvm"]
        self.patience, self.cpu_loop_ms = config["patience"], config["cpu_loop_ms"]
        self.timeout = round(given["timeout"] * self.patience)
        self.name, self.expect = given["name"], given["expect"]
        self.step, self.before = step, set(before)

    def line(self, text):
        self.host.tell("output", name=self.name, text=text.rstrip("\n"))

    def relay(self, pipe):
        for line in pipe:
            self.line(line)

    def script(self):
        """Its status; None when time ran out."""
        environment = dict(os.environ, LAB_KVM="yes" if self.kvm else "no",
                           LAB_STEP=str(self.step), LAB_PATIENCE=str(round(self.patience)),
                           LAB_CPU_LOOP_MS=str(self.cpu_loop_ms), HOME="/root",
                           PYTHONPATH="/lab/tests/lib", LC_ALL="C.UTF-8")
        process = subprocess.Popen(
            [LAB / "scenarios" / self.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", cwd="/", env=environment,
            start_new_session=True)
        reader = threading.Thread(target=self.relay, args=(process.stdout,), daemon=True)
        reader.start()
        status = None
        try:
            status = process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            self.line(f"time ran out; there is:\n{output_of(*DIAGNOSIS[1])}")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reader.join(3)
        return status

    def judge(self, status, entries, left):
        faults = journal_faults(entries, self.expect)
        if status is None:
            return f"no end after {self.timeout} s"
        if status != 0:
            return f"status {status}"
        if faults:
            return f"an error in the journal: {faults[0]}" + (
                f" (and {len(faults) - 1} more)" if faults[1:] else "")
        if left:
            return f"left behind: {', '.join(left)}"
        return ""

    def reboot(self, how):
        """clean: as an administrator does; power: as when the plug is pulled, writes settled."""
        self.host.tell("reboot", how=how, within=120 * self.patience,
                       what=f"the reboot in {self.name}")
        keep({"name": self.name, "step": self.step + 1, "before": sorted(self.before)})
        if how == "clean":
            subprocess.run(["systemctl", "reboot"], check=True)
        else:
            Path("/proc/sysrq-trigger").write_text("b")
        time.sleep(600)

    def go(self):
        if self.step == 0:
            self.before = host_objects()
            self.journal.new()
        self.host.tell("begin", name=self.name, within=self.timeout, what=f"scenario {self.name}")
        status = self.script()
        how = REBOOT.read_text().strip() if REBOOT.exists() else ""
        left = [] if how else left_behind(self.before, 12 * self.patience)
        why = self.judge(status, entries := self.journal.new(), left)
        if how and not why:
            self.reboot(how)
        if why:
            for command in DIAGNOSIS:
                self.line(f"---- {' '.join(command[:4])}\n{output_of(*command)}")
            self.line("---- the journal meanwhile\n" + "\n".join(map(text_of, entries)))
        self.host.tell("end", name=self.name, why=why)
        return not why


def keep(progress):
    """For the next boot, whatever way this one ends."""
    PROGRESS.write_text(json.dumps(progress))
    subprocess.run(["sync"], check=True)


def install(patience):
    for command in INSTALL:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0:
            return f"{' '.join(command)}: status {done.returncode}: {done.stdout}"
    if patience > 1:
        with open("/etc/banger/banger.conf", "a", encoding="ascii") as conf:
            conf.write(f"\n[vmm]\nstart_timeout = {round(60 * patience)}\n")
    programs = ["/usr/bin/banger", "/usr/sbin/bangerd", *glob.glob("/usr/libexec/banger/*")]
    missing = re.findall(r"(\S+) => not found", output_of("ldd", *programs))
    if missing:
        return f"tests/lab/packages.txt lacks who has {' '.join(sorted(set(missing)))}"
    return ""


def pending(config):
    """(the scenarios to come, what is known of the first): of a boot that one asked for, or of the
    first."""
    if not PROGRESS.exists():
        return config["scenarios"], {}
    progress = json.loads(PROGRESS.read_text())
    PROGRESS.unlink()
    names = [given["name"] for given in config["scenarios"]]
    return config["scenarios"][names.index(progress.pop("name")):], progress


def run_all(host, config, scenarios, resumed):
    journal = Journal(whole=bool(resumed))
    for given in scenarios:
        # What a failed one left would be the next one's trouble: that gets a machine anew.
        if not Run(host, journal, given, config, **resumed).go():
            break
        resumed = {}


def main():
    host = Host()
    config = json.loads((LAB / "config.json").read_text())
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    scenarios, resumed = pending(config)
    again = INSTALLED.exists()
    # A machine that nobody asked to come back did so by itself: the kernel gave up.
    host.tell("boot", seconds=uptime, within=120 * config["patience"], what="the installation",
              surprise=again and not resumed)
    why = "" if again else install(config["patience"])
    INSTALLED.touch()
    if not why and config["kvm"]:
        # At the next boot it is there before services are, as where udev finds a processor for it.
        Path("/etc/modules-load.d/lab.conf").write_text(f"{KVM_MODULE}\n")
        done = subprocess.run(["modprobe", KVM_MODULE], check=False)
        why = "" if done.returncode == 0 and Path("/dev/kvm").exists() else "no /dev/kvm"
    host.tell("installed", why=why)
    if not why:
        run_all(host, config, scenarios, resumed)
    host.tell("journal", within=120 * config["patience"], what="its last words",
              text=output_of("journalctl", "--no-pager", "-o", "short-monotonic"))
    host.tell("finish")


main()
