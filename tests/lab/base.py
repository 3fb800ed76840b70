# SPDX-License-Identifier: GPL-2.0-or-later
"""What of the lab is made once and kept: its kernel, its initramfs, its root file system.

They lie in the cache under a digest of all that they are made of."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import repo

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("BANGER_CACHE", repo.TOP / "build-cache"))
KEEP = 3  # bases: of this checkout and of others that share the cache
ROOT_SIZE = "10G"  # sparse
BUSYBOX = Path("/bin/busybox")
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "cpio": "cpio", "depmod": "kmod",
         "qemu-system-x86_64": "qemu-system-x86", "dpkg-deb": "dpkg"}

# What a machine without people and without a network has no use for, and would wait for.
MASKED = ("getty@.service serial-getty@.service console-getty.service getty-static.service "
          "systemd-networkd-wait-online.service systemd-firstboot.service apt-daily.timer "
          "apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service "
          "fstrim.timer motd-news.timer systemd-update-utmp.service "
          "systemd-update-utmp-runlevel.service").split()

PATH_EXCLUDES = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


class LabError(Exception):
    """The lab cannot be built or booted."""


def packages():
    lines = (HERE / "packages.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def kernel_deb():
    """The newest packaged kernel of the cache; scripts/kernel-deb fetches one when it has none."""
    debs = sorted(CACHE.glob("linux-image-*-cloud-amd64_*.deb"))
    return debs[-1] if debs else Path(call(repo.TOP / "scripts/kernel-deb").split("\n")[-2])


def call(*command, **more):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **more)
    if done.returncode != 0:
        raise LabError(f"'{command[0]}' failed, status {done.returncode}: {done.stdout[-3000:]}")
    return done.stdout


def check_tools():
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if not BUSYBOX.exists():
        missing.append("busybox-static")
    if missing:
        raise LabError(f"not installed: {' '.join(sorted(set(missing)))}")
    if os.geteuid() != 0:
        raise LabError("must be run as root: it makes a root file system with mmdebstrap")


def digest(deb):
    hashed = hashlib.sha256()
    for path in (HERE / "packages.txt", HERE / "base.py", HERE / "guest/init"):
        hashed.update(path.read_bytes())
    hashed.update(deb.name.encode())
    return hashed.hexdigest()[:16]


def ready(log):
    """The directory with vmlinux, initramfs, root.ext4, and kernel.deb for VMs; made when it is not
    there."""
    check_tools()
    deb = kernel_deb()
    where = CACHE / f"lab-{digest(deb)}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lab.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not where.exists():
            log(f"making the lab's base, {where.name}: a minute or two, once")
            forget_old()
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="lab-making.") as work:
                make(Path(work), deb, where)
        os.utime(where)
    return where


def forget_old():
    """Bases nobody used for the longest time; a running machine keeps the files it has open."""
    old = sorted((path for path in CACHE.glob("lab-*") if len(path.name) == len("lab-") + 16),
                 key=lambda path: path.stat().st_mtime)
    for path in old[:-(KEEP - 1)]:
        shutil.rmtree(path)


def make(work, deb, where):
    root, out = work / "root", work / "out"
    out.mkdir()
    call("mmdebstrap", "--quiet", "--variant=minbase",
         "--aptopt=APT::Install-Recommends \"false\"",
         *(f"--dpkgopt=path-exclude={pattern}" for pattern in PATH_EXCLUDES),
         f"--include={','.join(packages())}", "bookworm", root)
    package = work / "kernel"
    call("dpkg-deb", "-x", deb, package)
    (modules,) = (package / "lib/modules").iterdir()
    shutil.copytree(modules, root / "usr/lib/modules" / modules.name, symlinks=True)
    call("depmod", "-b", root, modules.name)
    settle(root)
    call("mke2fs", "-q", "-F", "-t", "ext4", "-L", "lab", "-O", "^has_journal", "-d", root,
         out / "root.ext4", ROOT_SIZE)
    make_initramfs(work / "initramfs", root, modules.name, out / "initramfs")
    unpack_kernel(deb, out / "vmlinux", work / "of-vms")
    make_kernel_deb(deb, package, call("cpio", "--list", "--quiet", "-F", work / "of-vms"),
                    out / "kernel.deb")
    out.rename(where)


def settle(root):
    """A host whose first boot is behind it."""
    (root / "etc/hostname").write_text("lab\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost lab\n")
    (root / "etc/machine-id").write_text("7c1f0b6e1d3f4f0b9d6e2a5c48b3f901\n")
    (root / "etc/fstab").write_text("")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("nameserver 192.0.2.53\n")
    for unit in MASKED:
        with contextlib.suppress(FileExistsError):
            (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    journald = root / "etc/systemd/journald.conf.d"
    journald.mkdir(parents=True, exist_ok=True)
    (journald / "lab.conf").write_text("[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n")
    for directory in ("etc", "var"):
        (root / directory / ".updated").touch()


def make_initramfs(folder, root, version, out):
    """busybox, guest/init, and the modules up to a disk."""
    for name in ("bin", "proc", "sys", "dev", "new", "modules"):
        (folder / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, folder / "bin/busybox")
    shutil.copy(HERE / "guest/init", folder / "init")
    (folder / "init").chmod(0o755)
    wanted = []
    for module in ("virtio_mmio", "virtio_blk", "ext4"):
        for line in call("modprobe", "-d", root, "-S", version, "--show-depends",
                         module).splitlines():
            kind, _, path = line.partition(" ")
            if kind == "insmod" and path.strip() not in wanted:
                wanted.append(path.strip())
    names = []
    for path in map(Path, wanted):
        shutil.copy(path, folder / "modules" / path.name)
        names.append(path.name)
    (folder / "modules/order").write_text("\n".join(names) + "\n")
    listing = "\0".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
    with open(out, "wb") as file:
        subprocess.run(["cpio", "--null", "--create", "--format=newc", "--owner=+0:+0", "--quiet"],
                       input=listing.encode(), stdout=file, cwd=folder, check=True)


def unpack_kernel(deb, kernel, initramfs):
    """By banger's own import: the uncompressed kernel, and what VMs boot with."""
    call(repo.BUILD / "tests/integration/kernel-tool", deb, "-", repo.BUILD / "guest/guest-init",
         repo.BUILD / "guest/guest-agent", kernel, initramfs)


def make_kernel_deb(deb, tree, taken, out):
    """The package without the modules that an import of it leaves there: to unpack all of them takes
    an emulated processor longer than to boot."""
    kept = {name.rpartition("/")[2].partition("-")[2].removesuffix(".ko")
            for name in taken.split()}  # modules/000-virtio.ko
    for path in [*tree.rglob("*.ko*"), *tree.glob("boot/System.map-*")]:
        if path.name.partition(".")[0].replace("-", "_") not in kept:
            path.unlink()
    call("dpkg-deb", "-e", deb, tree / "DEBIAN")
    call("dpkg-deb", "-Znone", "-b", tree, out)
