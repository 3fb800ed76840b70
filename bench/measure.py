# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures; run by bench/run, beside the suite."""

import argparse
import io
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(sys.argv[1])
sys.path.insert(0, str(TOP / "tests" / "lib"))

import guest_images  # noqa: E402
import images_figures  # noqa: E402
import starts  # noqa: E402
import suite  # noqa: E402

BOOT, CALLS = TOP / "build/bench/boot", TOP / "build/bench/calls"
MEMORY = 256
DISK = 8 << 30  # what [image] system_overlay_size is by default
APPEND = ("console=ttyS0 reboot=t panic=-1 quiet cryptomgr.notests tsc=reliable "
          "tsc_early_khz={khz} noreplace-smp rdinit=/init")


class Bench:
    """What all figures share: the work directory, the number of repetitions, the rows."""

    def __init__(self, kernel, large, repeat):
        self.kernel_deb, self.large, self.repeat = Path(kernel), Path(large), repeat
        self.work = Path(tempfile.mkdtemp(prefix="banger-bench.", dir="/var/tmp"))
        self.rows = []
        self.build, self.made = TOP / "build", {}  # images that were made for a figure

    def median(self, what):
        """The median of `repeat` calls, after one that warms up."""
        return self.medians(what)[0]

    def medians(self, *whats):
        """The medians of several, taken in turn: what disturbs the machine disturbs them all."""
        for what in whats:
            what()
        rounds = [[what() for what in whats] for _ in range(self.repeat)]
        return [statistics.median(values) for values in zip(*rounds)]

    def row(self, figure, value, unit, peer, ratio, aim, met):
        self.rows.append((figure, f"{value:.4g} {unit}", peer, ratio, aim,
                          {True: "met", False: "NOT MET", None: ""}[met]))
        print(f"  {figure}: {value:.4g} {unit} {peer} {ratio}", file=sys.stderr, flush=True)

    def table(self):
        head = ("figure", "banger", "peer", "ratio", "aim", "")
        widths = [max(len(row[i]) for row in self.rows + [head]) for i in range(6)]
        for row in [head] + self.rows:
            print("  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip())


def seconds(*command, **more):
    """Wall seconds of a command that must succeed."""
    begin = time.monotonic()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, **more)
    return time.monotonic() - begin


# ---- machines by hand ----

def tsc_khz():
    """As netd takes it: what the host's TSC runs at."""
    status = suite.banger_json("daemon", "status")
    for source in (status, status.get("host", {})):
        if source.get("tsc_khz"):
            return source["tsc_khz"]
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("cpu MHz"):
            return round(float(line.split(":")[1]) * 1000)
    raise RuntimeError("no TSC frequency")


def vmm(initramfs, disk, kernel, sockets=None, append=None, tap=None):
    """The command line that banger's is measured against: the same machine, paths in place of fds."""
    serial = ["-serial", "stdio"]
    words = ["/usr/bin/qemu-system-x86_64", "-machine", "microvm,pit=off,pic=off",
             "-accel", "tcg,thread=multi", "-cpu", "qemu64", "-smp", "1", "-m", f"{MEMORY}M",
             "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
             "-kernel", kernel, "-initrd", initramfs,
             "-append", (append or APPEND).format(khz=tsc_khz())]
    if disk:
        words += ["-blockdev", f"driver=file,node-name=f0,filename={disk},aio=threads,discard=unmap",
                  "-blockdev", "driver=raw,node-name=d0,file=f0,discard=unmap",
                  "-device", "virtio-blk-device,drive=d0"]
    if tap:
        words += ["-netdev", f"tap,id=n0,ifname={tap},script=no,downscript=no,vhost=off",
                  "-device", "virtio-net-device,netdev=n0"]
    words += ["-device", "virtio-rng-device", *serial]
    if sockets:
        words += ["-device", "virtio-serial-device,max_ports=17"]
        for number in range(16):
            words += ["-chardev", f"socket,id=p{number},path={sockets}/p{number},server=on,wait=off",
                      "-device", f"virtserialport,chardev=p{number},name=banger.{number},"
                      f"nr={number + 1}"]
    return [str(word) for word in words]


def boot(how, word, command):
    done = subprocess.run([BOOT, how, str(word), "--", *command], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"by hand: {done.stderr}")
    return float(done.stdout) / 1000


def state_files(bench):
    """(vmlinux, initramfs, image) as banger keeps them: found by what they are."""
    state = Path(suite.settings()["state_dir"])
    kernel = next(iter(state.glob("kernels/*.vmlinux")))
    initramfs = next(iter(state.glob("kernels/*.initramfs")))
    row = [image for image in suite.banger_json("image", "list") if image["name"] == "busybox"][0]
    image = [path for path in state.glob("images/*.ext4") if path.is_file() and row["id"] in str(path)]
    return kernel, initramfs, image[0]


def by_hand(bench):
    """Seconds from exec to an agent that is set up, with the same files: once."""
    kernel, initramfs, image = state_files(bench)
    disk = bench.work / "disk"
    shutil.copy(image, disk)
    os.truncate(disk, DISK)  # the guest grows its file system, as banger's does
    for path in bench.work.glob("p[0-9]*"):
        path.unlink()
    subprocess.run(["ip", "tuntap", "add", "bench0", "mode", "tap"], check=True)
    try:
        return boot("agent", bench.work / "p0",
                    vmm(initramfs, disk, kernel, sockets=bench.work, tap="bench0"))
    finally:
        subprocess.run(["ip", "link", "del", "bench0"], check=True)


def figure_run(bench):
    """vm run --rm -- true, against the same machine by hand until its agent answers."""
    ours, peer = bench.medians(lambda: seconds(
        "banger", "vm", "run", "--rm", "--quiet", "--vmm", "qemu", "--accel", "tcg",
        "--image", "busybox", "--memory", f"{MEMORY}M", "--vcpu", "1", "--", "true"), lambda: by_hand(bench))
    bench.row("vm run --rm -- true", ours, "s", f"{peer:.3f} s (by hand, to agent)",
              f"{ours / peer:.2f}", "<= 1.10", ours / peer <= 1.10)


FIRST = r"""
static long call(long n, long a, long b, long c)
{
	long ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}
void _start(void)
{
	call(1, 1, (long)"FIRST-LINE\n", 11);
	for (;;)
		call(34, 0, 0, 0);
}
"""


def static_program(bench, name, text):
    source = bench.work / f"{name}.c"
    source.write_text(text)
    subprocess.run(["gcc", "-static", "-nostdlib", "-Os", "-fno-stack-protector",
                    "-fcf-protection=none", "-o", bench.work / name, source], check=True)
    return bench.work / name


def cpio(folder, archive):
    """An initramfs of a folder, with a console."""
    (folder / "dev").mkdir(exist_ok=True)
    if not (folder / "dev/console").exists():
        subprocess.run(["mknod", folder / "dev/console", "c", "5", "1"], check=True)
    with open(archive, "wb") as out:
        find = subprocess.Popen(["find", "."], cwd=folder, stdout=subprocess.PIPE)
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=folder, stdin=find.stdout,
                       stdout=out, check=True)
        find.wait()
    return archive


def distribution_initramfs(bench):
    """What Debian's own mkinitramfs makes for this kernel; (initramfs, version)."""
    tree = bench.work / "kernel"
    subprocess.run(["dpkg-deb", "-x", bench.kernel_deb, tree], check=True)
    (version,) = [path.name for path in (tree / "lib/modules").iterdir()]
    made = bench.work / "initrd.img"
    # In a mount namespace: the host's /lib/modules and /boot stay as they are.
    script = (f"mount -t tmpfs t /mnt && mkdir /mnt/modules /mnt/boot && "
              f"cp -a {tree}/lib/modules/{version} /mnt/modules/ && "
              f"cp {tree}/boot/config-{version} /mnt/boot/ && "
              "mkdir -p /lib/modules && mount --bind /mnt/modules /lib/modules && "
              "mount --bind /mnt/boot /boot && "
              f"depmod {version} && mkinitramfs -o {made} {version}")
    subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
                   check=True, capture_output=True)
    return made, version


def figure_initramfs(bench):
    """The guest is ready: ours by its agent, the distribution's when it starts the same image's
    init."""
    kernel, _, _ = state_files(bench)
    first = bench.work / "first"
    first.mkdir()
    shutil.copy(static_program(bench, "init", FIRST), first / "init")
    bare = cpio(first, bench.work / "first.cpio")
    initrd, _ = distribution_initramfs(bench)
    folder = bench.work / "image"
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(guest_images.busybox_layer())) as layer:
        layer.extractall(folder)
    (folder / "sbin").mkdir()
    (folder / "sbin/init").write_text("#!/bin/sh\necho FIRST-LINE >/dev/console\n"
                                      "while :; do sleep 1000; done\n")
    (folder / "sbin/init").chmod(0o755)
    disk = bench.work / "debian-way.ext4"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", folder, disk, "256M"], check=True,
                   capture_output=True)
    append = APPEND.replace("rdinit=/init", "root=/dev/vda rw")
    ours, peer, userspace = bench.medians(
        lambda: by_hand(bench),
        lambda: boot("console", "FIRST-LINE", vmm(initrd, disk, kernel, append=append)),
        lambda: boot("console", "FIRST-LINE", vmm(bare, None, kernel)))
    bench.row("guest ready, our initramfs", ours, "s", f"{peer:.3f} s (mkinitramfs)",
              f"{ours / peer:.2f}", "<= 0.60", ours / peer <= 0.60)
    bench.row("agent ready after userspace", ours - userspace, "s",
              f"{userspace:.3f} s (to userspace)", "", "<= 0.5 s", ours - userspace <= 0.5)


# ---- memory ----

class PeakMemory(threading.Thread):
    """The highest resident set of any image worker, in KiB, while it runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            for program in ("banger-imaged-worker", "banger-imaged"):
                for pid in suite.pids(program):
                    try:
                        status = Path(f"/proc/{pid}/status").read_text()
                    except OSError:
                        continue
                    for line in status.splitlines():
                        if line.startswith("VmHWM"):
                            self.peak = max(self.peak, int(line.split()[1]))

    def stop(self):
        self.over.set()
        self.join()
        return self.peak


def figure_memory(bench):
    watch = PeakMemory()
    watch.start()
    suite.banger("image", "import", "--quiet", "--replace", "large", bench.large, check=True,
                 timeout=300)
    peak = watch.stop()
    (row,) = [image for image in suite.banger_json("image", "list") if image["name"] == "large"]
    entries = row.get("entries") or 0
    aim = 48 * 1024 + 0.6 * entries
    bench.row("peak memory of imaged", peak / 1024, "MiB", f"{entries} entries", "",
              f"<= {aim / 1024:.1f} MiB", 0 < peak <= aim)


# ---- the daemon ----

def figure_idle(bench):
    """PSS of all processes of the suite, once nothing happens."""
    suite.stop()
    suite.start()
    time.sleep(2)
    total = 0
    for program in suite.ROLES:
        for pid in suite.pids(program):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    bench.row("idle memory (PSS)", total / 1024, "MiB", "", "", "<= 12 MiB", total <= 12 * 1024)


def calls(method, count, depth=1):
    done = subprocess.run([CALLS, os.environ["BANGER_SOCKET"], method, str(count), str(depth)],
                          check=True, capture_output=True, text=True)
    rate, middle = done.stdout.split()
    return float(rate), float(middle)


def figure_ping(bench):
    single = bench.median(lambda: calls("ping", 20_000)[0])
    bench.row("ping, one at a time", single, "/s", "", "", ">= 20000/s", single >= 20_000)
    many = bench.median(lambda: calls("ping", 100_000, 64)[0])
    bench.row("ping, 64 on their way", many, "/s", "", "", "", None)


def figure_list(bench):
    """vm.list of 1,000 rows that were put into the store while the daemon was away."""
    suite.banger("vm", "create", "--quiet", "--no-start", "--image", "busybox", "--name", "row",
                 check=True)
    suite.stop()
    (database,) = [path for path in Path(suite.settings()["state_dir"]).rglob("*")
                   if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"]
    owner = database.stat()

    def change(what):
        """Do something to the store, and leave its files the daemon's."""
        with sqlite3.connect(database) as store:
            store.row_factory = sqlite3.Row
            what(store)
        store.close()
        for path in database.parent.glob(database.name + "*"):
            os.chown(path, owner.st_uid, owner.st_gid)

    def fill(store):
        row = dict(store.execute("SELECT * FROM vm WHERE name = 'row'").fetchone())
        for number in range(999):
            row.update(id=f"{number:012x}", name=f"row-{number}", owner=50_000 + number // 250,
                       subnet=100 + number // 250, host=2 + number % 250)
            store.execute(f"INSERT INTO vm ({', '.join(row)}) VALUES "
                          f"({', '.join('?' * len(row))})", list(row.values()))
        for number in range(4):
            store.execute("INSERT INTO owner_subnet VALUES (?, ?)", (50_000 + number, 100 + number))

    def empty(store):
        store.execute("DELETE FROM vm WHERE owner >= 50000")
        store.execute("DELETE FROM owner_subnet WHERE owner >= 50000")

    try:
        change(fill)
        suite.start()
        assert len(suite.banger_json("vm", "list")) == 1000
        middle = bench.median(lambda: calls("vm.list", 50)[1])
        bench.row("vm.list of 1,000 rows", middle, "ms", "", "", "<= 10 ms", middle <= 10)
        middle = 1000 * bench.median(lambda: seconds("banger", "vm", "list"))
        bench.row("banger vm list of 1,000 rows", middle, "ms", "", "", "", None)
    finally:
        suite.stop()
        change(empty)
        suite.start()
        suite.banger("vm", "delete", "row", check=True)


FIGURES = {"start": starts.figure, "idle": figure_idle, "ping": figure_ping, "list": figure_list, "run": figure_run,
           "initramfs": figure_initramfs, "memory": figure_memory, **images_figures.FIGURES}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("top")
    parser.add_argument("kernel")
    parser.add_argument("large")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("figures", nargs="*", default=[], choices=[[], *FIGURES])
    told = parser.parse_intermixed_args()
    bench = Bench(told.kernel, told.large, max(5, told.repeat))
    try:
        suite.banger("kernel", "import", "--quiet", "--name", "cloud", told.kernel, check=True)
        archive = guest_images.busybox(TOP / "build-cache/busybox.oci.tar")
        suite.banger("image", "import", "--quiet", "busybox", archive, check=True)
        failed = []
        for name, figure in FIGURES.items():
            if told.figures and name not in told.figures:
                continue
            print(f"== {name}", file=sys.stderr, flush=True)
            try:
                figure(bench)
            except (RuntimeError, AssertionError, OSError, StopIteration, sqlite3.Error,
                    subprocess.SubprocessError) as error:
                failed.append(f"{name}: not measured: {error}")
        bench.table()
        for line in failed:
            print(line)
        return 1 if failed else 0
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
