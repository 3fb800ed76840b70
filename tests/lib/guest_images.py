# SPDX-License-Identifier: GPL-2.0-or-later
"""Root file systems for guests of the tests."""

import os
import struct
import subprocess
import tarfile
from pathlib import Path

import oci

BUSYBOX = Path("/bin/busybox")
ENVIRONMENT = ["PATH=/usr/bin:/bin:/usr/sbin:/sbin", "FROM_IMAGE=yes"]


def busybox_layer():
    """One static busybox with a link for each of its applets, and little else."""
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True,
                             text=True).stdout.split()
    entries = [oci.directory(name) for name in ("bin", "dev", "etc", "home", "proc", "root", "sys",
                                                "usr", "usr/bin", "var")]
    entries += [oci.directory("tmp", mode=0o1777), oci.directory("home/user", uid=1000, gid=1000)]
    entries.append(oci.entry("bin/busybox", BUSYBOX.read_bytes(), mode=0o755))
    # Not init: the image has none of its own, so its command is what runs.
    entries += [oci.symlink(f"bin/{applet}", "busybox") for applet in applets
                if applet not in ("busybox", "init", "linuxrc")]
    entries.append(oci.entry("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"
                                           b"user:x:1000:1000:user:/home/user:/bin/sh\n"))
    entries.append(oci.entry("etc/group", b"root:x:0:\nuser:x:1000:\nextra:x:44:user\n"))
    # What the guest's own are mounted over.
    entries += [oci.entry(f"etc/{name}", b"") for name in ("hostname", "hosts", "resolv.conf")]
    entries.append(oci.entry("etc/os-release", b'NAME="banger test"\nID=test\n'))
    return oci.tar(entries)


def busybox(path):
    """An OCI archive of it; made once."""
    if not path.exists():
        layout = oci.Layout()
        layout.image([busybox_layer()], config={"Cmd": ["/bin/sleep", "86400"], "Env": ENVIRONMENT})
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        layout.archive(fresh)
        fresh.rename(path)
    return path


def busybox_with(path, entries):
    """An OCI archive of busybox and what comes over it."""
    layout = oci.Layout()
    layout.image([busybox_layer(), oci.tar(entries)],
                 config={"Cmd": ["/bin/sleep", "86400"], "Env": ENVIRONMENT})
    return layout.archive(path)


HELLO = b"hello\n"
HELLO_CODE = bytes.fromhex("b801000000"      # mov eax, 1: write
                           "bf01000000"      # mov edi, 1
                           "488d3513000000"  # lea rsi, [rip + 19]: behind the code
                           "ba06000000"      # mov edx, 6
                           "0f05"            # syscall
                           "b8e7000000"      # mov eax, 231: exit_group
                           "bf07000000"      # mov edi, 7
                           "0f05")           # syscall


def hello_program():
    """A static program, all of it: it writes hello and exits with 7."""
    text = HELLO_CODE + HELLO
    base, head = 0x400000, 64 + 56
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, base + head, 64, 0, 0,
                         64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, head + len(text), head + len(text),
                          4096)
    return header + segment + text


def hello(folder):
    """An OCI archive whose only file is a static program: it says hello and exits with 7."""
    layout = oci.Layout()
    layout.image([oci.tar([oci.entry("hello", hello_program(), mode=0o755)])],
                 config={"Entrypoint": ["/hello"]})
    return layout.archive(folder / "hello.oci.tar")


KNOCK = r"""
#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* knock SECONDS: connect to ports of the host as fast as goes; "TRIED ACCEPTED". */
int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
	unsigned tried = 0, accepted = 0;

	while (time(NULL) < end) {
		struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST,
			.svm_port = tried % 3 ? tried : 1024 + tried % 2 };
		int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

		if (fd < 0)
			return 1;
		tried++;
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			accepted++;
		close(fd);
	}
	printf("%u %u\n", tried, accepted);
	return 0;
}
"""


def knock(folder):
    """An OCI archive of busybox with `knock`, which connects to the host by vsock without end."""
    (folder / "knock.c").write_text(KNOCK)
    subprocess.run(["gcc", "-static", "-Os", "-o", folder / "knock", folder / "knock.c"], check=True)
    layout = oci.Layout()
    layout.image([busybox_layer(), oci.tar([
        oci.entry("bin/knock", (folder / "knock").read_bytes(), mode=0o755)])],
        config={"Cmd": ["/bin/sleep", "86400"], "Env": ENVIRONMENT})
    return layout.archive(folder / "knock.oci.tar")


def with_init(folder, script):
    """An OCI archive of busybox whose /sbin/init is a shell script."""
    layout = oci.Layout()
    layout.image([busybox_layer(), oci.tar([
        oci.directory("sbin"), oci.entry("sbin/init", script.encode(), mode=0o755)])])
    return layout.archive(folder / "init.oci.tar")


def tree_of(layer):
    """{name: TarInfo} of a tar's bytes."""
    return {member.name: member for member in oci.read_tar(layer).getmembers()
            if member.type != tarfile.XHDTYPE}
